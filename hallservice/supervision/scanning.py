"""The scan: what became owed since somebody looked last, in commits of a few hundred clocks.

It touches only clocks whose next day has come; all of them when the calendar is another than at the last
scan. Two scans at once do the same work once: each row is read again in the commit that looks at it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection, String, cast, insert, select, tuple_, update

from canonical.calendar import Calendar
from exchange import acts, calendars
from exchange.records import pseudonym
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.supervision import defaults, stepdefaults, steps, store
from hallservice.supervision.clocks import MAIN
from hallservice.supervision.limits import Reckoner
from hallservice.supervision.looking import Look, Sight
from hallservice.supervision.raising import Raised
from hallservice.supervision.tables import clock, looked
from hallservice.supervision.thresholds import rulebook

BATCH = 250  # clocks of one commit
WHOLE = 2_000  # where most rows have nothing to tell
DAYS = 500  # days 0 of one question to the database


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan did."""

    looked: int = 0
    whole: bool = False
    raised: Counter[str] = field(default_factory=Counter)  # by colour
    defaults: int = 0


def scan(hall: Hall, today: date) -> Report:
    """Everything that is owed up to `today` and was not told yet."""
    raised: Counter[str] = Counter()
    whole = hall.read(_is_stale)
    steps.follow(hall, today, every=whole)
    seen = _whole(hall, today, raised) if whole else 0
    seen += _due(hall, today, raised)
    fired = defaults.fire(hall, today) + stepdefaults.fire(hall, today)
    if whole:
        hall.write(lambda work: _remember(work, today))
    return Report(seen, whole, raised, fired)


def is_due(connection: Connection, today: date) -> bool:
    """Whether a scan would find anything to look at."""
    waiting = select(clock.c.case_no).where(clock.c.next_day <= today.isoformat()).limit(1)
    return connection.execute(waiting).first() is not None or _is_stale(connection)


def _due(hall: Hall, today: date, raised: Counter[str]) -> int:
    """Clocks whose next day has come; a look moves that day, so this ends."""
    seen, found = 0, _Found()
    while True:
        found = hall.write(partial(_look_at_due, hall, today=today, before=found))
        raised.update(one.colour for one in found.raised)
        seen += found.rows
        if found.rows < BATCH:
            return seen


@dataclass(frozen=True, slots=True)
class _Found:
    """What one commit looked at."""

    rows: int = 0
    raised: Sequence[Raised] = ()
    reckoner: Reckoner | None = None
    last: tuple[str, str] = ("", "")


def _look_at_due(hall: Hall, work: Work, *, today: date, before: _Found) -> _Found:
    query = select(clock).where(clock.c.next_day <= today.isoformat())
    rows = work.connection.execute(query.order_by(clock.c.next_day).limit(BATCH)).all()
    return _look(hall, work, today, before.reckoner, rows)


@dataclass(frozen=True, slots=True)
class _Saying:
    """What open clocks say, as many as say the same; the table's columns by their names."""

    region: str
    clock: str
    since: str
    count: int
    unit: str
    suspensions: list[Any]
    extension: int
    extended_on: str | None
    due: str | None
    provisional: bool
    next_day: str | None
    looked: str
    concluded: str | None = None


_SAID = [
    cast(clock.c[name], String) if name == "suspensions" else clock.c[name]
    for name in _Saying.__slots__
    if name != "concluded"
]
_SAYINGS = select(*_SAID).where(clock.c.concluded.is_(None)).distinct()


def _changed_days(connection: Connection, today: date) -> list[str]:
    """Days 0 of open clocks that the calendar of now counts otherwise, or that have something to tell. What
    30,000 cases say is counted once for each saying."""
    sight = Sight(Reckoner(calendars.loaded(connection)), rulebook(connection), today)
    found = (_saying(row) for row in connection.execute(_SAYINGS))
    return sorted({one.since for one in found if sight.is_news(one)})


def _saying(row: Any) -> _Saying:
    region, name, since, count, unit, spans, *rest = row
    return _Saying(region, name, since, count, unit, json.loads(spans), *rest)


def _whole(hall: Hall, today: date, raised: Counter[str]) -> int:
    """Every open clock that a new calendar may have moved, in the order of the table; each once."""
    days = hall.read(lambda connection: _changed_days(connection, today))
    return sum(_days(hall, today, days[at : at + DAYS], raised) for at in range(0, len(days), DAYS))


def _days(hall: Hall, today: date, days: Sequence[str], raised: Counter[str]) -> int:
    seen, found = 0, _Found()
    while True:
        found = hall.write(partial(_look_after, hall, days, today=today, before=found))
        raised.update(one.colour for one in found.raised)
        seen += found.rows
        if found.rows < WHOLE:
            return seen


def _look_after(hall: Hall, days: Sequence[str], work: Work, *, today: date, before: _Found) -> _Found:
    key = (clock.c.case_no, clock.c.clock)
    here = clock.c.since.in_(days), clock.c.concluded.is_(None)
    query = select(clock).where(*here, tuple_(*key) > before.last)
    rows = work.connection.execute(query.order_by(*key).limit(WHOLE)).all()
    _note_moved(hall, work, rows)
    return _look(hall, work, today, before.reckoner, rows)


def _look(hall: Hall, work: Work, today: date, known: Reckoner | None, rows: Sequence[Any]) -> _Found:
    """By the calendar of this moment; courses counted before are used again while it is the same."""
    calendar = calendars.known(work)
    reckoner = known if known is not None and known.calendar is calendar else Reckoner(calendar)
    look = Look(hall.hub, work, today, reckoner, rulebook(work.connection))
    made = look.at_rows(rows)
    last = (rows[-1].case_no, rows[-1].clock) if rows else ("", "")
    return _Found(len(rows), made, reckoner, last)


def _note_moved(hall: Hall, work: Work, rows: Iterable[Any]) -> None:
    """A provisional due date that the calendar moved is an act (C14); the exchange records those of the law
    and of the promise itself."""
    reckoner, rules = Reckoner(calendars.known(work)), rulebook(work.connection)
    for row in rows:
        if not row.provisional or row.clock in MAIN:
            continue
        due = reckoner.course(store.facts_of(row), rules.of(row.region)).due
        if due is not None and due.isoformat() != row.due:
            value = {"case_no": row.case_no, "clock": row.clock, "due": due.isoformat()}
            mine = pseudonym(hall.hub.pseudonym_key, row.case_no)
            about = (hall.hub.name, "hall.due_recomputed", row.case_no, "supervision")
            acts.record_value(work, *about, value, case=mine)


def _is_stale(connection: Connection) -> bool:
    """Whether the last whole scan was made with another calendar, or never."""
    known = connection.execute(select(looked.c.calendar)).scalar()
    return known != _digest(calendars.loaded(connection))


def _digest(calendar: Calendar) -> str:
    years = "\n".join(f"{year.year} {year.version}" for year in calendar.years)
    return hashlib.sha256(years.encode()).hexdigest()


def _remember(work: Work, today: date) -> None:
    row = {"day": today.isoformat(), "calendar": _digest(calendars.known(work))}
    if not work.connection.execute(update(looked).values(**row)).rowcount:
        work.connection.execute(insert(looked), {"one": 1, **row})
