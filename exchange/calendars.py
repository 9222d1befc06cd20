"""Working-day calendars: those that ship, and those an administrator loaded, each an act in the ledger."""

from functools import lru_cache

from canonical.calendar import Calendar, CalendarError, parse_year, shipped
from ledger.log import Draft
from sqlalchemy import Connection, func, insert, select

from exchange.errors import Refused
from exchange.store.tables import calendar_year
from exchange.store.work import Work


def known(work: Work) -> Calendar:
    """The newest version of every published year."""
    return loaded(work.connection)


def loaded(connection: Connection) -> Calendar:
    """The shipped years and those loaded into this database."""
    texts = connection.execute(select(calendar_year.c.text).order_by(calendar_year.c.year, calendar_year.c.version)).scalars()
    return _calendar(tuple(texts))


@lru_cache(maxsize=8)
def _calendar(texts: tuple[str, ...]) -> Calendar:
    return Calendar((*shipped().years, *(parse_year(text) for text in texts)))


def load(work: Work, hub: str, text: str) -> tuple[int, int]:
    """Store a year's file; (year, version). Refused bad_calendar, or conflict when an equal or newer version is known."""
    try:
        year = parse_year(text)
    except CalendarError as fault:
        raise Refused("bad_calendar", fault.detail, fault.code) from fault
    newest = max((one.version for one in known(work).years if one.year == year.year), default=0)
    newest = max(newest, work.connection.execute(select(func.max(calendar_year.c.version)).where(calendar_year.c.year == year.year)).scalar() or 0)
    if year.version <= newest:
        raise Refused("conflict", f"version {newest} of {year.year} is already loaded", "version")
    values = {"payload": text.encode()}
    note: dict[str, str | int] = {"year": year.year, "version": year.version}
    entry = work.append(Draft("calendar.loaded", f"calendar-{year.year}-{year.version}", hub, hub, "calendar", values=values, note=note))
    row = {"year": year.year, "version": year.version, "text": text, "source": year.source, "entry": entry.seq}
    work.connection.execute(insert(calendar_year), row)
    return year.year, year.version
