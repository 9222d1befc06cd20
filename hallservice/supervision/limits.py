"""One limit of a case as supervision keeps it, and the days on which something of it begins to be owed. Pure.

`signals` of canonical decides what is owed on a day; here is only when it is worth asking.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from canonical.calendar import Calendar
from canonical.counting import Counting, Suspension
from canonical.signals import Clock, ClockName, Signal, SignalKey, signals
from canonical.timelimit import DEFAULT_THRESHOLDS, Extension, Limit, Thresholds, deadline


@dataclass(frozen=True, slots=True)
class Rules:
    """What a region set, or the region above it."""

    thresholds: Thresholds = DEFAULT_THRESHOLDS
    promise_cards: bool = False  # a broken promise raises cards too
    deem_accepted: bool = True  # silence accepts (行政许可法 art. 32), for licences only


DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Facts:
    """`clock` is the name of the clock, with a part where a case has several: `special_procedure/2`."""

    clock: str
    since: date
    limit: Limit
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    concluded: date | None = None

    @property
    def name(self) -> ClockName:
        return ClockName(self.clock.partition("/")[0])

    def ended(self, day: date) -> "Facts":
        """Over on that day, unless it was over before."""
        return self if self.concluded is not None else replace(self, concluded=day)


@dataclass(frozen=True, slots=True)
class Told:
    """A signal, and the day on which it was owed first; no `card`: it ends in a finding."""

    day: date
    due: date
    signal: Signal
    card: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """Where a limit leads as things are: its due date and the days worth looking at; none while suspended."""

    due: date | None = None
    provisional: bool = False
    days: tuple[date, ...] = ()

    def next_after(self, day: date) -> date | None:
        return next((one for one in self.days if one > day), None)


Written = dict[tuple[object, ...], tuple[str | None, bool, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Reckoner:
    """Courses by one calendar; cases of one day with one limit share theirs."""

    calendar: Calendar
    # what rows of a table say -> due date, whether it is provisional, days; all as written
    written: dict[Rules, Written] = field(default_factory=dict)
    _known: dict[tuple[object, ...], Course] = field(default_factory=dict)

    def course(self, facts: Facts, rules: Rules) -> Course:
        """() of days once it is concluded: nothing will be owed any more."""
        name = as_clock(facts, rules).name
        ext = facts.extension.days if facts.extension else 0
        key = (name, facts.since, facts.limit, facts.suspensions, ext, rules.thresholds)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _course(as_clock(facts, rules), self.calendar, rules.thresholds)
        return found if facts.concluded is None else replace(found, days=())

    def told(
        self,
        facts: Facts,
        rules: Rules,
        looked: date,
        today: date,
        raised: Collection[tuple[date, Signal]] = (),
    ) -> tuple[Told, ...]:
        """What is owed today and was on the days since `looked` that nobody looked at, in order."""
        clock = as_clock(facts, rules)
        missed = (day for day in self.course(facts, rules).days if looked < day < today)
        known = {SignalKey(clock.case, clock.name, due, signal) for due, signal in raised}
        return tuple(self._told(clock, rules, (*missed, today), known))

    def _told(
        self, clock: Clock, rules: Rules, days: Collection[date], known: set[SignalKey]
    ) -> Iterator[Told]:
        for day in days:
            for key in signals(day, clock, self.calendar, known, rules.thresholds):
                known.add(key)
                yield Told(day, key.due, key.signal, clock.name.raises_cards)


def as_clock(facts: Facts, rules: Rules) -> Clock:
    """As canonical counts it; a promise that raises cards is counted like the limit of the law."""
    promised = facts.name is ClockName.PROMISED and rules.promise_cards
    name = ClockName.STATUTORY if promised else facts.name
    return Clock("", name, facts.since, facts.limit, facts.suspensions, facts.extension, facts.concluded)


def _course(clock: Clock, calendar: Calendar, thresholds: Thresholds) -> Course:
    days = clock.extension.days if clock.extension else 0
    found = deadline(clock.since, clock.limit, calendar, clock.suspensions, days, thresholds)
    if found.due is None:
        return Course()
    counting = clock.counting(calendar)
    first = {_first_with(clock.since, found.due, left, counting) for left in _left(clock, thresholds)}
    late = {counting.nth_after(found.due, over) for over in {1, thresholds.yellow, thresholds.red_over}}
    running = {_out_of_pauses(day, clock.suspensions) for day in first | late}
    return Course(found.due, found.provisional, tuple(sorted(running)))


def _left(clock: Clock, thresholds: Thresholds) -> set[int]:
    """Counted days that remain when something is told before the due date."""
    return {thresholds.warning, thresholds.prompt}


def _first_with(since: date, due: date, left: int, counting: Counting) -> date:
    """The first day on which at most `left` counted days remain."""
    total = counting.between(since, due)
    return since if total <= left else counting.nth_after(since, total - left)


def _out_of_pauses(day: date, pauses: Collection[Suspension]) -> date:
    """The day, or the day of resumption where the clock stands still on it."""
    for pause in sorted((one for one in pauses if one.end is not None), key=lambda one: one.start):
        if pause.end is not None and pause.covers(day):
            day = pause.end
    return day
