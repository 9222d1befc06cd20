"""One look at clocks: what was missed is caught up with the facts of then, what is owed now is raised."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from canonical.signals import ClockName
from exchange import calendars
from exchange.hub import Hub
from exchange.store.work import Work
from hallservice.supervision import store
from hallservice.supervision.colouring import colour_tasks
from hallservice.supervision.limits import Facts, Reckoner, Told, Written
from hallservice.supervision.raising import Raised, raised
from hallservice.supervision.thresholds import Rulebook, rulebook

DAY = timedelta(days=1)


class Sight:
    """Which rows have anything to tell. Most of a large table say what another said: each saying is counted
    once, and ISO dates are compared as they are written."""

    def __init__(self, reckoner: Reckoner, rules: Rulebook, today: date) -> None:
        self._reckoner, self._rules, self._today = reckoner, rules, today.isoformat()
        self._regions: dict[str, Written] = {}

    def is_news(self, row: Any) -> bool:
        """Whether the course is another than at the last look, or a day of it has come since."""
        spans = str(row.suspensions) if row.suspensions else ""
        key = (row.clock, row.since, row.count, row.unit, spans, row.extension, row.concluded)
        written = self._written(row.region)
        course = written.get(key)
        if course is None:
            found = self._reckoner.course(store.facts_of(row), self._rules.of(row.region))
            days = tuple(day.isoformat() for day in found.days)
            due_ = found.due.isoformat() if found.due else None
            course = written[key] = (due_, found.provisional, days)
        due, provisional, days = course
        at = bisect_right(days, row.looked)
        following = days[at] if at < len(days) else None
        if (row.due, row.provisional, row.next_day) != (due, provisional, following):
            return True
        return following is not None and following <= self._today

    def _written(self, region: str) -> Written:
        """Courses by what their rows say, for the rules of that region."""
        if region not in self._regions:
            self._regions[region] = self._reckoner.written.setdefault(self._rules.of(region), {})
        return self._regions[region]


class Look:
    """The calendar and the rules that one look is made with."""

    def __init__(self, hub: Hub, work: Work, today: date, reckoner: Reckoner, rules: Rulebook) -> None:
        self.hub, self.work, self.today = hub, work, today
        self.reckoner, self.rules = reckoner, rules
        self._sight = Sight(reckoner, rules, today)

    @classmethod
    def now(cls, hub: Hub, work: Work, today: date) -> "Look":
        """By what is known at this moment."""
        return cls(hub, work, today, Reckoner(calendars.known(work)), rulebook(work.connection))

    def at_change(
        self, case: Mapping[str, Any], stored: Sequence[Any], changed: Mapping[str, Facts]
    ) -> list[Raised]:
        """The clocks a message moved: first as they were, then as they are."""
        case_no, region = case["case_no"], case["region"]
        rules, known = self.rules.of(region), store.told_of(self.work.connection, case_no)
        before = {row.clock: row for row in stored}
        owed: dict[str, list[Told]] = {}
        for name, facts in changed.items():
            seen = known.setdefault(name, set())
            row, waits = before.get(name), self._is_told_late(facts, before.get(name))
            found = self._as_it_was(row, region, seen) if row else []
            found += [] if waits else self._told(facts, self.today.isoformat(), region, seen)
            owed[name] = found
            course = self.reckoner.course(facts, rules)
            if waits:
                course = replace(course, days=(self.today + DAY, *course.days))
            store.keep(
                self.work.connection, case_no, region, facts, course, self.today, known=row is not None
            )
        made = raised(self.hub, self.work, {case_no: owed})
        colour_tasks(self.work, [case_no])
        return made

    def _as_it_was(self, row: Any, region: str, seen: store.Raised) -> list[Told]:
        """What the days since the last look owed; a clock that was looked at today has told everything."""
        if row.looked >= self.today.isoformat():
            return []
        return self._told(store.facts_of(row), row.looked, region, seen)

    def _is_told_late(self, facts: Facts, row: Any) -> bool:
        """An application that is told on a later day: its answer of then may be on the way. Nothing of it is
        owed before the morning."""
        begins = row is None or row.since != facts.since.isoformat()
        return begins and facts.name is ClockName.SUPPLEMENT_NOTICE and facts.since < self.today

    def at_rows(self, rows: Sequence[Any]) -> list[Raised]:
        """The clocks of many cases, as they stand; what was found is written and raised."""
        news = [row for row in rows if self._sight.is_news(row)]
        seen = [(row, self.reckoner.course(store.facts_of(row), self.rules.of(row.region))) for row in news]
        told = store.told_of_many(self.work.connection, {row.case_no for row, _ in seen})
        owed: dict[str, dict[str, list[Told]]] = {}
        for row, _ in seen:
            known = told.setdefault((row.case_no, row.clock), set())
            if found := self._told(store.facts_of(row), row.looked, row.region, known):
                owed.setdefault(row.case_no, {})[row.clock] = found
        store.looked_at(self.work.connection, seen, self.today)
        made = raised(self.hub, self.work, owed)
        colour_tasks(self.work, list(owed))
        return made

    def _told(self, facts: Facts, looked: str, region: str, known: store.Raised) -> list[Told]:
        rules = self.rules.of(region)
        days = self.reckoner.course(facts, rules).days
        if not days or days[0] > self.today:
            return []
        found = list(self.reckoner.told(facts, rules, date.fromisoformat(looked), self.today, known))
        known.update((one.due, one.signal) for one in found)
        return found
