"""Instants and the local dates they fall on: zone (C1), close of day (C3) and clock skew (C17)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Final

from canonical.counting import TimeLimitError

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""A fixed offset: the zone has no daylight saving (C1) and needs no time-zone files."""
SKEW: Final = timedelta(minutes=5)
"""How far a sender's clock may run ahead of the receipt before its time is doubted (C17)."""


def on_time(concluded: datetime, due: date, close_of_day: time | None = None) -> bool:
    """Concluded by 24:00 of the due date, or by the close of business of the office that has one (C3)."""
    at = _local(concluded)
    days = (at.date() - due).days
    if close_of_day is None:
        return days <= 0 or (days == 1 and at.time() == time.min)
    return days < 0 or (days == 0 and at.time() <= close_of_day)


class Skew(StrEnum):
    """Why a sender's time was not believed; each is a logic finding."""

    BEFORE_PREVIOUS = "before_previous"
    AHEAD_OF_RECEIPT = "ahead_of_receipt"


@dataclass(frozen=True, slots=True)
class EventTime:
    """Both times as received, the one that counts, and the finding if it is not the sender's (C17)."""

    sender: datetime
    receipt: datetime
    counted: datetime
    finding: Skew | None


def event_time(sender: datetime, receipt: datetime, previous: datetime | None = None) -> EventTime:
    """The sender's time unless it is before the previous event or over 5 minutes after the receipt (C17)."""
    said, got = _instant(sender), _instant(receipt)
    before = _instant(previous) if previous is not None else None
    if before is not None and said < before:
        return EventTime(sender, receipt, max(got, before), Skew.BEFORE_PREVIOUS)
    if said - got > SKEW:
        return EventTime(sender, receipt, max(got, before or got), Skew.AHEAD_OF_RECEIPT)
    return EventTime(sender, receipt, said, None)


def local_date(instant: datetime) -> date:
    """The date in Asia/Shanghai; code `naive_time` for a time without a zone."""
    return _local(instant).date()


def _local(instant: datetime) -> datetime:
    return _in_zone(instant, SHANGHAI)


def _instant(instant: datetime) -> datetime:
    return _in_zone(instant, UTC)


def _in_zone(instant: datetime, zone: timezone) -> datetime:
    if instant.utcoffset() is None:
        raise TimeLimitError("naive_time", "instant")
    try:
        return instant.astimezone(zone)
    except OverflowError:
        raise TimeLimitError("out_of_range", "instant") from None
