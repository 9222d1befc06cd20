"""Time limits against the published worked examples, an outside library and a day-by-day oracle."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import chinese_calendar
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canonical.calendar import Calendar, parse_year, shipped
from canonical.instants import SHANGHAI
from canonical.timelimit import (
    MAX_COUNT,
    Acceptance,
    Deadline,
    Extension,
    Limit,
    Limits,
    Skew,
    Suspension,
    Thresholds,
    TimeLimitError,
    Unit,
    approve_extension,
    deadline,
    deemed_acceptance,
    elapsed,
    event_time,
    local_date,
    notice_due,
    on_time,
    over,
    remaining,
)

CALENDAR = shipped()


def d(text: str) -> date:
    return date.fromisoformat(text)


def examples() -> list[dict[str, str]]:
    """Rows: id, accepted, limit, suspensions, due, warning, yellow, red."""
    names = ("id", "accepted", "limit", "suspensions", "due", "warning", "yellow", "red")
    lines = (Path(__file__).parent / "time_limit_examples.txt").read_text("utf-8").splitlines()
    return [
        dict(zip(names, line.split(), strict=True)) for line in lines if line and not line.startswith("#")
    ]


def pauses(text: str) -> tuple[Suspension, ...]:
    spans = [] if text == "-" else [span.split("..") for span in text.split(";")]
    return tuple(Suspension(d(start), d(end)) for start, end in spans)


@pytest.mark.req("S0-37", "S0-42", "S0-43", "S3-38")
@pytest.mark.parametrize("row", examples(), ids=lambda row: row["id"])
def test_worked_example(row: dict[str, str]) -> None:
    count, _, extension = row["limit"].partition("+")
    found = deadline(
        d(row["accepted"]), Limit(int(count)), CALENDAR, pauses(row["suspensions"]), int(extension or 0)
    )
    dates = {name: None if row[name] == "-" else d(row[name]) for name in ("due", "warning", "yellow", "red")}
    assert found == Deadline(**dates, provisional=False)


def test_every_example_is_there() -> None:
    assert {row["id"] for row in examples()} == {f"E{n:02}" for n in range(1, 40)}


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        ("2025-09-10", 20, "2025-09-30"),
        ("2025-09-02", 30, "2025-10-09"),
        ("2026-01-19", 30, "2026-02-24"),
        ("2026-02-01", 15, "2026-02-24"),
        ("2026-04-04", 30, "2026-05-06"),
        ("2026-01-31", 30, "2026-03-02"),
        ("2025-12-05", 30, "2026-01-04"),  # a Sunday, but worked: no roll
    ],
)
def test_calendar_days_roll_to_the_next_working_day(start: str, count: int, due: str) -> None:
    assert deadline(d(start), Limit(count, Unit.CALENDAR_DAY), CALENDAR).due == d(due)


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        ("2026-01-31", Limit(1, Unit.MONTH), "2026-02-28"),  # end of a short month, a worked Saturday
        ("2025-01-15", Limit(2, Unit.MONTH), "2025-03-17"),  # Saturday 15 March rolls to Monday
        ("2025-11-30", Limit(3, Unit.MONTH), "2026-02-28"),
        ("2025-08-01", Limit(2, Unit.MONTH), "2025-10-09"),  # 1 October, the whole holiday long
        ("2024-02-29", Limit(1, Unit.YEAR), "2025-02-28"),
        ("2025-03-10", Limit(1, Unit.YEAR), "2026-03-10"),
    ],
)
def test_months_and_years_end_on_the_same_number_else_at_month_end(
    start: str, limit: Limit, due: str
) -> None:
    assert deadline(d(start), limit, CALENDAR).due == d(due)


def test_warning_and_cards_of_a_calendar_day_limit_are_working_days() -> None:
    """Due Thursday 9 October 2025: on Monday 29 September, 30 September and the due date remain."""
    found = deadline(d("2025-09-02"), Limit(30, Unit.CALENDAR_DAY), CALENDAR)
    assert found.warning == d("2025-09-29")
    assert (found.yellow, found.red) == (d("2025-10-10"), d("2025-10-11"))


def test_warning_of_a_short_calendar_day_limit_is_the_day_of_acceptance() -> None:
    """Accepted Friday, due Monday: two counted days remained on Thursday already."""
    assert deadline(d("2025-03-07"), Limit(3, Unit.CALENDAR_DAY), CALENDAR).warning == d("2025-03-07")


@pytest.mark.parametrize("unit", list(Unit))
def test_an_instant_item_is_due_on_the_day_itself_even_a_rest_day(unit: Unit) -> None:
    found = deadline(d("2026-03-07"), Limit(0, unit), CALENDAR)  # a Saturday
    assert found == Deadline(d("2026-03-07"), None, d("2026-03-09"), d("2026-03-10"), provisional=False)


@pytest.mark.parametrize("unit", [Unit.CALENDAR_DAY, Unit.MONTH, Unit.YEAR])
def test_suspension_and_extension_move_working_day_limits_only(unit: Unit) -> None:
    pause = Suspension(d("2025-03-10"), d("2025-03-21"))
    plain = deadline(d("2025-03-03"), Limit(1, unit), CALENDAR)
    assert deadline(d("2025-03-03"), Limit(1, unit), CALENDAR, [pause], 10) == plain


@pytest.mark.parametrize("unit", list(Unit))
def test_no_date_while_a_suspension_is_open(unit: Unit) -> None:
    spans = [Suspension(d("2025-03-04"), d("2025-03-05")), Suspension(d("2025-03-06"), None)]
    found = deadline(d("2025-03-03"), Limit(5, unit), CALENDAR, spans)
    assert found == Deadline(None, None, None, None, provisional=False)


def test_overlapping_suspensions_are_united_not_added() -> None:
    """3 and 4 March count, 5 to 12 March stand still, 13, 16 and 17 March count."""
    spans = [Suspension(d(a), d(b)) for a, b in [("2026-03-09", "2026-03-13"), ("2026-03-05", "2026-03-11")]]
    assert deadline(d("2026-03-02"), Limit(5), CALENDAR, spans).due == d("2026-03-17")
    assert deadline(d("2026-03-02"), Limit(5), CALENDAR, [*spans, spans[0]]).due == d("2026-03-17")


@pytest.mark.parametrize(
    ("due", "today", "days"),
    [
        ("2026-09-24", "2026-09-25", 0),
        ("2026-09-24", "2026-09-27", 0),
        ("2026-09-24", "2026-09-28", 1),
        ("2026-09-24", "2026-09-29", 2),
        ("2026-02-13", "2026-02-14", 1),
        ("2026-02-13", "2026-02-20", 1),
        ("2026-02-13", "2026-02-24", 2),
        ("2026-09-30", "2026-10-07", 0),
        ("2026-09-30", "2026-10-08", 1),
        ("2026-09-30", "2026-10-09", 2),
    ],
)
def test_days_over(due: str, today: str, days: int) -> None:
    assert over(d(due), d(today), CALENDAR) == days


@pytest.mark.req("S3-65")
def test_elapsed_since_acceptance_against_both_limits() -> None:
    """Promised 7 (due 11 March) and statutory 20 (due 30 March) of a case accepted on 2 March 2026."""
    accepted = d("2026-03-02")
    assert [elapsed(accepted, d(day), CALENDAR) for day in ("2026-03-02", "2026-03-11", "2026-03-30")] == [
        0,
        7,
        20,
    ]
    promised, statutory = (deadline(accepted, Limit(n), CALENDAR).due for n in (7, 20))
    assert (promised, statutory) == (d("2026-03-11"), d("2026-03-30"))
    assert over(d("2026-03-11"), d("2026-03-12"), CALENDAR) == 1
    assert remaining(d("2026-03-30"), d("2026-03-26"), CALENDAR) == 2
    assert elapsed(accepted, d("2026-02-27"), CALENDAR) == 0


@pytest.mark.req("S3-66")
def test_elapsed_since_the_previous_step_against_its_limit() -> None:
    """Passed Friday 27 February 2026; Saturday 28 is worked, so a step of 2 days ends on Monday 2 March."""
    passed = d("2026-02-27")
    assert deadline(passed, Limit(2), CALENDAR).due == d("2026-03-02")
    assert [elapsed(passed, d(day), CALENDAR) for day in ("2026-02-28", "2026-03-01", "2026-03-03")] == [
        1,
        1,
        3,
    ]


@pytest.mark.req("S3-38")
def test_a_suspended_clock_stands_still() -> None:
    """From the suspension on Monday 9 March to the day before resumption, Friday 13 March."""
    pause = [Suspension(d("2026-03-09"), d("2026-03-13"))]
    counts = [elapsed(d("2026-03-02"), date(2026, 3, day), CALENDAR, pause) for day in range(6, 14)]
    assert counts == [4, 4, 4, 4, 4, 4, 4, 5]
    still_open = [Suspension(d("2026-03-09"), None)]
    assert elapsed(d("2026-03-02"), d("2026-06-30"), CALENDAR, still_open) == 4


class TestDeemedAcceptance:
    """Received Wed 11 February 2026; the fifth working day after is 25 February."""

    received = date(2026, 2, 11)

    @pytest.mark.req("S0-37")
    def test_notice_limit(self) -> None:
        assert notice_due(self.received, CALENDAR) == d("2026-02-25")

    def test_silence_accepts_as_of_the_receipt(self) -> None:
        assert deemed_acceptance(self.received, None, d("2026-02-25"), CALENDAR) is None
        found = deemed_acceptance(self.received, None, d("2026-02-26"), CALENDAR)
        assert found == Acceptance(self.received, deemed=True)
        assert deadline(found.day, Limit(20), CALENDAR).due == d("2026-03-17")

    def test_an_answer_in_time_leaves_it_open_and_a_late_one_does_not(self) -> None:
        assert deemed_acceptance(self.received, d("2026-02-25"), d("2026-06-01"), CALENDAR) is None
        late = deemed_acceptance(self.received, d("2026-02-26"), d("2026-02-26"), CALENDAR)
        assert late == Acceptance(self.received, deemed=True)


class TestExtension:
    on = date(2025, 4, 18)

    @pytest.mark.parametrize(("limit", "days"), [(20, 1), (20, 10), (45, 15)])
    def test_within_bounds(self, limit: int, days: int) -> None:
        assert approve_extension(days, Limit(limit), self.on) == Extension(days, self.on)

    @pytest.mark.parametrize(
        ("days", "limit", "refusal"),
        [
            (11, Limit(20), "extension_range: extension"),
            (0, Limit(20), "extension_range: extension"),
            (16, Limit(45), "extension_range: extension"),
            (-1, Limit(20), "negative: extension"),
            (5, Limit(0), "not_extendable: limit"),
            (5, Limit(30, Unit.CALENDAR_DAY), "not_extendable: limit"),
        ],
    )
    def test_beyond_bounds(self, days: int, limit: Limit, refusal: str) -> None:
        with pytest.raises(TimeLimitError, match=rf"^{refusal}$"):
            approve_extension(days, limit, self.on)

    def test_once_only(self) -> None:
        with pytest.raises(TimeLimitError, match=r"^extended_before: extension$"):
            approve_extension(2, Limit(20), self.on, earlier=Extension(3, self.on))

    @pytest.mark.req("S3-39")
    def test_an_approved_extension_lengthens_the_case_and_its_current_step(self) -> None:
        before = Limits(Limit(20), Limit(7), Limit(3))
        assert before.extended(Extension(10, self.on)) == Limits(Limit(30), Limit(17), Limit(13))
        assert deadline(d("2025-03-17"), Limit(20), CALENDAR, extension=10).due == d("2025-04-28")

    def test_calendar_day_limits_are_left_alone_and_absent_ones_stay_absent(self) -> None:
        before = Limits(Limit(20), Limit(15, Unit.CALENDAR_DAY))
        assert before.extended(Extension(10, self.on)) == Limits(
            Limit(30), Limit(15, Unit.CALENDAR_DAY), None
        )

    def test_a_promise_is_not_longer_than_the_law(self) -> None:
        with pytest.raises(TimeLimitError, match=r"^promised_above_statutory: promised$"):
            Limits(Limit(20), Limit(21))
        assert Limits(Limit(20), Limit(20)).promised == Limit(20)
        assert Limits(Limit(20), Limit(30, Unit.CALENDAR_DAY)).promised == Limit(30, Unit.CALENDAR_DAY)


class TestInstants:
    def test_the_local_date_is_the_one_of_shanghai(self) -> None:
        assert local_date(datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC)) == d("2026-03-01")
        assert local_date(datetime(2026, 3, 1, 16, 0, tzinfo=UTC)) == d("2026-03-02")
        assert local_date(datetime(2026, 7, 1, 16, 0, tzinfo=UTC)) == d("2026-07-02")

    @pytest.mark.parametrize(
        ("moment", "code"),
        [
            (datetime(2026, 3, 1), "naive_time"),  # noqa: DTZ001 - a time without a zone is what is refused
            (datetime.max.replace(tzinfo=UTC), "out_of_range"),
            (datetime.min.replace(tzinfo=timezone(timedelta(hours=12))), "out_of_range"),
        ],
    )
    def test_an_instant_without_a_local_date(self, moment: datetime, code: str) -> None:
        with pytest.raises(TimeLimitError, match=rf"^{code}: instant$"):
            local_date(moment)

    @pytest.mark.parametrize(
        ("day", "hour", "close", "expected"),
        [
            (10, "23:59:59", None, True),
            (11, "00:00:00", None, True),  # 24:00 of the due date
            (11, "00:00:01", None, False),
            (10, "17:30:00", time(17, 30), True),
            (10, "17:30:01", time(17, 30), False),
            (9, "23:00:00", time(17, 30), True),
            (11, "00:00:00", time(17, 30), False),
        ],
    )
    def test_close_of_the_due_date(self, day: int, hour: str, close: time | None, expected: bool) -> None:
        concluded = datetime.combine(date(2025, 3, day), time.fromisoformat(hour), tzinfo=SHANGHAI)
        assert on_time(concluded, d("2025-03-10"), close) is expected

    got = datetime(2026, 3, 2, 10, 0, tzinfo=SHANGHAI)

    @pytest.mark.parametrize(
        ("sender_minutes", "previous_minutes", "counted_minutes", "finding"),
        [
            (-30, None, -30, None),
            (5, None, 5, None),
            (5.1, None, 0, Skew.AHEAD_OF_RECEIPT),
            (-30, -20, 0, Skew.BEFORE_PREVIOUS),
            (-20, -20, -20, None),
            (20, 15, 15, Skew.AHEAD_OF_RECEIPT),
            (-30, 15, 15, Skew.BEFORE_PREVIOUS),  # never behind what was counted before
        ],
    )
    def test_skewed_clock(
        self, sender_minutes: float, previous_minutes: int | None, counted_minutes: int, finding: Skew | None
    ) -> None:
        sender = self.got + timedelta(minutes=sender_minutes)
        previous = None if previous_minutes is None else self.got + timedelta(minutes=previous_minutes)
        found = event_time(sender, self.got, previous)
        assert (found.sender, found.receipt, found.finding) == (sender, self.got, finding)
        assert found.counted == self.got + timedelta(minutes=counted_minutes)


class TestBounds:
    @pytest.mark.parametrize(
        ("count", "code"), [(-1, "negative"), (MAX_COUNT + 1, "too_large"), (10**30, "too_large")]
    )
    def test_limit(self, count: int, code: str) -> None:
        with pytest.raises(TimeLimitError, match=rf"^{code}: limit$"):
            Limit(count)

    def test_limit_and_extension_together(self) -> None:
        with pytest.raises(TimeLimitError, match=r"^too_large: limit$"):
            deadline(d("2026-03-02"), Limit(MAX_COUNT), CALENDAR, extension=1)

    @pytest.mark.parametrize("unit", list(Unit))
    def test_past_the_last_day_there_is(self, unit: Unit) -> None:
        with pytest.raises(TimeLimitError, match=r"^out_of_range: due$"):
            deadline(d("9999-12-20"), Limit(30, unit), CALENDAR)

    def test_suspended_to_the_end_of_time(self) -> None:
        with pytest.raises(TimeLimitError, match=r"^out_of_range: due$"):
            deadline(d("2026-03-02"), Limit(5), CALENDAR, [Suspension(d("2026-03-03"), date.max)])

    def test_the_longest_limits_are_answered(self) -> None:
        assert deadline(d("2026-03-02"), Limit(MAX_COUNT), CALENDAR).provisional
        assert deadline(date.min, Limit(1), CALENDAR).due == d("0001-01-02")
        assert (
            elapsed(date.min, date.max, Calendar()) == 2_608_614
        )  # 521,722 weeks and 5 days, less 1 January

    def test_reversed_suspension(self) -> None:
        with pytest.raises(TimeLimitError, match=r"^reversed: suspension$"):
            Suspension(d("2026-03-03"), d("2026-03-02"))

    @pytest.mark.parametrize(
        ("wrong", "refusal"),
        [
            ({"yellow": 0}, "bad_value: thresholds"),
            ({"yellow": 3}, "bad_value: thresholds"),
            ({"red": -1}, "negative: red"),
            ({"warning": 9999}, "too_large: warning"),
        ],
    )
    def test_thresholds(self, wrong: dict[str, Any], refusal: str) -> None:
        with pytest.raises(TimeLimitError, match=rf"^{refusal}$"):
            Thresholds(**wrong)


def test_thresholds_of_a_region_move_the_days() -> None:
    regional = Thresholds(warning=3, yellow=2, red=3, strict_red=True)
    found = deadline(d("2025-03-03"), Limit(5), CALENDAR, thresholds=regional)
    assert (found.warning, found.yellow, found.red) == (d("2025-03-05"), d("2025-03-12"), d("2025-03-14"))


class TestProvisional:
    def test_the_due_date_decides(self) -> None:
        assert not deadline(d("2026-12-28"), Limit(3), CALENDAR).provisional  # due 31 December, cards in 2027
        assert deadline(d("2026-12-28"), Limit(4), CALENDAR).provisional
        assert deadline(d("2024-12-27"), Limit(10), CALENDAR).provisional  # counted through the end of 2024
        assert not deadline(d("2024-12-31"), Limit(10), CALENDAR).provisional
        assert deadline(d("2027-12-31"), Limit(0), CALENDAR).provisional

    def test_calendar_days_look_at_the_last_day_only(self) -> None:
        assert not deadline(d("2024-12-02"), Limit(60, Unit.CALENDAR_DAY), CALENDAR).provisional
        assert deadline(d("2026-12-02"), Limit(30, Unit.CALENDAR_DAY), CALENDAR).provisional

    NEXT = """
        year = 2027
        version = 1
        source = "invented for this test"
        published = 2026-11-10
        rest = [
            { reason = "a", from = 2027-01-01, to = 2027-01-05 },
            { reason = "b", from = 2027-02-05, to = 2027-02-14 },
        ]
        work = [{ reason = "c", day = 2027-01-16 }]
    """

    @given(
        accepted=st.dates(d("2026-09-01"), d("2027-03-01")),
        count=st.integers(0, 60),
        unit=st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY]),
    )
    def test_a_later_notice_changes_only_provisional_dues(
        self, accepted: date, count: int, unit: Unit
    ) -> None:
        before = deadline(accepted, Limit(count, unit), CALENDAR)
        after = deadline(accepted, Limit(count, unit), CALENDAR.plus(parse_year(self.NEXT)))
        assert before.provisional or before.due == after.due
        assert not after.provisional

    def test_and_it_does_change_some(self) -> None:
        later = CALENDAR.plus(parse_year(self.NEXT))
        assert deadline(d("2026-12-28"), Limit(4), CALENDAR).due == d("2027-01-01")
        assert deadline(d("2026-12-28"), Limit(4), later).due == d("2027-01-06")


SPAN = (date(2025, 1, 1), date(2026, 6, 30))
accepted_days = st.dates(*SPAN)
counts = st.integers(0, 90)
suspended = st.tuples(accepted_days, st.integers(0, 30)).map(
    lambda s: Suspension(s[0], s[0] + timedelta(days=s[1]))
)
several = st.lists(suspended, max_size=4)


def walk(accepted: date, spans: list[Suspension]) -> Iterator[date]:
    """Oracle: walk the days one by one and hand out those at whose close of work the clock runs."""
    day = accepted
    stopped = {s.start + timedelta(days=n) for s in spans if s.end for n in range((s.end - s.start).days)}
    while True:
        day += timedelta(days=1)
        if day not in stopped and chinese_calendar.is_workday(day):
            yield day


@given(accepted=accepted_days, count=counts, spans=several)
def test_equals_the_walk_day_by_day(accepted: date, count: int, spans: list[Suspension]) -> None:
    stopped = sum((span.end - span.start).days for span in spans if span.end)
    assume(accepted + timedelta(days=count * 2 + stopped) < d("2026-12-01"))
    counted = walk(accepted, spans)
    days = [accepted, *(next(counted) for _ in range(count + 2))]
    warning = days[max(count - 2, 0)] if count else None
    expected = Deadline(days[count], warning, days[count + 1], days[count + 2], provisional=False)
    assert deadline(accepted, Limit(count), CALENDAR, spans) == expected
    assert elapsed(accepted, days[count], CALENDAR, spans) == count
    assert remaining(days[count], accepted, CALENDAR, spans) == count


def due_of(accepted: date, count: int, spans: list[Suspension], unit: Unit = Unit.WORKING_DAY) -> date:
    due = deadline(accepted, Limit(count, unit), CALENDAR, spans).due
    assert due is not None
    return due


units = st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY, Unit.MONTH])


@given(accepted=accepted_days, count=counts, spans=several, unit=units)
def test_due_never_falls_in_the_limit(
    accepted: date, count: int, spans: list[Suspension], unit: Unit
) -> None:
    assert due_of(accepted, count, spans, unit) <= due_of(accepted, count + 1, spans, unit)


@given(accepted=accepted_days, count=counts, spans=several, unit=units)
def test_due_never_falls_in_the_acceptance(
    accepted: date, count: int, spans: list[Suspension], unit: Unit
) -> None:
    assert due_of(accepted, count, spans, unit) <= due_of(accepted + timedelta(days=1), count, spans, unit)


@given(accepted=accepted_days, count=counts, spans=several, more=suspended)
def test_due_never_falls_with_one_more_suspension(
    accepted: date, count: int, spans: list[Suspension], more: Suspension
) -> None:
    assert due_of(accepted, count, spans) <= due_of(accepted, count, [*spans, more])


@given(accepted=accepted_days, count=st.integers(1, 90), spans=several)
def test_due_is_a_counted_day(accepted: date, count: int, spans: list[Suspension]) -> None:
    due = due_of(accepted, count, spans)
    assert CALENDAR.is_working_day(due)
    assert not any(span.covers(due) for span in spans)


@given(accepted=accepted_days, count=counts, start=accepted_days)
def test_a_suspension_inside_rest_days_changes_nothing(accepted: date, count: int, start: date) -> None:
    end = start
    while not chinese_calendar.is_workday(end):
        end += timedelta(days=1)
    found = deadline(accepted, Limit(count), CALENDAR, [Suspension(start, end)])
    assert found == deadline(accepted, Limit(count), CALENDAR)
