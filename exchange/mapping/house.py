"""The house form of docs/wire.md §2: a message as JSON, or as XML generated from the models (a list is a repeated element)."""

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from canonical.errors import ValueRefused
from canonical.messages import PAYLOADS, Message
from lxml import etree
from pydantic import BaseModel, ValidationError

from exchange.errors import Refused
from exchange.mapping import json, xml
from exchange.mapping.refusal import DocumentRefused, FieldError
from exchange.seals.safexml import Element

NAMESPACE = "urn:tongban:message:1"
_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field"}
_KEPT = frozenset({"unknown_code", "missing_field", "unknown_field"})


def read_json(body: bytes) -> Message:
    """A message from its JSON document; DocumentRefused with every complaint by path."""
    return _message(json.loads(body))


def read_xml(body: bytes | str) -> Message:
    """A message from its XML document (without its signature)."""
    tree = xml.read(body, "Message", NAMESPACE)
    if not isinstance(tree, dict):
        raise Refused("bad_request", "the message is empty", "Message")
    tree.pop("@Id", None)
    model = PAYLOADS.get(str(tree.get("type")))
    if model is not None and isinstance(tree.get("payload"), dict):
        tree["payload"] = _typed(model, tree["payload"])
    return _message(tree)


def write_json(message: Message) -> bytes:
    """The JSON document of a message."""
    return json.dumps(message.model_dump(mode="json", exclude_none=True))


def plain_xml(kind: str, message_id: str, sender: str, sent_at: str, payload: Mapping[str, Any]) -> bytes:
    """The XML document of a stored message, unsigned."""
    tree = {"message_id": message_id, "type": kind, "sender": sender, "sent_at": sent_at, "payload": payload}
    return bytes_of(_element("Message", tree), declaration=True)


def message_xml(message: Message, ident: str = "m1") -> Element:
    """The XML document of a message, ready to be signed."""
    root = _element("Message", message.model_dump(mode="json", exclude_none=True))
    root.set("Id", ident)
    return root


def receipt_xml(facts: Mapping[str, Any]) -> Element:
    """A receipt as XML, ready to be signed."""
    root = _element("Receipt", facts)
    root.set("Id", "receipt")
    return root


def bytes_of(element: Element, *, declaration: bool = False) -> bytes:
    """The element as it is, UTF-8."""
    data: bytes = etree.tostring(element, encoding="UTF-8", xml_declaration=declaration)
    return data


def _message(tree: Any) -> Message:
    if not isinstance(tree, dict):
        raise Refused("bad_request", "the document is not an object")
    kind = tree.get("type")
    if not isinstance(kind, str) or kind not in PAYLOADS:
        raise Refused("missing_field" if kind is None else "unknown_type", "no message has this type", "type")
    try:
        payload = PAYLOADS[kind].model_validate(tree.get("payload", {}))
    except ValidationError as fault:
        raise _refused(fault, "payload") from None
    try:
        return Message.model_validate({**tree, "payload": payload})
    except ValidationError as fault:
        raise _refused(fault) from None


def _refused(fault: ValidationError, base: str = "") -> DocumentRefused:
    errors = [_complaint(error, base) for error in fault.errors(include_url=False, include_input=False)]
    return DocumentRefused(errors[:100])


def _complaint(error: Any, base: str) -> FieldError:
    path = "/".join([*([base] if base else []), *(str(part) for part in error["loc"])])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ValueRefused):
        return FieldError(path, cause.code if cause.code in _KEPT else "bad_value", cause.detail)
    return FieldError(path, _CODES.get(error["type"], "bad_value"), error["msg"])


def _element(name: str, tree: Mapping[str, Any]) -> Element:
    root = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    for child in _children(tree):
        root.append(child)
    return root


def _children(tree: Mapping[str, Any]) -> Iterator[Element]:
    for name, value in tree.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            yield _child(name, one)


def _child(name: str, value: Any) -> Element:
    if isinstance(value, Mapping):
        return _element(name, value)
    child = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    child.text = str(value).lower() if isinstance(value, bool) else str(value)
    return child


def _typed(model: type[BaseModel], tree: dict[str, Any]) -> dict[str, Any]:
    """Texts as the model's own types: lists for repeated fields, integers and booleans in their one form."""
    return {name: _value(_shape(model).get(name), value) for name, value in tree.items()}


def _value(shape: "_Shape | None", value: Any) -> Any:
    if shape is None:
        return value
    if shape.repeated:
        return [_single(shape, one) for one in (value if isinstance(value, list) else [value])]
    return _single(shape, value)


def _single(shape: "_Shape", value: Any) -> Any:
    if isinstance(value, dict) and shape.model is not None:
        return _typed(shape.model, value)
    if not isinstance(value, str):
        return value
    if shape.kind is bool:
        return {"true": True, "false": False}.get(value, value)
    if shape.kind is int and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20:
        return int(value)
    return value


class _Shape(typing.NamedTuple):
    """What a field looks like in XML."""

    kind: type | None
    model: type[BaseModel] | None
    repeated: bool


@cache
def _shape(model: type[BaseModel]) -> dict[str, _Shape]:
    return {name: _shape_of(field.annotation) for name, field in model.model_fields.items()}


def _shape_of(annotation: Any, repeated: bool = False) -> _Shape:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _shape_of(typing.get_args(annotation)[0], repeated)
    if origin in (typing.Union, types.UnionType):
        return _shape_of(next(part for part in typing.get_args(annotation) if part is not type(None)), repeated)
    if origin is tuple:
        return _shape_of(typing.get_args(annotation)[0], True)
    model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return _Shape(annotation if isinstance(annotation, type) else None, model, repeated)


