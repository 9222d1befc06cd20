"""What a paper's QR code says, and how it is checked: `TB1:CASE:DIGEST`.

CASE is the case number, empty for a paper of no case. DIGEST is the SHA-256 of the paper's data in base32
(RFC 4648, 52 upper-case characters, no padding); the data are the JSON object of the paper with every field,
defaults included and secrets (`query_password`) left out, as RFC 8785 writes it. It covers what the paper
says, not how it looks: a reprint and a signed copy carry the same code. A site may put an address in front
(`https://…?q=`); `code_in` takes it off again.
"""

import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from io import BytesIO

import segno

from canonical.form import digest
from canonical.values import CaseNumber, Digest
from hallservice.papers.kinds import CasePaper, Paper
from hallservice.papers.refusals import refused

SECRETS = frozenset({"query_password"})
_CODE = re.compile(r"TB1:([0-9A-Z]{28})?:([A-Z2-7]{52})\Z")
LONGEST_LINK = 200


@dataclass(frozen=True, slots=True)
class PaperCode:
    """The case and the digest a code names."""

    case_no: CaseNumber | None
    digest: Digest

    def __str__(self) -> str:
        tail = b32encode(bytes.fromhex(self.digest)).decode().rstrip("=")
        return f"TB1:{self.case_no or ''}:{tail}"


def paper_digest(paper: Paper) -> Digest:
    """Hexadecimal SHA-256 of the paper's data without its secrets."""
    return digest(paper.model_dump(mode="json", exclude=set(SECRETS)))


def code_of(paper: Paper) -> PaperCode:
    return PaperCode(paper.case_no if isinstance(paper, CasePaper) else None, paper_digest(paper))


def code_in(scanned: str) -> PaperCode:
    """What a scanner read, with or without an address in front; refuses bad_value (`code`)."""
    found = _CODE.search(scanned[-LONGEST_LINK - 86 :])
    if found is None:
        raise refused("bad_value", "code")
    case, tail = found.groups()
    return PaperCode(CaseNumber(case) if case else None, Digest(b32decode(tail + "====").hex()))


def qr_svg(text: str) -> str:
    """An SVG with a quiet zone of four modules, error correction M."""
    target = BytesIO()
    segno.make_qr(text, error="m", boost_error=False).save(target, kind="svg", border=4, xmldecl=False)
    return target.getvalue().decode()
