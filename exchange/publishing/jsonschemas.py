"""JSON Schemas (2020-12) of every message, the envelope and the receipt, and the code lists as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import AfterValidator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from canonical.codes import code_list
from canonical.messages import PAYLOADS, Message, Text
from exchange.publishing.rules import Rule, rules_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = "message.v1"
RECEIPT = "receipt.v1"
Schema = dict[str, Any]

_PLAIN = next(mark.func for mark in Text(1) if isinstance(mark, AfterValidator))
"""The check behind every free text; JSON Schema can say all of it."""
_FREE_TEXT: Schema = {"pattern": "^[^\\u0000-\\u0008\\u000b-\\u001f]*$", "not": {"const": "null"}}
_DAY: Schema = {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_SHORT: Schema = {"type": "string", "maxLength": 200}


class _Generator(GenerateJsonSchema):
    """Adds what the models check by functions."""

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_after_schema(schema)
        return found | _FREE_TEXT if schema["function"]["function"] is _PLAIN else found

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return super().date_schema(schema) | _DAY


def message_schemas(rules: Sequence[Rule]) -> dict[str, Schema]:
    """The payload of every message type and the envelope, by name; they refer to each other by file name."""
    payloads = {kind: payload_schema(kind, rules) for kind in PAYLOADS}
    return payloads | {ENVELOPE: envelope_schema()}


def payload_schema(kind: str, rules: Sequence[Rule]) -> Schema:
    """One message type's payload, with the rules across its members."""
    schema = PAYLOADS[kind].model_json_schema(schema_generator=_Generator)
    own = rules_of(kind, rules)
    conditions = [condition for rule in own for condition in rule.conditions()]
    if own:
        schema["description"] = " ".join([schema["description"], *(f"{rule.text}." for rule in own)])
    return named(kind, schema | ({"allOf": conditions} if conditions else {}))


def envelope_schema() -> Schema:
    """The whole document; its payload follows the schema of its type."""
    schema = Message.model_json_schema(schema_generator=_Generator)
    schema["properties"]["type"] = {"title": "Type", "enum": list(PAYLOADS)}
    schema["properties"]["payload"] = {"title": "Payload", "type": "object"}
    schema["allOf"] = [_payload_of(kind) for kind in PAYLOADS]
    return named(ENVELOPE, schema)


def receipt_schema() -> Schema:
    """The hub's signed receipt (docs/wire.md §7)."""
    position = {"type": "integer", "minimum": 0}
    proof = {"origin": _SHORT, "entry": position, "leaf_hash": _SHORT, "checkpoint": {"type": "string"}}
    ledger = _closed("The ledger entry that proves it", proof)
    error = _closed("One fault", {"path": {"type": "string"}, "code": _SHORT, "detail": {"type": "string"}})
    members: Schema = {
        "v": {"const": 1, "type": "integer"},
        "status": {"type": "string", "enum": ["accepted", "held", "refused"]},
        "code": _SHORT,
        "message_id": _SHORT,
        "type": _SHORT,
        "sender": _SHORT,
        "receiver": _SHORT,
        "received_at": Message.model_json_schema()["properties"]["sent_at"] | {"title": "Received At"},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "case_no": _SHORT,
        "errors": {"type": "array", "items": error},
        "ledger": ledger,
    }
    optional = {"case_no", "errors"}
    required = [name for name in members if name not in optional]
    title = "What the hub did with a message"
    return named(RECEIPT, _closed(title, members) | {"required": required})


def code_list_document(key: str) -> Schema:
    """One code list with its source; `name` is what messages carry."""
    found = code_list(key)
    entries = [{"code": one.code, "name": one.name, "label": one.label} for one in found.entries]
    return {
        "key": key,
        "title": found.title,
        "source": found.source,
        "date": found.date,
        "checked": found.checked,
        "entries": entries,
    }


def named(name: str, schema: Schema) -> Schema:
    """The schema as a document of that name."""
    return {"$schema": DIALECT, "$id": f"{name}.json", **schema}


def _closed(title: str, members: Schema) -> Schema:
    shape = {"type": "object", "properties": members, "required": list(members)}
    return {"title": title, **shape, "additionalProperties": False}


def _payload_of(kind: str) -> Schema:
    typed = {"properties": {"type": {"const": kind}}, "required": ["type"]}
    return {"if": typed, "then": {"properties": {"payload": {"$ref": f"{kind}.json"}}}}
