"""Signals day by day against the worked examples: what is raised, when, and that it is raised once."""

import time
from datetime import date, timedelta
from typing import Any

import pytest

from canonical.calendar import shipped
from canonical.signals import Clock, ClockName, Signal, SignalKey, signals
from canonical.timelimit import Extension, Limit, Suspension, Thresholds, Unit

CALENDAR = shipped()


def d(text: str) -> date:
    return date.fromisoformat(text)


def scan(clock: Clock, last: str, thresholds: Thresholds | None = None) -> list[tuple[str, str, str]]:
    """Every day from day 0 on, as a scheduler does it: (day raised, signal, due date it speaks of)."""
    raised: set[SignalKey] = set()
    told: list[tuple[str, str, str]] = []
    for n in range((d(last) - clock.since).days + 1):
        today = clock.since + timedelta(days=n)
        new = signals(today, clock, CALENDAR, raised, thresholds or Thresholds())
        assert not raised & set(new)
        raised |= set(new)
        told += [(today.isoformat(), key.signal.value, key.due.isoformat()) for key in new]
    return told


def statutory(accepted: str, count: int, **facts: Any) -> Clock:
    return Clock("c1", ClockName.STATUTORY, d(accepted), Limit(count), **facts)


@pytest.mark.req("S0-40", "S0-42", "S0-43")
def test_warning_prompt_and_cards_of_a_plain_week() -> None:
    assert scan(statutory("2025-03-03", 5), "2025-03-31") == [
        ("2025-03-06", "warning", "2025-03-10"),
        ("2025-03-10", "due_today", "2025-03-10"),
        ("2025-03-11", "yellow", "2025-03-10"),
        ("2025-03-12", "red", "2025-03-10"),
    ]


@pytest.mark.req("S0-40", "S0-42", "S0-43")
def test_rest_days_after_the_due_date_raise_no_card() -> None:
    """Accepted Thu 24 September 2026, one day; 25 to 27 September are holidays, so is 1 to 7 October."""
    told = scan(statutory("2026-09-24", 1), "2026-10-10")
    assert [day for day, _, _ in told] == ["2026-09-24", "2026-09-28", "2026-09-29", "2026-09-30"]
    told = scan(statutory("2026-09-18", 7), "2026-10-10")
    assert told[-2:] == [("2026-09-30", "yellow", "2026-09-29"), ("2026-10-08", "red", "2026-09-29")]


def test_an_instant_item_has_no_warning() -> None:
    told = scan(statutory("2026-03-02", 0), "2026-03-10")
    assert [(day, name) for day, name, _ in told] == [
        ("2026-03-02", "due_today"),
        ("2026-03-03", "yellow"),
        ("2026-03-04", "red"),
    ]


@pytest.mark.req("S3-38")
def test_nothing_is_raised_while_suspended_and_the_moved_limit_warns_once_at_resumption() -> None:
    """Suspended over the old due date 9 March; one day remains when it resumes on 20 March."""
    pause = (Suspension(d("2026-03-06"), d("2026-03-20")),)
    assert scan(statutory("2026-03-02", 5, suspensions=pause), "2026-04-30") == [
        ("2026-03-05", "warning", "2026-03-09"),
        ("2026-03-20", "warning", "2026-03-23"),
        ("2026-03-23", "due_today", "2026-03-23"),
        ("2026-03-24", "yellow", "2026-03-23"),
        ("2026-03-25", "red", "2026-03-23"),
    ]
    still_open = (Suspension(d("2026-03-06"), None),)
    assert scan(statutory("2026-03-02", 5, suspensions=still_open), "2026-12-31") == [
        ("2026-03-05", "warning", "2026-03-09")
    ]


