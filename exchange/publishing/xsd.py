"""XSD 1.0 of the house XML form (docs/wire.md §2), one self-contained document per message type.

Members stand in the order of the models: the hub writes them so, and accepts any order; XSD 1.0 has no
construct for repeated members in any order. Texts as in JSON Schema; what XSD cannot say is annotated.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from canonical.codes import code_list
from exchange.errors import Misconfigured
from exchange.mapping.house import NAMESPACE
from exchange.publishing.facets import FREE_TEXT, XS, simple_type, xs
from exchange.seals.safexml import Element

Schema = dict[str, Any]
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
_ID = r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}"
_BEYOND = (
    "Members stand here in the order in which the hub writes them; it accepts any order. Not said here, yet "
    "checked by the hub: check characters and dates inside codes, rules across members, white space around "
    "dates and numbers (none), the type's own limits of time."
)


def message_xsd(kind: str, payload: Schema, envelope: Schema) -> bytes:
    """The whole document of one message type."""
    members = {
        **envelope["properties"],
        "type": {"type": "string", "const": kind},
        "payload": {"$ref": "#/$defs/Payload"},
    }
    whole = {**envelope, "properties": members, "$defs": {**payload.get("$defs", {}), "Payload": payload}}
    return _document("Message", whole, f"{kind} in the house XML form. {_BEYOND}")


def receipt_xsd(receipt: Schema) -> bytes:
    """The answer to an XML request; one that could not be read is answered by status and code alone."""
    whole = {**receipt, "required": ["status", "code"]}
    return _document("Receipt", whole, "The hub's sealed answer to an XML request over REST.")


def _document(root: str, schema: Schema, says: str) -> bytes:
    top = etree.Element(
        f"{{{XS}}}schema",
        nsmap={"xs": XS, None: NAMESPACE},
        targetNamespace=NAMESPACE,
        elementFormDefault="qualified",
    )
    _annotated(top, says)
    xs(top, "element", name=root, type=root)
    _Types(top, root).complex(root, schema, sealed=True)
    for name, one in schema.get("$defs", {}).items():
        _Types(top, root).complex(name, one)
    _codes(top, schema)
    _text(top)
    return bytes(etree.tostring(top, xml_declaration=True, encoding="UTF-8", pretty_print=True))


class _Types:
    """Adds the complex types of one document."""

    def __init__(self, top: Element, root: str) -> None:
        self._top, self._root = top, root

    def complex(self, name: str, schema: Schema, sealed: bool = False) -> None:
        made = xs(self._top, "complexType", name=name)
        _annotated(made, schema.get("description", ""))
        inside = xs(made, "sequence")
        for member, value in schema["properties"].items():
            self._member(inside, member, value, member in schema.get("required", ()))
        if sealed:
            xs(inside, "any", namespace=SIGNATURE, processContents="lax", minOccurs="0")
            _identity(made)

    def _member(self, inside: Element, name: str, schema: Schema, required: bool) -> None:
        value = _present(schema)
        if value.get("type") == "array":
            most = str(value.get("maxItems", "unbounded"))
            occurs = {"minOccurs": str(value.get("minItems", 0)), "maxOccurs": most}
            value = _present(value["items"])
        else:
            occurs = {} if required else {"minOccurs": "0"}
        self._typed(xs(inside, "element", name=name, **occurs), {**value, **_told(schema, value)})

    def _typed(self, element: Element, value: Schema) -> None:
        _annotated(element, _words(value))
        if "$ref" in value:
            element.set("type", value["$ref"].rpartition("/")[2])
        elif "x-code-list" in value:
            element.set("type", f"Code.{value['x-code-list']}")
        elif value.get("type") == "object":
            self._inline(element, value)
        else:
            simple_type(element, value)

    def _inline(self, element: Element, value: Schema) -> None:
        inside = xs(xs(element, "complexType"), "sequence")
        for member, one in value["properties"].items():
            self._member(inside, member, one, member in value.get("required", ()))


def _present(schema: Schema) -> Schema:
    """The schema of a value that is there: in XML an absent value is an absent element."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    if len(kinds) != 1:
        raise Misconfigured("bad_schema", "a member of several kinds has no XML form")
    return dict(kinds[0])


def _told(schema: Schema, value: Schema) -> Schema:
    found = schema.get("description") or value.get("description")
    default = schema.get("default")
    return {"description": found, "default": default if isinstance(default, int | str) else None}


def _words(value: Schema) -> str:
    absent = f"absent: {value['default']}" if value.get("default") is not None else ""
    return "; ".join(filter(None, [value.get("description"), absent]))


def _annotated(parent: Element, text: str) -> None:
    if text:
        xs(xs(parent, "annotation"), "documentation").text = text


def _identity(made: Element) -> None:
    kind = xs(xs(made, "attribute", name="Id"), "simpleType")
    xs(xs(kind, "restriction", base="xs:ID"), "pattern", value=_ID)


def _codes(top: Element, schema: Schema) -> None:
    """The code lists the document uses, with the label of every name."""
    for key in sorted(_lists(schema)):
        found = code_list(key)
        made = xs(top, "simpleType", name=f"Code.{key}")
        _annotated(made, f"{found.title} ({found.source})")
        restriction = xs(made, "restriction", base="xs:string")
        for one in found.entries:
            _annotated(xs(restriction, "enumeration", value=one.name), f"{one.code} {one.label}")


def _lists(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_lists, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["x-code-list"]} if "x-code-list" in schema else set()
    return own.union(*map(_lists, schema.values()))


def _text(top: Element) -> None:
    made = xs(top, "simpleType", name="Text")
    _annotated(made, "Free text: no carriage return, never the literal null")
    xs(xs(made, "restriction", base="xs:string"), "pattern", value=FREE_TEXT)
