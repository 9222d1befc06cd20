"""The hall within a running hub: what both sides of it share."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from exchange.app import halls
from exchange.errors import TryLater
from hallservice.counter import accept, apply
from hallservice.counter.apply import Application
from hallservice.hall import Hall
from hallservice.papers.kinds import paper_from
from hallservice.papers.pades import CertificateSeal
from hallservice.papers.service import Papers
from hallservice.people.clerk import Clerk
from hallservice.web.pages.counter_parts import renderer
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME, PLAIN_ITEM, Core
from tests.hallservice.papers.paper_samples import sample


@pytest.mark.req("S3-49")
def test_wrong_query_passwords_are_counted_for_programs_too(
    hall: Hall, hub: Core, clerk_as: Callable[[str], Clerk], tmp_path: Path
) -> None:
    form = Application(PLAIN_ITEM, name=NAME, document_no=ID_NUMBER, mobile=MOBILE)
    opened = apply.apply(hall, clerk_as("clerk"), form)
    version = hub.value("SELECT version FROM hall_case")
    accept.accept(hall, clerk_as("clerk"), opened.case_no, version, ())
    seen = halls.progress(hall, opened.case_no, opened.query_password, "192.0.2.1")
    assert seen is not None
    assert (seen["case_no"], seen["state"]) == (opened.case_no, "accepted")
    for _ in range(5):
        assert halls.progress(hall, opened.case_no, "000000", "192.0.2.1") is None
    with pytest.raises(TryLater, match="busy"):
        halls.progress(hall, opened.case_no, opened.query_password, "192.0.2.1")
    assert halls.progress(hall, opened.case_no, opened.query_password, "192.0.2.2") == seen


def test_a_notice_is_sealed_with_the_site_s_key_and_its_digest_is_of_the_paper(
    hall: Hall, hub: Core, tmp_path: Path
) -> None:
    key = hub.hub.rsa_key
    paper = paper_from(sample("receiving"))
    with Papers() as papers:
        kit = SimpleNamespace(
            extras={"papers": papers, "seal": CertificateSeal(key.private, key.certificate)}
        )
        render = renderer(SimpleNamespace(kit=kit))
        sealed, digest = render(paper, 1)
        assert digest == papers.render(paper).sha256
    (tmp_path / "notice.pdf").write_bytes(sealed)
    said = subprocess.run(["pdfsig", tmp_path / "notice.pdf"], capture_output=True, text=True, check=False)
    assert "Signature is Valid" in said.stdout
