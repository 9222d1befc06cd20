"""The clocks of a case: due dates by canonical.timelimit from its acceptance, suspensions and extension."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from canonical.calendar import Calendar
from canonical.counting import Suspension, TimeLimitError
from canonical.instants import event_time, local_date
from canonical.messages import CaseAccepted, CaseSpecialFinished, CaseSpecialStarted, LimitSpan, Message
from canonical.timelimit import Extension, Limit, Unit, approve_extension, deadline
from exchange import calendars
from exchange.errors import Refused
from exchange.store.work import Work

Case = dict[str, Any]


Findings = tuple[tuple[str, str, str], ...]  # category, code, detail


def advanced(work: Work, case: Case, message: Message) -> tuple[Case, Findings]:
    """The case with its clocks after this message, and what was wrong with its time: acceptance starts the
    clocks, special procedures stop and resume them."""
    moment, change = _change(case, message)
    if moment is None or change is None:
        return case, ()
    last = case["clock"].get("at")
    said = event_time(
        moment, datetime.fromtimestamp(work.now, UTC), datetime.fromisoformat(last) if last else None
    )
    after = change(case, local_date(said.counted))
    after["clock"]["at"] = said.counted.isoformat()
    skew = f"{message.type} says {said.sender.isoformat()}, received {said.receipt.isoformat()}"
    return recomputed(work, after), () if said.finding is None else (("logic", said.finding.value, skew),)


def _change(case: Case, message: Message) -> tuple[datetime | None, Callable[[Case, date], Case] | None]:
    """The time a message gives its event, and what it does to the clocks on the day that counts."""
    payload = message.payload
    if isinstance(payload, CaseAccepted) and payload.result == "accepted":
        return payload.decided_at, lambda case, day: _accepted(case, payload, day)
    if isinstance(payload, CaseSpecialStarted):
        _expect_lawful(case, payload)
        return payload.started_at, lambda case, day: _started(case, payload, day)
    if isinstance(payload, CaseSpecialFinished):
        return payload.finished_at, lambda case, day: _finished(case, payload, day)
    return None, None


def _expect_lawful(case: Case, payload: CaseSpecialStarted) -> None:
    """Refused when an extension is longer than the law allows, or a second one (C8)."""
    if payload.kind == "extension":
        days = payload.limit.count if payload.limit else 0
        if fault := unlawful_extension(case, days, local_date(payload.started_at)):
            raise Refused("bad_value", f"the extension is not lawful: {fault}", "limit")


def unlawful_extension(case: Case, days: int, day: date) -> str:
    """Why the case's limit may not be extended by so many working days; '' if it may (C8)."""
    clock = case["clock"]
    if clock.get("statutory") is None:
        return ""
    earlier = clock.get("extension", 0)
    try:
        limit = Limit(clock["statutory"][0], Unit(clock["statutory"][1]))
        approve_extension(days, limit, day, Extension(earlier, day) if earlier else None)
    except TimeLimitError as fault:
        return fault.code
    return ""


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


def _accepted(case: Case, payload: CaseAccepted, day: date) -> Case:
    clock = {
        "accepted": day.isoformat(),
        "statutory": _span(payload.statutory_limit),
        "promised": _span(payload.promised_limit),
        "suspensions": [],
        "extension": 0,
    }
    acceptance = payload.model_dump(mode="json", exclude_none=True)
    return {**case, "clock": clock, "acceptance": acceptance, "query_password": payload.query_password}


def _started(case: Case, payload: CaseSpecialStarted, day: date) -> Case:
    clock = dict(case["clock"])
    if payload.kind == "extension":
        asked = {str(payload.number): payload.limit.count if payload.limit else 0}
        return {**case, "clock": {**clock, "asked": {**clock.get("asked", {}), **asked}}}
    pauses = [
        *clock.get("suspensions", ()),
        [payload.number, day.isoformat(), None],
    ]
    return {**case, "clock": {**clock, "suspensions": pauses}}


def _finished(case: Case, payload: CaseSpecialFinished, day: date) -> Case:
    clock = dict(case["clock"])
    days = clock.get("asked", {}).get(str(payload.number))
    if days is not None:
        more = days if payload.result == "finished" else 0
        asked = {no: count for no, count in clock["asked"].items() if no != str(payload.number)}
        return {**case, "clock": {**clock, "asked": asked, "extension": clock.get("extension", 0) + more}}
    end = day.isoformat()
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
