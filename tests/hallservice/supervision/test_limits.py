"""Looking now and then tells what looking every day tells; the oracle asks canonical's signals day by day."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.calendar import Calendar, shipped
from canonical.counting import Suspension
from canonical.signals import Signal, SignalKey, signals
from canonical.timelimit import Extension, Limit, Thresholds, Unit
from hallservice.supervision.limits import Facts, Reckoner, Rules, Told, as_clock

CALENDAR = shipped()
FIRST, SPAN = date(2025, 9, 1), 120

days = st.integers(0, SPAN).map(lambda n: FIRST + timedelta(days=n))
thresholds = st.builds(
    lambda warning, prompt, yellow, more, strict: Thresholds(
        max(warning, prompt), min(warning, prompt), yellow, yellow + more, strict
    ),
    st.integers(0, 6), st.integers(0, 3), st.integers(1, 3), st.integers(0, 3), st.booleans(),
)  # fmt: skip
limits = st.builds(
    Limit, st.integers(0, 30), st.sampled_from([Unit.WORKING_DAY] * 3 + [Unit.CALENDAR_DAY, Unit.MONTH])
).map(lambda one: replace(one, count=min(one.count, 2)) if one.unit is Unit.MONTH else one)
clocks = st.sampled_from(["statutory", "promised", "supplement_notice", "special_procedure/1", "step/a"])


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """A limit whose suspensions are over and whose extension is approved, as a row holds them."""
    since = draw(days)
    pauses = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=3))
    spans = [(since + timedelta(days=begin), length) for begin, length in pauses]
    suspensions = tuple(Suspension(start, start + timedelta(days=length)) for start, length in spans)
    extension = draw(st.none() | st.integers(1, 15).map(lambda n: Extension(n, since)))
    return Facts(draw(clocks), since, draw(limits), suspensions, extension)


def day_by_day(one: Facts, rules: Rules, first: date, last: date, calendar: Calendar) -> list[Told]:
    """canonical's signals asked on each day after `first`."""
    clock, known, found = as_clock(one, rules), set[SignalKey](), []
    cards = clock.name.raises_cards
    for number in range(1, (last - first).days + 1):
        day = first + timedelta(days=number)
        # what a later suspension will do is in the facts from the day they became known
        for key in signals(day, clock, calendar, known, rules.thresholds):
            known.add(key)
            found.append(Told(day, key.due, key.signal, cards))
    return found


@settings(max_examples=150)
@given(facts(), thresholds, st.booleans(), st.sets(st.integers(1, 90), max_size=12))
def test_looks_on_any_days_tell_the_same_on_the_same_days(
    one: Facts, own: Thresholds, promise_cards: bool, looks: set[int]
) -> None:
    rules, reckoner = Rules(own, promise_cards), Reckoner(CALENDAR)
    known_from = max([one.since, *(pause.end for pause in one.suspensions if pause.end)])
    first, last = known_from - timedelta(days=1), known_from + timedelta(days=90)
    looked, raised, found = first, set[tuple[date, Signal]](), []
    for day in sorted({1, 90, *looks}):
        today = first + timedelta(days=day)
        told = reckoner.told(one, rules, looked, today, raised)
        raised |= {(each.due, each.signal) for each in told}
        found += told
        looked = today
    assert found == day_by_day(one, rules, first, first + timedelta(days=90), CALENDAR)
    assert last > looked


@given(facts(), thresholds)
def test_between_two_days_worth_a_look_nothing_begins_to_be_owed(one: Facts, own: Thresholds) -> None:
    course = Reckoner(CALENDAR).course(one, Rules(own))
    last = one.since + timedelta(days=200)
    begins = {each.day for each in day_by_day(one, Rules(own), one.since - timedelta(days=1), last, CALENDAR)}
    assert {day for day in begins if all(pause.start <= one.since for pause in one.suspensions)} <= {
        *course.days,
        one.since,
    }


def test_a_suspended_clock_and_a_concluded_one_lead_nowhere() -> None:
    open_ = Facts("statutory", FIRST, Limit(5), (Suspension(FIRST, None),))
    assert Reckoner(CALENDAR).course(open_, Rules()).days == ()
    done = Facts("statutory", FIRST, Limit(5), concluded=FIRST)
    assert Reckoner(CALENDAR).course(done, Rules()).next_after(FIRST) is None
    assert Reckoner(CALENDAR).course(done, Rules()).due == date(2025, 9, 8)
