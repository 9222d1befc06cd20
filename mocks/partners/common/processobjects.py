"""The ten process objects on the wire: a table of members read once, checked in the dialect of a contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

Body = Mapping[str, object]
Check = Callable[[object], bool]

COMMON = "SBLSH! SXBM!:item XZQHDM!:region SJBBH!:positive YWLSH PDH BZ"
TABLE = {  # member, ! = required, :kind (text if none)
    "0": COMMON + " SXMC! SQRLX!:applicant SQRMC! SQRZJLX!:document SQRZJHM! LXRXM! LXRZJLX:document"
    " LXRSFZJHM LXRSJ! LXRYX SBXMMC! SBCLQD:materials TJFS!:channel SBHZH SBSJ!:time SBJTWD:digits12 YSBLSH",
    "1": COMMON + " YSLBMMC! YSLBMZZJGDM!:credit BLRXM! BLRGH! YSLZTDM!:pick123 BSLYY BJBZSM YSLSJ!:time",
    "2": COMMON + " SLBMMC! SLBMZZJDDM!:credit BLRXM! BLRGH! SLZTDM!:pick12 BSLYY SLHZH SLSJ!:time CXMM:six"
    " GDBLSX:whole GDBLSXDW:unit CNBLSX:whole CNBLSXDW:unit SLZLQD:materials TJFS:channel",
    "3": COMMON + " SPHJDM!:pick123 SPHJMC! SPBMMC! SPBMZZJDMD!:credit SPRXM! SPRGH! SPYJ! SPSJ!:time"
    " SPHJZTDM!:pick123 SPBZH!:positive",
    "4": COMMON + " BJBMMC! BJBMZZJDDM!:credit BLRXM! BJJGDM!:conclusion BJJGMS ZFHTHYY ZJGZMC ZJBH"
    " ZJYXQX:day SFJE:fee JEDWDM:cny BJSJ!:time",
    "5": COMMON + " XH!:positive TBCXZL!:pickAB TBCXZLMC! TBCXKSRQ!:time TBCXPZR! TBCXQDLY! SQNR TBCXSX:whole"
    " TBCXSXDW:unit",
    "6": COMMON + " XH!:positive TBCXJG!:pick12 TBCXJSRQ!:time",
    "7": COMMON + " BZGZFCRXM! BZGZYY! BZCLQD!:materials BZGZSJ!:time",
    "8": COMMON + " BZSLBLRXM! BZCLQD!:materials BZSJ!:time",
    "9": COMMON + " LQRXM! LQRZJLX!:document LQRSFZJHM! LQFS!:pick123 LQSJ!:time",
    "F": "SBLSH! SXBM!:item XZQHDM!:region SJBBH!:positive JKTZSH! SFJE!:yuan JFSJ!:time",
    "C": "SBLSH! SXBM!:item XZQHDM!:region SJBBH!:positive ZZBS! ZZBH! ZZMC! YXQZ:day",
}
CONDITIONS = (  # object, member, its values, the member they require
    ("1", "YSLZTDM", "2", "BSLYY"),
    ("1", "YSLZTDM", "3", "BJBZSM"),
    ("2", "SLZTDM", "2", "BSLYY"),
    ("4", "BJJGDM", "12345", "ZFHTHYY"),
    ("4", "BJJGDM", "0", "ZJBH"),
)


@dataclass(frozen=True)
class Member:
    """One member of an object."""

    name: str
    required: bool
    kind: str


@dataclass(frozen=True)
class Finding:
    """What is wrong with a member."""

    field: str
    msg: str
    too_long: bool = False


@dataclass(frozen=True)
class Dialect:
    """What one contract makes of the kinds; longest: characters by member."""

    kinds: Mapping[str, Check]
    longest: Mapping[str, int] = field(default_factory=dict)


def _member(text: str) -> Member:
    head, _, kind = text.partition(":")
    return Member(head.rstrip("!"), head.endswith("!"), kind or "text")


OBJECTS = {no: {one.name: one for one in map(_member, text.split())} for no, text in TABLE.items()}


def is_text(value: object) -> bool:
    """Not empty: an empty value is absent on the wire."""
    return isinstance(value, str) and value != ""


def form(pattern: str) -> Check:
    """Text of a form."""
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def pick(*codes: str) -> Check:
    """One of the codes."""
    return lambda value: isinstance(value, str) and value in codes


def whole(least: int) -> Check:
    """A JSON integer of at least so much; none is as large as 2**31."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 31


def moment(pattern: str, digits: str) -> Check:
    """A time in the strptime pattern, in exactly the form `digits` (strptime alone is generous)."""
    shaped = form(digits)

    def check(value: object) -> bool:
        try:
            return shaped(value) and bool(datetime.strptime(str(value), pattern))  # noqa: DTZ007  # form only
        except ValueError:
            return False

    return check


KINDS: Mapping[str, Check] = {
    "text": is_text,
    "item": form("[0-9A-HJ-NPQRTUWXY]{18}[1-7][0-9]{4}[0-9A-Z]{8}"),
    "credit": form("[0-9A-HJ-NPQRTUWXY]{18}"),
    "digits12": form("[0-9]{12}"),
    "six": lambda value: isinstance(value, str) and len(value) == 6,
    "positive": whole(1),
    "whole": whole(0),
    "document": pick("111", "414", "511", "516", "553", "554", "001"),
    "unit": pick("G", "Z", "Y"),
    "cny": pick("CNY"),
    "yuan": form(r"(?:0|[1-9][0-9]*)\.[0-9]{2}"),
    "pick12": pick("1", "2"),
    "pick123": pick("1", "2", "3"),
    "pickAB": pick("A", "B"),
}
"""What the contracts have in common; a dialect adds region, time, day, applicant, channel, materials, ..."""


def findings(number: str, body: Body, dialect: Dialect) -> list[Finding]:
    """Everything an object breaks of its table; empty if it is good."""
    table = OBJECTS[number]
    found = [Finding(name, "unknown member") for name in body if name not in table]
    for name, member in table.items():
        if name in body:
            found += _value_findings(member, body[name], dialect)
        elif member.required:
            found.append(Finding(name, "missing"))
    return found + _unmet(number, body)


def _value_findings(member: Member, value: object, dialect: Dialect) -> list[Finding]:
    if not dialect.kinds[member.kind](value):
        return [Finding(member.name, "bad value")]
    longest = dialect.longest.get(member.name)
    if longest is not None and isinstance(value, str) and len(value) > longest:
        return [Finding(member.name, f"longer than {longest}", too_long=True)]
    return []


def _unmet(number: str, body: Body) -> list[Finding]:
    return [
        Finding(needed, f"missing where {name} is {body[name]}")
        for no, name, values, needed in CONDITIONS
        if no == number and needed not in body and str(body.get(name, "?")) in values
    ]
