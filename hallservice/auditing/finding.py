"""Acts of staff as an auditor finds them: newest first, by body, person, kind and day, only where he audits.

A page is read from the ends of the bodies' own indices, so that its cost does not grow with the ledger.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
)

from canonical.amounts import BEIJING
from canonical.masking import text_masked
from exchange.store.tables import document
from hallservice.auditing.tables import hall_act
from hallservice.flows.staff import SYSTEM_CLERK
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under_any, within
from hallservice.people.functions import AUDIT
from hallservice.people.system import SYSTEM
from hallservice.typed import day_in
from ledger import tables as ledger
from ledger.prepared import run

MOST = 50  # rows a page
SHEET = 5_000  # rows of one spreadsheet
SYSTEMS = (SYSTEM.org, SYSTEM_CLERK.org)  # codes of no body
A = hall_act.c
_COLUMNS = (A.entry, A.kind, A.staff_no, A.org)
_LEAF = select(ledger.entry.c.leaf).where(ledger.entry.c.seq == bindparam("at"))
_SIZE = select(func.coalesce(func.max(ledger.entry.c.seq) + 1, 0))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; days as YYYY-MM-DD, the last one included; `body`: a name, part of it, or a code."""

    begin: str = ""
    end: str = ""
    kind: str = ""
    staff_no: str = ""
    body: str = ""


