"""What the authorities behind the data-sharing platform know: a synthetic register made of seed and number.

Of citizens only numbers of region 441499 (no such district) with the right check digit and a birth date that
exists are known; of bodies only credit codes with the right check character; of other papers all of the right
form.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from mocks.partners.certificate_types import is_credit_code
from mocks.partners.common.assemble import draw
from mocks.partners.common.members import is_identity

PERSON, BODY, MATERIAL = "SFHC", "QYHC", "CLHC"
CITIZEN, CREDIT = "111", "001"
REGION: Final = "441499"
PAPER = re.compile(r"[A-Z0-9]{5,18}", re.ASCII)
SOURCES: Final = {PERSON: "广东省公安厅", BODY: "广东省市场监督管理局", MATERIAL: "梅州市政务服务数据管理局"}
DOTS = re.compile(r"[·•・‧∙⋅.]")
Items = list[dict[str, str]]


@dataclass(frozen=True)
class Subject:
    """Who is asked about."""

    name: str
    id_type: str
    id_no: str


@dataclass(frozen=True)
class Finding:
    """`Y`, `N` or `X`, and what the authority adds."""

    result: str
    items: Items


def plain_name(name: str) -> str:
    """A name without its spelling: full and half width and the middle dots are equal."""
    return DOTS.sub("·", unicodedata.normalize("NFKC", name)).strip()


def is_rare(name: str) -> bool:
    """Whether a source whose tables end at GBK writes `?` for one of its characters."""
    try:
        name.encode("gbk")
    except UnicodeEncodeError:
        return True
    return False


def _items(pairs: dict[str, str]) -> Items:
    return [{"name": name, "value": value} for name, value in pairs.items()]


@dataclass(frozen=True)
class Register:
    """Shares (0 to 1) of the known subjects by what becomes of a question about them."""

    seed: int
    unknown: float
    mismatch: float

    def look(self, service: str, subject: Subject) -> Finding:
        """What the authority says of a subject nobody set an answer for."""
        if not self._known(service, subject):
            return Finding("X", [])
        chance = draw(self.seed, "match", service, subject.id_no)
        good = chance >= self.mismatch and not is_rare(plain_name(subject.name))
        return Finding("Y" if good else "N", self.items(service, good=good))

    def items(self, service: str, *, good: bool) -> Items:
        """What each service publishes, and no more."""
        if service == PERSON:
            return _items({"nameMatches": "true" if good else "false", "alive": "true"})
        if service == BODY:
            status = "存续" if good else "吊销"
            return _items({"regStatus": status, "regOrg": "梅州市市场监督管理局"})
        status = "有效" if good else "与原件不一致"
        return _items({"materialStatus": status, "validTo": "2029-12-31"})

    def _known(self, service: str, subject: Subject) -> bool:
        right_kind = service == MATERIAL or (service == BODY) == (subject.id_type == CREDIT)
        chance = draw(self.seed, "unknown", service, subject.id_no)
        return right_kind and self._exists(subject) and chance >= self.unknown

    def _exists(self, subject: Subject) -> bool:
        if subject.id_type == CITIZEN:
            return subject.id_no.startswith(REGION) and is_identity(subject.id_no)
        if subject.id_type == CREDIT:
            return is_credit_code(subject.id_no)
        return PAPER.fullmatch(subject.id_no) is not None
