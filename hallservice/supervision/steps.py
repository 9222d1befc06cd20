"""Clocks of steps (C15): made from what is to be done now, as the flows room keeps it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, literal, select

from canonical.instants import local_date
from canonical.signals import ClockName
from canonical.timelimit import Limit
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.flows.tables import task
from hallservice.hall import Hall
from hallservice.supervision import clocks, store
from hallservice.supervision.colouring import colour_tasks, uncoloured
from hallservice.supervision.limits import Course, Facts
from hallservice.supervision.tables import clock

PREFIX = f"{ClockName.STEP}/"
BATCH = 500
RECENT = 3 * 86_400.0  # seconds


def follow(hall: Hall, today: date, *, every: bool) -> int:
    """Starts, moves and ends the clocks of steps as the tasks stand, and colours new tasks; how many.

    The clocks are looked at next. Without `every`, suspensions are compared only of cases that changed in the
    last days. Nothing is written where nothing changed.
    """
    since = 0.0 if every else hall.hub.store.clock() - RECENT
    if not hall.read(lambda connection: _waits(connection, since)):
        return 0
    return hall.write(lambda work: _follow(work, today, since))


def _waits(connection: Connection, since: float) -> bool:
    return bool(_ended(connection) or _begun(connection, since) or uncoloured(connection))


def _follow(work: Work, today: date, since: float) -> int:
    """The clocks of steps that ended or began; a new one is to be looked at today, as if not yet."""
    ended, begun = _ended(work.connection), _begun(work.connection, since)
    for row in ended:
        facts = store.facts_of(row).ended(today)
        store.keep(work.connection, row.case_no, row.region, facts, Course(), today, known=True)
    before = today - timedelta(days=1)
    for row in begun:
        known = row.known is not None
        course = Course(days=(today,))
        store.keep(work.connection, row.case_no, row.region, _facts(row), course, before, known=known)
    colour_tasks(work, uncoloured(work.connection))
    return len(ended) + len(begun)


def _steps() -> Any:
    """One row a step with a limit: several people may have it."""
    return (
        select(
            task.c.case_no,
            (literal(PREFIX) + task.c.step).label("clock"),
            func.min(task.c.since).label("since"),
            func.max(task.c.limit_days).label("days"),
        )
        .where(task.c.limit_days > 0, task.c.wanted != "answer")
        .group_by(task.c.case_no, task.c.step)
        .subquery()
    )


def _ended(connection: Connection) -> Sequence[Any]:
    steps = _steps()
    same = and_(steps.c.case_no == clock.c.case_no, steps.c.clock == clock.c.clock)
    open_ = clock.c.concluded.is_(None) & clock.c.clock.startswith(PREFIX)
    query = select(clock).outerjoin(steps, same).where(open_, steps.c.case_no.is_(None))
    return connection.execute(query.limit(BATCH)).all()


def _begun(connection: Connection, since: float) -> Sequence[Any]:
    """Steps that have no clock, or one with another limit, another day 0 or other suspensions."""
    steps, c = _steps(), case_record.c
    same = and_(steps.c.case_no == clock.c.case_no, steps.c.clock == clock.c.clock)
    columns = (steps, c.region, c.clock.label("of_case"), clock.c.clock.label("known"))
    stored = (clock.c.since, clock.c.count, clock.c.suspensions, clock.c.concluded)
    renamed = [column.label(f"stored_{column.name}") for column in stored]
    query = select(*columns, *renamed).join(case_record, c.case_no == steps.c.case_no)
    fresh = clock.c.clock.is_(None) | clock.c.concluded.is_not(None) | (clock.c.count != steps.c.days)
    rows = connection.execute(query.outerjoin(clock, same).where(fresh | (c.changed_at >= since)))
    return [row for row in rows if _differs(row)]


def _differs(row: Any) -> bool:
    if row.known is None or row.stored_concluded is not None:
        return True
    facts = _facts(row)
    spans = [[p.start.isoformat(), p.end and p.end.isoformat()] for p in facts.suspensions]
    stored = (row.stored_since, row.stored_count, row.stored_suspensions)
    return stored != (facts.since.isoformat(), facts.limit.count, spans)


def _facts(row: Any) -> Facts:
    since = local_date(datetime.fromtimestamp(row.since, UTC))
    case: Mapping[str, Any] = {"clock": row.of_case or {}}
    return Facts(row.clock, since, Limit(row.days), clocks.suspensions(case))
