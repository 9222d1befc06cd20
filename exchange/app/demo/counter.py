"""Talking to those who open cases: which items they apply for, how many they drive, how far they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from exchange.app.demo.asking import Asking
from exchange.app.demo.layout import Layout, Partner, write_file
from exchange.app.demo.watching import items_in_force
from exchange.errors import Misconfigured
from exchange.store.engine import reading

NAME, PORTAL = "counter", "portal"
ONLINE_SHARE = 5  # one case in so many is opened at the portal
CERTIFICATE = "certificate"  # code list result_type
# What the counter fills in on a certificate of any type.
FIELDS = (
    {"name": "holderName", "label": "持证者名称", "type": "string", "len": 100, "required": True},
    {"name": "scope", "label": "许可内容", "type": "string", "len": 500, "required": False},
)

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """How far the cases of this run are, and what an earlier run left unfinished."""

    total: int = 0
    done: int = 0
    failed: Sequence[str] = ()  # case, code and path of those that cannot go on

    @property
    def over(self) -> bool:
        """No case can go on."""
        return self.total > 0 and self.done + len(self.failed) >= self.total


def mixed(items: Iterable[Item]) -> list[Item]:
    """Items with a fee, with a certificate and with neither, in turn; a kind that runs out is begun again."""
    kinds: dict[str, list[Item]] = {"fee": [], CERTIFICATE: [], "neither": []}
    for item in items:
        other = CERTIFICATE if item["result_kind"] == CERTIFICATE else "neither"
        kinds["fee" if item["has_fee"] else other].append(item)
    return in_turn([kind for kind in kinds.values() if kind])


def in_turn(lists: Sequence[Sequence[Item]]) -> list[Item]:
    """One of each list, again and again; a list that runs out is begun again."""
    longest = max(map(len, lists), default=0)
    return [one[n % len(one)] for n in range(longest) for one in lists]


def write_items(engine: Engine, layout: Layout, asking: Asking, members: Sequence[Partner]) -> None:
    """The departments' items as the province published them, each department in turn, and the types of their
    certificates."""
    organisations = [one.org for one in members if one.org is not None]
    with reading(engine) as connection:
        by_organisation = [mixed(items_in_force(connection, org)) for org in organisations]
    for org, found in zip(organisations, by_organisation, strict=True):
        if not found:
            raise Misconfigured("no_items", "the catalogue has no item of the department", org)
    items = in_turn(by_organisation)
    write_file(layout.items, json.dumps(items, ensure_ascii=False, indent=1) + "\n")
    for item in {item["code"]: item for item in items if item.get("certificate_type")}.values():
        name = item.get("result_name") or item["name"]
        kind = {"typeCode": item["certificate_type"], "typeName": name, "version": "1.0", "fields": FIELDS}
        asking.post("certificates", "/admin/type", kind)


class Opener:
    """The admin interface of one that opens cases; what had ended before is not of this run."""

    def __init__(self, asking: Asking, name: str) -> None:
        self._asking, self._name = asking, name
        self._before = Count()

    def begin(self, cases: int) -> None:
        """Open so many cases."""
        self._before = self._count()
        if cases:
            self._asking.post(self._name, "/admin/run", {"cases": cases})

    def since(self) -> "Count":
        """How far the cases of this run are."""
        return self._count().minus(self._before)

    def _count(self) -> "Count":
        return Count.read(self._asking.get(self._name, "/admin/progress"))


@dataclass(frozen=True)
class Count:
    """Numbers of GET /admin/progress; adopted cases are those another one opened."""

    cases: int = 0
    finished: int = 0
    adopted: int = 0
    adopted_finished: int = 0
    adopted_failed: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)  # why, by case

    @staticmethod
    def read(progress: Mapping[str, Any]) -> "Count":
        """Of its JSON."""
        adopted = progress.get("adopted", {"cases": 0, "finished": 0, "failed": 0})
        failed = {one["case"]: f"{one['code']} {one['path'] or ''}".strip() for one in progress["failed"]}
        there = (adopted["cases"], adopted["finished"], adopted["failed"])
        return Count(progress["cases"], progress["finished"], *there, failed)

    def minus(self, before: "Count") -> "Count":
        """What is of this run: an earlier one's finished and failed cases are not, its open ones are."""
        over = before.finished + len(before.failed)
        adopted_over = before.adopted_finished + before.adopted_failed
        failed = {case: why for case, why in self.failed.items() if case not in before.failed}
        return Count(
            self.cases - over, self.finished - before.finished, self.adopted - adopted_over,
            self.adopted_finished - before.adopted_finished,
            self.adopted_failed - before.adopted_failed, failed,
        )  # fmt: skip


class Counter:
    """Who opens the cases: the hall's counter and, where it takes part, the portal for one in five."""

    def __init__(self, asking: Asking, *, portal: bool = False) -> None:
        self._counter = Opener(asking, NAME)
        self._portal = Opener(asking, PORTAL) if portal else None

    def begin(self, cases: int) -> None:
        """Open so many cases."""
        online = cases // ONLINE_SHARE if self._portal else 0
        self._counter.begin(cases - online)
        if self._portal:
            self._portal.begin(online)

    def standing(self) -> Standing:
        """How far they are; an online case is done when both have done with it."""
        hall, online = self._counter.since(), self._portal.since() if self._portal else Count()
        own, both = hall.cases - hall.adopted, min(hall.adopted_finished, online.finished)
        failed = [f"{case} {why}" for case, why in {**online.failed, **hall.failed}.items()]
        return Standing(own + online.cases, hall.finished - hall.adopted_finished + both, failed)
