"""The fee system's calendar: working days, the monthly freeze, the late surcharge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from mocks.partners.common.clock import BEIJING

BEGINS, ENDS = 17, 8  # hours: of the last working day of a month, of the day after it
SATURDAY: Final = 5
PER_DAY = 5  # late surcharge, in ten thousandths of the amount


def day_of(text: str) -> date:
    """Of yyyyMMdd; ValueError if there is no such day."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise ValueError("yyyyMMdd is needed")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def at_bank(seconds: float) -> datetime:
    """Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING)


def surcharge(total: int, due: str, seconds: float) -> int:
    """0.05 % of the amount for each day after DUE, rounded to fen."""
    late = max(0, (at_bank(seconds).date() - day_of(due)).days)
    return (total * PER_DAY * late + 5000) // 10_000


@dataclass(frozen=True)
class Freeze:
    """The monthly freeze; weekends are free but for `workdays`, `holidays` are free besides."""

    on: bool = True
    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    @staticmethod
    def of(on: bool, holidays: Iterable[str], workdays: Iterable[str]) -> Freeze:
        """From days written yyyyMMdd."""
        return Freeze(on, frozenset(map(day_of, holidays)), frozenset(map(day_of, workdays)))

    def holds(self, seconds: float) -> bool:
        """From 17:00 of the last working day until 08:00 of the next day."""
        now = at_bank(seconds)
        today, yesterday = now.date(), now.date() - timedelta(days=1)
        begun = now.hour >= BEGINS and self._closes(today)
        return self.on and (begun or (now.hour < ENDS and self._closes(yesterday)))

    def _closes(self, day: date) -> bool:
        """Whether a day is the last working day of its month."""
        following = day + timedelta(days=1)
        while following.month == day.month:
            if self._works(following):
                return False
            following += timedelta(days=1)
        return self._works(day)

    def _works(self, day: date) -> bool:
        return day in self.workdays or (day.weekday() < SATURDAY and day not in self.holidays)
