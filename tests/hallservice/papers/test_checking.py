"""Whoever holds a paper asks whether it is genuine: by the code on it, as a telephone reads it."""

from base64 import b32encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.app import hallsettings
from hallservice.counter import notices
from hallservice.hall import Hall
from hallservice.papers.kinds import Paper
from hallservice.papers.service import Papers, PaperSettings
from hallservice.web.pages import paper_check
from tests.exchange.core.rig import NAME
from tests.hallservice.papers import witnesses
from tests.hallservice.web.prepared import case
from tests.hallservice.web.webrig import FRAME, Place, mounted, served
from tests.hallservice.world import clerk_of_role


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [*FRAME, paper_check.pages])) as found:
        yield found


def printed(hall: Hall, papers: Papers, case_no: str) -> tuple[bytes, str]:
    """The acceptance notice of a case, and its number."""
    found = hall.read(lambda connection: notices.of_case(connection, case_no))
    number = next(one.doc_no for one in found if one.kind == "acceptance")

    def render(paper: Paper, copy: int) -> tuple[bytes, str]:
        made = papers.render(paper, copy=copy)
        return made.pdf, made.sha256

    return notices.printed(hall, clerk_of_role(hall, "clerk"), number, render), number


def test_the_code_on_a_printed_notice_leads_to_what_was_issued(
    hall: Hall, place: Place, tmp_path: Path
) -> None:
    link = place.base + hallsettings.CHECK
    no = case(hall)
    with Papers(PaperSettings(link=link)) as papers:
        pdf, number = printed(hall, papers, no)
    said = witnesses.qr_of(pdf, tmp_path / "page.pgm", 200)  # an office scanner's
    assert said.startswith(f"{link}TB1:{no}:")
    shown = place.visitor().get(said.removeprefix(place.base)).text
    for words in ("出具过这份文书", "受理通知书", number, no, NAME[0] + "*"):
        assert words in shown
    assert NAME not in shown, "who found the paper learns no more than it says, and less"


def test_what_was_not_issued_is_told_so_and_what_is_no_code_as_a_fault(hall: Hall, place: Place) -> None:
    no, other, visitor = case(hall), case(hall), place.visitor()
    foreign = "A" * 52  # a digest nothing of ours has
    for forged in (f"TB1:{no}:{foreign}", f"TB1:{other}:{code(hall, no)}", f"TB1::{foreign}"):
        told = visitor.get(hallsettings.CHECK + forged)
        assert told.status_code == 200
        assert "不是本大厅出具的" in told.text and "出具过这份文书" not in told.text
    assert "出具过这份文书" in visitor.get(hallsettings.CHECK + f"TB1:{no}:{code(hall, no)}").text
    for wrong in ("<script>", "TB1:x:y", "https://a.invalid/?q=", "中"):
        told = visitor.get(hallsettings.CHECK + wrong)
        assert told.status_code == 422 and "这不是文书的核验码" in told.text and "<script>x" not in told.text
    assert visitor.get("/hall/check").status_code == 200


def code(hall: Hall, case_no: str) -> str:
    """The digest on the acceptance notice of a case, in base32."""
    found = hall.read(lambda connection: notices.of_case(connection, case_no))
    digest = next(one.digest for one in found if one.kind == "acceptance")
    return b32encode(bytes.fromhex(digest)).decode().rstrip("=")
