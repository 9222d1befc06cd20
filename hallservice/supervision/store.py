"""Clocks as rows, and what was told of them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.counting import Suspension
from canonical.signals import Signal
from canonical.timelimit import Extension, Limit, Unit
from hallservice.supervision.limits import Course, Facts
from hallservice.supervision.tables import card, clock
from ledger.prepared import run

Raised = set[tuple[date, Signal]]

_OF_CASE = select(clock).where(clock.c.case_no == bindparam("of"))
_NEW = insert(clock)
_MINE = (clock.c.case_no == bindparam("of")) & (clock.c.clock == bindparam("named"))
_CHANGE = update(clock).where(_MINE)
_TOLD = select(card.c.clock, card.c.due, card.c.signal).where(card.c.case_no == bindparam("of"))
_LOOKED = (
    update(clock)
    .where(_MINE)
    .values(
        due=bindparam("new_due"),
        provisional=bindparam("new_provisional"),
        next_day=bindparam("new_next"),
        looked=bindparam("new_looked"),
    )
)


def of_case(connection: Connection, case_no: str) -> list[Any]:
    """Every clock of a case, ended ones too."""
    return list(run(connection, _OF_CASE, {"of": case_no}))


def told_of(connection: Connection, case_no: str) -> dict[str, Raised]:
    """Clock -> (due date, signal) of everything that was told of this case."""
    found: dict[str, Raised] = {}
    for row in run(connection, _TOLD, {"of": case_no}):
        found.setdefault(row.clock, set()).add((date.fromisoformat(row.due), Signal(row.signal)))
    return found


def told_of_many(connection: Connection, cases: Collection[str]) -> dict[tuple[str, str], Raised]:
    """(case, clock) -> what was told, for a batch of cases."""
    columns = (card.c.case_no, card.c.clock, card.c.due, card.c.signal)
    found: dict[tuple[str, str], Raised] = {}
    for row in connection.execute(select(*columns).where(card.c.case_no.in_(set(cases)))):
        known = found.setdefault((row.case_no, row.clock), set())
        known.add((date.fromisoformat(row.due), Signal(row.signal)))
    return found


def facts_of(row: Any) -> Facts:
    """The facts a row holds."""
    pauses = tuple(Suspension(_date(start), _date(end) if end else None) for start, end in row.suspensions)
    extension = Extension(row.extension, _date(row.extended_on)) if row.extension else None
    concluded = _date(row.concluded) if row.concluded else None
    limit = Limit(row.count, Unit(row.unit))
    return Facts(row.clock, _date(row.since), limit, pauses, extension, concluded)


def keep(
    connection: Connection, case_no: str, region: str, facts: Facts, course: Course, today: date, known: bool
) -> None:
    """Write a clock that was started or moved, and looked at."""
    row = {
        "region": region,
        "since": facts.since.isoformat(),
        "count": facts.limit.count,
        "unit": facts.limit.unit.value,
        "suspensions": [[p.start.isoformat(), p.end and p.end.isoformat()] for p in facts.suspensions],
        "extension": facts.extension.days if facts.extension else 0,
        "extended_on": facts.extension.approved.isoformat() if facts.extension else None,
        "concluded": facts.concluded and facts.concluded.isoformat(),
        **_state(course, today),
    }
    if known:
        run(connection, _CHANGE, {**row, "of": case_no, "named": facts.clock})
    else:
        run(connection, _NEW, {**row, "case_no": case_no, "clock": facts.clock})


def looked_at(connection: Connection, seen: Iterable[tuple[Any, Course]], today: date) -> None:
    """Write what a look at these rows found: due date and the next day worth a look."""
    rows = [_changed(row, course, today) for row, course in seen]
    if rows:
        run(connection, _LOOKED, rows)


def _changed(row: Any, course: Course, today: date) -> Mapping[str, Any]:
    state = {f"new_{name.removesuffix('_day')}": value for name, value in _state(course, today).items()}
    return {"of": row.case_no, "named": row.clock, **state}


def _state(course: Course, today: date) -> dict[str, Any]:
    following = course.next_after(today)
    return {
        "due": course.due and course.due.isoformat(),
        "provisional": course.provisional,
        "next_day": following and following.isoformat(),
        "looked": today.isoformat(),
    }


def _date(text: str) -> date:
    return date.fromisoformat(text)
