"""Counting of working days around suspensions.

A *counted day* is a working day at whose close the clock runs: the day of suspension does not count, the day
of resumption does, and a suspension resumed the same day changes nothing (C6).
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from canonical.calendar import LAST_ORDINAL, Calendar, CalendarError
from canonical.errors import ValueRefused

_NEVER: Final = LAST_ORDINAL + 1


class TimeLimitError(ValueRefused):
    """Facts no due date can be computed from; the detail is the place."""

    @property
    def where(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Suspension:
    """`[start, end)`: from the day of suspension to the day before resumption; `end` None while it lasts."""

    start: date
    end: date | None

    def __post_init__(self) -> None:
        if self.end is not None and self.end < self.start:
            raise TimeLimitError("reversed", "suspension")

    def covers(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True)
class Counting:
    """Counted days of one clock; suspensions are united, so overlapping ones do not count twice (C6)."""

    calendar: Calendar
    suspensions: tuple[Suspension, ...] = ()

    @cached_property
    def _pauses(self) -> list[tuple[int, int]]:
        """United suspensions as half-open spans of ordinals, in order."""
        united: list[tuple[int, int]] = []
        for start, end in sorted(map(_span, self.suspensions)):
            if united and start <= united[-1][1]:
                earlier = united.pop()
                start, end = earlier[0], max(end, earlier[1])
            united.append((start, end))
        return united

    def between(self, after: date, through: date) -> int:
        """Counted days later than `after` up to and including `through`; 0 when `through` is not later."""
        first, last = after.toordinal() + 1, through.toordinal()
        if last < first:
            return 0
        paused = sum(self._working(max(start, first), min(end - 1, last)) for start, end in self._pauses)
        return self._working(first, last) - paused

    def nth_after(self, day: date, number: int) -> date:
        """The counted day number `number` after `day`; `day` itself for 0, counted or not."""
        if number == 0:
            return day
        first = day.toordinal() + 1
        target = self.calendar.count_through(first - 1) + number
        for start, end in self._pauses:
            start = max(start, first)
            if target <= self.calendar.count_through(start - 1):
                break
            target += self._working(start, end - 1)
        return self._at(target)

    def rolled(self, day: date) -> date:
        """`day`, or the first counted day after it when it is none (C4)."""
        return day if self.calendar.is_working_day(day) else self.nth_after(day, 1)

    def back_from(self, day: date, number: int) -> date:
        """The counted day from which `number` counted days remain to the counted `day`; no suspensions."""
        return self._at(max(self.calendar.count_through(day.toordinal()) - number, 1))

    def _working(self, first: int, last: int) -> int:
        if last < first:
            return 0
        return self.calendar.count_through(last) - self.calendar.count_through(first - 1)

    def _at(self, count: int) -> date:
        try:
            return date.fromordinal(self.calendar.ordinal_of(count))
        except CalendarError:
            raise TimeLimitError("out_of_range", "due") from None


def _span(pause: Suspension) -> tuple[int, int]:
    return pause.start.toordinal(), pause.end.toordinal() if pause.end else _NEVER
