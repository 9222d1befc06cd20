"""The shipped notices against monthly totals and an outside library; year files are read strictly."""

from collections import Counter
from datetime import date, timedelta

import chinese_calendar
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canonical.calendar import MAX_TEXT, Calendar, CalendarError, parse_year, shipped
from canonical.errors import ValueRefused

FIRST, LAST = date(2025, 1, 1), date(2026, 12, 31)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

VALID = """
year = 2027
version = 1
source = "invented for this test"
published = 2026-11-10
rest = [{ reason = "元旦", from = 2027-01-01, to = 2027-01-03 }]
work = [{ reason = "元旦调休上班", day = 2027-01-09 }]
"""
OVERLAPPING = "{ reason = 'x', from = 2027-01-03, to = 2027-01-04 }"


def year_2027(version: int = 1, work_day: str = "2027-01-09") -> str:
    return VALID.replace("version = 1", f"version = {version}").replace("2027-01-09", work_day)


def test_every_day_of_both_years_equals_the_outside_library() -> None:
    differing = [day for day in DAYS if shipped().is_working_day(day) != chinese_calendar.is_workday(day)]
    assert len(DAYS) == 730
    assert differing == []


@pytest.mark.parametrize(
    ("year", "months"),
    [
        (2025, [19, 19, 21, 22, 19, 20, 23, 21, 23, 18, 20, 23]),
        (2026, [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]),
    ],
)
def test_working_days_per_month(year: int, months: list[int]) -> None:
    worked = Counter(day.month for day in DAYS if day.year == year and shipped().is_working_day(day))
    assert [worked[month] for month in range(1, 13)] == months
    assert sum(months) == 248


def test_a_notice_names_its_source_its_day_of_publication_and_the_reason_of_each_day() -> None:
    assert [known.year for known in shipped().years] == [2025, 2026]
    assert [known.published for known in shipped().years] == [date(2024, 11, 12), date(2025, 11, 4)]
    assert [known.source for known in shipped().years] == [
        "国务院办公厅关于2025年部分节假日安排的通知(国办发明电〔2024〕12号)",
        "国务院办公厅关于2026年部分节假日安排的通知(国办发明电〔2025〕7号)",
    ]
    assert shipped().reason(date(2026, 6, 19)) == "端午节"
    assert shipped().reason(date(2026, 2, 28)) == "春节调休上班"
    assert shipped().reason(date(2026, 3, 2)) is None


def test_a_year_without_notice_counts_weekdays_and_says_so() -> None:
    calendar = shipped()
    assert not calendar.is_published(2027)
    assert calendar.is_published(2026)
    assert calendar.is_working_day(date(2027, 10, 1))  # a Friday, surely a holiday once the notice is out
    assert not calendar.is_working_day(date(2027, 10, 2))
    assert not calendar.covers(date(2026, 12, 31), date(2027, 1, 1))
    assert calendar.covers(date(2025, 1, 1), date(2026, 12, 31))


def test_a_loaded_notice_changes_its_year_only() -> None:
    more = shipped().plus(parse_year(VALID))
    assert more.is_published(2027)
    assert not more.is_working_day(date(2027, 1, 1))
    assert more.is_working_day(date(2027, 1, 9))
    assert [day for day in DAYS if more.is_working_day(day) != shipped().is_working_day(day)] == []


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_higher_version_wins_in_any_order(order: tuple[int, int]) -> None:
    texts = {1: year_2027(1), 2: year_2027(2, "2027-01-10")}
    calendar = Calendar().plus(*(parse_year(texts[version]) for version in order))
    assert [known.version for known in calendar.years] == [2]
    assert calendar.is_working_day(date(2027, 1, 10))
    assert not calendar.is_working_day(date(2027, 1, 9))


def test_one_version_cannot_say_two_things() -> None:
    calendar = Calendar().plus(parse_year(VALID), parse_year(VALID))
    assert len(calendar.years) == 1
    with pytest.raises(CalendarError, match=r"^version_conflict: 2027 version 1$"):
        calendar.plus(parse_year(year_2027(1, "2027-01-10")))


@given(st.integers(min_value=1, max_value=date.max.toordinal()))
@example(date(2026, 2, 14).toordinal())
@example(date(2026, 2, 15).toordinal())
@example(1)
def test_count_and_position_are_inverse(ordinal: int) -> None:
    calendar = shipped()
    count = calendar.count_through(ordinal)
    step = int(calendar.is_working_day(date.fromordinal(ordinal)))
    assert count - calendar.count_through(ordinal - 1) == step
    assert calendar.ordinal_of(count) <= ordinal
    assert calendar.count_through(calendar.ordinal_of(count)) == count


