"""Partners' numbers for things of a case: payment notices, certificate requests, short messages."""

from typing import Any

from sqlalchemy import delete, insert, select

from exchange.store.tables import reference
from exchange.store.work import Work


def remember(work: Work, kind: str, value: str, case_no: str, data: dict[str, Any] | None = None) -> None:
    """This number belongs to this case; said again, the newest counts."""
    where = (reference.c.kind == kind) & (reference.c.value == value)
    work.connection.execute(delete(reference).where(where))
    row = {"kind": kind, "value": value, "case_no": case_no, "data": data}
    work.connection.execute(insert(reference), row)


def case_of(work: Work, kind: str, value: str) -> str | None:
    """The case a number belongs to."""
    where = (reference.c.kind == kind) & (reference.c.value == value)
    return work.connection.execute(select(reference.c.case_no).where(where)).scalar()


def data_of(work: Work, kind: str, value: str) -> dict[str, Any] | None:
    """What was remembered with a number."""
    where = (reference.c.kind == kind) & (reference.c.value == value)
    return work.connection.execute(select(reference.c.data).where(where)).scalar()
