"""Working-day calendars: those that ship, and those an administrator loaded, each an act in the ledger."""

from functools import lru_cache

from sqlalchemy import Connection, insert, select

from canonical.calendar import Calendar, CalendarError, parse_year, shipped
from exchange import acts
from exchange.errors import Refused
from exchange.store.tables import calendar_year
from exchange.store.work import Work
from ledger.prepared import run

_TEXTS = select(calendar_year.c.text).order_by(calendar_year.c.year, calendar_year.c.version)


def known(work: Work) -> Calendar:
    """The newest version of every published year."""
    return loaded(work.connection)


def loaded(connection: Connection) -> Calendar:
    """The shipped years and those loaded into this database."""
    return _calendar(tuple(row.text for row in run(connection, _TEXTS)))


@lru_cache(maxsize=8)
def _calendar(texts: tuple[str, ...]) -> Calendar:
    return Calendar((*shipped().years, *(parse_year(text) for text in texts)))


def load(work: Work, hub: str, text: str, source: str | None = None) -> tuple[int, int]:
    """Store a year's file; (year, version). Refused bad_calendar, or conflict unless it is newer than known.

    `source` is where the file was got, if not what it says itself.
    """
    try:
        year = parse_year(text)
    except CalendarError as fault:
        raise Refused("bad_calendar", fault.detail, fault.code) from fault
    newest = max((one.version for one in known(work).years if one.year == year.year), default=0)
    if year.version <= newest:
        raise Refused("conflict", f"version {newest} of {year.year} is already loaded", "version")
    note: dict[str, str | int] = {"year": year.year, "version": year.version}
    xid = f"calendar-{year.year}-{year.version}"
    entry = acts.record(work, hub, "calendar.loaded", xid, "calendar", text.encode(), note=note)
    row = {"year": year.year, "version": year.version, "text": text, "entry": entry.seq}
    row["source"] = source or year.source
    work.connection.execute(insert(calendar_year), row)
    return year.year, year.version
