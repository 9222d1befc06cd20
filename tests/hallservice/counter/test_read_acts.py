"""Papers and files name the applicant in full: looking at one is an act in the ledger, as unmasking is."""

from pathlib import Path

import pytest

from hallservice.counter import files, notices
from hallservice.papers.kinds import Paper
from hallservice.uploads import check
from tests.hallservice.counter.counter import Desk


def acts(desk: Desk) -> list[bytes]:
    return [row["leaf"] for row in desk.core.rows("SELECT leaf FROM ledger_entry ORDER BY seq")]


@pytest.mark.req("S3-93")
def test_looking_at_a_paper_and_at_a_file_is_recorded(desk: Desk, tmp_path: Path) -> None:
    no, clerk = desk.opened().case_no, desk.clerk()
    doc = desk.core.value("SELECT doc_no FROM hall_notice WHERE case_no = :no", no=no)
    scan = check("file", "a.pdf", b"%PDF-1.7 x")
    kept = files.attach(desk.hall, clerk, tmp_path, no, "营业执照", scan)

    def render(_paper: Paper, copy: int) -> tuple[bytes, str]:
        return b"%PDF-", f"{copy}"

    before = len(acts(desk))
    notices.shown(desk.hall, clerk, doc, render)
    files.fetch(desk.hall, clerk, tmp_path, kept.id)
    new = acts(desk)[before:]
    assert [b"hall.paper_read" in new[0], b"hall.file_read" in new[1], len(new)] == [True, True, 2]
