"""From a JSON Schema of one value to an XSD simple type: base, facets, and what XSD 1.0 cannot say."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from exchange.errors import Misconfigured
from exchange.seals.safexml import Element

XS = "http://www.w3.org/2001/XMLSchema"
Schema = dict[str, Any]

_ONE = r"[^\r]"
FREE_TEXT = "|".join(
    [
        rf"{_ONE}{{0,3}}",
        rf"{_ONE}{{5,}}",
        rf"[^n\r]{_ONE}{{3}}",
        rf"{_ONE}[^u\r]{_ONE}{{2}}",
        rf"{_ONE}{{2}}[^l\r]{_ONE}",
        rf"{_ONE}{{3}}[^l\r]",
    ]
)
"""Any text without a carriage return that is not the literal `null`, in a language without negation."""
INTEGER = "0|-?[1-9][0-9]{0,17}"
_BASES = {"date-time": "xs:dateTime", "date": "xs:date"}
_FACETS = {
    "minLength": "minLength",
    "maxLength": "maxLength",
    "minimum": "minInclusive",
    "maximum": "maxInclusive",
}
_FOREIGN = re.compile(r"\(\?|\\[dDwWsSbB]")


def xs(parent: Element, tag: str, **attributes: str) -> Element:
    """A new element of the XSD namespace."""
    return etree.SubElement(parent, f"{{{XS}}}{tag}", attributes)


def simple_type(parent: Element, schema: Schema, name: str | None = None) -> Element:
    """The simple type of a value under `parent`; Misconfigured for a schema no value of ours has."""
    made = xs(parent, "simpleType", **({"name": name} if name else {}))
    restriction = xs(made, "restriction", base=_base(schema))
    if "enum" not in schema and schema.get("type") == "string" and "not" not in schema:
        _patterns(restriction, [xsd_pattern(schema["pattern"])] if "pattern" in schema else [])
    elif schema.get("type") in ("integer", "boolean"):
        _patterns(restriction, [INTEGER if schema["type"] == "integer" else "true|false"])
    for value in [schema["const"]] if "const" in schema else schema.get("enum", []):
        xs(restriction, "enumeration", value=str(value))
    _bounds(restriction, schema)
    return made


def xsd_pattern(pattern: str) -> str:
    """An anchored pattern of a JSON Schema in XSD's dialect; Misconfigured where the dialects differ."""
    body = pattern.removeprefix("^").removesuffix("$").replace("(?:", "(")
    if pattern[:1] != "^" or pattern[-1:] != "$" or _FOREIGN.search(body):
        raise Misconfigured("bad_pattern", "XSD has no such pattern", pattern)
    return body


def is_free_text(schema: Schema) -> bool:
    """Whether the value is free text: the one kind with a negation."""
    return schema.get("type") == "string" and "not" in schema


def _base(schema: Schema) -> str:
    if is_free_text(schema):
        return "Text"
    bases = {
        "integer": "xs:long",
        "boolean": "xs:boolean",
        "string": _BASES.get(schema.get("format", ""), "xs:string"),
    }
    kind = schema.get("type", "string" if "enum" in schema else None)
    if kind not in bases:
        raise Misconfigured("bad_schema", f"XSD has no simple type for {kind}")
    return bases[kind]


def _patterns(restriction: Element, patterns: list[str]) -> None:
    for pattern in patterns:
        xs(restriction, "pattern", value=pattern)


def _bounds(restriction: Element, schema: Schema) -> None:
    for key, facet in _FACETS.items():
        if key in schema and not (key.endswith("Length") and schema.get("format") in _BASES):
            xs(restriction, facet, value=str(schema[key]))
