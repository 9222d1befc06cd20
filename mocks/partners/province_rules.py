"""What the provincial contract makes of the ten objects: its forms, lengths, and the order of business."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mocks.partners.common import strictjson
from mocks.partners.common.bus import Delivery
from mocks.partners.common.processobjects import KINDS, Dialect, Finding, form, moment, pick

OBJECTS = frozenset("0123456789")
STEPS = {"3": "SPBZH", "5": "XH", "6": "XH"}
TIME = moment("%Y%m%dT%H%M%S", "[0-9]{8}T[0-9]{6}")
DAY = moment("%Y%m%d", "[0-9]{8}")
NAME = r"(?:\\[*;]|\\(?![*;])|[^*;\\])+"  # \* and \; escaped, any other backslash itself
DIALECT = Dialect(
    {
        **KINDS,
        "region": form("[0-9]{12}"),
        "time": TIME,
        "day": lambda value: TIME(value) or DAY(value),  # GB/T 7408 writes a day either way
        "applicant": pick("10", "20", "30", "40", "50", "60", "90"),
        "channel": pick("0", "1", "2"),
        "materials": form(rf"{NAME}\*[0-9]+(?:;{NAME}\*[0-9]+)*"),
        "fee": form("0|[1-9][0-9]*"),
        "conclusion": pick("0", "1", "2", "3", "4", "5", "6", "7"),
    },
    {"SXMC": 200, "SQRMC": 100, "SBXMMC": 1000, "SPYJ": 1000, "BZ": 500, "BSLYY": 500},
)
LISTS = ("SBCLQD", "SLZLQD", "BZCLQD")
ENTRY = form(rf"{NAME}\*[0-9]+")
SPLIT = re.compile(r"(?<!\\);")
ENDED_EARLY = frozenset("124")  # BJJGDM: returned, voided, forwarded
DELETED, NOT_SUPPLEMENTED = "3", "5"  # BJJGDM of cases that need not have been accepted
LARGEST = 1 << 31  # no step and no version is so large; a database keeps no more
NO_ACCEPTANCE = "缺少受理数据"
Known = Mapping[tuple[str, int], Mapping[str, object]]
"""Accepted objects of one case by object and step."""


@dataclass(frozen=True)
class Report:
    """A report that names its object, case, step and version; the rest is not checked yet."""

    number: str  # of the object
    case: str
    step: int  # 0 where the object has none
    version: int
    body: Mapping[str, object]
    sha256: str
    message_id: str
    text: str

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes it the same report."""
        return self.case, self.number, self.step, self.version

    @staticmethod
    def read(delivery: Delivery) -> Report | None:
        """None if it cannot be told which report this is."""
        number = delivery.headers.get("x-obj", "")
        try:
            body = strictjson.read_object(delivery.body)
        except strictjson.BadJson:
            return None
        case, version = body.get("SBLSH"), _count(body.get("SJBBH"))
        step = _count(body.get(STEPS[number])) if number in STEPS else 0
        if number not in OBJECTS or delivery.routing_key != f"report.441400.{number}":
            return None
        if not isinstance(case, str) or version is None or step is None:
            return None
        sha, text = hashlib.sha256(delivery.body).hexdigest(), delivery.body.decode()
        return Report(number, case, step, version, body, sha, str(delivery.message_id), text)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < LARGEST else None


def missing(report: Report, known: Known) -> list[str]:
    """The objects that have to be taken first and were not, by their numbers."""
    return [
        number for number, there in NEEDED.get(report.number, _nothing)(report, known).items() if not there
    ]


def _nothing(report: Report, known: Known) -> dict[str, bool]:
    return {}


def _there(known: Known, number: str, step: int = 0) -> bool:
    return (number, step) in known


def _accepted(known: Known) -> bool:
    return known.get(("2", 0), {}).get("SLZTDM") == "1"


def _before_step(report: Report, known: Known) -> dict[str, bool]:
    """3 after 0 and 2, in the order of SPBZH."""
    earlier = report.step == 1 or _there(known, "3", report.step - 1)
    return {"0": _there(known, "0"), "2": _accepted(known), "3": earlier}


def _before_conclusion(report: Report, known: Known) -> dict[str, bool]:
    """4 after 3; after 2 when the case was returned, voided or forwarded, after 0 when deleted, after 7 when
    the supplement did not come."""
    ending = report.body["BJJGDM"]
    if ending in ENDED_EARLY:
        return {"2": _accepted(known)}
    if ending in (DELETED, NOT_SUPPLEMENTED):
        before = "0" if ending == DELETED else "7"
        return {before: _there(known, before)}
    return {"3": any(number == "3" for number, _ in known)}


NEEDED: Mapping[str, Callable[[Report, Known], dict[str, bool]]] = {
    "1": lambda report, known: {"0": _there(known, "0")},
    "2": lambda report, known: {"0": _there(known, "0")},
    "3": _before_step,
    "4": _before_conclusion,
    "5": lambda report, known: {"2": _accepted(known)},
    "6": lambda report, known: {"5": _there(known, "5", report.step)},
    "7": lambda report, known: {"0": _there(known, "0")},
    "8": lambda report, known: {"7": _there(known, "7")},
    "9": lambda report, known: {"4": _there(known, "4")},
}
"""What an object comes after, and whether it is there."""


def order_findings(report: Report, known: Known) -> list[Finding]:
    """What forbids a good report now; the field is the number of the object that is missing."""
    if found := [Finding(number, NO_ACCEPTANCE) for number in missing(report, known)]:
        return found
    if report.number != "4" or report.body["BJJGDM"] not in ("6", "7"):
        return []
    refused = any(body["SPHJZTDM"] == "3" for (number, _), body in known.items() if number == "3")
    wrong = "6" if refused else "7"
    if report.body["BJJGDM"] != wrong:
        return []
    return [Finding("BJJGDM", f"{wrong} contradicts the decision")]


def material_findings(report: Mapping[str, object]) -> list[Finding]:
    """Entries of material lists that are not `name*count`, by their place from 0."""
    return [
        Finding(f"{name}[{place}]", "bad value")
        for name in LISTS
        if isinstance(text := report.get(name), str)
        for place, entry in enumerate(SPLIT.split(text))
        if not ENTRY(entry)
    ]
