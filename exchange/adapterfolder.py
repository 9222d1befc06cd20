"""One folder of data per partner: the manifest as a frozen value, its mappings compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from canonical.messages import PAYLOADS
from exchange.contextnames import uses
from exchange.errors import Misconfigured
from exchange.manifest import (
    AmqpCall,
    AmqpDoor,
    Answer,
    Batch,
    Call,
    Document,
    Inbound,
    Manifest,
    MessageIdRule,
    Outcome,
    Queue,
    Reply,
    RestCall,
    SoapService,
    Token,
)
from exchange.mapping.compile import compile_mapping, parse_toml, read_mapping
from exchange.mapping.run import WireMapping
from exchange.receipts import REFUSALS
from exchange.transports.tablelayout import Script, check_door, check_ours, read_script

__all__ = [
    "Adapter",
    "AmqpCall",
    "AmqpDoor",
    "Answer",
    "Call",
    "Document",
    "Inbound",
    "Manifest",
    "MessageIdRule",
    "Outcome",
    "Queue",
    "Reply",
    "RestCall",
    "SoapService",
    "Token",
    "load_adapter",
    "load_adapters",
]


class Adapter(Manifest):
    """A partner's folder, whole: the manifest and its compiled mappings by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    name: str
    folder: Path
    mappings: Mapping[str, WireMapping]
    script: Script | None = None  # of [database]

    def mapping(self, document: Document) -> WireMapping:
        """The compiled mapping of a document (loading checked that it exists)."""
        return self.mappings[document.mapping]

    def outbound_for(self, type_: str, payload: Any) -> tuple[tuple[Call, Document], ...]:
        """Every call this message causes, in the order of the manifest."""
        found = ((call, call.document_for(type_, payload)) for call in self.outbound)
        return tuple((call, document) for call, document in found if document is not None)

    def call(self, name: str) -> Call:
        """The outbound call of that name; KeyError when the manifest has none."""
        return {call.name: call for call in self.outbound}[name]

    def heard(self, name: str) -> Inbound:
        """The inbound entry of that name; KeyError when the manifest has none."""
        return {entry.name: entry for entry in self.inbound}[name]


def load_adapters(site: Path | None = None) -> dict[str, Adapter]:
    """Every folder with a manifest of `adapters/` and of the site's own folder, by name; Misconfigured names
    file and key, or a name both have."""
    shipped = Path(str(files("adapters")))
    folders = _folders(shipped)
    if site is not None and site.resolve() != shipped.resolve():
        if not site.is_dir():
            raise Misconfigured("no_adapters", "the folder of the site's adapters is not there", str(site))
        own = _folders(site)
        if twice := sorted(own.keys() & folders.keys()):
            raise Misconfigured("adapter_twice", f"{twice[0]} is the name of a shipped adapter", str(site))
        folders |= own
    return {name: load_adapter(folders[name]) for name in sorted(folders)}


def _folders(parent: Path) -> dict[str, Path]:
    return {one.name: one for one in parent.iterdir() if (one / "adapter.toml").is_file()}


def load_adapter(folder: Traversable) -> Adapter:
    """One partner's folder; Misconfigured names file and key."""
    try:
        manifest = parse_toml(Manifest, (folder / "adapter.toml").read_text(encoding="utf-8"))
        mappings = dict(_mappings(folder))
        check_finished(manifest)
        _check(manifest, mappings)
        _check_batches(manifest)
        _check_names(folder, manifest)
        script = _script(folder, manifest)
    except Misconfigured as fault:
        where = fault.where if fault.where and ".toml" in fault.where else f"adapter.toml: {fault.where}"
        raise Misconfigured(fault.code, fault.detail, f"adapters/{folder.name}/{where}") from None
    return Adapter(
        name=folder.name, folder=Path(str(folder)), mappings=mappings, script=script, **dict(manifest)
    )


