"""How a wire value could be read: the conversion its samples fit, or its code table, and what is doubtful."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from canonical.codes import CodeList
from canonical.errors import ValueRefused
from canonical.values import CaseNumber, ImplementationCode, Money, RegionCode
from exchange.mapping.conversions import Conversion, Form, conversions
from exchange.mapping.fields import Canon
from exchange.mapping.refusal import BadValue
from exchange.scaffold.shape import Leaf, Scalar

ORDER: Mapping[type, tuple[str, ...]] = {
    datetime: ("datetime_space", "datetime14", "datetime_t", "epoch_ms"),
    date: ("date_dash", "date8", "date_slash", "date_t"),
    Money: ("yuan2", "yuan_int", "fen"),
    bool: ("bool", "bool01"),
    int: ("int", "int_text"),
    RegionCode: ("text", "region6", "town9"),
    ImplementationCode: ("text", "code_hyphens"),
}
"""The conversions of a type in the order in which they are tried; any other type is text."""
PLAIN = ("int", "text")
CASE_NUMBER = 28  # characters
CONFIRM = "confirm the codes with the contract"


def entry_for(leaf: Leaf, canon: Canon, form: Form) -> dict[str, Any] | None:
    """What a mapping's line needs beside wire and to; None when the samples cannot be such a value."""
    if canon.model is not None:
        return _packed(leaf, canon, form)
    split = _split(leaf) if canon.repeated else {}
    if canon.codes is not None:
        parts = [part for value in leaf.values for part in str(value).split(split.get("split", "\0"))]
        return _coded(leaf, tuple(parts), canon.codes) | split
    entry = _plain(leaf, canon, form)
    return None if entry is None else entry | split


def _packed(leaf: Leaf, canon: Canon, form: Form) -> dict[str, Any] | None:
    """A whole list in one text."""
    known = conversions(form)["name_count"]
    packed = canon.repeated and bool(leaf.values) and _reads(known, leaf.values)
    return {"as": "name_count"} if packed else None


def _split(leaf: Leaf) -> dict[str, str]:
    found = [sign for sign in (",", ";", "|", "^") if any(sign in str(value) for value in leaf.values)]
    return {"split": (found or [","])[0]}


def _plain(leaf: Leaf, canon: Canon, form: Form) -> dict[str, Any] | None:
    known = conversions(form)
    names = next((names for kind, names in ORDER.items() if issubclass(canon.base, kind)), ("text",))
    fitting = [name for name in names if _holds(canon, known[name], leaf.values)]
    if not fitting:
        return _prefixed(canon, leaf.values)
    entry = {} if fitting[0] in PLAIN else {"as": fitting[0]}
    return entry | _doubt(fitting, leaf)


def _prefixed(canon: Canon, values: Sequence[Scalar]) -> dict[str, Any] | None:
    """A case number behind something of the partner's own (some put the province before it)."""
    texts = [str(value) for value in values]
    before = {text[:-CASE_NUMBER] for text in texts}
    if canon.base is not CaseNumber or len(before) != 1 or not _all(CaseNumber, texts):
        return None
    return {"prefix": before.pop()}


def _all(kind: type, texts: Sequence[str]) -> bool:
    try:
        return all(kind(text[-CASE_NUMBER:]) for text in texts)
    except ValueRefused:
        return False


def _doubt(fitting: Sequence[str], leaf: Leaf) -> dict[str, str]:
    if leaf.values and len(fitting) == 1:
        return {}
    if len(fitting) > 1 and fitting[0] not in PLAIN:
        return {"todo": f"confirm the form with the contract: {' or '.join(fitting)}"}
    return {}


def _holds(canon: Canon, conversion: Conversion, values: Sequence[Scalar]) -> bool:
    return _reads(conversion, values, canon.base if issubclass(canon.base, str) else None)


def _reads(conversion: Conversion, values: Sequence[Scalar], kind: type | None = None) -> bool:
    make: Callable[[Any], Any] = kind if kind not in (None, str, object) else lambda value: value
    try:
        for value in values:
            make(conversion.hear(value))
    except (BadValue, ValueError):
        return False
    return True


def _coded(leaf: Leaf, seen: tuple[str, ...], codes: CodeList) -> dict[str, Any]:
    if leaf.codes and (table := _by_label(leaf.codes, codes)):
        return {"codes": table} | ({"todo": CONFIRM} if "?" in table.values() else {})
    wanted = tuple(dict.fromkeys([*leaf.codes, *seen]))
    own = {entry.code: entry.name for entry in codes.entries}
    tables = [own, *known_tables().get(codes.key, ())]
    fitting = [table for table in tables if set(wanted) <= table.keys()]
    table = fitting[0] if fitting else {code: own.get(code, "?") for code in wanted}
    if leaf.codes:
        table = {code: table[code] for code in wanted}
    return {"codes": table, "todo": CONFIRM}


@cache
def known_tables() -> Mapping[str, Sequence[dict[str, str]]]:
    """Code tables met in the field beside the standard's own, by code list."""
    text = (files("exchange.scaffold") / "synonyms.toml").read_text(encoding="utf-8")
    tables: dict[str, list[dict[str, str]]] = tomllib.loads(text)["codes"]
    return tables


def _by_label(wire: Mapping[str, str], codes: CodeList) -> dict[str, str]:
    """Wire codes by the words the contract has for them; empty when it has none."""
    if not any(label and label != code for code, label in wire.items()):
        return {}
    found = {code: next(_meant(label, codes), "?") for code, label in wire.items()}
    names = [name for name in found.values() if name != "?"]
    return found if len(set(names)) == len(names) else {}


def _meant(label: str, codes: CodeList) -> Iterator[str]:
    yield from (entry.name for entry in codes.entries if label in (entry.label, entry.name))
    words = label.lower().replace("-", "_").replace(" ", "_")
    yield from (entry.name for entry in codes.entries if words == entry.name)
