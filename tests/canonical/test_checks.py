"""Check characters against published codes, python-stdnum and independent arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2 as stdnum_11_2
from stdnum.iso7064 import mod_37_36 as stdnum_37_36

from canonical.checks import ALPHANUMERIC, CREDIT_ALPHABET, mod_11_2, mod_31, mod_37_36

PUBLIC_CREDIT_CODES = [
    "11440300MB2C94128A",
    "11440100007483172Q",
    "11445122MB2D24374A",
    "11440000553612461J",
    "114403006939513773",
]


@pytest.mark.parametrize("code", PUBLIC_CREDIT_CODES)
def test_published_credit_codes(code: str) -> None:
    assert mod_31(code[:17]) == code[17]


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("11100000000013338W01111430000006122244L20230000403001", "U"),
        ("11100000000013338W01111430000006122244L20230000403002", "S"),
        ("11100000000013338W03211220000013544541J2430599001", "F"),
        ("11100000000013338W00911330105002500287C2025052201002", "0"),
    ],
)
def test_published_certificate_identifiers(body: str, check: str) -> None:
    assert mod_37_36(body) == check


@given(st.text("0123456789", min_size=17, max_size=17))
def test_mod_11_2_is_that_of_iso_7064(digits: str) -> None:
    assert mod_11_2(digits) == stdnum_11_2.calc_check_digit(digits)


@given(st.text(ALPHANUMERIC, min_size=1, max_size=80))
def test_mod_37_36_is_that_of_iso_7064(text: str) -> None:
    assert mod_37_36(text) == stdnum_37_36.calc_check_digit(text)


@given(st.text(CREDIT_ALPHABET, min_size=17, max_size=17))
def test_mod_31_is_that_of_gb_32100(text: str) -> None:
    assert mod_31(text) == uscc.calc_check_digit(text)
