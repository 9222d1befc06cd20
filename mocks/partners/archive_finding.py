"""The checks of the detection (contract §4) by their numbers, and the list each failure stands in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SIGNATURE, METADATA, HELD, PERSONS = "1-1-1", "1-2-1", "1-2-2", "1-3-1"
SIZE, FILES, DIGEST, ELEMENTS = "2-1-1", "2-1-2", "2-2-1", "2-3-1"
FORMAT, SECURITY = "3-1-1", "4-1-1"
ITEMS: Final = (SIGNATURE, METADATA, HELD, PERSONS, SIZE, FILES, DIGEST, ELEMENTS, FORMAT, SECURITY)
LISTS: Final = ("authenticity", "integrity", "usability", "security")
MOST: Final = 20  # failures named of one check


@dataclass(frozen=True, order=True)
class Finding:
    """One failed check."""

    item: str
    msg: str


class Closed(Exception):
    """The package is not opened further; the finding says why."""

    def __init__(self, item: str, msg: str) -> None:
        super().__init__(msg)
        self.finding = Finding(item, msg)


def detection(findings: Iterable[Finding]) -> dict[str, list[dict[str, str]]]:
    """`detectionResult`: a finding stands in the list of its first figure, at most `MOST` of one check."""
    result: dict[str, list[dict[str, str]]] = {name: [] for name in LISTS}
    named = dict.fromkeys(ITEMS, 0)
    for finding in sorted(set(findings)):
        named[finding.item] += 1
        if named[finding.item] <= MOST:
            result[LISTS[int(finding.item[0]) - 1]].append({"item": finding.item, "msg": finding.msg})
    return result