def test_position_of_every_working_day_of_both_years() -> None:
    calendar = shipped()
    worked = [day.toordinal() for day in DAYS if chinese_calendar.is_workday(day)]
    start = calendar.count_through(FIRST.toordinal() - 1)
    assert [calendar.ordinal_of(start + n) for n in range(1, len(worked) + 1)] == worked


@pytest.mark.parametrize("count", [0, -5, 10**7])
def test_no_day_outside_the_proleptic_calendar(count: int) -> None:
    with pytest.raises(CalendarError, match=r"^out_of_range: date$"):
        Calendar().ordinal_of(count)


def changed(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VALID + "holiday = 1\n", "unknown_key: year.holiday"),
        (changed('reason = "元旦",', 'reason = "元旦", note = "x",'), "unknown_key: rest[0].note"),
        (changed("day =", "date ="), "unknown_key: work[0].date"),
        (changed("version = 1\n", ""), "missing: year.version"),
        (changed("published = 2026-11-10\n", ""), "missing: year.published"),
        (changed(", to = 2027-01-03", ""), "missing: rest[0].to"),
        (changed("year = 2027", "year = true"), "bad_type: year"),
        (changed("year = 2027", "year = 1948"), "bad_value: year"),
        (changed("year = 2027", "year = 10000"), "bad_value: year"),
        (changed("version = 1", "version = 0"), "bad_value: version"),
        (changed("version = 1", 'version = "1"'), "bad_type: version"),
        (changed('source = "invented for this test"', 'source = " "'), "bad_value: source"),
        (changed('source = "invented for this test"', "source = 7"), "bad_type: source"),
        (changed("2026-11-10", "2026-11-10T08:00:00"), "bad_type: published"),
        (changed('reason = "元旦"', 'reason = ""'), "bad_value: rest[0].reason"),
        (changed("2027-01-09", '"2027-01-09"'), "bad_type: work[0].day"),
        (changed("2027-01-03", "2026-12-31"), "reversed: rest[0]"),
        (changed("2027-01-03", "2028-01-03"), "outside_year: rest[0]"),
        (changed("2027-01-03", "9999-12-31"), "outside_year: rest[0]"),
        (changed("from = 2027-01-01", "from = 2026-12-31"), "outside_year: rest[0]"),
        (changed("2027-01-09", "2028-01-09"), "outside_year: work[0]"),
        (changed("2027-01-09", "2027-01-08"), "not_a_weekend: work[0]"),
        (changed("2027-01-09", "2027-01-02"), "overlap: work[0]"),
        (changed("work = [", "work = [{ reason = 'x', day = 2027-01-09 }, "), "overlap: work[1]"),
        (changed("rest = [", f"rest = [{OVERLAPPING}, "), "overlap: rest[1]"),
        (changed("work = [", "work = [1, "), "bad_type: work[0]"),
        (
            "rest = 1\nwork = []\nyear = 2027\nversion = 1\nsource = 'x'\npublished = 2026-11-10",
            "bad_type: rest",
        ),
        ("year = ", "bad_toml: file"),
        ("year = 2027-13-01", "bad_toml: file"),
        ("year = " + "9" * 5_000, "bad_toml: file"),
        ("year = " + "[" * 20_000, "bad_toml: file"),
        ("#" * (MAX_TEXT + 1), "too_long: file"),
    ],
)
def test_a_wrong_year_file_is_refused_with_code_and_place(text: str, expected: str) -> None:
    with pytest.raises(CalendarError) as refused:
        parse_year(text)
    assert str(refused.value) == expected
    assert isinstance(refused.value, ValueRefused)
    assert f"{refused.value.code}: {refused.value.where}" == expected


@given(
    cut=st.tuples(*[st.integers(0, len(VALID))] * 2),
    new=st.text("=[]{}\"'#,-:. \n019aeinx春\x00", max_size=12),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(cut: tuple[int, int], new: str) -> None:
    try:
        known = parse_year(VALID[: min(cut)] + new + VALID[max(cut) :])
    except CalendarError as refused:
        assert refused.code.isascii()
    else:
        assert {day.year for day in known.reasons()} <= {known.year}
