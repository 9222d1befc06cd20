"""The hub's own document (docs/wire.md §2): strict JSON, and the XML form that follows from the models."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from lxml import etree
from pydantic import BaseModel, ValidationError

from canonical.messages import PAYLOADS, Message
from exchange.mapping import json, xml
from exchange.mapping.complaints import complaints
from exchange.mapping.fields import Canon, canon_of
from exchange.mapping.refusal import DocumentRefused, FieldError, shown_name
from exchange.seals.safexml import Element

Kind = TypeVar("Kind", bound=BaseModel)
NAMESPACE = "urn:tongban:message:1"
_is_integer = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII).fullmatch
_TRUTH = {"true": True, "false": False}


def read_json(body: bytes | str) -> Message:
    """The message of a JSON document; Refused, or DocumentRefused with every wrong field by path."""
    return _message(json.loads(body))


def read_xml(document: bytes | str | Element) -> Message:
    """The message of an XML document, its signature (verified before) left aside; Refused,
    DocumentRefused."""
    tree = xml.read(document, "Message", NAMESPACE)
    if not isinstance(tree, dict):
        raise DocumentRefused([FieldError("/", "missing_field", "the message is empty")])
    tree.pop("@Id", None)
    model = PAYLOADS.get(tree.get("type", "")) if isinstance(tree.get("type"), str) else None
    if model is not None and "payload" in tree:
        tree["payload"] = _typed(model, tree["payload"])
    return _message(tree)


def write_json(message: Message) -> bytes:
    """The JSON document: absent values left out, members in the order of the models."""
    return json.dumps(message.model_dump(mode="json", exclude_none=True))


def write_xml(message: Message) -> Element:
    """The XML document, ready to be sealed: its root carries Id="m1"."""
    return _document(message.model_dump(mode="json", exclude_none=True))


def plain_xml(
    kind: str, message_id: str, sender: str, sent_at: str, payload: Mapping[str, Any] | None
) -> bytes:
    """An unsealed XML document of stored canonical content, with its declaration."""
    head = {"message_id": message_id, "type": kind, "sender": sender, "sent_at": sent_at}
    return bytes_of(_document({**head, "payload": dict(payload or {})}), declaration=True)


def file_bytes(content: str) -> bytes:
    """A file that travels inside a message (base64, checked when the message was read)."""
    return base64.b64decode(content)


def receipt_xml(facts: Mapping[str, Any]) -> Element:
    """A receipt's members as XML, ready to be sealed."""
    return xml.build("Receipt", {"@Id": "r1", **_wire(dict(facts))}, NAMESPACE)


def bytes_of(root: Element, declaration: bool = False) -> bytes:
    """UTF-8 bytes of an element as it is: nothing is reformatted, so a seal over it holds."""
    body: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=declaration)
    return body


def _document(members: Mapping[str, Any]) -> Element:
    return xml.build("Message", {"@Id": "m1", **_wire(members)}, NAMESPACE)


def _wire(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _wire(one) for name, one in value.items() if one is not None and one != []}
    if isinstance(value, list):
        return [_wire(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _message(tree: Any) -> Message:
    if not isinstance(tree, dict):
        raise DocumentRefused([FieldError("/", "bad_value", "a message is one object")])
    errors: list[FieldError] = []
    payload = _payload(tree, errors)
    message = _checked(Message, tree, "", errors)
    if errors or message is None:
        raise DocumentRefused(errors)
    return message.model_copy(update={"payload": payload})


def _payload(tree: dict[str, Any], errors: list[FieldError]) -> BaseModel | None:
    kind = tree.get("type")
    model = PAYLOADS.get(kind) if isinstance(kind, str) else None
    if model is None and isinstance(kind, str):
        errors.append(FieldError("type", "unknown_type", "no message is called that"))
    return (
        None
        if model is None or "payload" not in tree
        else _checked(model, tree["payload"], "payload/", errors)
    )


def _checked(model: type[Kind], tree: Any, base: str, errors: list[FieldError]) -> Kind | None:
    """Validated as JSON and strictly: a number is never taken for text, nor text for a number."""
    try:
        return model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as fault:
        errors += [
            FieldError((base + _path(loc)).rstrip("/") or "/", code, detail)
            for loc, code, detail in complaints(fault)
        ]
        return None


def _path(loc: tuple[int | str, ...]) -> str:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f"/{shown_name(part)}" for part in loc)
    return shown.removeprefix("/")


def _typed(model: type[BaseModel], tree: Any) -> Any:
    """XML text as the JSON types of the model; what does not fit stays text and is refused by the model."""
    if not isinstance(tree, dict):
        return {} if tree == "" else tree
    typed = {name: _member(canon_of(model, (name,)), value) for name, value in tree.items()}
    return {**_empty_lists(model), **typed}


def _empty_lists(model: type[BaseModel]) -> dict[str, Any]:
    """A list without entries is an absent element."""
    found = ((name, canon_of(model, (name,))) for name in model.model_fields)
    return {name: [] for name, canon in found if canon is not None and canon.repeated}


def _member(canon: Canon | None, value: Any) -> Any:
    if canon is None:
        return value
    if canon.repeated:
        return [_single(canon, one) for one in (value if isinstance(value, list) else [value])]
    return _single(canon, value)


def _single(canon: Canon, value: Any) -> Any:
    if canon.model is not None:
        return _typed(canon.model, value)
    if canon.base is int and isinstance(value, str) and _is_integer(value):
        return int(value)
    if canon.base is bool and isinstance(value, str):
        return _TRUTH.get(value, value)
    return value
