"""Which clocks of a case a message starts, moves and stops; everything from the message and the case's row.

Times are counted as the exchange counts them (C17): never before the event before it, never ahead of receipt.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from canonical.counting import Suspension
from canonical.instants import event_time, local_date
from canonical.messages import (
    CaseAccepted,
    CaseApplied,
    CaseConcluded,
    CaseDelivered,
    CasePreReviewed,
    CaseSpecialFinished,
    CaseSpecialStarted,
    CaseStep,
    CaseSupplemented,
    CaseSupplementNoticed,
    CertificateIssued,
    Payload,
)
from canonical.signals import ClockName
from canonical.timelimit import NOTICE_DAYS, Extension, Limit, Unit
from hallservice.supervision.limits import Facts

Case = Mapping[str, Any]
Clocks = Mapping[str, Facts]

NOTICE = ClockName.SUPPLEMENT_NOTICE.value
SERVICE = ClockName.SERVICE.value
SERVICE_DAYS = 10  # working days to issue and serve the licence, 行政许可法 art. 44
MAIN = (ClockName.STATUTORY.value, ClockName.PROMISED.value)


def moved(case: Case, payload: Payload, stored: Clocks, now: float) -> dict[str, Facts]:
    """The clocks that are other than `stored` after this message."""
    for kind, change in _CHANGES.items():
        if isinstance(payload, kind):
            found: dict[str, Facts] = change(case, payload, stored, now)
            return {name: facts for name, facts in found.items() if stored.get(name) != facts}
    return {}


def _applied(case: Case, said: CaseApplied, stored: Clocks, now: float) -> dict[str, Facts]:
    """Receipt: five working days to ask for what is missing, once (C9)."""
    return {NOTICE: Facts(NOTICE, _day(said.applied_at, now), Limit(NOTICE_DAYS))}


def _pre_reviewed(case: Case, said: CasePreReviewed, stored: Clocks, now: float) -> dict[str, Facts]:
    return {} if said.result == "passed" else _end(stored, (NOTICE,), _day(said.reviewed_at, now))


def _noticed(case: Case, said: CaseSupplementNoticed, stored: Clocks, now: float) -> dict[str, Facts]:
    return _end(stored, (NOTICE,), _day(said.noticed_at, now))


def _supplemented(case: Case, said: CaseSupplemented, stored: Clocks, now: float) -> dict[str, Facts]:
    """The office has the materials again, and again five working days to say whether it accepts."""
    return {NOTICE: Facts(NOTICE, _day(said.received_at, now), Limit(NOTICE_DAYS))}


def _accepted(case: Case, said: CaseAccepted, stored: Clocks, now: float) -> dict[str, Facts]:
    """A lawful default accepts as of the receipt; the notice limit ends today all the same."""
    answered = max(_day(said.decided_at, now), _since(stored, NOTICE) or date.min)
    return _end(stored, (NOTICE,), answered) | (_main(case, stored) if said.result == "accepted" else {})


def _special_started(case: Case, said: CaseSpecialStarted, stored: Clocks, now: float) -> dict[str, Facts]:
    found = _main(case, stored)
    spans = {number: start for number, start, _ in case["clock"].get("suspensions", ())}
    if said.kind != "extension" and said.limit is not None and said.number in spans:
        name = special(said.number)
        limit = Limit(said.limit.count, Unit(said.limit.unit))
        found[name] = Facts(name, date.fromisoformat(spans[said.number]), limit)
    return found


def _special_finished(case: Case, said: CaseSpecialFinished, stored: Clocks, now: float) -> dict[str, Facts]:
    stops = {number: stop for number, _, stop in case["clock"].get("suspensions", ()) if stop}
    stop = stops.get(said.number)
    ended = _end(stored, (special(said.number),), date.fromisoformat(stop)) if stop else {}
    return _main(case, stored) | ended


def _stepped(case: Case, said: CaseStep, stored: Clocks, now: float) -> dict[str, Facts]:
    """The licence was granted: it has to be issued and served (art. 44)."""
    if (said.step, said.action) != ("approve", "pass") or not case["gives_certificate"]:
        return {}
    return {SERVICE: Facts(SERVICE, _day(said.decided_at, now, case), Limit(SERVICE_DAYS))}


def _concluded(case: Case, said: CaseConcluded, stored: Clocks, now: float) -> dict[str, Facts]:
    return _end(stored, tuple(stored), _day(said.concluded_at, now, case))


def _issued(case: Case, said: CertificateIssued, stored: Clocks, now: float) -> dict[str, Facts]:
    """What was left for later when the case was concluded is there; before that, the conclusion counts."""
    if said.state != "issued" or case["state"] != "concluded":
        return {}
    return _end(stored, (SERVICE,), local_date(datetime.fromtimestamp(now, UTC)))


def _delivered(case: Case, said: CaseDelivered, stored: Clocks, now: float) -> dict[str, Facts]:
    return _end(stored, (SERVICE,), _day(said.collected_at, now, case))


_CHANGES: Mapping[type[Payload], Callable[..., dict[str, Facts]]] = {
    CaseApplied: _applied,
    CasePreReviewed: _pre_reviewed,
    CaseSupplementNoticed: _noticed,
    CaseSupplemented: _supplemented,
    CaseAccepted: _accepted,
    CaseSpecialStarted: _special_started,
    CaseSpecialFinished: _special_finished,
    CaseStep: _stepped,
    CaseConcluded: _concluded,
    CertificateIssued: _issued,
    CaseDelivered: _delivered,
}
CHANGED_BY = tuple(kind.TYPE for kind in _CHANGES)


def special(number: int) -> str:
    """The clock of one special procedure."""
    return f"{ClockName.SPECIAL_PROCEDURE}/{number}"


def suspensions(case: Case) -> tuple[Suspension, ...]:
    """Days on which no clock of handling runs (C6)."""
    spans = case["clock"].get("suspensions", ())
    return tuple(
        Suspension(date.fromisoformat(start), date.fromisoformat(stop) if stop else None)
        for _, start, stop in spans
    )


def _main(case: Case, stored: Clocks) -> dict[str, Facts]:
    """The limits of the law and of the promise, as the exchange's clock of the case has them."""
    clock = case["clock"]
    if "accepted" not in clock:
        return {}
    since, pauses = date.fromisoformat(clock["accepted"]), suspensions(case)
    found = {}
    for name in MAIN:
        if (span := clock.get(name)) is not None:
            extension = _extension(clock, stored.get(name))
            found[name] = Facts(name, since, Limit(span[0], Unit(span[1])), pauses, extension)
    return found


def _extension(clock: Mapping[str, Any], before: Facts | None) -> Extension | None:
    """Effective from the day it was approved (C8): the day of the event that brought it."""
    days = clock.get("extension", 0)
    known = before.extension if before else None
    if not days or (known and known.days == days):
        return known
    return Extension(days, local_date(datetime.fromisoformat(clock["at"])))


def _end(stored: Clocks, names: tuple[str, ...], day: date) -> dict[str, Facts]:
    return {name: stored[name].ended(day) for name in names if name in stored}


def _since(stored: Clocks, name: str) -> date | None:
    return stored[name].since if name in stored else None


def _day(moment: datetime, now: float, case: Case | None = None) -> date:
    last = case["clock"].get("at") if case else None
    before = datetime.fromisoformat(last) if last else None
    return local_date(event_time(moment, datetime.fromtimestamp(now, UTC), before).counted)
