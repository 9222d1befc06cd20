"""Due dates that waited for a calendar, counted again when it is published; each change is an act."""

from typing import Any

from sqlalchemy import select, update

from exchange import acts, clocks
from exchange.records import pseudonym
from exchange.store.tables import case_record
from exchange.store.work import Work

DUE = ("statutory_due", "promised_due", "provisional")
_PROVISIONAL = (
    select(case_record.c.case_no, case_record.c.clock, *(case_record.c[name] for name in DUE))
    .where(case_record.c.provisional)
    .order_by(case_record.c.case_no)
)


def recompute(work: Work, hub: str, key: bytes, cause: str) -> int:
    """Counts every provisional case by the calendars known now; how many changed.

    `cause` is the exchange id of the act behind it.
    """
    work.flush()
    before = [dict(row) for row in work.connection.execute(_PROVISIONAL).mappings()]
    pairs = [(case, clocks.recomputed(work, case)) for case in before]
    changed = [after for case, after in pairs if any(case[name] != after[name] for name in DUE)]
    for case in changed:
        _store(work, hub, key, cause, case)
    return len(changed)


def _store(work: Work, hub: str, key: bytes, cause: str, case: dict[str, Any]) -> None:
    due = {name: case[name] for name in DUE}
    mine = case_record.c.case_no == case["case_no"]
    work.connection.execute(update(case_record).where(mine).values(**due, changed_at=work.now))
    value, subject = {"case_no": case["case_no"], **due}, pseudonym(key, case["case_no"])
    acts.record_value(work, hub, "case.due_recomputed", cause, "clock", value, case=subject)