def test_the_day_of_suspension_is_silent_and_the_day_of_approval_counts_already() -> None:
    pause = (Suspension(d("2026-03-09"), None),)
    assert signals(d("2026-03-09"), statutory("2026-03-02", 5, suspensions=pause), CALENDAR) == ()
    approved = Extension(10, d("2025-04-16"))
    assert signals(d("2025-04-16"), statutory("2025-03-17", 20, extension=approved), CALENDAR) == ()


def test_a_calendar_day_limit_keeps_its_due_date_through_a_suspension() -> None:
    pause = (Suspension(d("2025-03-04"), d("2025-03-06")),)
    clock = Clock("c1", ClockName.STATUTORY, d("2025-03-03"), Limit(7, Unit.CALENDAR_DAY), pause)
    assert [(day, name) for day, name, _ in scan(clock, "2025-03-31")] == [
        ("2025-03-06", "warning"),
        ("2025-03-10", "due_today"),
        ("2025-03-11", "yellow"),
        ("2025-03-12", "red"),
    ]


def test_suspended_and_resumed_on_one_day_opens_no_new_cycle() -> None:
    pause = (Suspension(d("2026-03-12"), d("2026-03-12")),)
    plain = scan(statutory("2026-03-02", 10), "2026-04-30")
    assert scan(statutory("2026-03-02", 10, suspensions=pause), "2026-04-30") == plain


@pytest.mark.req("S3-39")
def test_an_extension_approved_late_erases_no_card_and_opens_a_new_cycle() -> None:
    late = Extension(10, d("2025-04-18"))
    assert scan(statutory("2025-03-17", 20, extension=late), "2025-06-30") == [
        ("2025-04-11", "warning", "2025-04-15"),
        ("2025-04-15", "due_today", "2025-04-15"),
        ("2025-04-16", "yellow", "2025-04-15"),
        ("2025-04-17", "red", "2025-04-15"),
        ("2025-04-25", "warning", "2025-04-28"),
        ("2025-04-28", "due_today", "2025-04-28"),
        ("2025-04-29", "yellow", "2025-04-28"),
        ("2025-04-30", "red", "2025-04-28"),
    ]


@pytest.mark.req("S3-65")
def test_a_broken_promise_is_a_finding_beside_the_statutory_cards() -> None:
    promised = Clock("c1", ClockName.PROMISED, d("2026-03-02"), Limit(7))
    assert scan(promised, "2026-04-30") == [
        ("2026-03-09", "near_limit", "2026-03-11"),
        ("2026-03-11", "due_today", "2026-03-11"),
        ("2026-03-12", "breach", "2026-03-11"),
    ]
    by_law = scan(statutory("2026-03-02", 20), "2026-04-30")
    assert [day for day, _, _ in by_law] == ["2026-03-26", "2026-03-30", "2026-03-31", "2026-04-01"]


@pytest.mark.req("S3-66")
def test_a_step_over_its_limit_is_found_and_stops_with_the_case() -> None:
    """Previous step passed Thu 5 March; suspended from Monday 9 to Friday 13; limit 3 ends on Monday 16."""
    step = Clock(
        "c1", ClockName.STEP, d("2026-03-05"), Limit(3), (Suspension(d("2026-03-09"), d("2026-03-13")),)
    )
    told = scan(step, "2026-04-30")
    assert told[-1] == ("2026-03-17", "breach", "2026-03-16")
    assert [day for day, _, _ in told if "2026-03-09" <= day < "2026-03-13"] == []


@pytest.mark.req("S0-37")
@pytest.mark.parametrize(
    ("name", "accepted", "count", "red"),
    [
        (ClockName.STATUTORY, "2026-02-11", 20, "2026-03-19"),
        (ClockName.SUPPLEMENT_NOTICE, "2026-02-11", 5, "2026-02-27"),
        (ClockName.SPECIAL_PROCEDURE, "2026-03-02", 10, "2026-03-18"),
    ],
)
def test_three_kinds_of_limit_are_supervised_with_cards(
    name: ClockName, accepted: str, count: int, red: str
) -> None:
    told = scan(Clock("c1", name, d(accepted), Limit(count)), "2026-04-30")
    assert [kind for _, kind, _ in told] == ["warning", "due_today", "yellow", "red"]
    assert told[-1][0] == red


