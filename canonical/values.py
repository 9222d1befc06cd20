"""The values messages are made of; each validates on construction, is a pydantic field, refuses by code.

Identifiers are str subclasses in one strict form (ASCII, no blanks, no lower case): adapters normalise.
"""

from datetime import date
from typing import Literal

from canonical.amounts import Money, Timestamp, timestamp
from canonical.checks import ALPHANUMERIC, mod_11_2, mod_31, mod_37_36
from canonical.errors import ValueRefused
from canonical.itemcodes import (
    BasicCode,
    CreditCode,
    HandlingItemCode,
    ImplementationCode,
    complete_credit_code,
)
from canonical.textvalue import PersonalValue, TextValue, completed, expect_check

__all__ = [
    "BasicCode",
    "CaseNumber",
    "CertificateIdentifier",
    "CreditCode",
    "Digest",
    "HandlingItemCode",
    "IdNumber",
    "ImplementationCode",
    "MobileNumber",
    "Money",
    "RegionCode",
    "Timestamp",
    "complete_credit_code",
    "complete_id_number",
    "make_case_number",
    "make_certificate_identifier",
    "region12",
    "timestamp",
]

_REGION = "[1-9][0-9]{11}"
_DAY = "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_OID = "1.2.156.3005.2."
_CREDIT = CreditCode.pattern


def _day(text: str) -> date:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise ValueRefused("no_such_day", "the calendar has no such day") from None


class RegionCode(TextValue):
    """A division in 12 digits: GB/T 2260, town, village; the zeros at its end say its level."""

    __slots__ = ()
    pattern = _REGION
    meaning = "administrative division, 12 digits: GB/T 2260 (6) + GB/T 10114 town (3) + village (3)"
    length = (12, 12)

    def _check(self) -> None:
        below_city = self[4:] != "00000000"
        village_without_town = self[9:] != "000" and self[6:9] == "000"
        if village_without_town or (below_city and self[2:4] == "00"):
            raise ValueRefused("region_gap", "a lower division is named while its parent is zero")

    @property
    def level(self) -> Literal["2", "3", "4", "5", "6"]:
        """GB/T 39046 A.2: 2 province, 3 city, 4 county, 5 town, 6 village."""
        if self[9:] != "000":
            return "6"
        if self[6:9] != "000":
            return "5"
        if self[4:6] != "00":
            return "4"
        return "3" if self[2:4] != "00" else "2"

    def parent(self) -> "RegionCode | None":
        """The nearest division above (the city, for a town of 441900, which has no counties); else None."""
        for end in (9, 6, 4, 2):
            if self[end:].strip("0"):
                return RegionCode(self[:end] + "0" * (12 - end))
        return None

    def contains(self, other: "RegionCode") -> bool:
        """Whether `other` is this division or lies inside it."""
        return other.startswith(self.prefix)

    @property
    def prefix(self) -> str:
        """The digits that every code inside this division shares: 2, 4, 6, 9 or 12 of them."""
        return self[: {"2": 2, "3": 4, "4": 6, "5": 9, "6": 12}[self.level]]


def region12(text: object) -> RegionCode:
    """A region from its 6- or 12-digit form; partners use both."""
    short = isinstance(text, str) and len(text) == 6
    return RegionCode(f"{text}000000" if short else text)


class IdNumber(PersonalValue):
    """A citizen's number, GB 11643-1999; its region is not looked up (divisions are abolished)."""

    __slots__ = ()
    pattern = f"[1-9][0-9]{{5}}{_DAY}[0-9]{{3}}[0-9X]"
    meaning = "citizen identification number, GB 11643-1999"
    length = (18, 18)
    shown = (6, 4)

    def _check(self) -> None:
        _day(self[6:14])
        expect_check(mod_11_2(self[:17]), self[17], "IdNumber")

    @property
    def born(self) -> date:
        return _day(self[6:14])

    @property
    def sex(self) -> Literal["male", "female"]:
        """From the parity of the 17th digit."""
        return "male" if int(self[16]) % 2 else "female"


