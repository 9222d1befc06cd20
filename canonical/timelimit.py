"""Time limits (rules C2-C11, C15, C16): facts and a calendar in, dates out, all of them in Asia/Shanghai.

The day of acceptance is day 0, whatever the hour and even when it is a rest day (C2).
"""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from canonical.calendar import LAST_ORDINAL, Calendar
from canonical.counting import Counting, Suspension, TimeLimitError
from canonical.instants import EventTime, Skew, event_time, local_date, on_time

__all__ = [
    "DEFAULT_THRESHOLDS",
    "Acceptance",
    "Counting",
    "Deadline",
    "EventTime",
    "Extension",
    "Limit",
    "Limits",
    "Skew",
    "Suspension",
    "Thresholds",
    "TimeLimitError",
    "Unit",
    "approve_extension",
    "counting_of",
    "deadline",
    "deemed_acceptance",
    "due_date",
    "elapsed",
    "event_time",
    "local_date",
    "notice_due",
    "on_time",
    "over",
    "remaining",
]

MAX_COUNT: Final = 3_660
NOTICE_DAYS: Final = 5
"""Working days to ask for missing documents, else the application counts as accepted (C9)."""
JOINT_DAYS: Final = 45
EXTENSION_DAYS: Final = 10
JOINT_EXTENSION_DAYS: Final = 15


def _bounded(count: int, where: str) -> None:
    if count < 0:
        raise TimeLimitError("negative", where)
    if count > MAX_COUNT:
        raise TimeLimitError("too_large", where)


class Unit(StrEnum):
    WORKING_DAY = "working_day"
    CALENDAR_DAY = "calendar_day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Limit:
    """0 is the instant item, due on the day of acceptance (C11)."""

    count: int
    unit: Unit = Unit.WORKING_DAY

    def __post_init__(self) -> None:
        _bounded(self.count, "limit")

    def plus(self, days: int) -> "Limit":
        """Longer by approved working days; limits in other units are not extended (C8)."""
        _bounded(days, "extension")
        return replace(self, count=self.count + days) if days and self.unit is Unit.WORKING_DAY else self


