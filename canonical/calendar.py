"""Working-day calendar: weekdays, corrected by the yearly rest-day notices, which are versioned data files.

A year whose notice is not loaded counts plain weekdays, so a date that depends on it is only provisional.
Every question is answered from two sorted arrays, so a span of many years costs no more than a week.
"""

import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from importlib.resources import files
from itertools import accumulate

from canonical.errors import ValueRefused

MAX_TEXT = 65_536
"""Characters of one year file; a real one has fewer than two thousand."""
FIRST_YEAR = 1949
LAST_ORDINAL = date.max.toordinal()
_SATURDAY = 5
_KEYS = frozenset({"year", "version", "source", "published", "rest", "work"})
_REST_KEYS = frozenset({"reason", "from", "to"})
_WORK_KEYS = frozenset({"reason", "day"})


class CalendarError(ValueRefused):
    """A year file or a date that cannot be used; the detail is the place."""

    @property
    def where(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class RestRange:
    """Days off from `first` to `last`, both included, weekends inside it too."""

    reason: str
    first: date
    last: date

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class WorkDay:
    """A Saturday or Sunday ordered to be worked."""

    reason: str
    day: date


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """One notice of the State Council General Office, named by `source`; corrections raise `version`."""

    year: int
    version: int
    source: str
    published: date
    rest: tuple[RestRange, ...]
    work: tuple[WorkDay, ...]

    def reasons(self) -> dict[date, str]:
        """Every day the notice names, with the reason given for it."""
        rest = {day: span.reason for span in self.rest for day in span.days()}
        return rest | {named.day: named.reason for named in self.work}

    def corrections(self) -> dict[int, int]:
        """Ordinal -> -1 for a weekday that is not worked, +1 for a weekend day that is."""
        off = {day.toordinal(): -1 for span in self.rest for day in span.days() if day.weekday() < _SATURDAY}
        return off | {named.day.toordinal(): 1 for named in self.work}


@dataclass(frozen=True)
class Calendar:
    """Any number of years; of several versions of one year only the highest is kept."""

    years: tuple[CalendarYear, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "years", _newest(self.years))

    def plus(self, *years: CalendarYear) -> "Calendar":
        """This calendar with more notices; code `version_conflict` when one version says two things."""
        return Calendar((*self.years, *years))

    def is_published(self, year: int) -> bool:
        return year in self._published

    def covers(self, first: date, last: date) -> bool:
        """Whether every year from `first` to `last` has its notice."""
        return all(year in self._published for year in range(first.year, last.year + 1))

    def is_working_day(self, day: date) -> bool:
        correction = self._corrections.get(day.toordinal(), 0)
        return correction > 0 or (correction == 0 and day.weekday() < _SATURDAY)

    def reason(self, day: date) -> str | None:
        """Why the notice names this day; None for an ordinary weekday or weekend."""
        return self._reasons.get(day)

    def count_through(self, ordinal: int) -> int:
        """Working days from 0001-01-01 to the day with this proleptic ordinal, itself included."""
        return _weekdays_through(ordinal) + self._shifts[bisect_right(self._named, ordinal)]

    def ordinal_of(self, count: int) -> int:
        """The day on which `count_through` first reaches `count`; `out_of_range` outside years 1-9999."""
        at = bisect_left(self._counts, count)
        weekday = _weekday_ordinal(count - self._shifts[at])
        found = min(weekday, self._named[at]) if at < len(self._named) else weekday
        if not 1 <= found <= LAST_ORDINAL:
            raise CalendarError("out_of_range", "date")
        return found

    @cached_property
    def _published(self) -> frozenset[int]:
        return frozenset(known.year for known in self.years)

    @cached_property
    def _reasons(self) -> dict[date, str]:
        return {day: reason for known in self.years for day, reason in known.reasons().items()}

    @cached_property
    def _corrections(self) -> dict[int, int]:
        return {day: shift for known in self.years for day, shift in known.corrections().items()}

    @cached_property
    def _named(self) -> list[int]:
        """Ordinals of the corrected days, in order."""
        return sorted(self._corrections)

    @cached_property
    def _shifts(self) -> list[int]:
        """Running sum of the corrections: entry n is the effect of the first n of them."""
        return list(accumulate((self._corrections[day] for day in self._named), initial=0))

    @cached_property
    def _counts(self) -> list[int]:
        """`count_through` at every corrected day; never falls, so it can be searched."""
        return [_weekdays_through(day) + self._shifts[n + 1] for n, day in enumerate(self._named)]


def parse_year(text: str) -> CalendarYear:
    """One year file (TOML), strictly: nothing unknown, nothing missing, nothing that contradicts itself."""
    document = _document(text)
    _exact_keys(document, _KEYS, "year")
    year = CalendarYear(
        year=_integer(document, "year", FIRST_YEAR, date.max.year),
        version=_integer(document, "version", 1, 9_999),
        source=_words(document, "source", "source"),
        published=_date(document, "published", "published"),
        rest=tuple(_rest(table, where) for table, where in _tables(document, "rest", _REST_KEYS)),
        work=tuple(_work(table, where) for table, where in _tables(document, "work", _WORK_KEYS)),
    )
    _consistent(year)
    return year


@cache
def shipped() -> Calendar:
    """The notices that come with the package."""
    folder = files("canonical").joinpath("data", "calendars")
    texts = [found.read_text("utf-8") for found in folder.iterdir() if found.name.endswith(".toml")]
    return Calendar(tuple(parse_year(text) for text in texts))


def _weekdays_through(ordinal: int) -> int:
    """Mondays to Fridays from 0001-01-01, a Monday, with ordinal 1."""
    weeks, days = divmod(ordinal, 7)
    return weeks * 5 + min(days, 5)


def _weekday_ordinal(count: int) -> int:
    weeks, days = divmod(count - 1, 5)
    return weeks * 7 + days + 1


def _newest(years: Iterable[CalendarYear]) -> tuple[CalendarYear, ...]:
    kept: dict[int, CalendarYear] = {}
    for one in years:
        other = kept.get(one.year, one)
        if other != one and other.version == one.version:
            raise CalendarError("version_conflict", f"{one.year} version {one.version}")
        kept[one.year] = max(one, other, key=lambda known: known.version)
    return tuple(kept[year] for year in sorted(kept))


def _document(text: str) -> dict[str, object]:
    if len(text) > MAX_TEXT:
        raise CalendarError("too_long", "file")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # syntax, an integer of thousands of digits, thousands of brackets
        raise CalendarError("bad_toml", "file") from None


def _exact_keys(table: Mapping[str, object], known: frozenset[str], where: str) -> None:
    for key in sorted(table.keys() - known):
        raise CalendarError("unknown_key", f"{where}.{ascii(key[:40])[1:-1]}")
    for key in sorted(known - table.keys()):
        raise CalendarError("missing", f"{where}.{key}")


def _integer(table: Mapping[str, object], key: str, least: int, most: int) -> int:
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise CalendarError("bad_type", key)
    if not least <= value <= most:
        raise CalendarError("bad_value", key)
    return value


def _words(table: Mapping[str, object], key: str, where: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise CalendarError("bad_type", where)
    if not value.strip() or not value.isprintable():
        raise CalendarError("bad_value", where)
    return value


def _date(table: Mapping[str, object], key: str, where: str) -> date:
    value = table[key]
    if not isinstance(value, date) or isinstance(value, datetime):
        raise CalendarError("bad_type", where)
    return value


def _tables(
    document: Mapping[str, object], key: str, known: frozenset[str]
) -> list[tuple[Mapping[str, object], str]]:
    value = document[key]
    if not isinstance(value, list):
        raise CalendarError("bad_type", key)
    found: list[tuple[Mapping[str, object], str]] = []
    for number, table in enumerate(value):
        where = f"{key}[{number}]"
        if not isinstance(table, dict):
            raise CalendarError("bad_type", where)
        _exact_keys(table, known, where)
        found.append((table, where))
    return found


def _rest(table: Mapping[str, object], where: str) -> RestRange:
    first, last = _date(table, "from", f"{where}.from"), _date(table, "to", f"{where}.to")
    if last < first:
        raise CalendarError("reversed", where)
    if (last - first).days > 366:
        raise CalendarError("outside_year", where)
    return RestRange(_words(table, "reason", f"{where}.reason"), first, last)


def _work(table: Mapping[str, object], where: str) -> WorkDay:
    day = _date(table, "day", f"{where}.day")
    if day.weekday() < _SATURDAY:
        raise CalendarError("not_a_weekend", where)
    return WorkDay(_words(table, "reason", f"{where}.reason"), day)


def _consistent(known: CalendarYear) -> None:
    """No day twice, whether as rest or as work, and none outside the year."""
    named = [(day, f"rest[{n}]") for n, span in enumerate(known.rest) for day in span.days()]
    named += [(one.day, f"work[{n}]") for n, one in enumerate(known.work)]
    seen: set[date] = set()
    for day, where in named:
        if day.year != known.year:
            raise CalendarError("outside_year", where)
        if day in seen:
            raise CalendarError("overlap", where)
        seen.add(day)