def test_the_special_procedure_keeps_time_while_the_main_clock_stands_still() -> None:
    pause = (Suspension(d("2026-03-03"), None),)
    procedure = Clock("c1", ClockName.SPECIAL_PROCEDURE, d("2026-03-03"), Limit(1))
    assert signals(d("2026-03-06"), statutory("2026-03-02", 3, suspensions=pause), CALENDAR) == ()
    assert [key.signal for key in signals(d("2026-03-06"), procedure, CALENDAR)] == [
        Signal.YELLOW,
        Signal.RED,
    ]


@pytest.mark.parametrize(
    ("concluded", "expected"),
    [
        ("2025-03-05", []),
        ("2025-03-11", ["warning", "due_today"]),
        ("2025-03-12", ["warning", "due_today", "yellow"]),
    ],
)
def test_a_concluded_matter_raises_nothing_more(concluded: str, expected: list[str]) -> None:
    told = scan(statutory("2025-03-03", 5, concluded=d(concluded)), "2025-03-31")
    assert [name for _, name, _ in told] == expected


def test_a_missed_scan_is_caught_up_mildest_first() -> None:
    clock = statutory("2025-03-03", 5)
    assert [key.signal for key in signals(d("2025-03-10"), clock, CALENDAR)] == [
        Signal.WARNING,
        Signal.DUE_TODAY,
    ]
    assert [key.signal for key in signals(d("2025-04-10"), clock, CALENDAR)] == [Signal.YELLOW, Signal.RED]
    assert signals(d("2025-03-02"), clock, CALENDAR) == ()


def test_thresholds_are_those_of_the_region() -> None:
    strict = scan(statutory("2025-03-03", 5), "2025-03-31", Thresholds(strict_red=True))
    assert strict[-1][:2] == ("2025-03-13", "red")
    early = scan(statutory("2025-03-03", 5), "2025-03-31", Thresholds(warning=3, prompt=1, yellow=2, red=3))
    assert [(day, name) for day, name, _ in early] == [
        ("2025-03-05", "warning"),
        ("2025-03-07", "due_today"),
        ("2025-03-12", "yellow"),
        ("2025-03-13", "red"),
    ]


def test_signals_are_kept_apart_by_case_and_clock() -> None:
    clock = statutory("2025-03-03", 5)
    mine = SignalKey("c1", ClockName.STATUTORY, d("2025-03-10"), Signal.WARNING)
    assert signals(d("2025-03-06"), clock, CALENDAR) == (mine,)
    for other in (
        SignalKey("c2", mine.clock, mine.due, mine.signal),
        SignalKey("c1", ClockName.PROMISED, mine.due, mine.signal),
        SignalKey("c1", mine.clock, d("2025-03-11"), mine.signal),
        SignalKey("c1", mine.clock, mine.due, Signal.YELLOW),
    ):
        assert signals(d("2025-03-06"), clock, CALENDAR, {other}) == (mine,)
    assert signals(d("2025-03-06"), clock, CALENDAR, {mine}) == ()


def test_a_scan_of_thirty_thousand_open_cases() -> None:
    first = d("2026-01-01")
    pause = (Suspension(d("2026-03-03"), d("2026-03-09")),)
    clocks = [
        Clock(
            str(n),
            ClockName.STATUTORY,
            first + timedelta(days=n % 250),
            Limit(n % 60),
            pause if n % 9 else (),
        )
        for n in range(30_000)
    ]
    begun = time.perf_counter()
    owed = [signals(d("2026-09-30"), clock, CALENDAR) for clock in clocks]
    assert time.perf_counter() - begun < 5  # seconds allowed for the scan of a large city; 0.3 when idle
    assert sum(map(len, owed)) > 30_000
