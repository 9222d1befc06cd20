"""The JSON Schema of one value of a partner's document, as far as its mapping tells."""

from __future__ import annotations

import re
from typing import Any, Literal

from canonical.codes import code_list
from exchange.mapping.fields import Canon
from exchange.mapping.spec import FieldSpec

Schema = dict[str, Any]
Tables = dict[str, dict[str, str]]
Way = Literal["hear", "say"]
"""Whether the hub hears the document (what it must accept) or says it (what it sends)."""


def _text(pattern: str, description: str = "") -> Schema:
    return {
        "type": "string",
        "pattern": f"^(?:{pattern})$",
        **({"description": description} if description else {}),
    }


_DAY8, _DAY = "[0-9]{8}", "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_WHOLE = "0|-?[1-9][0-9]{0,17}"
CONVERSIONS: dict[str, Schema] = {
    "int": {"type": "integer"},
    "int_text": _text(_WHOLE),
    "bool": {"type": "boolean"},
    "bool01": {"type": "string", "enum": ["0", "1"]},
    "datetime_space": _text(f"{_DAY} {_CLOCK}", "yyyy-MM-dd HH:mm:ss, Beijing time"),
    "datetime14": _text("[0-9]{14}", "yyyyMMddHHmmss, Beijing time"),
    "datetime_t": _text("[0-9]{8}T[0-9]{6}", "yyyyMMdd'T'HHmmss, Beijing time"),
    "epoch_ms": {
        "type": "integer",
        "minimum": 0,
        "exclusiveMaximum": 10**13,
        "description": "ms since 1970 (UTC)",
    },
    "date8": _text(_DAY8, "yyyyMMdd"),
    "date_slash": _text("[0-9]{4}/[0-9]{2}/[0-9]{2}", "yyyy/MM/dd"),
    "date_dash": _text(_DAY, "yyyy-MM-dd"),
    "date_t": _text("[0-9]{8}T000000", "yyyyMMdd'T000000'"),
    "yuan2": _text("(?:0|[1-9][0-9]{0,13})[.][0-9]{2}", "yuan, two decimals"),
    "yuan_int": {"type": "integer", "minimum": 0, "description": "whole yuan"},
    "fen": _text("0|[1-9][0-9]{0,15}", "fen (hundredths of a yuan)"),
    "region6": _text("[1-9][0-9]{5}", "GB/T 2260"),
    "county6": _text("[1-9][0-9]{5}", "GB/T 2260"),
    "town9": _text("[1-9][0-9]{8}", "GB/T 2260 and town"),
    "county12": _text("[1-9][0-9]{5}0{6}", "GB/T 2260 and six zeros"),
    "code_hyphens": _text("[0-9A-Z]{18}-[0-9]-[0-9A-Z]{12}", "implementation code written 18-1-12"),
    "hex_base64": {"type": "string", "contentEncoding": "base64"},
    "name_count": {
        "type": "string",
        "description": r"name*count joined by ;  (\* and \; stand for themselves)",
    },
}
_XML_WHOLE: dict[str, Schema] = {
    name: _text(_WHOLE, str(CONVERSIONS[name].get("description", "")))
    for name in ("int", "epoch_ms", "yuan_int")
}
_XML_FORM = {**CONVERSIONS, **_XML_WHOLE, "bool": {"type": "string", "enum": ["true", "false"]}}
"""In XML numbers are digits."""


def value_schema(
    spec: FieldSpec, canon: Canon | None, canonical: Schema, tables: Tables, way: Way, xml: bool
) -> Schema:
    """One declared value; `canonical` is the schema of the field it fills, {} for none."""
    schema = _source(spec, canon, canonical, tables, way, xml)
    if spec.prefix is not None or spec.split is not None:
        schema = _joined(spec, schema)
    if spec.pattern is not None:
        schema = schema | {"pattern": _whole(spec, spec.pattern)}
    if way == "say" and spec.longest is not None:
        schema = schema | {"maxLength": min(spec.longest, schema.get("maxLength", spec.longest))}
    if way == "say" and spec.shortest is not None:
        schema = schema | {"minLength": max(spec.shortest, schema.get("minLength", 0))}
    if spec.instead is not None:
        schema = {"anyOf": [schema, {"const": spec.instead.say}]}
    return _told(spec, schema)


def _source(
    spec: FieldSpec, canon: Canon | None, canonical: Schema, tables: Tables, way: Way, xml: bool
) -> Schema:
    if spec.constant is not None:
        return {"const": _constant(spec.constant, xml)}
    if spec.digest is not None:
        unheard = way == "hear" and not spec.heard
        return {} if unheard else _text("[0-9a-f]+", f"{spec.digest.algorithm}, hexadecimal")
    if spec.derived is not None:
        return {"type": "string", "description": f"follows from {spec.derived}"}
    if spec.fill is not None:
        unheard = way == "hear" and not spec.heard
        return {} if unheard else _converted(spec.as_ or "text", {"type": "string"}, xml)
    if canon is not None and (spec.codes is not None or canon.list_key is not None):
        return _codes(_table(spec, canon, tables), spec.also if way == "hear" else {})
    return _converted(spec.as_ or ("int" if canon and canon.base is int else "text"), canonical, xml)


def _constant(value: str | int | bool | dict[str, str], xml: bool) -> str | int | bool | dict[str, str]:
    if not xml or isinstance(value, dict):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _converted(name: str, canonical: Schema, xml: bool) -> Schema:
    """The wire form of a named conversion; text is as the canonical field, another says its name."""
    if name == "text":
        return canonical or {"type": "string"}
    if name == "int" and not xml and canonical.get("type") == "integer":
        return canonical
    known = _XML_FORM if xml else CONVERSIONS
    return dict(known.get(name, {"description": name}))


def _table(spec: FieldSpec, canon: Canon, tables: Tables) -> dict[str, str]:
    if isinstance(spec.codes, dict):
        return spec.codes
    if spec.codes is not None and spec.codes in tables:
        return tables[spec.codes]
    entries = code_list(canon.list_key).entries if canon.list_key else ()
    return {entry.code: entry.name for entry in entries}


def _codes(table: dict[str, str], also: dict[str, str]) -> Schema:
    return {"type": "string", "enum": [*table, *also], "x-meaning": table | also}


def _joined(spec: FieldSpec, schema: Schema) -> Schema:
    words = [f"begins with {spec.prefix}"] if spec.prefix is not None else []
    words += [f"entries joined by {spec.split}"] if spec.split is not None else []
    begins = {"pattern": f"^{re.escape(spec.prefix)}"} if spec.prefix is not None else {}
    one = ["; each: " + "|".join(schema["enum"])] if spec.split is not None and "enum" in schema else []
    return {"type": "string", **begins, "description": ", ".join(words) + "".join(one)}


def _whole(spec: FieldSpec, pattern: str) -> str:
    """The pattern of the wire text: prefix, then one entry or several joined."""
    more = f"(?:{re.escape(spec.split)}(?:{pattern}))*" if spec.split is not None else ""
    return f"^{re.escape(spec.prefix or '')}(?:{pattern}){more}$"


def _told(spec: FieldSpec, schema: Schema) -> Schema:
    words = [schema["description"]] if "description" in schema else []
    for conditions, says in ((spec.when, "only when"), (spec.required_when, "required when")):
        words += [f"{says} {name} is {' or '.join(values)}" for name, values in conditions.items()]
    words += [f"absent: {spec.default}"] if spec.default is not None else []
    return schema | ({"description": "; ".join(words)} if words else {})
