"""What the provincial contract makes of the ten objects: its forms, lengths, and the order of business."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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


def order_finding(report: Report, known: Known) -> Finding | None:
    """What forbids a good report now."""
    if report.number == "3" and not _accepted(known):
        return Finding("SBLSH", NO_ACCEPTANCE)
    if report.number == "4":
        return _conclusion_finding(report, known)
    return None


def _accepted(known: Known) -> bool:
    return ("0", 0) in known and known.get(("2", 0), {}).get("SLZTDM") == "1"


def _conclusion_finding(report: Report, known: Known) -> Finding | None:
    steps = [body for (number, _), body in known.items() if number == "3"]
    if not steps:
        return Finding("SBLSH", NO_ACCEPTANCE)
    refused = any(body["SPHJZTDM"] == "3" for body in steps)
    wrong = "6" if refused else "7"
    return Finding("BJJGDM", f"{wrong} contradicts the decision") if report.body["BJJGDM"] == wrong else None
