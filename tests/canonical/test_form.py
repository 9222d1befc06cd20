"""The one byte form against RFC 8785's own vectors and the rfc8785 package."""

import json
from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from canonical.errors import ValueRefused
from canonical.form import DEEPEST, LARGEST, canonical_bytes, digest
from canonical.values import CreditCode

LEAVES = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.text()
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=20
)


@given(VALUES)
def test_the_bytes_are_those_of_the_reference_package(value: object) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # its own recursive type
    assert digest(value) == sha256(rfc8785.dumps(value)).hexdigest()  # type: ignore[arg-type]  # the same


@given(st.dictionaries(st.text("a\ud7ff\ue000\uffff\U00010000\U0010ffff", max_size=3), st.integers(0, 9)))
def test_keys_around_the_surrogate_range_are_ordered_as_utf_16(value: dict[str, int]) -> None:
    assert canonical_bytes([value]) == rfc8785.dumps([value])


def test_rfc_8785_section_3_2_2_strings_and_literals() -> None:
    source = (
        r"""{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert canonical_bytes(json.loads(source)) == expected.encode()


def test_rfc_8785_section_3_2_3_order_of_members() -> None:
    source = r"""{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"}"""
    expected = [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]
    assert list(json.loads(canonical_bytes(json.loads(source))).values()) == expected


def test_the_digest_is_the_published_one_of_the_empty_object() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_tuples_and_values_are_written_as_lists_and_text() -> None:
    code = CreditCode("11440300MB2C94128A")
    assert canonical_bytes((code, {code: 1})) == b'["11440300MB2C94128A",{"11440300MB2C94128A":1}]'


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "not_integer"),
        ({"a": [float("nan")]}, "not_integer"),
        (float("inf"), "not_integer"),
        (LARGEST + 1, "too_large"),
        (-LARGEST - 1, "too_large"),
        ({1: "a"}, "not_json"),
        ({None: "a"}, "not_json"),
        (b"bytes", "not_json"),
        ({"a": {1, 2}}, "not_json"),
        (object(), "not_json"),
        ("\ud800", "lone_surrogate"),
        ({"\udfff": 1}, "lone_surrogate"),
        ({"\U0001f600": "\ud800"}, "lone_surrogate"),
        ({"\U0001f600": 1, "\ud800": 1}, "lone_surrogate"),
        (nested(DEEPEST + 1), "too_deep"),
        (nested(100_000), "too_deep"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: object, code: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        canonical_bytes(value)
    assert caught.value.code == code


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueRefused, match="too_deep"):
        canonical_bytes(loop)


def test_the_deepest_allowed_value_is_written() -> None:
    assert canonical_bytes(nested(DEEPEST)) == b"[" * DEEPEST + b"1" + b"]" * DEEPEST
