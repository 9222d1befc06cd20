"""The colour of what is to be done: that of the gravest card of its case that still counts."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, select, update

from exchange.store.work import Work
from hallservice.flows.tables import task
from hallservice.supervision.tables import card, clock
from hallservice.supervision.words import COLOURS, FINDING
from ledger.prepared import run

RANKS = {colour: rank for rank, colour in enumerate((*COLOURS, FINDING))}
SAME = and_(clock.c.case_no == card.c.case_no, clock.c.clock == card.c.clock)
CURRENT = and_(clock.c.concluded.is_(None), card.c.due == clock.c.due, card.c.colour != FINDING)


def gravity(colour: ColumnElement[str]) -> ColumnElement[int]:
    """0 the gravest."""
    return case(RANKS, value=colour)


_GRAVEST = (
    select(func.min(gravity(card.c.colour)).label("rank"))
    .join(clock, SAME)
    .where(card.c.case_no == bindparam("of"), CURRENT)
)


def colour_of(connection: Connection, case_no: str) -> str:
    """That of one case; '' without a card that counts."""
    rank = run(connection, _GRAVEST, {"of": case_no}).scalar()
    return "" if rank is None else list(RANKS)[rank]


def colours_of(connection: Connection, cases: Sequence[str]) -> dict[str, str]:
    """Case -> the gravest colour of a limit that is not over and whose due date has not moved since."""
    query = select(card.c.case_no, func.min(gravity(card.c.colour))).join(clock, SAME)
    rows = connection.execute(query.where(card.c.case_no.in_(cases), CURRENT).group_by(card.c.case_no))
    return {case_no: list(RANKS)[rank] for case_no, rank in rows}


def colour_tasks(work: Work, cases: Sequence[str]) -> None:
    """Write it where it is another; most cases have nothing to do here."""
    rows = work.connection.execute(select(task.c.id, task.c.case_no, task.c.colour).where(_of(cases))).all()
    found = colours_of(work.connection, [row.case_no for row in rows]) if rows else {}
    for row in rows:
        colour = found.get(row.case_no, "")
        if row.colour != colour:
            work.connection.execute(update(task).where(task.c.id == row.id).values(colour=colour))


def _of(cases: Sequence[str]) -> ColumnElement[bool]:
    return task.c.case_no.in_(cases)


def uncoloured(connection: Connection) -> list[str]:
    """Cases with a new task that does not show their card yet."""
    query = select(task.c.case_no).distinct().join(card, card.c.case_no == task.c.case_no)
    joined = query.join(clock, SAME).where(task.c.colour == "", CURRENT)
    return list(connection.execute(joined.limit(500)).scalars())
