"""OpenAPI 3.1 of the hub's REST faces: its own, and every partner's door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.manifest import Inbound
from exchange.publishing import doors
from exchange.publishing.embedding import embedded, reference
from exchange.receipts import HTTP_STATUS

Schema = dict[str, Any]
JSON, XML, PROBLEM = "application/json", "application/xml", "application/problem+json"
SEAL = "X-Gov-Signature"
REFUSALS = ("400", "401", "403", "409", "413", "415", "422")
_STRING: Schema = {"type": "string"}
_MEANING = {
    "400": "not well-formed",
    "401": "seal or party",
    "403": "not allowed",
    "404": "not found",
    "409": "replay or conflict",
    "413": "too large or too slow",
    "415": "media type or character set",
    "422": "schema or business",
    "503": "busy: send the same bytes again",
}


def openapi(adapters: Mapping[str, Adapter], schemas: Mapping[str, Schema], version: str) -> Schema:
    """The whole document; `schemas` are the canonical ones by name."""
    wire = {name: schema for name, schema in doors.wire_schemas(adapters).items() if name.endswith(".in")}
    paths = {**_own_paths(), **_partner_paths(adapters)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tongban 通办: REST faces of the exchange hub",
            "version": version,
            "description": "Seals, limits and codes: docs/wire.md. SOAP: hub.wsdl. Queues: asyncapi.json.",
        },
        "servers": [{"url": "/", "description": "the hub that served this document"}],
        "tags": [{"name": "hub"}, *map(_tag, adapters.values())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**embedded({**schemas, **wire}), "problem": problem_schema()},
            "parameters": {"seal": _seal_parameter()},
            "headers": {"seal": {"description": "The hub's detached JWS over the answer", "schema": _STRING}},
            "responses": _problems(),
        },
    }


def _tag(adapter: Adapter) -> Schema:
    return {"name": adapter.name, "description": f"{adapter.title} ({adapter.owner})"}


def problem_schema() -> Schema:
    """RFC 9457 with the code to act on; to a known party also the members of the receipt."""
    codes = sorted(
        {*HTTP_STATUS, "unknown_field", "missing_field", "unknown_code", "bad_value"} - {"ok", "held"}
    )
    members: Schema = {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "examples": codes},
        "detail": {"type": "string"},
        "traceId": {"type": "string"},
        "receipt_status": {"const": "refused"},
        "message_type": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    }
    required = ["type", "title", "status", "code", "detail", "traceId"]
    return {"type": "object", "properties": members, "required": required}


def _seal_parameter() -> Schema:
    says = "Detached JWS over the raw body; protected: alg, b64, crit, kid, iat, nonce, method, path"
    schema = {"type": "string", "pattern": r"^[A-Za-z0-9_\-]+\.\.[A-Za-z0-9_\-]+$"}
    return {"name": SEAL, "in": "header", "required": True, "description": says, "schema": schema}


def _problems() -> Schema:
    body = {PROBLEM: {"schema": reference("problem")}}
    refused = {code: {"description": _MEANING[code], "content": body} for code in _MEANING}
    retry = {"Retry-After": {"schema": {"type": "integer"}}}
    return refused | {"503": {**refused["503"], "headers": retry}}


def _problem(code: str) -> Schema:
    return {"$ref": f"#/components/responses/{code}"}


def _sealed(description: str, content: Schema) -> Schema:
    return {
        "description": description,
        "headers": {SEAL: {"$ref": "#/components/headers/seal"}},
        "content": content,
    }


def _own_paths() -> Schema:
    return {
        "/api/v1/messages": {"post": _messages()},
        "/api/v1/cases/{case_no}": {"get": _progress()},
        "/health": {"get": _get("health", "Ready to serve", {JSON: {"schema": _READY}})},
        "/ledger/checkpoint": {"get": _checkpoint()},
        "/packages/{token}": {"get": _package()},
        "/contracts": {"get": _cached("contracts", "The list of published contracts", JSON)},
        "/contracts/{name}": {
            "get": _cached("contract", "One published contract by its name in the list", "*/*")
            | {"parameters": [_path("name")]}
        },
        **_publication_paths(),
    }


def _publication_paths() -> Schema:
    """The items in force, for portals and websites of every level (docs/wire.md §11)."""
    item = {"type": "object", "description": "an item as in catalogue.changed.v1"}
    newest = {"newest": {"type": "integer", "minimum": 0}, "hash": _STRING}
    listed = newest | {"items": {"type": "array", "items": item}, "next": _STRING}
    changed = newest | {"changes": {"type": "array", "items": reference("catalogue.changed.v1")}}
    one = _published("item", "One item: the version in force, or a stored one", item, ("version",), "404")
    return {
        "/api/v1/publication/items": {
            "get": _published(
                "items", "The items in force by code", _holding(listed, "next"), ("after", "limit")
            )
        },
        "/api/v1/publication/items/changes": {
            "get": _published(
                "changes", "What changed, numbered and linked", _holding(changed), ("since", "limit"), "404"
            )
        },
        "/api/v1/publication/items/{code}": {
            "get": one | {"parameters": [_path("code"), *one["parameters"]]}
        },
    }


def _holding(members: Schema, optional: str = "") -> Schema:
    required = [name for name in members if name != optional]
    return {"type": "object", "properties": members, "required": required}


def _published(name: str, summary: str, schema: Schema, query: tuple[str, ...], *problems: str) -> Schema:
    """Read by anybody; sealed over the reader's nonce; the entity tag is the number of the newest change."""
    asked = _get(f"published_{name}", summary, {JSON: {"schema": schema}}, "400", *problems)
    headers = {SEAL: {"$ref": "#/components/headers/seal"}, "ETag": {"schema": _STRING}}
    ok = asked["responses"]["200"] | {"headers": headers}
    nonce = {"name": "X-Request-Nonce", "in": "header", "schema": _STRING}
    wanted = [{"name": one, "in": "query", "schema": _STRING} for one in query]
    responses = {**asked["responses"], "200": ok, "304": {"description": "Not modified"}}
    return asked | {"responses": responses, "parameters": [*wanted, nonce]}


