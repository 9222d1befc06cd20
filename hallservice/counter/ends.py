"""The day a case ended and how it was rated: what of its row messages alone tell, written in their commit."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from canonical.codes import code_list
from canonical.instants import event_time, local_date
from canonical.messages import CaseConcluded, CaseEvaluated, Payload
from exchange.reacting.occasion import Occasion
from exchange.store.tables import case_record, document
from exchange.store.work import Work
from hallservice.counter.tables import hall_case
from ledger.prepared import run

_CHANGE = update(hall_case).where(hall_case.c.case_no == bindparam("of"))
_SAID = (
    select(document.c.case_no, document.c.type, document.c.canonical, document.c.at, case_record.c.clock)
    .join(case_record, case_record.c.case_no == document.c.case_no)
    .where(document.c.type.in_((CaseConcluded.TYPE, CaseEvaluated.TYPE)), document.c.state == "accepted")
    .order_by(document.c.entry)
)


def keep(occasion: Occasion) -> Iterator[Payload]:
    """What this message says of its case; one that moved nothing says nothing new."""
    case = occasion.moved.case
    if case is not None and not occasion.moved.repeated:
        said = _said(case["clock"], occasion.message.payload, occasion.work.now)
        run(occasion.work.connection, _CHANGE, {**said, "of": case["case_no"]})
    yield from ()


def restore(work: Work) -> None:
    """The same for rows made anew: the first of each kind moved its case, the others were said again."""
    kinds = {kind.TYPE: kind for kind in (CaseConcluded, CaseEvaluated)}
    told = set[tuple[str, str]]()
    for row in work.connection.execute(_SAID).all():
        if row.canonical is not None and (row.case_no, row.type) not in told:
            told.add((row.case_no, row.type))
            said = _said(row.clock, kinds[row.type].model_validate(row.canonical), row.at)
            run(work.connection, _CHANGE, {**said, "of": row.case_no})


def _said(clock: Mapping[str, Any] | None, payload: Payload, now: float) -> dict[str, Any]:
    if isinstance(payload, CaseConcluded):
        return {"ended_on": _day(clock or {}, payload.concluded_at, now).isoformat()}
    if isinstance(payload, CaseEvaluated):
        return {"rating": int(code_list("satisfaction").code(payload.satisfaction))}
    return {}


def _day(clock: Mapping[str, Any], moment: datetime, now: float) -> date:
    """The day that counts (C17): the one the clocks of supervision stop on."""
    last = clock.get("at")
    before = datetime.fromisoformat(last) if last else None
    return local_date(event_time(moment, datetime.fromtimestamp(now, UTC), before).counted)
