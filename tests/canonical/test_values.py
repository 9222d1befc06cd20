"""Values: published samples, their parts, every way they refuse, and what pydantic makes of them."""

import copy
import pickle
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError
from stdnum.cn import uscc

from canonical.checks import CREDIT_ALPHABET
from canonical.errors import ValueRefused
from canonical.textvalue import TextValue
from canonical.values import (
    BasicCode,
    CaseNumber,
    CertificateIdentifier,
    CreditCode,
    Digest,
    HandlingItemCode,
    IdNumber,
    ImplementationCode,
    MobileNumber,
    RegionCode,
    complete_credit_code,
    complete_id_number,
    make_case_number,
    make_certificate_identifier,
    region12,
)

CERTIFICATE = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
SAMPLES: dict[type[TextValue], str] = {
    RegionCode: "441427100001",
    CreditCode: "11440300MB2C94128A",
    BasicCode: "44211105N003",
    ImplementationCode: "11440300MB2C94128A3440217281000",
    HandlingItemCode: "11440000553612461J244211105N00302",
    IdNumber: str(complete_id_number("44149919900101001")),
    MobileNumber: "13800000000",
    CertificateIdentifier: CERTIFICATE,
    CaseNumber: str(make_case_number(RegionCode("441402000000"), date(2026, 3, 2), "2", 17)),
    Digest: "0123456789abcdef" * 4,
}
EACH = pytest.mark.parametrize(("kind", "text"), SAMPLES.items(), ids=[kind.__name__ for kind in SAMPLES])


def refused(kind: type[TextValue], value: object) -> str:
    with pytest.raises(ValueRefused) as caught:
        kind(value)
    return caught.value.code


@EACH
def test_a_value_is_its_text_and_survives_copies(kind: type[TextValue], text: str) -> None:
    value = kind(text)
    assert value == text and type(value) is kind and kind(value) is value
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value  # noqa: S301 our own bytes


@EACH
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "\n",
        lambda text: "\n" + text,
        lambda text: text + "\0",
        lambda text: text[:-1] + "\0",
        lambda text: " " + text[1:],
        lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text),  # full-width
        lambda text: text[:2] + "\u0661" + text[3:],  # an Arabic-Indic digit
        lambda text: text[:-1] + "\ud800",
        lambda text: text[:-1],
        lambda text: text + "0" * 100,
        lambda text: text.swapcase() if text.swapcase() != text else "",
        lambda text: "",
    ],
)
def test_hostile_text_is_refused_by_form(kind: type[TextValue], text: str, spoil: object) -> None:
    assert callable(spoil)
    assert refused(kind, spoil(text)) in {"bad_form", "too_long"}


@EACH
def test_huge_text_and_other_types_are_refused_with_their_codes(kind: type[TextValue], text: str) -> None:
    assert refused(kind, text * 100_000) == "too_long"
    assert {refused(kind, other) for other in (None, 12, 1.5, text.encode(), [text])} == {"not_text"}


@EACH
@given(st.one_of(st.text(), st.text("0123456789AXYZ.", max_size=80), st.integers(), st.binary()))
def test_nothing_but_a_coded_refusal_comes_of_anything(
    kind: type[TextValue], text: str, value: object
) -> None:
    try:
        assert kind(value) == value
    except ValueRefused as refusal:
        assert refusal.code and refusal.detail


@EACH
def test_pydantic_takes_it_and_publishes_a_pattern(kind: type[TextValue], text: str) -> None:
    adapter = TypeAdapter(kind)
    value = adapter.validate_json(f'"{text}"')
    assert type(value) is kind and adapter.dump_json(value) == f'"{text}"'.encode()
    schema = Draft202012Validator(adapter.json_schema())
    assert schema.is_valid(text) and not schema.is_valid(text[:-1] + "\u5b57")
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(text[:-1])
    assert caught.value.errors()[0]["ctx"]["error"].code == "bad_form"


@EACH
def test_a_refusal_does_not_repeat_the_value(kind: type[TextValue], text: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        kind(text[:-1])
    assert text[:-1] not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).code == "bad_form"  # noqa: S301 our own bytes