def complete_id_number(first17: str) -> IdNumber:
    """The number whose first 17 digits are given; synthetic people use the unassigned region 441499."""
    return IdNumber(completed(first17, "0123456789", mod_11_2))


class MobileNumber(PersonalValue):
    """A mainland mobile number: eleven digits, 13 to 19 in front, no country code."""

    __slots__ = ()
    pattern = "1[3-9][0-9]{9}"
    meaning = "mainland China mobile number, 11 digits"
    length = (11, 11)
    shown = (3, 4)


class CertificateIdentifier(TextValue):
    """An e-certificate's identifier, GB/T 36904: OID root, type 21, issuer 18, serial, version 3, check 1."""

    __slots__ = ()
    pattern = (
        rf"{_OID.replace('.', '[.]')}{_CREDIT}[0-9]{{3}}"
        rf"[.]{_CREDIT}[.][0-9A-Z]{{1,64}}[.][0-9]{{3}}[.][0-9A-Z]"
    )
    meaning = "e-certificate identifier, GB/T 36904-2018: 1.2.156.3005.2.type.issuer.serial.version.check"
    length = (63, 126)

    def _check(self) -> None:
        type_code, issuer, serial, version, check = self._parts
        expect_check(mod_37_36(type_code + issuer + serial + version), check, "CertificateIdentifier")
        expect_check(mod_31(type_code[:17]), type_code[17], "the defining body's CreditCode")
        expect_check(mod_31(issuer[:17]), issuer[17], "the issuer's CreditCode")

    @property
    def _parts(self) -> list[str]:
        return self[len(_OID) :].split(".")

    @property
    def type_code(self) -> str:
        """The certificate type: defining body's credit code and three digits."""
        return self._parts[0]

    @property
    def issuer(self) -> CreditCode:
        return CreditCode(self._parts[1])

    @property
    def serial(self) -> str:
        return self._parts[2]

    @property
    def version(self) -> str:
        """Three digits, `001` for the first edition of the certificate."""
        return self._parts[3]


def make_certificate_identifier(
    type_code: str, issuer: str, serial: str, version: str
) -> CertificateIdentifier:
    """The identifier with its check character; refuses parts of a wrong form."""
    body = completed(type_code + issuer + serial + version, ALPHANUMERIC, mod_37_36)
    return CertificateIdentifier(f"{_OID}{type_code}.{issuer}.{serial}.{version}.{body[-1]}")


class CaseNumber(TextValue):
    """The hub's own case number: region, day, channel, serial, check; foreign numbers are aliases."""

    __slots__ = ()
    pattern = f"{_REGION}{_DAY}[0-9]{{7}}[0-9A-Z]"
    meaning = "case number: region (12), day (8), channel (1), serial (6), check (1, ISO 7064 MOD 37,36)"
    length = (28, 28)

    def _check(self) -> None:
        RegionCode(self[:12])
        _day(self[12:20])
        expect_check(mod_37_36(self[:27]), self[27], "CaseNumber")

    @property
    def region(self) -> RegionCode:
        return RegionCode(self[:12])

    @property
    def day(self) -> date:
        """The day the number was given, on the hub's clock."""
        return _day(self[12:20])

    @property
    def channel(self) -> str:
        """One digit of the code list `apply_channel`."""
        return self[20]

    @property
    def serial(self) -> int:
        """Counts cases of one region, day and channel from 1."""
        return int(self[21:27])


def make_case_number(region: RegionCode, day: date, channel: str, serial: int) -> CaseNumber:
    """The case number of these parts; `serial` 0 to 999999, `channel` one digit, else bad_form."""
    return CaseNumber(completed(f"{region}{day:%Y%m%d}{channel}{serial:06d}", "0123456789", mod_37_36))


class Digest(TextValue):
    """A SHA-256 digest in 64 lower-case hexadecimal digits."""

    __slots__ = ()
    pattern = "[0-9a-f]{64}"
    meaning = "SHA-256, 64 lower-case hexadecimal digits"
    length = (64, 64)