@dataclass(frozen=True, slots=True)
class Deadline:
    """All dates are None while a suspension is open.

    `provisional` speaks of `due` alone: it was computed from, or lies in, a year without a published
    calendar; a card day in such a year does not make it so.
    """

    due: date | None
    warning: date | None
    yellow: date | None
    red: date | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Per region (C12): counted days remaining at the warning and at the prompt, days over at each card.

    `strict_red` reads "beyond" the red threshold as one more day.
    """

    warning: int = 2
    prompt: int = 0
    yellow: int = 1
    red: int = 2
    strict_red: bool = False

    def __post_init__(self) -> None:
        for name in ("warning", "prompt", "yellow", "red"):
            _bounded(getattr(self, name), name)
        if not 1 <= self.yellow <= self.red:
            raise TimeLimitError("bad_value", "thresholds")

    @property
    def red_over(self) -> int:
        return self.red + self.strict_red


DEFAULT_THRESHOLDS: Final = Thresholds()


def deadline(
    accepted: date,
    limit: Limit,
    calendar: Calendar,
    suspensions: Iterable[Suspension] = (),
    extension: int = 0,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Deadline:
    """Due date (C2-C6, C8, C11) with the days of the warning and of both cards (C12).

    Suspensions and extension move working-day limits only; an open suspension leaves any limit undated.
    """
    pauses = tuple(suspensions)
    if any(pause.end is None for pause in pauses):
        return Deadline(None, None, None, None, provisional=False)
    total = limit.plus(extension)
    counting = counting_of(limit, calendar, pauses)
    raw, due = _due(accepted, total, counting)
    looked_at = accepted + timedelta(days=1) if limit.unit is Unit.WORKING_DAY and due > accepted else raw
    return Deadline(
        due=due,
        warning=_warning(accepted, due, total, counting, thresholds.warning),
        yellow=counting.nth_after(due, thresholds.yellow),
        red=counting.nth_after(due, thresholds.red_over),
        provisional=not calendar.covers(looked_at, due),
    )


def due_date(accepted: date, limit: Limit, counting: Counting, extension: int = 0) -> date | None:
    """The due date of `deadline` alone, for scans; None while a suspension that `counting` knows is open."""
    if any(pause.end is None for pause in counting.suspensions):
        return None
    return _due(accepted, limit.plus(extension), counting)[1]


def counting_of(limit: Limit, calendar: Calendar, suspensions: tuple[Suspension, ...]) -> Counting:
    """What counts for this limit: suspensions only where it is one of working days."""
    return Counting(calendar, suspensions if limit.unit is Unit.WORKING_DAY else ())


def elapsed(since: date, today: date, calendar: Calendar, suspensions: Iterable[Suspension] = ()) -> int:
    """Counted days in (since, today]; `since` is the acceptance (C16) or the last step passed (C15)."""
    return Counting(calendar, tuple(suspensions)).between(since, today)


def remaining(due: date, today: date, calendar: Calendar, suspensions: Iterable[Suspension] = ()) -> int:
    """Counted days in (today, due]; 0 from the due date on."""
    return Counting(calendar, tuple(suspensions)).between(today, due)


def over(due: date, today: date, calendar: Calendar, suspensions: Iterable[Suspension] = ()) -> int:
    """Counted days in (due, today]; 0 up to the due date and on the rest days after it."""
    return Counting(calendar, tuple(suspensions)).between(due, today)


@dataclass(frozen=True, slots=True)
class Extension:
    """Approved working days, effective from the day of approval."""

    days: int
    approved: date


def approve_extension(
    days: int, statutory: Limit, approved: date, earlier: Extension | None = None
) -> Extension:
    """At most 10 working days once, 15 for a joint item of 45 days (C8)."""
    if statutory.unit is not Unit.WORKING_DAY or statutory.count == 0:
        raise TimeLimitError("not_extendable", "limit")
    if earlier is not None:
        raise TimeLimitError("extended_before", "extension")
    _bounded(days, "extension")
    most = JOINT_EXTENSION_DAYS if statutory.count == JOINT_DAYS else EXTENSION_DAYS
    if not 1 <= days <= most:
        raise TimeLimitError("extension_range", "extension")
    return Extension(days, approved)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that run side by side on one case (C10): by law, as promised, and of the current step."""

    statutory: Limit
    promised: Limit | None = None
    step: Limit | None = None

    def __post_init__(self) -> None:
        promised = self.promised
        if promised and promised.unit is self.statutory.unit and promised.count > self.statutory.count:
            raise TimeLimitError("promised_above_statutory", "promised")

    def extended(self, extension: Extension) -> "Limits":
        """All of them longer by the approved days (C8)."""
        days = extension.days
        promised, step = (one and one.plus(days) for one in (self.promised, self.step))
        return Limits(self.statutory.plus(days), promised, step)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Day 0 of the main clock; `deemed` when silence accepted the application (C9)."""

    day: date
    deemed: bool


def deemed_acceptance(
    received: date, answered: date | None, today: date, calendar: Calendar
) -> Acceptance | None:
    """Accepted as of the receipt once the notice limit has passed unanswered; None before, or if answered."""
    due = notice_due(received, calendar)
    if answered is not None and answered <= due:
        return None
    return Acceptance(received, deemed=True) if today > due else None


def notice_due(received: date, calendar: Calendar) -> date:
    """Last day to ask the applicant for missing documents: the fifth working day after receipt (C9)."""
    return Counting(calendar).nth_after(received, NOTICE_DAYS)


def _due(accepted: date, total: Limit, counting: Counting) -> tuple[date, date]:
    """Before and after it is moved off a rest day; an instant item is never moved (C4, C5, C11)."""
    raw = _raw_due(accepted, total, counting)
    moves = total.unit is not Unit.WORKING_DAY and total.count > 0
    return raw, counting.rolled(raw) if moves else raw


def _raw_due(accepted: date, total: Limit, counting: Counting) -> date:
    """The due date before it is moved off a rest day (C4, C5)."""
    if total.unit is Unit.WORKING_DAY:
        return counting.nth_after(accepted, total.count)
    if total.unit is Unit.CALENDAR_DAY:
        return _from_ordinal(accepted.toordinal() + total.count)
    return _months_after(accepted, total.count * (12 if total.unit is Unit.YEAR else 1))


def _from_ordinal(ordinal: int) -> date:
    if ordinal > LAST_ORDINAL:
        raise TimeLimitError("out_of_range", "due")
    return date.fromordinal(ordinal)


def _months_after(start: date, months: int) -> date:
    """Same day number, else the end of the month (C5)."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    if year > date.max.year:
        raise TimeLimitError("out_of_range", "due")
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def _warning(accepted: date, due: date, total: Limit, counting: Counting, left: int) -> date | None:
    """The first day on which `left` counted days remain, not before acceptance; none for an instant item."""
    if total.count == 0:
        return None
    if total.unit is Unit.WORKING_DAY:
        return counting.nth_after(accepted, max(total.count - left, 0))
    return max(accepted, counting.back_from(due, left))
