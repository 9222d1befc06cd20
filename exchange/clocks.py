"""The clocks of a case: due dates by canonical.timelimit from its acceptance, suspensions and extension."""

from datetime import UTC, date, datetime
from typing import Any

from canonical.calendar import Calendar
from canonical.counting import Suspension
from canonical.instants import local_date
from canonical.messages import CaseAccepted, CaseSpecialFinished, CaseSpecialStarted, LimitSpan, Message
from canonical.timelimit import Limit, Unit, deadline
from exchange import calendars
from exchange.store.work import Work

Case = dict[str, Any]


def advanced(work: Work, case: Case, message: Message) -> Case:
    """The case with its clocks after this message: acceptance starts them, special procedures stop and
    resume them."""
    payload = message.payload
    if isinstance(payload, CaseAccepted) and payload.result == "accepted":
        return recomputed(work, _accepted(case, payload))
    if isinstance(payload, CaseSpecialStarted):
        return recomputed(work, _started(case, payload))
    if isinstance(payload, CaseSpecialFinished):
        return recomputed(work, _finished(case, payload))
    return case


def runs(case: Case, number: int) -> bool:
    """Whether the special procedure of this number is the one now running: another's end does not end it."""
    clock = case["clock"]
    paused = {no for no, _, stop in clock.get("suspensions", ()) if stop is None}
    return number in paused or str(number) in clock.get("asked", {})


def recomputed(work: Work, case: Case) -> Case:
    """Due dates by the calendars known now; provisional when one reaches into an unpublished year."""
    clock, calendar = case["clock"], calendars.known(work)
    if "accepted" not in clock:
        return case
    statutory = _due(clock, "statutory", calendar)
    promised = _due(clock, "promised", calendar)
    provisional = any(result is not None and result[1] for result in (statutory, promised))
    return {
        **case,
        "statutory_due": statutory and statutory[0],
        "promised_due": promised and promised[0],
        "provisional": provisional,
    }


def _accepted(case: Case, payload: CaseAccepted) -> Case:
    clock = {
        "accepted": local_date(payload.decided_at).isoformat(),
        "statutory": _span(payload.statutory_limit),
        "promised": _span(payload.promised_limit),
        "suspensions": [],
        "extension": 0,
    }
    acceptance = payload.model_dump(mode="json", exclude_none=True)
    return {**case, "clock": clock, "acceptance": acceptance, "query_password": payload.query_password}


def _started(case: Case, payload: CaseSpecialStarted) -> Case:
    clock = dict(case["clock"])
    if payload.kind == "extension":
        asked = {str(payload.number): payload.limit.count if payload.limit else 0}
        return {**case, "clock": {**clock, "asked": {**clock.get("asked", {}), **asked}}}
    pauses = [
        *clock.get("suspensions", ()),
        [payload.number, local_date(payload.started_at).isoformat(), None],
    ]
    return {**case, "clock": {**clock, "suspensions": pauses}}


def _finished(case: Case, payload: CaseSpecialFinished) -> Case:
    clock = dict(case["clock"])
    days = clock.get("asked", {}).get(str(payload.number))
    if days is not None:
        more = days if payload.result == "finished" else 0
        asked = {no: count for no, count in clock["asked"].items() if no != str(payload.number)}
        return {**case, "clock": {**clock, "asked": asked, "extension": clock.get("extension", 0) + more}}
    end = local_date(payload.finished_at).isoformat()
    pauses = [
        [number, start, end if number == payload.number and stop is None else stop]
        for number, start, stop in clock.get("suspensions", ())
    ]
    return {**case, "clock": {**clock, "suspensions": pauses}}


def _span(limit: LimitSpan | None) -> list[Any] | None:
    return [limit.count, limit.unit] if limit else None


def _due(clock: Case, name: str, calendar: Calendar) -> tuple[str | None, bool] | None:
    span = clock.get(name)
    if span is None:
        return None
    pauses = [
        Suspension(date.fromisoformat(start), date.fromisoformat(stop) if stop else None)
        for _, start, stop in clock["suspensions"]
    ]
    limit = Limit(span[0], Unit(span[1]))
    result = deadline(date.fromisoformat(clock["accepted"]), limit, calendar, pauses, clock["extension"])
    return (result.due.isoformat() if result.due else None), result.provisional


def today(now: float) -> date:
    """The local date of a Unix time."""
    return local_date(datetime.fromtimestamp(now, UTC))
