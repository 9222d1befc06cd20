"""What becomes of a case in the hall, drawn from its place in the day: how it goes, and where it waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonical.values import complete_id_number
from exchange.app.demo.hall.site import Body

PAYS = 4  # one case in so many is of an item with a fee
STOPS = ("accept", "supplement", "approve", "fee", "certificate", "deliver")
SURNAMES = "陈林黄李张刘曾温廖谢侯叶钟邓赖彭"
GIVEN = ("建平", "秀英", "志明", "丽华", "国强", "美珍", "文辉", "雪梅", "永康", "小玲")
BIRTHS = ("19790412", "19850923", "19910305", "19680717", "19951130")


@dataclass(frozen=True, slots=True)
class Plan:
    """`stop` is the stage the case is left in, "" for none."""

    number: int
    item: str
    stop: str = ""
    supplement: bool = False
    refuse: bool = False
    deny: bool = False
    suspend: bool = False
    rating: str = "very_satisfied"

    @property
    def name(self) -> str:
        """An invented applicant."""
        return SURNAMES[self.number % len(SURNAMES)] + GIVEN[self.number * 7 % len(GIVEN)]

    @property
    def document_no(self) -> str:
        """A number of the unassigned region 441499."""
        birth = BIRTHS[self.number % len(BIRTHS)]
        return str(complete_id_number(f"441499{birth}{self.number % 900 + 100:03}"))

    @property
    def mobile(self) -> str:
        """Of a prefix nobody has."""
        return f"1990000{self.number % 10_000:04}"


def plans(bodies: list[Body], first: int, finished: int, left: int) -> list[Plan]:
    """So many cases that go to their end, and as many as are left waiting, from number `first` on."""
    offered, charged = _in_turn([body.items for body in bodies]), _in_turn([body.charged for body in bodies])
    stops = [*[""] * finished, *(STOPS[at % len(STOPS)] for at in range(left))]

    def plan(number: int, stop: str) -> Plan:
        pays = charged and (stop == "fee" or (not stop and number % PAYS == PAYS - 1))
        of = charged if pays else offered
        odd = {"supplement": stop == "supplement"} if stop else ODD.get(number % 10, {})
        return Plan(number, of[number % len(of)], stop, **odd)

    return [plan(first + at, stop) for at, stop in enumerate(stops)]


ODD: Mapping[int, Mapping[str, Any]] = {
    1: {"supplement": True}, 4: {"refuse": True}, 6: {"deny": True}, 8: {"suspend": True},
    9: {"rating": "satisfied"},
}  # fmt: skip


def _in_turn(lists: list[tuple[str, ...]]) -> list[str]:
    longest = max(map(len, lists), default=0)
    return [one[at % len(one)] for at in range(longest) for one in lists if one]
