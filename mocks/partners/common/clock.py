"""Time as the contracts write it: Beijing time, yyyyMMddHHmmss; and the partner's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

Clock = Callable[[], float]
"""Unix seconds; injected so that tests choose the time."""

BEIJING = timezone(timedelta(hours=8), "UTC+8")


@dataclass
class OwnClock:
    """A partner's clock, which may be set wrong: one offset for its business, one for its seals.

    What waits to be repeated is timed by `base`, so that setting the clock loses no message.
    """

    base: Clock = time.time
    offset: float = 0.0
    seal_offset: float = 0.0

    def __call__(self) -> float:
        """The hour of its business: dates, deadlines, daily windows."""
        return self.base() + self.offset

    def seals(self) -> float:
        """The second it writes into its seals and measures those of others by."""
        return self.base() + self.seal_offset

    def shift(self, seconds: float, *, seals: bool) -> None:
        """Seconds ahead of the true time (behind, if negative); 0 puts it right."""
        self.offset, self.seal_offset = seconds, seconds if seals else 0.0

    def shift_seals(self, seconds: float) -> None:
        """That of seals alone."""
        self.seal_offset = seconds


def compact(seconds: float) -> str:
    """yyyyMMddHHmmss in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y%m%d%H%M%S")


def iso(seconds: float) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def parse_compact(text: str) -> float:
    """Unix seconds of a yyyyMMddHHmmss text; ValueError if it is none."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError("yyyyMMddHHmmss is needed")
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()


def is_date(text: str) -> bool:
    """Whether a text is a calendar day as yyyyMMdd."""
    try:
        parse_compact(text + "000000")
    except ValueError:
        return False
    return True