CHECKED = [CreditCode, IdNumber, CertificateIdentifier, CaseNumber]


@pytest.mark.parametrize("kind", CHECKED)
@given(st.data())
def test_one_wrong_character_is_noticed(kind: type[TextValue], data: st.DataObject) -> None:
    text = SAMPLES[kind]
    place = data.draw(st.integers(len(text) - 12, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789"))
    if text[place] not in (other, "."):
        assert refused(kind, text[:place] + other + text[place + 1 :]) != ""


@pytest.mark.parametrize(
    ("code", "level", "parent"),
    [
        ("440000000000", "2", None),
        ("441400000000", "3", "440000000000"),
        ("441402000000", "4", "441400000000"),
        ("441402004000", "5", "441402000000"),
        ("441427100200", "6", "441427100000"),
        ("441900003000", "5", "441900000000"),  # Dongguan: a city without counties
        ("441499000000", "4", "441400000000"),
    ],
)
def test_the_zeros_of_a_region_say_its_level(code: str, level: str, parent: str | None) -> None:
    assert (RegionCode(code).level, RegionCode(code).parent()) == (level, parent)


@pytest.mark.parametrize("code", ["440002000000", "440000001000", "441402000001", "440000000001"])
def test_a_region_below_nothing_is_refused(code: str) -> None:
    assert refused(RegionCode, code) == "region_gap"


def test_a_region_contains_itself_and_what_lies_in_it() -> None:
    county = RegionCode("441402000000")
    assert county.contains(county) and county.contains(RegionCode("441402004001"))
    assert not county.contains(RegionCode("441403100000")) and not county.contains(RegionCode("441400000000"))
    assert RegionCode("441400000000").contains(county)


def test_a_region_comes_in_six_or_twelve_digits() -> None:
    assert region12("441402") == region12("441402000000") == "441402000000"
    for hostile in ("44140", "4414020", "441402\n00000", "４４１４０２", None, 441402):
        with pytest.raises(ValueRefused):
            region12(hostile)


@pytest.mark.parametrize(
    ("code", "body", "level", "basic"),
    [
        ("11440300MB2C94128A3440217281000", "11440300MB2C94128A", "3", "440217281000"),
        ("11440100007483172Q3440106043001", "11440100007483172Q", "3", "440106043001"),
        ("11445122MB2D24374A4440225982010", "11445122MB2D24374A", "4", "440225982010"),
    ],
)
def test_published_implementation_codes_and_their_parts(code: str, body: str, level: str, basic: str) -> None:
    parsed = ImplementationCode(code)
    assert (parsed.body, parsed.level, parsed.basic) == (body, level, basic)


def test_the_parts_of_a_basic_code_and_a_handling_item() -> None:
    basic = BasicCode("440217281000")
    parts = (basic.province, basic.item_type, basic.department, basic.main_item, basic.sub_item)
    assert parts == ("44", "02", "17", "281", "000")
    item = HandlingItemCode("114403006939513773344201505200802")
    assert (item.implementation, item.serial) == ("1144030069395137733442015052008", "02")
    assert BasicCode("000118014000").province == "00"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (BasicCode, "44X217281000"),
        (BasicCode, "443017281000"),  # item type 30
        (BasicCode, "44021728100n"),
        (ImplementationCode, "11440300MB2C94128A0440217281000"),  # level 0
        (ImplementationCode, "11440300MB2C94128A8440217281000"),  # level 8
        (HandlingItemCode, "11440300MB2C94128A344021728100000"),  # serial 00
        (CreditCode, "1144O300MB2C94128A"),  # the letter O
        (MobileNumber, "12800000000"),
        (MobileNumber, "+8613800000000"),
        (Digest, "0123456789ABCDEF" * 4),
    ],
)
def test_wrong_parts_are_refused(kind: type[TextValue], text: str) -> None:
    assert refused(kind, text) in {"bad_form", "too_long"}


@pytest.mark.parametrize("kind", [ImplementationCode, HandlingItemCode])
def test_the_credit_code_inside_an_item_code_is_checked(kind: type[TextValue]) -> None:
    text = SAMPLES[kind]
    assert refused(kind, "12" + text[2:]) == "check_digit"


