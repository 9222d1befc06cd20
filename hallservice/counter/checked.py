"""文书核验: whether a paper is one of ours, for anybody who holds it and sends what its QR code says."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from exchange.errors import Refused
from hallservice.counter.progress import standing_in
from hallservice.counter.tables import hall_notice
from hallservice.papers.code import PaperCode, code_in
from hallservice.papers.content import sheet_of
from hallservice.papers.kinds import paper_from
from hallservice.papers.wording import Wording
from hallservice.refusals import FieldFault, FormRefused
from ledger.prepared import run

_OF_CODE = select(hall_notice).where(
    hall_notice.c.case_no == bindparam("of"), hall_notice.c.digest == bindparam("digest")
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A paper that was issued, as whoever checks it may see it; `title` tells a grant from a denial, and
    `issued_at` is in Unix seconds."""

    title: str
    doc_no: str
    case_no: str
    item_name: str
    applicant: str  # masked
    department: str
    issued_at: float


def check(connection: Connection, scanned: str) -> Checked | None:
    """None where no paper of ours says what this one says; FormRefused bad_form for what is no code of a
    paper. The digest cannot be guessed: who has it has the paper."""
    code = _code(scanned)
    row = run(connection, _OF_CODE, {"of": str(code.case_no or ""), "digest": str(code.digest)}).first()
    if row is None:
        return None
    here, title = standing_in(connection, row.case_no), sheet_of(paper_from(row.data), Wording()).title
    return Checked(
        title, row.doc_no, row.case_no, here.row["item_name"], here.row["applicant_masked"],
        here.department, row.issued_at,
    )  # fmt: skip


def _code(scanned: str) -> PaperCode:
    try:
        return code_in(scanned.strip())
    except Refused as fault:
        said = "这不是文书的核验码，请扫描文书右上角的二维码"
        raise FormRefused([FieldFault("q", "bad_form", said)]) from fault