_READY: Schema = {"type": "object", "properties": {"ready": {"const": True}}, "required": ["ready"]}


def _checkpoint() -> Schema:
    text: Schema = {"text/plain": {"schema": _STRING}}
    return _get("checkpoint", "The newest signed checkpoint (C2SP)", text, "404")


def _package() -> Schema:
    says = "An archive package behind its expiring address"
    return _get("package", says, _binary("application/zip"), "404") | {"parameters": [_path("token")]}


def _messages() -> Schema:
    receipt = {JSON: {"schema": reference("receipt.v1")}, XML: {"schema": _STRING}}
    says = "XML-DSig, enveloped, instead of the header; schema: xsd/<type>.xsd"
    seal = _seal_parameter()
    seal |= {"required": False, "description": f"{seal['description']}. Required with JSON."}
    return {
        "operationId": "submit",
        "tags": ["hub"],
        "summary": "Send one signed document",
        "parameters": [seal],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": reference("message.v1")},
                XML: {"schema": {"type": "string", "description": says}},
            },
        },
        "responses": {
            "200": _sealed("Accepted", receipt),
            "202": _sealed("Held until its predecessor arrives", receipt),
            **{code: _problem(code) for code in (*REFUSALS, "503")},
        },
    }


def _progress() -> Schema:
    members: Schema = {
        "case_no": {"type": "string"},
        "state": {"type": "string"},
        "promised_due": {"type": ["string", "null"]},
        "provisional": {"type": ["boolean", "integer", "null"]},
    }
    found = {"type": "object", "properties": members, "required": list(members)}
    password = {
        "name": "password",
        "in": "query",
        "required": True,
        "schema": {"type": "string"},
        "description": "查询密码",
    }
    asked = _get("progress", "Progress of a case", {JSON: {"schema": found}}, "404")
    return asked | {"parameters": [_path("case_no"), password]}


def _get(name: str, summary: str, content: Schema, *problems: str) -> Schema:
    responses = {
        "200": {"description": summary, "content": content},
        **{code: _problem(code) for code in problems},
    }
    return {"operationId": name, "tags": ["hub"], "summary": summary, "responses": responses}


def _cached(name: str, summary: str, media: str) -> Schema:
    """A GET with ETag and If-None-Match."""
    asked = _get(name, summary, {media: {"schema": {}}}, *(["404"] if name == "contract" else []))
    headers = {"ETag": {"schema": {"type": "string"}}, "Cache-Control": {"schema": {"type": "string"}}}
    ok = asked["responses"]["200"] | {"headers": headers}
    return asked | {"responses": {**asked["responses"], "200": ok, "304": {"description": "Not modified"}}}


def _binary(media: str) -> Schema:
    return {media: {"schema": {"type": "string", "contentMediaType": media}}}


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _partner_paths(adapters: Mapping[str, Adapter]) -> Schema:
    paths: Schema = {}
    for adapter in adapters.values():
        for entry in adapter.inbound:
            if entry.rest is not None:
                paths[entry.rest.path] = {"post": _door(adapter, entry)}
    return paths


def _door(adapter: Adapter, entry: Inbound) -> Schema:
    door = entry.rest
    if door is None:
        raise ValueError(entry.name)
    found = [doors.content(adapter, document, "hear") for document in entry.documents]
    schema = doors.wrapped(door, doors.alternatives([one for _, one in found]))
    media = JSON if door.wrap else found[0][0]
    types = ", ".join(sorted({document.type for document in entry.documents if document.type}))
    return {
        "operationId": f"{adapter.name}_{doors.plain(entry.name)}",
        "tags": [adapter.name],
        "summary": f"{adapter.title}: {entry.name} ({types})",
        "parameters": _door_parameters(entry.seal or adapter.seal),
        "requestBody": {"required": True, "content": {media: {"schema": schema}}},
        "responses": _answers(entry),
    }


def _door_parameters(seal: str) -> list[Schema]:
    return [{"$ref": "#/components/parameters/seal"}] if seal == "jws" else []


def _answers(entry: Inbound) -> Schema:
    """The contract's own answers; too large and busy are told before the door is reached."""
    answer = entry.answer
    unsealed = {code: _problem(code) for code in ("413", "503")}
    if answer is None:
        codes = [code for code in REFUSALS if code != "413"]
        return {
            "200": _sealed("Accepted, no body", {}),
            **{c: _sealed(_MEANING[c], {}) for c in codes},
            **unsealed,
        }
    ok, refused = doors.template_schema(answer.ok), doors.template_schema(answer.refused, answer.codes)
    if answer.status == 200:
        return {
            "200": _sealed("Accepted or refused", {JSON: {"schema": {"anyOf": [ok, refused]}}}),
            **unsealed,
        }
    statuses = [str(answer.status)] if answer.status else [c for c in REFUSALS if c != "413"]
    no = {code: _sealed(_MEANING.get(code, "Refused"), {JSON: {"schema": refused}}) for code in statuses}
    return {"200": _sealed("Accepted", {JSON: {"schema": ok}}), **no, **unsealed}
