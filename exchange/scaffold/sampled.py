"""The samples of a mapping: what they hold that nothing reads, and whether they say what was expected."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exchange.errors import HubError, Misconfigured, Refused
from exchange.mapping import json, xml
from exchange.mapping.hearing import Hearing
from exchange.mapping.inner import inner_documents
from exchange.mapping.refusal import FieldError
from exchange.mapping.scope import Built
from exchange.mapping.spec import MappingSpec
from exchange.scaffold import writing
from exchange.scaffold.coverage import suggestions, unread
from exchange.scaffold.opened import Opened, line_with, read_text
from exchange.scaffold.points import Edit, Point
from exchange.scaffold.shape import Leaf, Scope, shape
from exchange.seals.safexml import parse

UNKNOWN = "TODO"
ACCEPTED, REFUSED = "fixtures/accepted", "fixtures/refused"
CONFIRMED = "take the line out when every value is what the contract says"
_INDEX = re.compile(r"\[\d*\]")


@dataclass(frozen=True, slots=True)
class Sample:
    """One accepted document of a mapping with the canonical value beside it."""

    file: str
    raw: Any
    tree: Any  # the documents inside it opened
    beside: str
    expected: Mapping[str, Any] | None


def named(path: Path) -> str:
    """The mapping a sample's file name belongs to (`name--what.json`)."""
    return path.name.split(".")[0].split("--")[0]


def sample_files(folder: Path, where: str = ACCEPTED) -> list[Path]:
    """The documents themselves, without what stands beside them."""
    beside = (".canonical.json", ".code")
    found = (folder / where).iterdir() if (folder / where).is_dir() else iter(())
    return sorted(path for path in found if path.is_file() and not path.name.endswith(beside))


def read_samples(folder: Path, opened: Opened) -> tuple[list[Sample], list[Point]]:
    """The samples that can be read, and the points of those that cannot."""
    samples, points = [], []
    for path in sample_files(folder):
        if named(path) == opened.name and opened.spec is not None:
            try:
                samples.append(_sample(folder, path, opened))
            except HubError as fault:
                file = f"{ACCEPTED}/{path.name}"
                points.append(Point("broken", file, 1, fault.where or "/", str(fault), "correct the sample"))
    return samples, points


def _sample(folder: Path, path: Path, opened: Opened) -> Sample:
    raw = _tree(path, opened.spec) if opened.spec else None
    tree = raw
    for one in inner_documents(opened.spec.inner, opened.spec.form) if opened.spec else ():
        tree = one.opened(tree)
    beside = f"{ACCEPTED}/{path.stem}.canonical.json"
    expected = json.loads(read_text(folder / beside)) if (folder / beside).is_file() else None
    if expected is not None and not (isinstance(expected, dict) and "payload" in expected):
        raise Refused("bad_request", "a canonical value has a payload", beside)
    return Sample(f"{ACCEPTED}/{path.name}", raw, tree, beside, expected)


def _tree(path: Path, spec: MappingSpec) -> Any:
    body = path.read_bytes()
    if spec.form == "json":
        return json.loads(body)
    if spec.root != UNKNOWN:
        return xml.read(body, spec.root or "", spec.namespace)
    namespace, _, root = parse(body).tag.removeprefix("{").rpartition("}")
    return xml.read(body, root, namespace)


def root_points(folder: Path, opened: Opened) -> Iterator[Point]:
    """The root a first sample shows, where the contract did not tell it."""
    files = [path for path in sample_files(folder) if named(path) == opened.name]
    if opened.spec is None or opened.spec.root != UNKNOWN:
        return
    line, edit, do = opened.line_of("root"), None, "write it when a sample is there"
    for path in files[:1]:
        with contextlib.suppress(Refused):
            namespace, _, root = parse(path.read_bytes()).tag.removeprefix("{").rpartition("}")
            held = f"root = {writing.value(root)}"
            held += f"\nnamespace = {writing.value(namespace)}" if namespace else ""
            edit, do = Edit(opened.file, line, held), f"perhaps {held}"
    yield Point("todo", opened.file, line, "root", "the root element is not known", do, edit)


def flat(scope: Scope, above: str = "") -> dict[str, Leaf]:
    """Every leaf by its whole path, lists opened."""
    found = {_join(above, leaf.path): leaf for leaf in scope.leaves}
    for wire, below in scope.lists.items():
        found |= flat(below, _join(above, wire))
    return found


def _join(above: str, path: str) -> str:
    return "/".join(part for part in (above, path) if part)


def leaves_of(samples: list[Sample]) -> dict[str, Leaf]:
    """What the samples hold, by wire path."""
    return flat(shape(sample.tree for sample in samples))