def _script(folder: Traversable, manifest: Manifest) -> Script | None:
    """The tables of the front-end database; every polled one must have what its door names."""
    database = manifest.database
    path = folder.joinpath(*database.create.split("/")) if database else None
    if database is not None and (path is None or not path.is_file()):
        raise Misconfigured(
            "no_create_script", "there is no such file", f"database.create: {database.create}"
        )
    script = read_script(path.read_text(encoding="utf-8"), database) if database and path else None
    for entry in manifest.inbound:
        if entry.table is not None:
            check_door(script, entry.table, entry.name)
    if script is not None and database is not None and database.ours is not None:
        check_ours(script, database.ours)
    if script is None and any(call.table for call in manifest.outbound):
        raise Misconfigured("no_database", "a call writes tables, but there is no [database]", "outbound")
    return script


def check_finished(manifest: Manifest) -> None:
    """What a scaffold could not know begins with TODO: nothing is loaded with it."""
    for where, text in _texts(manifest.model_dump(mode="json")):
        if text.startswith("TODO"):
            raise Misconfigured("unfinished", text, where)


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _texts(part, f"{where}.{name}" if where else str(name))


def _mappings(folder: Traversable) -> Iterator[tuple[str, WireMapping]]:
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".mapping.toml"):
            name = file.name.removesuffix(".mapping.toml")
            text = file.read_text(encoding="utf-8")
            yield name, compile_mapping(name, text, lambda part: (folder / part).read_text(encoding="utf-8"))


def _check(manifest: Manifest, mappings: Mapping[str, WireMapping]) -> None:
    calls = (*manifest.outbound, *((manifest.token.call,) if manifest.token else ()))
    for entry in (*calls, *manifest.inbound):
        for document in entry.documents:
            _check_mapping(document.mapping, document.type, mappings, f"{entry.name}.documents")
    for call in calls:
        if call.reply and call.reply.mapping:
            _check_mapping(call.reply.mapping, call.reply.type, mappings, f"{call.name}.reply")
        if call.soap and manifest.soap is None:
            raise Misconfigured("no_service", "the manifest has no [soap] service", call.name)
        if call.answered_by and call.answered_by not in {one.name for one in manifest.inbound}:
            raise Misconfigured("unknown_inbound", f"nothing inbound is called {call.answered_by}", call.name)


def _check_batches(manifest: Manifest) -> None:
    if manifest.limits.per_call > 1 and not any(call.batch for call in manifest.outbound):
        raise Misconfigured("no_batch", "no call takes several messages", "limits.per_call")
    for call in manifest.outbound:
        if call.batch is not None:
            _check_batch(call, call.batch)


def _check_batch(call: Call, batch: Batch) -> None:
    """The canonical fields by which the messages of a call and what it answers are told apart."""
    reply = PAYLOADS.get(call.reply.type or "") if call.reply else None
    asked = [set(PAYLOADS[one.type].model_fields) for one in call.documents if one.type in PAYLOADS]
    told = set(reply.model_fields) if reply else set[str]()
    known = all({batch.by, batch.differ} <= one for one in asked) and {batch.apart, batch.counted} <= told
    if not known or not asked:
        raise Misconfigured("bad_batch", "no such canonical fields", f"{call.name}.batch")


def _check_names(folder: Traversable, manifest: Manifest) -> None:
    """Every name that is filled in has somebody who fills it; every code answered is one of the hub's."""

    def read(part: str) -> str:
        return (folder / part).read_text(encoding="utf-8")

    for use in uses(manifest, lambda name: read_mapping(read(f"{name}.mapping.toml"), read)):
        if use.wrong:
            raise Misconfigured("unknown_name", f"nothing fills {{{use.name}}}", use.where)
    for entry in manifest.inbound:
        codes = entry.answer.codes.keys() if entry.answer else set[str]()
        if unknown := sorted(codes - REFUSALS - {"*"}):
            where = f"{entry.name}.answer.codes"
            raise Misconfigured("unknown_code", f"the hub refuses nothing with {unknown[0]}", where)


def _check_mapping(name: str, type_: str | None, mappings: Mapping[str, WireMapping], where: str) -> None:
    if name not in mappings or (type_ is not None and type_ not in PAYLOADS):
        raise Misconfigured("unknown_mapping", f"no mapping {name}, or no message {type_}", where)
    if mappings[name].message != type_:
        raise Misconfigured("unknown_mapping", f"{name} is a mapping of {mappings[name].message}", where)
