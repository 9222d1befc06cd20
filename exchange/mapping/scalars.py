"""From the declaration of one wire value to its two steps: wire -> canonical and back."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from canonical.amounts import Money
from canonical.codes import CodeList
from canonical.errors import ValueRefused
from exchange.errors import Misconfigured
from exchange.mapping.conversions import Conversion, Form, Step, conversions, formed, joined, prefixed
from exchange.mapping.fields import Canon
from exchange.mapping.refusal import BadValue
from exchange.mapping.spec import FieldSpec

Tables = dict[str, dict[str, str]]
NEED_CONVERSION = (Money, bool, int, datetime, date)
DERIVATIONS: dict[str, Step] = {
    "text": str,
    "organisation9": lambda credit_code: str(credit_code)[8:17],  # GB 11714, inside GB 32100
    "basic12": lambda implementation_code: str(implementation_code)[19:31],  # GB/T 39554.1
}


def steps(spec: FieldSpec, canon: Canon, form: Form, tables: Tables) -> tuple[Step, Step]:
    """(hear, say) of one value; Misconfigured when conversion, codes and canonical type do not fit."""
    if spec.codes is not None or canon.codes is not None:
        hear, say = _coded(_table(spec, canon, tables), spec, canon)
    else:
        hear, say = _plain(spec, canon, form)
    if spec.pattern is not None:
        hear, say = formed(_pattern(spec), hear, say)
    if spec.split is not None:
        hear, say = joined(spec.split, hear, say)
    if spec.prefix is not None:
        hear, say = prefixed(spec.prefix, hear, say)
    return hear, _bounded(say, spec)


def said_by(spec: FieldSpec, form: Form) -> Step:
    """How a value of the call context is said; text when the mapping names no conversion."""
    name = spec.as_ or "text"
    known = conversions(form)
    if name not in known:
        raise Misconfigured("unknown_conversion", f"no conversion is called {name}", spec.wire)
    say = _from_iso_day(known[name].say) if known[name].gives is date else known[name].say
    if spec.pattern is not None:
        _, say = formed(_pattern(spec), known[name].hear, say)
    if spec.prefix is not None:
        _, say = prefixed(spec.prefix, known[name].hear, say)
    return _bounded(say, spec)


def _pattern(spec: FieldSpec) -> re.Pattern[str]:
    try:
        return re.compile(spec.pattern or "", re.ASCII)
    except re.error as fault:
        raise Misconfigured("bad_pattern", f"no regular expression: {fault}", spec.wire) from None


def _from_iso_day(say: Step) -> Step:
    """The call context holds days as JSON does."""
    return lambda value: say(date.fromisoformat(value) if isinstance(value, str) else value)


def derived_by(spec: FieldSpec, canon: Canon) -> Step:
    """How a value that follows from a canonical text is said."""
    derive = DERIVATIONS.get(spec.as_ or "text")
    if derive is None:
        raise Misconfigured("unknown_conversion", f"nothing is derived by {spec.as_}", spec.wire)
    if canon.repeated or not issubclass(canon.base, str):
        raise Misconfigured("bad_conversion", f"{spec.derived} is no text to derive from", spec.wire)
    prefix, step = spec.prefix or "", derive
    return _bounded(lambda value: prefix + step(value), spec)


def blurred(spec: FieldSpec, tables: Tables) -> dict[str, str]:
    """Canonical names that are heard as another name after they were said."""
    table = spec.codes if isinstance(spec.codes, dict) else tables.get(spec.codes or "", {})
    return {name: table[code] for name, code in spec.coarse.items()}


def _plain(spec: FieldSpec, canon: Canon, form: Form) -> tuple[Step, Step]:
    known = conversions(form)
    name = spec.as_ or ("int" if canon.base is int else "text")
    if name not in known:
        raise Misconfigured("unknown_conversion", f"no conversion is called {name}", spec.wire)
    conversion = known[name]
    if not _fits(conversion, canon, spec.split is not None):
        raise Misconfigured("bad_conversion", f"{name} does not give what {spec.to} holds", spec.wire)
    return conversion.hear, conversion.say


def _fits(conversion: Conversion, canon: Canon, split: bool) -> bool:
    if canon.repeated and not split:
        return conversion.gives is tuple
    if canon.base in NEED_CONVERSION:
        return conversion.gives is canon.base
    return issubclass(conversion.gives, str) and issubclass(canon.base, str)


def _table(spec: FieldSpec, canon: Canon, tables: Tables) -> dict[str, str]:
    """Wire code -> canonical name: inline, by name, or the canonical list with its own codes."""
    if isinstance(spec.codes, dict):
        return spec.codes
    key = spec.codes
    if key is None:
        raise Misconfigured("no_codes", f"{spec.to} is coded ({canon.list_key}) and needs codes", spec.wire)
    if key in tables:
        return tables[key]
    if canon.codes is None or key != canon.list_key:
        raise Misconfigured("unknown_code_list", f"no code table is called {key}", spec.wire)
    return {entry.code: entry.name for entry in canon.codes.entries}


def _coded(table: dict[str, str], spec: FieldSpec, canon: Canon) -> tuple[Step, Step]:
    _check_table(table, spec.also, canon.codes, spec.wire)
    _check_coarse(table, spec, canon.codes)
    hears, says = table | spec.also, {name: code for code, name in table.items()} | spec.coarse

    def hear(value: Any) -> str:
        if not isinstance(value, str):
            raise BadValue("a code is text")
        found = hears.get(value)
        if found is None:
            raise BadValue("the code is not in the list", "bad_value" if value == "null" else "unknown_code")
        return found

    def say(value: Any) -> str:
        found = says.get(value)
        if found is None:
            raise BadValue("the partner's list has no code for this value", "unknown_code")
        return found

    return hear, say


def _check_table(
    table: dict[str, str], also: dict[str, str], codes: CodeList | None, wire: str | None
) -> None:
    if not table or len(set(table.values())) != len(table) or set(also) & set(table):
        raise Misconfigured("not_one_to_one", "wire codes and names do not stand one to one", wire)
    if not set(also.values()) <= set(table.values()):
        raise Misconfigured("not_one_to_one", "also names a value the table does not have", wire)
    for name in table.values() if codes else ():
        _check_name(name, codes, wire)


def _check_coarse(table: dict[str, str], spec: FieldSpec, codes: CodeList | None) -> None:
    if set(spec.coarse) & set(table.values()) or not set(spec.coarse.values()) <= set(table):
        raise Misconfigured(
            "not_one_to_one", "coarse names no code of the table, or a name it has", spec.wire
        )
    for name in spec.coarse:
        _check_name(name, codes, spec.wire)


def _check_name(name: str, codes: CodeList | None, wire: str | None) -> None:
    try:
        if codes is not None:
            codes.code(name)
    except ValueRefused:
        raise Misconfigured("unknown_code", f"{name} is not in {codes and codes.key}", wire) from None


def _bounded(say: Step, spec: FieldSpec) -> Step:
    least, most = spec.shortest or 0, spec.longest
    if not least and most is None:
        return say

    def say_bounded(value: Any) -> Any:
        text = say(value)
        if len(text) < least:
            raise BadValue(f"shorter than the {least} characters the partner wants")
        if most is not None and len(text) > most:
            raise BadValue(f"longer than the {most} characters the partner takes")
        return text

    return say_bounded
