"""Named two-way conversions between a wire scalar and a canonical value; wrong forms raise BadValue, never
guess.

Times on the wire carry no offset and are Beijing time (+08:00); a form of whole seconds tells the second in
which it was. JSON integers stay integers; in XML they
are digits.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from canonical.amounts import BEIJING, Money
from canonical.errors import ValueRefused
from canonical.values import ImplementationCode, RegionCode
from exchange.mapping.refusal import BadValue

Form = Literal["json", "xml"]
NARROWING = frozenset({"county6", "town9", "county12"})
"""Conversions that write a division as the higher one it lies in."""
Step = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Conversion:
    """`hear` takes the wire scalar to a canonical value of type `gives`, `say` takes it back."""

    hear: Step
    say: Step
    gives: type


@cache
def conversions(form: Form) -> Mapping[str, Conversion]:
    """Every conversion by name, for documents of this form."""
    whole = Conversion(_json_int, int, int) if form == "json" else Conversion(_digits, str, int)
    return {
        "text": Conversion(_text, str, str),
        "int": whole,
        "int_text": Conversion(_digits, str, int),
        "bool": _json_bool if form == "json" else _xml_bool,
        "bool01": Conversion(_bool01, lambda value: "1" if value else "0", bool),
        "datetime_space": _moment(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lambda text: text, "%Y-%m-%d %H:%M:%S"),
        "datetime14": _moment(r"\d{14}", _from14, "%Y%m%d%H%M%S"),
        "datetime_t": _moment(r"\d{8}T\d{6}", lambda text: text, "%Y%m%dT%H%M%S"),
        "epoch_ms": Conversion(_epoch_hear(whole.hear), _epoch_say(whole.say), datetime),
        "date8": _day(r"\d{8}", "%Y%m%d"),
        "date_dash": _day(r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
        "date_slash": _day(r"\d{4}/\d\d/\d\d", "%Y/%m/%d"),
        "date_t": _day(r"\d{8}T000000", "%Y%m%dT000000"),
        "yuan2": Conversion(_yuan2, str, Money),
        "yuan_int": Conversion(_chain(whole.hear, Money.from_yuan), _chain(_whole_yuan, whole.say), Money),
        "fen": Conversion(_chain(_digits, Money.from_fen), lambda value: str(value.fen), Money),
        "region6": Conversion(_region6_hear, _region6_say, RegionCode),
        "county6": Conversion(_region6_hear, lambda value: str(value)[:6], RegionCode),
        "town9": Conversion(_divisions(9), lambda value: str(value)[:9], RegionCode),
        "county12": Conversion(_divisions(12, 6), lambda value: f"{str(value)[:6]}000000", RegionCode),
        "code_hyphens": Conversion(_hyphens_hear, _hyphens_say, ImplementationCode),
        "hex_base64": Conversion(_base64_hear, _base64_say, str),
        "name_count": Conversion(_name_count_hear, _name_count_say, tuple),
    }


def joined(separator: str, hear: Step, say: Step) -> tuple[Step, Step]:
    """A list in one string; an item that contains the separator cannot be said."""

    def hear_list(value: Any) -> tuple[Any, ...]:
        return tuple(hear(part) for part in _text(value).split(separator))

    def say_list(values: Any) -> str:
        parts = [say(value) for value in values]
        if any(separator in part or not part for part in parts):
            raise BadValue(f"an entry is empty or contains {separator}")
        return separator.join(parts)

    return hear_list, say_list


def prefixed(prefix: str, hear: Step, say: Step) -> tuple[Step, Step]:
    """A fixed beginning that only the wire carries."""

    def hear_rest(value: Any) -> Any:
        text = _text(value)
        if not text.startswith(prefix):
            raise BadValue(f"does not begin with {prefix}")
        return hear(text[len(prefix) :])

    return hear_rest, lambda value: prefix + say(value)


def formed(pattern: re.Pattern[str], hear: Step, say: Step) -> tuple[Step, Step]:
    """A text that must fit a pattern as a whole, both ways."""

    def fitting(text: Any) -> Any:
        if not pattern.fullmatch(_text(text)):
            raise BadValue("not of the form agreed")
        return text

    return lambda value: hear(fitting(value)), lambda value: fitting(say(value))


def _chain(first: Step, second: Step) -> Step:
    def both(value: Any) -> Any:
        try:
            return second(first(value))
        except ValueRefused as fault:
            raise BadValue(fault.detail) from fault

    return both


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue("must be one text")
    if value == "null":
        raise BadValue("the literal text null")
    return value


def _json_int(value: Any) -> int:
    if type(value) is not int:
        raise BadValue("must be an integer")
    return value


_is_digits = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII).fullmatch


def _digits(value: Any) -> int:
    text = _text(value)
    if not _is_digits(text):
        raise BadValue("must be an integer in digits")
    return int(text)


def _true_or_false(value: Any) -> bool:
    if type(value) is not bool:
        raise BadValue("must be true or false")
    return value


def _true_or_false_text(value: Any) -> bool:
    if value not in ("true", "false"):
        raise BadValue("must be true or false")
    return bool(value == "true")


_json_bool = Conversion(_true_or_false, bool, bool)
_xml_bool = Conversion(_true_or_false_text, lambda value: "true" if value else "false", bool)


def _bool01(value: Any) -> bool:
    if value not in ("0", "1"):
        raise BadValue("must be 0 or 1")
    return bool(value == "1")


def _from14(text: str) -> str:
    return f"{text[:8]}T{text[8:]}"


def _moment(pattern: str, iso: Step, spelled: str) -> Conversion:
    fits = re.compile(pattern, re.ASCII).fullmatch

    def hear(value: Any) -> datetime:
        text = _text(value)
        if not fits(text):
            raise BadValue("not a time of the agreed form")
        try:
            return datetime.fromisoformat(iso(text)).replace(tzinfo=BEIJING)
        except ValueError:
            raise BadValue("the calendar or the clock has no such time") from None

    def say(value: datetime) -> str:
        return _padded(value.astimezone(BEIJING).strftime(spelled), value.year)

    return Conversion(hear, say, datetime)


def _padded(text: str, year: int) -> str:
    return text if year >= 1000 else text.zfill(len(text) + 4 - len(str(year)))


def _day(pattern: str, spelled: str) -> Conversion:
    fits = re.compile(pattern, re.ASCII).fullmatch

    def hear(value: Any) -> date:
        text = _text(value)
        if not fits(text):
            raise BadValue("not a date of the agreed form")
        try:
            return date.fromisoformat(text.removesuffix("T000000").replace("/", "-"))
        except ValueError:
            raise BadValue("the calendar has no such day") from None

    return Conversion(hear, lambda value: _padded(value.strftime(spelled), value.year), date)


_EPOCH = datetime(1970, 1, 1, 8, tzinfo=BEIJING)
_MS = timedelta(milliseconds=1)
_THIRTEEN_DIGITS = range(10**12, 10**13)  # fewer are seconds taken for milliseconds


def _epoch_hear(whole: Step) -> Step:
    def hear(value: Any) -> datetime:
        count: int = whole(value)
        if count not in _THIRTEEN_DIGITS:
            raise BadValue("not a 13-digit count of milliseconds")
        return _EPOCH + count * _MS

    return hear


def _epoch_say(whole: Step) -> Step:
    def say(value: datetime) -> Any:
        count, rest = divmod(value - _EPOCH, _MS)
        if rest or count not in _THIRTEEN_DIGITS:
            raise BadValue("the partner's form counts whole milliseconds in 13 digits, from 2001-09-09 on")
        return whole(count)

    return say


_is_yuan2 = re.compile(r"(?:0|[1-9]\d{0,13})\.\d\d", re.ASCII).fullmatch


def _yuan2(value: Any) -> Money:
    text = _text(value)
    if not _is_yuan2(text):
        raise BadValue("must be yuan with two decimals")
    return Money(text)


def _whole_yuan(value: Decimal) -> int:
    if value != value.to_integral_value():
        raise BadValue("the partner's form has whole yuan only")
    return int(value)


def _divisions(written: int, said: int | None = None) -> Step:
    """A region of so many digits; those beyond `said` must be zeros: the partner names no lower division."""

    def hear(value: Any) -> RegionCode:
        text = _text(value)
        if len(text) != written or (said is not None and text[said:].strip("0")):
            raise BadValue(f"must be a region of {said or written} digits")
        try:
            return RegionCode(text.ljust(12, "0"))
        except ValueRefused as fault:
            raise BadValue(fault.detail) from fault

    return hear


_region6_hear = _divisions(6)


def _region6_say(value: str) -> str:
    if not value.endswith("000000"):
        raise BadValue("a town or village cannot be said in 6 digits")
    return value[:6]


_is_hyphenated = re.compile(r"[0-9A-Z]{18}-[0-9]-[0-9A-Z]{12}", re.ASCII).fullmatch


def _hyphens_hear(value: Any) -> ImplementationCode:
    text = _text(value)
    if not _is_hyphenated(text):
        raise BadValue("must be an implementation code written 18-1-12")
    try:
        return ImplementationCode(text.replace("-", ""))
    except ValueRefused as fault:
        raise BadValue(fault.detail) from fault


def _hyphens_say(value: str) -> str:
    return f"{value[:18]}-{value[18]}-{value[19:]}"


def _base64_hear(value: Any) -> str:
    try:
        return base64.b64decode(_text(value), validate=True).hex()
    except (binascii.Error, ValueError):
        raise BadValue("not base64") from None


def _base64_say(value: str) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()


_MATERIAL = re.compile(r"((?:[^\\*;]|\\[*;]|\\(?![*;]))+)\*(0|[1-9]\d{0,5})(;|\Z)", re.DOTALL | re.ASCII)
_ESCAPED = re.compile(r"\\([*;])")
_SPECIAL = re.compile(r"([*;])")
_UNSAYABLE = re.compile(r"\\(?:[*;]|\Z)")


def _name_count_hear(value: Any) -> tuple[dict[str, Any], ...]:
    text, found, at = _text(value), [], 0
    while match := _MATERIAL.match(text, at):
        found.append({"name": _ESCAPED.sub(r"\1", match[1]), "count": int(match[2])})
        at = match.end()
        if not match[3]:
            return tuple(found)
    raise BadValue("not a list of name*count joined by ;")


def _name_count_say(values: Any) -> str:
    return ";".join(f"{_escape(one.name)}*{one.count}" for one in values)


def _escape(name: str) -> str:
    if _UNSAYABLE.search(name):
        raise BadValue("a backslash before * or ; or at the end cannot be said in this form")
    return _SPECIAL.sub(r"\\\1", name)
