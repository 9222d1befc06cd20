"""Time as the contracts write it: Beijing time, yyyyMMddHHmmss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

Clock = Callable[[], float]
"""Unix seconds; injected so that tests choose the time."""

BEIJING = timezone(timedelta(hours=8), "UTC+8")


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
