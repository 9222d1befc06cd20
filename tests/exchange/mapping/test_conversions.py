"""Each named conversion, both ways, against values worked out by hand; wrong forms are refused."""

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from canonical.values import Money, RegionCode
from exchange.mapping.conversions import Form, conversions, joined, prefixed
from exchange.mapping.refusal import BadValue

BEIJING = timezone(timedelta(hours=8))
MOMENT = datetime(2026, 11, 22, 9, 30, 5, tzinfo=BEIJING)

BOTH_WAYS: list[tuple[Form, str, Any, Any]] = [
    ("json", "text", "梅州", "梅州"),
    ("json", "int", 17, 17),
    ("xml", "int", "17", 17),
    ("json", "int_text", "0", 0),
    ("xml", "bool01", "1", True),
    ("xml", "bool01", "0", False),
    ("json", "datetime_space", "2026-11-22 09:30:05", MOMENT),
    ("json", "datetime14", "20261122093005", MOMENT),
    ("json", "datetime_t", "20261122T093005", MOMENT),
    ("json", "epoch_ms", 1795311005000, MOMENT),
    ("xml", "epoch_ms", "1795311005000", MOMENT),
    ("json", "date8", "20261122", date(2026, 11, 22)),
    ("json", "date_dash", "2026-11-22", date(2026, 11, 22)),
    ("json", "date_t", "20261122T000000", date(2026, 11, 22)),
    ("json", "yuan2", "105.50", Money("105.5")),
    ("json", "yuan_int", 105, Money("105.00")),
    ("xml", "yuan_int", "105", Money("105.00")),
    ("json", "fen", "10550", Money("105.50")),
    ("json", "region6", "441402", RegionCode("441402000000")),
    ("json", "town9", "441402004", RegionCode("441402004000")),
    ("json", "county12", "441402000000", RegionCode("441402000000")),
    ("json", "date_slash", "2026/11/22", date(2026, 11, 22)),
    ("json", "bool", True, True),
    ("xml", "bool", "false", False),
    ("json", "county6", "441402", RegionCode("441402000000")),
    (
        "json",
        "hex_base64",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
]


@pytest.mark.parametrize(("form", "name", "wire", "value"), BOTH_WAYS)
def test_conversion_holds_both_ways(form: Form, name: str, wire: Any, value: Any) -> None:
    conversion = conversions(form)[name]
    assert conversion.hear(wire) == value
    assert conversion.say(value) == wire
    assert type(conversion.say(value)) is type(wire)


@pytest.mark.parametrize(
    ("form", "name", "wire"),
    [
        ("json", "text", "null"),
        ("json", "bool", "true"),
        ("json", "bool", 1),
        ("xml", "bool", "1"),
        ("json", "date_slash", "2026-11-22"),
        ("json", "date_slash", "2026/02/30"),
        ("json", "town9", "441402"),
        ("json", "town9", "441402004000"),
        ("json", "county12", "441402004000"),
        ("json", "county12", "441402"),
        ("json", "text", 5),
        ("json", "text", ["a"]),
        ("json", "text", None),
        ("json", "int", "17"),
        ("json", "int", True),
        ("json", "int", 1.0),
        ("xml", "int", "017"),
        ("xml", "int", "１７"),
        ("xml", "int", "1 "),
        ("xml", "int", "9" * 30),
        ("xml", "bool01", "true"),
        ("xml", "bool01", "2"),
        ("json", "datetime_space", "2026-11-22T09:30:05"),
        ("json", "datetime_space", "2026-02-30 00:00:00"),
        ("json", "datetime_space", "2026-11-22 24:00:01"),
        ("json", "datetime_space", "2026-326 09:30:05"),
        ("json", "datetime_space", "2026-11-22 09:30:05 "),
        ("json", "datetime14", "2026112209300"),
        ("json", "datetime14", "20261332093005"),
        ("json", "datetime_t", "20261122T093005+0800"),
        ("json", "epoch_ms", -1),
        ("json", "epoch_ms", 1795311005),
        ("json", "epoch_ms", 17953110050000),
        ("json", "date8", "20261131"),
        ("json", "date_dash", "20261122"),
        ("json", "yuan2", "105"),
        ("json", "yuan2", "105.5"),
        ("json", "yuan2", "-1.00"),
        ("json", "yuan2", "01.00"),
        ("json", "yuan2", 105),
        ("json", "yuan_int", -1),
        ("json", "fen", "10550.0"),
        ("json", "fen", "-5"),
        ("json", "region6", "441402000000"),
        ("json", "region6", "44140"),
        ("json", "region6", "040000"),
        ("json", "hex_base64", "%%%"),
        ("json", "name_count", "a"),
        ("json", "name_count", "a*1;"),
        ("json", "name_count", "*1"),
        ("json", "name_count", "a*01"),
        ("json", "name_count", "a*1;;b*2"),
        ("json", "name_count", ""),
    ],
)
def test_wrong_form_is_a_bad_value(form: Form, name: str, wire: Any) -> None:
    with pytest.raises(BadValue) as refused:
        conversions(form)[name].hear(wire)
    assert refused.value.code == "bad_value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("yuan_int", Money("105.50")),
        ("region6", RegionCode("441402004000")),
        ("name_count", [SimpleNamespace(name="a\\", count=1)]),
        ("name_count", [SimpleNamespace(name="a\\*b", count=1)]),
    ],
)
def test_what_the_form_cannot_carry_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadValue):
        conversions("json")[name].say(value)


def test_a_form_of_whole_seconds_tells_the_second_in_which_it_was() -> None:
    late = MOMENT.replace(microsecond=999_000)
    assert conversions("json")["datetime14"].say(late) == conversions("json")["datetime14"].say(MOMENT)


def test_other_zones_are_said_in_beijing_time() -> None:
    utc = MOMENT.astimezone(timezone.utc)  # noqa: UP017 - the zone is the point
    assert conversions("json")["datetime14"].say(utc) == "20261122093005"


def test_county_of_a_town() -> None:
    assert conversions("json")["county6"].say(RegionCode("441402004000")) == "441402"


def test_name_count_list_escapes() -> None:
    conversion = conversions("json")["name_count"]
    wire = "营业执照*1;图\\*甲\\;乙*12;路径 c:\\x*0"
    values = (
        {"name": "营业执照", "count": 1},
        {"name": "图*甲;乙", "count": 12},
        {"name": "路径 c:\\x", "count": 0},
    )
    assert conversion.hear(wire) == values
    assert conversion.say([SimpleNamespace(**value) for value in values]) == wire


def test_joined_list() -> None:
    text = conversions("xml")["text"]
    hear, say = joined("^", text.hear, text.say)
    assert hear("1^2^9") == ("1", "2", "9")
    assert say(("1", "2")) == "1^2"
    for wrong in (("a^b",), ("", "a")):
        with pytest.raises(BadValue):
            say(wrong)


def test_prefix() -> None:
    text = conversions("json")["text"]
    hear, say = prefixed("37", text.hear, text.say)
    assert say("flow") == "37flow"
    assert hear("37flow") == "flow"
    with pytest.raises(BadValue):
        hear("flow37")


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=BEIJING), MOMENT.replace(microsecond=1)])
def test_epoch_counts_from_1970_in_whole_milliseconds(moment: datetime) -> None:
    with pytest.raises(BadValue):
        conversions("json")["epoch_ms"].say(moment)
