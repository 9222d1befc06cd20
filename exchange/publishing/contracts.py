"""Everything the hub publishes, by name: written by `tongban contracts DIR`, served under /contracts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canonical.codes import code_list_keys
from canonical.messages import PAYLOADS
from exchange.adapterfolder import Adapter
from exchange.publishing import doors
from exchange.publishing.asyncapi import asyncapi
from exchange.publishing.jsonschemas import (
    ENVELOPE,
    RECEIPT,
    code_list_document,
    message_schemas,
    named,
    receipt_schema,
)
from exchange.publishing.openapi import openapi
from exchange.publishing.versions import Declared, Lock
from exchange.publishing.wsdl import hub_wsdl, served_wsdl
from exchange.publishing.xsd import message_xsd, receipt_xsd

INDEX = "index.json"
XML, JSON, JSON_SCHEMA = "application/xml", "application/json", "application/schema+json"
Schemas = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Contract:
    """One published file; `name` is its path below /contracts."""

    name: str
    kind: str
    media_type: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


def contracts(adapters: Mapping[str, Adapter], public_url: str, declared: Declared) -> dict[str, Contract]:
    """Every contract by name, the index among them; the same input gives the same bytes."""
    found = {one.name: one for one in _all(adapters, public_url, declared)}
    return {INDEX: _index(found, declared), **found}


def lock_of(found: Mapping[str, Contract], declared: Declared) -> Lock:
    """What these contracts are locked as; the index only lists the others."""
    return {name: (declared.version(name), one.sha256) for name, one in found.items() if name != INDEX}


def _all(adapters: Mapping[str, Adapter], public_url: str, declared: Declared) -> Iterator[Contract]:
    schemas = {**message_schemas(declared.rules), RECEIPT: receipt_schema()}
    yield from _soap(adapters, public_url)
    yield _json("openapi.json", "openapi", openapi(adapters, schemas, declared.version("openapi.json")))
    yield _json("asyncapi.json", "asyncapi", asyncapi(adapters, schemas, declared.version("asyncapi.json")))
    for name, schema in schemas.items():
        yield _json(f"schemas/{name}.json", "json-schema", schema, JSON_SCHEMA)
    for name, schema in doors.wire_schemas(adapters).items():
        yield _json(f"partners/{name}.json", "partner-schema", named(name, schema), JSON_SCHEMA)
    yield from _xsds(schemas)
    for key in code_list_keys():
        yield _json(f"codes/{key}.json", "code-list", code_list_document(key))


def _soap(adapters: Mapping[str, Adapter], public_url: str) -> Iterator[Contract]:
    wsdl, xsd = hub_wsdl(public_url, "hub.xsd")
    yield Contract("hub.wsdl", "wsdl", XML, wsdl)
    yield Contract("hub.xsd", "xsd", XML, xsd)
    for adapter in adapters.values():
        body = served_wsdl(adapter, public_url)
        if body is not None:
            yield Contract(f"partners/{adapter.name}.wsdl", "wsdl", XML, body)


def _xsds(schemas: Schemas) -> Iterator[Contract]:
    for kind in PAYLOADS:
        yield Contract(f"xsd/{kind}.xsd", "xsd", XML, message_xsd(kind, schemas[kind], schemas[ENVELOPE]))
    yield Contract(f"xsd/{RECEIPT}.xsd", "xsd", XML, receipt_xsd(schemas[RECEIPT]))


def _json(name: str, kind: str, document: Mapping[str, Any], media_type: str = JSON) -> Contract:
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return Contract(name, kind, media_type, f"{text}\n".encode())


def _index(found: Mapping[str, Contract], declared: Declared) -> Contract:
    listed = [_entry(one, declared) for one in sorted(found.values(), key=lambda one: one.name)]
    return _json(INDEX, "index", {"contracts": listed})


def _entry(one: Contract, declared: Declared) -> dict[str, Any]:
    changes = [
        {"version": note.version, "date": note.date, "note": note.note} for note in declared.notes(one.name)
    ]
    return {
        "name": one.name, "kind": one.kind, "media_type": one.media_type, "version": changes[0]["version"],
        "sha256": one.sha256, "size": len(one.body), "changes": changes,
    }  # fmt: skip
