"""Supervision signals of one clock (rules C7, C10, C12, C13): what is owed on a day, told at most once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from canonical.calendar import Calendar
from canonical.counting import Counting, Suspension
from canonical.timelimit import DEFAULT_THRESHOLDS, Extension, Limit, Thresholds, counting_of, due_date


class Signal(StrEnum):
    WARNING = "warning"
    DUE_TODAY = "due_today"
    YELLOW = "yellow"
    RED = "red"
    NEAR_LIMIT = "near_limit"
    BREACH = "breach"


class ClockName(StrEnum):
    """The clocks of one case; they run side by side (C10)."""

    STATUTORY = "statutory"
    SUPPLEMENT_NOTICE = "supplement_notice"
    SPECIAL_PROCEDURE = "special_procedure"
    SERVICE = "service"
    PROMISED = "promised"
    STEP = "step"

    @property
    def raises_cards(self) -> bool:
        """The kinds of limit that are supervised with cards (those of S0-37, and that of issuing the licence,
        行政许可法 art. 44); the others end in findings."""
        return self not in (ClockName.PROMISED, ClockName.STEP)


@dataclass(frozen=True, slots=True)
class Clock:
    """Facts of one running limit; `since`, its day 0, is the acceptance, receipt, start or previous step."""

    case: str
    name: ClockName
    since: date
    limit: Limit
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    concluded: date | None = None

    def known_on(self, today: date) -> "Clock":
        """The facts as they stood: no later suspension, no extension approved later (C8)."""
        if not self.extension and not self.suspensions:
            return self
        extension = self.extension if self.extension and self.extension.approved <= today else None
        suspensions = tuple(pause for pause in self.suspensions if pause.start <= today)
        return replace(self, extension=extension, suspensions=suspensions)

    def runs_on(self, today: date) -> bool:
        """Begun, not concluded and not suspended."""
        over = self.concluded is not None and self.concluded <= today
        return self.since <= today and not over and not any(p.covers(today) for p in self.suspensions)

    def counting(self, calendar: Calendar) -> Counting:
        return counting_of(self.limit, calendar, self.suspensions)

    def due(self, counting: Counting) -> date | None:
        days = self.extension.days if self.extension else 0
        return due_date(self.since, self.limit, counting, days)


@dataclass(frozen=True, slots=True)
class SignalKey:
    """What is told once: a moved due date opens a new cycle, what the old one raised stays (C13)."""

    case: str
    clock: ClockName
    due: date
    signal: Signal


def signals(
    today: date,
    clock: Clock,
    calendar: Calendar,
    raised: Collection[SignalKey] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> tuple[SignalKey, ...]:
    """Signals owed on `today` and not raised yet, mildest first; a day that was not scanned is caught up.

    Nothing is owed while the clock is suspended (C7) or once the matter is concluded.
    """
    known = clock.known_on(today)
    if not known.runs_on(today):
        return ()
    counting = known.counting(calendar)
    due = known.due(counting)
    if due is None:
        return ()
    owed = _owed(today, due, known, counting, thresholds)
    keys = (SignalKey(clock.case, clock.name, due, signal) for signal in owed)
    return tuple(key for key in keys if key not in raised)


def _owed(
    today: date, due: date, clock: Clock, counting: Counting, thresholds: Thresholds
) -> tuple[Signal, ...]:
    if today > due:
        return _late(counting.between(due, today), clock.name, thresholds)
    near = Signal.WARNING if clock.name.raises_cards else Signal.NEAR_LIMIT
    left = counting.between(today, due)
    owed = ((near, clock.limit.count > 0 and left <= thresholds.warning),)
    prompt = ((Signal.DUE_TODAY, left <= thresholds.prompt),)
    return tuple(signal for signal, due_now in owed + prompt if due_now)


def _late(days: int, name: ClockName, thresholds: Thresholds) -> tuple[Signal, ...]:
    if not name.raises_cards:
        return (Signal.BREACH,) if days >= thresholds.yellow else ()
    cards = ((Signal.YELLOW, thresholds.yellow), (Signal.RED, thresholds.red_over))
    return tuple(signal for signal, needed in cards if days >= needed)
