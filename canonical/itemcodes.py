"""Codes of bodies and of what they do: credit code, basic code, implementation code, handling item code."""

from canonical.checks import CREDIT_ALPHABET, mod_31
from canonical.textvalue import TextValue, completed, expect_check

_CREDIT = "[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
_BASIC = "[0-9]{2}[0-2][0-9][0-9A-Z]{8}"


class CreditCode(TextValue):
    """A unified social credit code, GB 32100-2015; the check of the inner organisation code is left alone."""

    __slots__ = ()
    pattern = _CREDIT
    meaning = "unified social credit code, GB 32100-2015"
    length = (18, 18)

    def _check(self) -> None:
        expect_check(mod_31(self[:17]), self[17], "CreditCode")

    @property
    def organisation_code(self) -> str:
        """The nine characters of GB 11714 inside the code, which older systems use alone."""
        return self[8:17]


def complete_credit_code(first17: str) -> CreditCode:
    """The credit code whose first 17 characters are given; for generators and tests."""
    return CreditCode(completed(first17, CREDIT_ALPHABET, mod_31))


class BasicCode(TextValue):
    """A basic catalogue code: province, item type, department, main item, sub-item; letters occur."""

    __slots__ = ()
    pattern = _BASIC
    meaning = "basic code, 12 characters (GB/T 39554.1): province, item type, department, main item, sub-item"
    length = (12, 12)

    @property
    def province(self) -> str:
        """Two digits of GB/T 2260, `00` for a nationally defined item."""
        return self[:2]

    @property
    def item_type(self) -> str:
        """GB/T 39046 A.1; 11-19 and 21-29 are left to extension by the standard."""
        return self[2:4]

    @property
    def department(self) -> str:
        return self[4:6]

    @property
    def main_item(self) -> str:
        return self[6:9]

    @property
    def sub_item(self) -> str:
        """Three characters, `000` for the main item itself."""
        return self[9:12]


class ImplementationCode(TextValue):
    """Who implements what at which level: credit code 18, level 1 (A.2), basic code 12."""

    __slots__ = ()
    pattern = f"{_CREDIT}[1-7]{_BASIC}"
    meaning = (
        "implementation code, 31 characters: credit code of the body (18), level A.2 (1), basic code (12)"
    )
    length = (31, 31)

    def _check(self) -> None:
        expect_check(mod_31(self[:17]), self[17], "the body's CreditCode")

    @property
    def body(self) -> CreditCode:
        return CreditCode(self[:18])

    @property
    def level(self) -> str:
        """GB/T 39046 A.2, 1 to 7."""
        return self[18]

    @property
    def basic(self) -> BasicCode:
        return BasicCode(self[19:31])


class HandlingItemCode(TextValue):
    """One way of handling an implementation item: implementation code 31 and a serial 01 to 99."""

    __slots__ = ()
    pattern = f"{ImplementationCode.pattern}(?!00)[0-9]{{2}}"
    meaning = "handling item code, 33 characters: implementation code (31) and serial (2)"
    length = (33, 33)

    def _check(self) -> None:
        expect_check(mod_31(self[:17]), self[17], "the body's CreditCode")

    @property
    def implementation(self) -> ImplementationCode:
        return ImplementationCode(self[:31])

    @property
    def serial(self) -> str:
        return self[31:]