@given(
    st.text(CREDIT_ALPHABET[:10], min_size=6, max_size=6), st.text(CREDIT_ALPHABET, min_size=9, max_size=9)
)
def test_completed_credit_codes_are_those_stdnum_accepts(division: str, organisation: str) -> None:
    code = complete_credit_code(f"11{division}{organisation}")
    assert uscc.validate(code) == code and code.organisation_code == organisation


def test_the_number_of_the_worked_example_of_synthetic_people() -> None:
    number = complete_id_number("44149919900101001")
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    total = sum(w * int(d) for w, d in zip(weights, number[:17], strict=True))
    assert number[17] == "10X98765432"[total % 11]
    assert (number.born, number.sex) == (date(1990, 1, 1), "male")
    assert complete_id_number("44149920000229002").sex == "female"


@pytest.mark.parametrize("born", ["19900230", "19010229", "21000101", "19901301", "17991231"])
def test_people_are_born_on_days_that_exist(born: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        complete_id_number(f"441499{born}001")
    assert caught.value.code in {"no_such_day", "bad_form"}


def test_completing_takes_seventeen_characters_of_the_alphabet() -> None:
    for hostile in ("", "1" * 16, "1" * 18, "4414991990010100\u0661", "x" * 17):
        with pytest.raises(ValueRefused, match="bad_form"):
            complete_id_number(hostile)
        with pytest.raises(ValueRefused, match="bad_form"):
            complete_credit_code(hostile)


def test_personal_values_are_masked_wherever_they_are_only_shown() -> None:
    number = complete_id_number("44149919900101001")
    assert number.masked() == "441499********" + number[14:]
    assert repr(number) == f"IdNumber('{number.masked()}')" and str(number) == number[:]
    assert MobileNumber("13800001234").masked() == "138****1234"


@pytest.mark.parametrize(
    "identifier",
    [
        CERTIFICATE,
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.002.S",
        "1.2.156.3005.2.11100000000013338W032.11220000013544541J.2430599.001.F",
    ],
)
def test_published_certificate_identifiers_and_their_parts(identifier: str) -> None:
    parsed = CertificateIdentifier(identifier)
    parts = identifier.split(".")[5:]
    assert [parsed.type_code, parsed.issuer, parsed.serial, parsed.version] == parts[:4]
    assert (
        make_certificate_identifier(parsed.type_code, parsed.issuer, parsed.serial, parsed.version) == parsed
    )


def test_a_certificate_identifier_of_wrong_parts_is_refused() -> None:
    for parts in [("1", "2", "3", "4"), (CERTIFICATE[15:36], CERTIFICATE[37:55], "serial", "001")]:
        with pytest.raises(ValueRefused, match="bad_form"):
            make_certificate_identifier(*parts)
    issuer = CERTIFICATE[37:54] + "M"
    with pytest.raises(ValueRefused, match="check_digit"):
        make_certificate_identifier(CERTIFICATE[15:36], issuer, "1", "001")


def test_a_case_number_has_28_characters_and_gives_back_its_parts() -> None:
    number = make_case_number(RegionCode("441402004001"), date(2026, 3, 2), "1", 123)
    assert number.startswith("441402004001202603021000123") and len(number) == 28
    assert (number.region, number.day, number.channel, number.serial) == (
        "441402004001",
        date(2026, 3, 2),
        "1",
        123,
    )


@pytest.mark.parametrize(("channel", "serial"), [("12", 1), ("a", 1), ("1", 1_000_000), ("1", -1), ("", 1)])
def test_a_case_number_of_wrong_parts_is_refused(channel: str, serial: int) -> None:
    with pytest.raises(ValueRefused) as caught:
        make_case_number(RegionCode("441402000000"), date(2026, 3, 2), channel, serial)
    assert caught.value.code in {"bad_form", "too_long"}


def test_a_case_number_names_a_region_and_a_day_that_can_be() -> None:
    from canonical.checks import mod_37_36

    for body, code in [
        ("440002000000202603021000001", "region_gap"),
        ("441402000000202602301000001", "no_such_day"),
    ]:
        assert refused(CaseNumber, body + mod_37_36(body)) == code
