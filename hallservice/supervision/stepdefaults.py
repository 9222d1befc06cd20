"""Lawful defaults of steps (R-04): fired where a process says so, by the engine, as an act of the system.

A definition may name one only where the law knows it, with its basis: no opinion within an internal
consultation past its limit, a renewal nobody decided before the licence ended (行政许可法 art. 50). Whatever
else is overdue stays undone.
"""

from datetime import date

import structlog
from sqlalchemy import Connection, insert, select

from exchange.store.work import Work
from hallservice.flows import instances, keeping, plans
from hallservice.flows import tables as flows
from hallservice.hall import Hall
from hallservice.refusals import HallRefused
from hallservice.supervision.steps import PREFIX
from hallservice.supervision.tables import clock, default

log = structlog.get_logger()


def fire(hall: Hall, today: date) -> int:
    """Every step whose definition has a default, and whose day has come; how many were done."""
    waiting = hall.read(lambda connection: _overdue(connection, today))
    return sum(_fired(hall, case_no, step) for case_no, step in waiting)


def _overdue(connection: Connection, today: date) -> list[tuple[str, str]]:
    """Past their due date; of processes that renew licences all, since those wait for another day."""
    renewing = select(flows.plan.c.digest).where(flows.plan.c.definitions.contains("DEEM_RENEWED"))
    late = (clock.c.due < today.isoformat()) | flows.instance.c.plan.in_(renewing)
    open_ = clock.c.clock.startswith(PREFIX) & clock.c.concluded.is_(None)
    query = select(clock.c.case_no, clock.c.clock, flows.instance.c.plan)
    joined = query.join(flows.instance, flows.instance.c.case_no == clock.c.case_no).where(open_, late)
    rows = connection.execute(joined.order_by(clock.c.case_no, clock.c.clock)).all()
    has = {digest: _policies(connection, digest) for digest in {row.plan for row in rows}}
    found = [(row.case_no, row.clock.removeprefix(PREFIX), has[row.plan]) for row in rows]
    return [(case_no, step) for case_no, step, policies in found if step in policies]


def _policies(connection: Connection, digest: str) -> set[str]:
    """Keys of the steps that have a default."""
    places = plans.load(connection, digest).places
    return {key for key, place in places.items() if place.step.overdue != "NONE"}


def _fired(hall: Hall, case_no: str, step: str) -> bool:
    try:
        instances.deem(hall, case_no, step)
    except HallRefused as refusal:  # done meanwhile, suspended, or the case's state is against it
        log.info("no_default", case=case_no, step=step, code=refusal.code)
        return False
    hall.write(lambda work: _remember(work, case_no, step))
    return True


def _remember(work: Work, case_no: str, step: str) -> None:
    """For the pages; the act itself is the event in the ledger."""
    found = keeping.get(work.connection, case_no)
    place = found.plan.places[step].step
    happened = keeping.happened(work.connection, found.id)[-1]
    row = {"case_no": case_no, "about": PREFIX + step, "policy": place.overdue, "basis": place.basis}
    mine = (default.c.case_no == case_no) & (default.c.about == PREFIX + step)
    if work.connection.execute(select(default.c.case_no).where(mine)).first() is None:
        day = happened.event.at.date().isoformat()
        entry = {"day": day, "at": work.now, "entry": happened.entry}
        work.connection.execute(insert(default), {**row, **entry})
