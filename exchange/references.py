"""Partners' numbers for things of a case: payment notices, certificate requests, short messages."""

import hashlib
from typing import Any

from sqlalchemy import JSON, bindparam, select, text

from exchange.store.tables import reference
from exchange.store.work import Work
from ledger.prepared import run

_REMEMBER = text(
    "INSERT INTO reference (kind, value, case_no, data) VALUES (:kind, :value, :case_no, :data)"
    " ON CONFLICT (kind, value) DO UPDATE SET case_no = excluded.case_no, data = excluded.data"
).bindparams(bindparam("data", type_=JSON))
_CASE = select(reference.c.case_no).where(
    reference.c.kind == bindparam("of"), reference.c.value == bindparam("named")
)
_DATA = select(reference.c.data).where(
    reference.c.kind == bindparam("of"), reference.c.value == bindparam("named")
)


def remember(work: Work, kind: str, value: str, case_no: str, data: dict[str, Any] | None = None) -> None:
    """This number belongs to this case; said again, the newest counts. What waited for it may go on."""
    work.connection.execute(_REMEMBER, {"kind": kind, "value": value, "case_no": case_no, "data": data})
    work.named.append(waiting_for(kind, value))


def waiting_for(kind: str, value: str) -> str:
    """What stands in place of the case number of a message held until the number it names is known."""
    return "ref:" + hashlib.sha256(f"{kind}/{value}".encode()).hexdigest()[:40]


def case_of(work: Work, kind: str, value: str) -> str | None:
    """The case a number belongs to."""
    found: str | None = run(work.connection, _CASE, {"of": kind, "named": value}).scalar()
    return found


def data_of(work: Work, kind: str, value: str) -> dict[str, Any] | None:
    """What was remembered with a number."""
    found: dict[str, Any] | None = run(work.connection, _DATA, {"of": kind, "named": value}).scalar()
    return found
