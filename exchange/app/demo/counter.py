"""Talking to the hall's counter: which items it applies for, how many cases it drives, how far they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from exchange.app.demo.asking import Asking
from exchange.app.demo.layout import Layout, Partner, write_file
from exchange.app.demo.watching import items_in_force
from exchange.errors import Misconfigured
from exchange.store.engine import reading

NAME = "counter"
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


class Counter:
    """The counter's admin interface; what was finished or had failed before is not of this run."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._finished, self._failed = 0, frozenset[str]()

    def begin(self, cases: int) -> None:
        """Open so many cases."""
        before = self._asking.get(NAME, "/admin/progress")
        self._finished, self._failed = before["finished"], frozenset(_failed(before))
        self._asking.post(NAME, "/admin/run", {"cases": cases})

    def standing(self) -> Standing:
        """How far they are."""
        now = self._asking.get(NAME, "/admin/progress")
        failed = [text for text in _failed(now) if text not in self._failed]
        total = now["cases"] - self._finished - len(self._failed)
        return Standing(total, now["finished"] - self._finished, failed)


def _failed(progress: Mapping[str, Any]) -> list[str]:
    return [f"{one['case']} {one['code']} {one['path'] or ''}".strip() for one in progress["failed"]]
