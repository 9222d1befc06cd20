"""The completion walk: a folder read leniently, everything open in it at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from exchange.adapterfolder import load_adapter
from exchange.errors import Misconfigured
from exchange.manifest import Manifest
from exchange.scaffold.comparing import compared
from exchange.scaffold.coverage import coverage_points, declared_points, fault_points, lenient
from exchange.scaffold.opened import SUFFIX, Opened, broken_point, line_with, open_mapping, parsed, read_text
from exchange.scaffold.points import Kind, Point, Walk, ordered
from exchange.scaffold.sampled import (
    REFUSED,
    beside_points,
    leaves_of,
    named,
    read_samples,
    root_points,
    sample_files,
    sample_points,
)

MANIFEST, CONTRACT, NOTES = "adapter.toml", "contract/contract.md", "notes.md"
ASKS = "one of the hub's names (docs/adapters.md), or name it in `asks` of the call"
_TODO = re.compile(r"\bTODO\b:?\s*([^\"'\n]*)")


def analyse(folder: Path) -> Walk:
    """Everything open in an adapter's folder; nothing open means that load_adapter takes it and its samples
    say what was expected. Never raises for what the files hold."""
    names = sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    roles = roles_of(folder)
    points = [*manifest_points(folder, frozenset(names)), *_papers(folder), *_refused(folder, names)]
    for name in names:
        points += mapping_points(folder, open_mapping(folder, name), roles.get(name, frozenset()))
    return ordered(folder.name, points or _loading(folder))


KNOWN = (
    "a type of `tongban schemas`, for example case.accepted.v1; a call that carries none has no such line "
    "(nor `type` in adapter.toml): `asks` there names its values"
)


def mapping_points(folder: Path, opened: Opened, roles: frozenset[str]) -> list[Point]:
    """Everything open in one mapping and its samples; `roles` are those of roles_of."""
    if opened.spec is None:
        return list(opened.broken)
    samples, points = read_samples(folder, opened)
    points += beside_points(opened, samples, folder)
    points += root_points(folder, opened)
    points += declared_points(opened, leaves_of(samples))
    if opened.spec.message is not None and opened.model is None:
        line, known = opened.line_of("message"), KNOWN
        return [*points, Point("todo", opened.file, line, "message", "the message is not known", known)]
    built, faults = lenient(opened.spec, opened.model)
    points += fault_points(opened, faults)
    points += coverage_points(opened, said_only=roles == {"call"})
    points += sample_points(opened, samples, built, faults, heard_only=roles == {"reply"})
    done = all(point.kind == "unconfirmed" and point.file.endswith(".json") for point in points)
    return [*points, *compared(folder, opened, samples, "call" in roles)] if done else points


def manifest_points(folder: Path, mappings: frozenset[str]) -> Iterator[Point]:
    """What is open in adapter.toml itself: its TODOs, wrong keys, documents without a mapping."""
    try:
        text = read_text(folder / MANIFEST)
    except Misconfigured as fault:
        yield broken_point(MANIFEST, fault)
        return
    yield from _todos(MANIFEST, text)
    manifest, broken = parsed(Manifest, text, MANIFEST)
    yield from broken
    for name in sorted(_mapped(manifest) - mappings) if manifest else ():
        line = line_with(text, rf"mapping\s*=\s*[\"']{re.escape(name)}[\"']")
        yield Point("broken", MANIFEST, line, name, "there is no such mapping", f"write {name}{SUFFIX}")


def roles_of(folder: Path) -> Mapping[str, frozenset[str]]:
    """How the manifest uses each mapping: in a call, a reply, a door."""
    try:
        manifest, _ = parsed(Manifest, read_text(folder / MANIFEST), MANIFEST)
    except Misconfigured:
        manifest = None
    found: dict[str, frozenset[str]] = {}
    for name, role in _uses(manifest) if manifest else ():
        found[name] = found.get(name, frozenset()) | {role}
    return found


def _uses(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for call in (*manifest.outbound, *((manifest.token.call,) if manifest.token else ())):
        yield from ((doc.mapping, "call") for doc in call.documents)
        if call.reply and call.reply.mapping:
            yield call.reply.mapping, "reply"
    yield from ((doc.mapping, "door") for entry in manifest.inbound for doc in entry.documents)


def _mapped(manifest: Manifest) -> set[str]:
    return {name for name, _ in _uses(manifest)}


def _todos(file: str, text: str) -> Iterator[Point]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TODO.search(line):
            key, said = line.partition("=")[0].strip() if "=" in line else "/", found[1].strip()
            kind: Kind = "unconfirmed" if said.startswith("unconfirmed") else "todo"
            yield Point(kind, file, number, key, said or "not settled", "write what the contract says")


def _papers(folder: Path) -> Iterator[Point]:
    """Contract and notes stand beside every adapter."""
    for file in (CONTRACT, NOTES):
        try:
            yield from _todos(file, read_text(folder / file))
        except Misconfigured as fault:
            yield broken_point(file, fault)


def _refused(folder: Path, names: list[str]) -> Iterator[Point]:
    """A sample that must be refused says with which code."""
    for path in sample_files(folder, REFUSED):
        file = f"{REFUSED}/{path.name}"
        if named(path) not in names:
            yield Point("broken", file, 1, path.name, "no mapping has this name", f"name it after a {SUFFIX}")
        if not path.with_suffix(".code").is_file():
            do = f"write {path.stem}.code: the code, and the wire path or -"
            yield Point("missing_sample", file, 1, path.name, "its code is not said", do)


def _loading(folder: Path) -> list[Point]:
    try:
        load_adapter(folder)
    except Misconfigured as fault:
        point = broken_point(MANIFEST, fault)
        return [replace(point, suggestion=ASKS) if fault.code == "unknown_name" else point]
    return []
