"""Synthetic applicants with correct check characters, and case numbers; no region is 441499."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import date, timedelta

ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
BODY_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: without I O S V Z
REGION = "441499"
SURNAMES, GIVEN = "测试样例虚构", ("甲", "乙", "丙", "丁", "子丑", "寅卯", "辰巳", "午未", "申酉", "戌亥")
TRADES = ("商贸", "餐饮", "建材", "科技", "物流")
FIRST_BIRTH, BIRTHS = date(1950, 1, 1), 20_000  # days: to 2004


def id_check(first17: str) -> str:
    """GB 11643 (ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(first17, ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def body_check(first8: str) -> str:
    """GB 11714, the ninth character of an organisation code."""
    total = sum(ALPHANUMERIC.index(one) * weight for one, weight in zip(first8, BODY_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def credit_check(first17: str) -> str:
    """GB 32100, the last character of a unified social credit code."""
    total = sum(CREDIT.index(one) * pow(3, place, 31) for place, one in enumerate(first17))
    return CREDIT[-total % 31]


def case_check(text: str) -> str:
    """ISO 7064 MOD 37,36."""
    product = 36
    for one in text:
        total = (product + ALPHANUMERIC.index(one)) % 36 or 36
        product = total * 2 % 37
    return ALPHANUMERIC[(37 - product) % 36]


def case_number(region: str, day: date, channel: str, serial: int) -> str:
    """Region 12, day 8, channel 1, serial 6, check 1."""
    text = f"{region.ljust(12, '0')}{day:%Y%m%d}{channel}{serial:06d}"
    return text + case_check(text)


@dataclass(frozen=True)
class Applicant:
    """The house form of an applicant, by code names."""

    kind: str
    name: str
    document_type: str
    document_no: str


@dataclass(frozen=True)
class Contact:
    """The house form of a contact."""

    name: str
    mobile: str
    document_type: str
    document_no: str


def id_number(draw: random.Random) -> str:
    """A citizen's number of nobody."""
    born = FIRST_BIRTH + timedelta(days=draw.randrange(BIRTHS))
    first = f"{REGION}{born:%Y%m%d}{draw.randrange(1000):03d}"
    return first + id_check(first)


def credit_code(draw: random.Random) -> str:
    """A credit code of no body; an organisation code never ends in X inside one that is given out."""
    while True:
        eight = "MA" + "".join(draw.choice(CREDIT) for _ in range(6))
        check = body_check(eight)
        if check in CREDIT:
            first = f"91{REGION}{eight}{check}"
            return first + credit_check(first)


def person(draw: random.Random) -> Contact:
    """A natural person with a mobile number of the ranges kept for tests."""
    tail = draw.randrange(1000)
    mobile = f"13800138{tail:03d}" if draw.random() < 0.5 else f"199{draw.randrange(10**8):08d}"
    name = draw.choice(SURNAMES) + draw.choice(GIVEN)
    return Contact(name, mobile, "resident_id_card", id_number(draw))


def people(draw: random.Random) -> tuple[dict[str, str], dict[str, str]]:
    """Applicant and contact; one applicant in four is a company."""
    contact = person(draw)
    applicant = Applicant("natural_person", contact.name, contact.document_type, contact.document_no)
    if draw.random() < 0.25:
        name = f"梅州虚构{draw.choice(GIVEN)}{draw.choice(TRADES)}有限公司"
        applicant = Applicant("enterprise", name, "unified_social_credit_code", credit_code(draw))
    return asdict(applicant), asdict(contact)
