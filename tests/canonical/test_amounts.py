"""Money and moments: one form each, hostile input refused by code."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from canonical.amounts import BEIJING, Money, Timestamp, timestamp, timestamp_text
from canonical.errors import ValueRefused

MONEY, MOMENT = TypeAdapter(Money), TypeAdapter(Timestamp)


@pytest.mark.parametrize(
    ("text", "form"),
    [("0", "0.00"), ("12.5", "12.50"), ("105.00", "105.00"), ("99999999999999.99", "99999999999999.99")],
)
def test_money_is_written_with_two_decimals(text: str, form: str) -> None:
    assert MONEY.dump_json(Money(text)) == f'"{form}"'.encode()
    assert type(MONEY.validate_json(f'"{text}"')) is Money and Money(Decimal(text)) == Money(text)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("１２.00", "bad_form"),
        ("\u0661\u0662", "bad_form"),
        ("1_000", "bad_form"),
        ("1e3", "bad_form"),
        ("NaN", "bad_form"),
        ("Infinity", "bad_form"),
        ("-1", "bad_form"),
        ("+1", "bad_form"),
        ("007", "bad_form"),
        ("1.005", "bad_form"),
        ("1.", "bad_form"),
        (" 1", "bad_form"),
        ("1\n", "bad_form"),
        ("1\0", "bad_form"),
        ("1,000.00", "bad_form"),
        ("100000000000000", "bad_form"),
        ("9" * 1_000_000, "bad_form"),
        (1.5, "not_text"),
        (100, "not_text"),
        (True, "not_text"),
        (None, "not_text"),
        (Decimal("NaN"), "out_of_range"),
        (Decimal("-Infinity"), "out_of_range"),
        (Decimal("-0.01"), "out_of_range"),
        (Decimal("1E+14"), "out_of_range"),
        (Decimal("1E+999999"), "out_of_range"),
        (Decimal("0.001"), "too_precise"),
    ],
)
def test_what_is_not_money_is_refused(value: object, code: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        Money(value)
    assert caught.value.code == code


@given(st.integers(0, 10**16 - 1))
def test_fen_and_yuan_say_the_same_amount(fen: int) -> None:
    money = Money.from_fen(fen)
    assert money.fen == fen and str(money) == f"{fen // 100}.{fen % 100:02d}"
    assert Money.from_yuan(fen // 100).fen == fen // 100 * 100
    assert Money(str(money)) == money


@pytest.mark.parametrize("number", [1.0, True, "1", -1, 10**16])
def test_only_whole_numbers_in_range_are_fen(number: object) -> None:
    with pytest.raises(ValueRefused):
        Money.from_fen(number)  # type: ignore[arg-type]  # hostile on purpose
    with pytest.raises(ValueRefused):
        Money.from_yuan(10**14)


def test_money_does_not_depend_on_the_decimal_context() -> None:
    assert str(Money("99999999999999.99") + Money("0.00")) == "99999999999999.99"
    assert getcontext().prec >= 28


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-03-02T09:00:00+08:00", "2026-03-02T09:00:00+08:00"),
        ("2026-03-02T01:00:00Z", "2026-03-02T09:00:00+08:00"),
        ("2026-03-01T20:00:00.250-05:00", "2026-03-02T09:00:00.250+08:00"),
        ("2026-03-02T09:00:00.000+08:00", "2026-03-02T09:00:00+08:00"),
    ],
)
def test_a_moment_is_written_on_beijing_time(text: str, form: str) -> None:
    assert timestamp_text(timestamp(text)) == form
    assert MOMENT.dump_json(MOMENT.validate_json(f'"{text}"')) == f'"{form}"'.encode()


def test_a_datetime_is_taken_to_the_millisecond_in_any_zone() -> None:
    moment = datetime(2026, 3, 2, 1, 0, 0, 123_999, tzinfo=UTC)
    assert timestamp_text(timestamp(moment)) == "2026-03-02T09:00:00.123+08:00"
    assert timestamp(moment).tzinfo is BEIJING


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2026-03-02T09:00:00", "bad_form"),
        ("2026-03-02 09:00:00+08:00", "bad_form"),
        ("20260302T090000+0800", "bad_form"),
        ("2026-03-02T09:00:00.1234567+08:00", "bad_form"),
        ("2026-03-02T09:00:00+08:00\n", "bad_form"),
        ("２026-03-02T09:00:00+08:00", "bad_form"),
        ("2026-W10-1T09:00:00+08:00", "bad_form"),
        ("2" * 1_000_000, "bad_form"),
        ("2026-02-30T09:00:00+08:00", "no_such_moment"),
        ("2026-03-02T24:00:00+08:00", "no_such_moment"),
        ("2026-12-31T23:59:60+08:00", "no_such_moment"),
        ("2026-03-02T09:00:00+25:00", "no_such_moment"),
        ("0001-01-01T00:00:00+14:00", "out_of_range"),
        ("9999-12-31T23:59:59-12:00", "out_of_range"),
        (1_700_000_000_000, "not_text"),
        (None, "not_text"),
    ],
)
def test_what_is_not_a_moment_is_refused(value: object, code: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        timestamp(value)
    assert caught.value.code == code


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 3, 2, 9)  # noqa: DTZ001 that is the point
    with pytest.raises(ValidationError) as caught:
        MOMENT.validate_python(naive)
    assert caught.value.errors()[0]["ctx"]["error"].code == "no_zone"


@given(st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 zone below
def test_a_moment_survives_its_own_text(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    cut = timestamp(moment)
    assert timestamp(timestamp_text(cut)) == cut and timedelta() <= moment - cut < timedelta(milliseconds=1)