class Found(NamedTuple):
    """One act: `at` in Unix seconds, `about` as the ledger says it, with what it is called."""

    entry: int
    at: float
    kind: str
    about: str
    staff_no: str
    name: str
    org_name: str


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: the entry before which the next page begins, 0 on the last."""

    rows: Sequence[Found]
    next: int


@dataclass(frozen=True, slots=True)
class _Ask:
    """A question in positions of the ledger: from `low` on, before `high`."""

    low: int
    high: int
    kind: str
    staff_no: str

    @property
    def narrow(self) -> bool:
        """Whether not every act will do."""
        return bool(self.kind or self.staff_no)

    def holds(self) -> ColumnElement[bool]:
        return _holds(bool(self.kind), bool(self.staff_no))

    def values(self) -> dict[str, str | int]:
        more = {"kind": self.kind} if self.kind else {}
        more |= {"staff_no": self.staff_no} if self.staff_no else {}
        return {"low": self.low, "high": self.high, **more}


def _holds(kind: bool, staff: bool) -> ColumnElement[bool]:
    more = [A.kind == bindparam("kind")] if kind else []
    more += [A.staff_no == bindparam("staff_no")] if staff else []
    return and_(A.entry >= bindparam("low"), A.entry < bindparam("high"), *more)


@cache
def _of_body(kind: bool, staff: bool) -> Select[Any]:
    mine = select(*_COLUMNS).where(A.org == bindparam("of"), _holds(kind, staff))
    return mine.order_by(A.entry.desc()).limit(bindparam("most"))


def everywhere(connection: Connection, clerk: Clerk) -> bool:
    """Whether the whole site is audited: then also what the system itself did."""
    tops = organisations.children(connection, None, closed=True)
    return all(clerk.may(AUDIT, top.path) for top in tops)


def found(hall: Hall, clerk: Clerk, wanted: Wanted, before: int = 0, size: int = MOST) -> Page:
    """HallRefused not_allowed."""
    clerk.expect(AUDIT)
    return hall.read(lambda connection: _page(connection, clerk, wanted, before, size))


def _page(connection: Connection, clerk: Clerk, wanted: Wanted, before: int, size: int) -> Page:
    low, high = _span(connection, wanted)
    ask = _Ask(low, min(before, high) if before else high, wanted.kind, wanted.staff_no)
    rows = _rows(connection, clerk, ask, wanted.body, size + 1)
    following = rows[size - 1].entry if len(rows) > size else 0
    return Page(told(connection, rows[:size]), following)


def _rows(connection: Connection, clerk: Clerk, ask: _Ask, body: str, most: int) -> list[Any]:
    whole = everywhere(connection, clerk)
    if whole and not (body or ask.narrow):
        newest = select(*_COLUMNS).where(ask.holds()).order_by(A.entry.desc()).limit(most)
        return list(connection.execute(newest, ask.values()))
    rows: list[Any] = []
    for org, last in _bodies(connection, clerk, ask, body, most, whole):
        if len(rows) == most and last < rows[-1].entry:
            break  # nor has any body after this one
        given = {**ask.values(), "of": org, "most": most}
        more = run(connection, _of_body(bool(ask.kind), bool(ask.staff_no)), given).all()
        rows = sorted([*rows, *more], key=lambda row: -row.entry)[:most]
    return rows


def _bodies(
    connection: Connection, clerk: Clerk, ask: _Ask, body: str, most: int, whole: bool
) -> Sequence[Any]:
    """Where the newest stand: of the bodies in reach the `most` that acted last, each with its last act."""
    newest = select(func.max(A.entry)).where(ask.holds())
    of_org = newest.where(A.org == t.org.c.code).correlate(t.org).scalar_subquery()
    reach = within(t.org.c.path, clerk, AUDIT)
    named = _named(connection, reach, body) if body else reach
    asks = [select(t.org.c.code.label("code"), of_org.label("last")).where(named)]
    if whole and not body:
        own = {code: newest.where(A.org == code).scalar_subquery() for code in SYSTEMS}
        asks += [select(literal(code).label("code"), last.label("last")) for code, last in own.items()]
    every = union_all(*asks).subquery()
    last = select(every).where(every.c.last.is_not(None)).order_by(every.c.last.desc()).limit(most)
    return connection.execute(last, ask.values()).all()


def _named(connection: Connection, reach: ColumnElement[bool], body: str) -> ColumnElement[bool]:
    """Bodies of that name, or with it in theirs, and what stands below them."""
    named = or_(
        t.org.c.code == body, t.org.c.name.contains(body, autoescape=True), t.org.c.short_name == body
    )
    tops = connection.execute(select(t.org.c.path).where(reach, named).order_by(t.org.c.path).limit(100))
    return and_(reach, under_any(t.org.c.path, tops.scalars().all()))


# -- days as positions: the ledger's clock never goes back


def _span(connection: Connection, wanted: Wanted) -> tuple[int, int]:
    size = int(connection.execute(_SIZE).scalar_one())
    first, last = day_in(wanted.begin), day_in(wanted.end)
    low = _position(connection, size, first) if first else 0
    high = _position(connection, size, last + timedelta(days=1)) if last and last < date.max else size
    return low, high


def _position(connection: Connection, size: int, day: date) -> int:
    """The first entry of that day or after it."""
    midnight = int(datetime.combine(day, time(), BEIJING).timestamp() * 1000)
    return bisect_left(range(size), midnight, key=lambda seq: _ts(connection, seq))


def _ts(connection: Connection, seq: int) -> int:
    row = run(connection, _LEAF, {"at": seq}).first()
    return int(json.loads(row.leaf)["ts"]) if row else 0


# -- what the rows say


def told(connection: Connection, rows: Sequence[Any]) -> list[Found]:
    """With the time and the matter from the ledger's own lines, the names from the hall's lists."""
    entries = [row.entry for row in rows]
    leaves = _leaves(connection, entries)
    cases = _by(connection, document.c.entry, document.c.case_no, entries)
    about = {entry: cases.get(entry) or str(leaf["xid"]) for entry, leaf in leaves.items()}
    names = _by(connection, t.user.c.staff_no, t.user.c.name, {row.staff_no for row in rows})
    orgs = _by(connection, t.org.c.code, t.org.c.name, {row.org for row in rows} | set(about.values()))
    people = _by(connection, t.user.c.id, t.user.c.name, about.values())
    called = {key: orgs.get(key) or people.get(key) or text_masked(key) for key in about.values()}
    return [
        Found(
            row.entry, leaves[row.entry]["ts"] / 1000, row.kind, called[about[row.entry]], row.staff_no,
            names.get(row.staff_no, "系统"), orgs.get(row.org, ""),
        )
        for row in rows
    ]  # fmt: skip


def _leaves(connection: Connection, entries: Sequence[int]) -> dict[int, dict[str, Any]]:
    kept = _by(connection, ledger.entry.c.seq, ledger.entry.c.leaf, entries)
    return {seq: json.loads(leaf) for seq, leaf in kept.items()}


def _by(connection: Connection, key: Any, value: Any, wanted: Iterable[Any]) -> Mapping[Any, Any]:
    asked = sorted(set(wanted))
    made: dict[Any, Any] = {}
    for at in range(0, len(asked), 500):
        made |= {k: v for k, v in connection.execute(select(key, value).where(key.in_(asked[at : at + 500])))}
    return made