def sample_points(
    opened: Opened,
    samples: list[Sample],
    built: Built,
    faults: tuple[Misconfigured, ...],
    heard_only: bool = False,
) -> Iterator[Point]:
    """What stands in the samples and is not read, or not understood; of an answer a field may be ignored."""
    found = list(_sample_points(opened, samples, built, faults))
    open_wires = [one.path for one in found if one.kind == "unread" and one.edit is None]
    may_ignore = heard_only and opened.spec is not None and bool(open_wires)
    edit = _ignoring(opened, open_wires) if may_ignore else None
    for one in found:
        if edit is not None and one.path in open_wires and one.kind == "unread":
            yield replace(one, suggestion="map it or name it in ignore", edit=edit)
        else:
            yield one


def _ignoring(opened: Opened, wires: list[str]) -> Edit | None:
    held = opened.spec.ignore if opened.spec else ()
    written = f"ignore = {writing.value([*held, *wires])}"
    if not held and "ignore" not in (opened.spec.model_fields_set if opened.spec else ()):
        return Edit(opened.file, opened.line_of("form"), written, insert=True)
    line = opened.line_of("ignore")
    return Edit(opened.file, line, written) if "]" in opened.text.splitlines()[line - 1] else None


def _sample_points(
    opened: Opened, samples: list[Sample], built: Built, faults: tuple[Misconfigured, ...]
) -> Iterator[Point]:
    known, seen = {fault.where for fault in faults}, set()
    leaves = leaves_of(samples)
    for sample in samples:
        run = Hearing(dict((sample.expected or {}).get("context", {})))
        built.handler(sample.tree, {}, run, "")
        for error in run.errors:
            path = _INDEX.sub("", error.path).strip("/")
            own = [one for one in known if one and (path == one or path.endswith(f"/{one}"))]
            if not own and (path, error.code, error.code == "unknown_code" and error.path) not in seen:
                seen.add((path, error.code, error.code == "unknown_code" and error.path))
                yield from _said(opened, sample, error, path, leaves)


def _said(
    opened: Opened, sample: Sample, error: FieldError, path: str, leaves: Mapping[str, Leaf]
) -> Iterator[Point]:
    if error.code == "unknown_field":
        below = [one for one in leaves if one == path or one.startswith(f"{path}/")]
        for one in below or [path]:
            yield _undeclared(opened, one, leaves.get(one, Leaf(one)))
        return
    found = next((line for line in opened.lines if line.wire == path), None)
    file, number = (found.file, found.line) if found else (opened.file, 1)
    where = f"{error.detail} (in {sample.file})"
    if error.code == "unknown_code":
        yield Point("unknown_code", file, number, error.path, where, "add the code to codes, or to also")
    else:
        yield Point(
            "bad_value", file, number, error.path, where, f"{error.code}: another as, or not required"
        )


def _undeclared(opened: Opened, wire: str, leaf: Leaf) -> Point:
    """A field the samples have and the mapping does not name."""
    above = max((one for one in opened.models() if one and wire.startswith(f"{one}/")), key=len, default="")
    at = _first_field(opened, above)
    best = suggestions(opened, wire, leaf)
    insert = at is not None and bool(best)
    return unread(opened, opened.file, at or opened.line_of("form"), wire, best, leaf, opened.text, insert)


def _first_field(opened: Opened, above: str) -> int | None:
    """The line after which a field of this scope can be put in."""
    own = [
        one.line for one in opened.lines if one.wire.rpartition("/")[0] == above and one.file == opened.file
    ]
    lines = opened.text.splitlines()
    empty = [at + 2 for at, line in enumerate(lines) if re.fullmatch(r"fields\s*=\s*\[\s*", line)]
    if not own:
        return empty[0] if empty and not above else None
    return min(own) if lines[min(own) - 1].lstrip().startswith("{") else None


def beside_points(opened: Opened, samples: list[Sample], folder: Path) -> Iterator[Point]:
    """Samples that are absent, or have nothing to be compared with, or a guess beside them."""
    spec = opened.spec
    if spec is not None and not samples and (opened.lines or spec.todo is not None):
        suffix = spec.form
        do = f"put one at {ACCEPTED}/{opened.name}.{suffix} with {opened.name}.canonical.json"
        yield Point("missing_sample", opened.file, 1, opened.name, "no sample shows this document", do)
    for sample in samples:
        if sample.expected is None:
            do = f"write {sample.beside} from the contract"
            yield Point("missing_sample", sample.file, 1, opened.name, "nothing to compare it with", do)
        elif "todo" in sample.expected:
            line = line_with(read_text(folder / sample.beside), r'^\s*"todo"')
            edit = Edit(sample.beside, line, None)
            todo = str(sample.expected["todo"])
            yield Point("unconfirmed", sample.beside, line, opened.name, todo, CONFIRMED, edit)
