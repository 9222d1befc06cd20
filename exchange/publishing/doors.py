"""What the adapters' manifests say of the hub's doors and of what the hub sends, for what is published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.manifest import Document, RestDoor
from exchange.mapping.spec import MappingSpec
from exchange.publishing.embedding import reference
from exchange.publishing.wire import declaration, document_schema
from exchange.publishing.wirevalues import Way

Schema = dict[str, Any]
Adapters = Mapping[str, Adapter]
JSON, XML = "application/json", "application/xml"
_NAMES = re.compile(r"\{(\w+)\}")


def wire_schemas(adapters: Adapters) -> dict[str, Schema]:
    """The JSON documents partners send to the hub and get from it, by name (`adapter.mapping.in`, `.out`)."""
    found: dict[str, Schema] = {}
    for adapter in adapters.values():
        for document, way in _documents(adapter):
            spec = declaration(adapter.folder, document.mapping)
            if spec.form == "json":
                title = f"{adapter.title}: {document.mapping}" + (
                    f" ({spec.message})" if spec.message else ""
                )
                found[wire_name(adapter, document, way)] = {"title": title, **document_schema(spec, way)}
    return found


def wire_name(adapter: Adapter, document: Document, way: Way) -> str:
    """The name of one document's schema."""
    return f"{adapter.name}.{document.mapping}.{'in' if way == 'hear' else 'out'}"


def content(adapter: Adapter, document: Document, way: Way) -> tuple[str, Schema]:
    """Media type and schema of one document."""
    spec: MappingSpec = declaration(adapter.folder, document.mapping)
    if spec.form == "json":
        return JSON, reference(wire_name(adapter, document, way))
    return XML, {"type": "string", "description": f"XML, root element {spec.root}"}


def alternatives(schemas: list[Schema]) -> Schema:
    """One schema for one of several documents."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def wrapped(door: RestDoor, schema: Schema) -> Schema:
    """The body a door takes when the document travels as text in one member."""
    if door.wrap is None:
        return schema
    inner = {"type": "string", "contentMediaType": XML}
    if door.wrap.cipher:
        says = f"{door.wrap.cipher}: base64 of 16 random bytes (IV) and the ciphertext of the document"
        inner = {"type": "string", "contentEncoding": "base64", "description": says}
    member = {door.wrap.member: inner}
    return {"type": "object", "properties": member, "required": list(member)}


def template_schema(template: Any, codes: Mapping[str, str | int] | None = None) -> Schema:
    """What an answer's template can become; `codes` are the partner's codes for refusals."""
    if isinstance(template, dict):
        members = {name: template_schema(value, codes) for name, value in template.items()}
        return {"type": "object", "properties": members, "required": list(members)}
    if not isinstance(template, str):
        return {"const": template}
    if template == "{code}" and codes and "*" in codes:
        return {"enum": sorted(set(codes.values()), key=str)}
    return {"type": "string"} if "{" in template else {"const": template}


def parameters(text: str) -> dict[str, Schema]:
    """The {names} of an address."""
    return {name: {"description": _MEANINGS.get(name, name)} for name in _NAMES.findall(text)}


def plain(text: str) -> str:
    """A name that documents take as a key."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")


_MEANINGS = {
    "party": "the name the party is registered under",
    "type": "message type, as case.accepted.v1",
    "org": "unified social credit code of the body",
    "object": "number of the process object",
    "item_type": "type of the item, two digits",
    "region6": "region, six digits",
}


def _documents(adapter: Adapter) -> Iterator[tuple[Document, Way]]:
    for entry in adapter.inbound:
        yield from ((document, "hear") for document in entry.documents)
    for call in adapter.outbound:
        yield from ((document, "say") for document in call.documents)
