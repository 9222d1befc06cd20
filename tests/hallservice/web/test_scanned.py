"""Every page that takes files asks the site's scanner before anything is kept."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from hallservice.hall import Hall
from hallservice.scanning import Scan, Verdict
from hallservice.web.registry import shipped
from tests.exchange.core.rig import Core
from tests.hallservice.web.prepared import case
from tests.hallservice.web.webrig import Place, mounted, served

PDF = b"%PDF-1.7\n"


@dataclass
class Finder:
    """A scanner that finds something in everything."""

    looked: list[bytes] = field(default_factory=list)

    def scan(self, body: bytes) -> Scan:
        self.looked.append(body)
        return Scan(Verdict.FOUND, "Eicar-Test-Signature")


@pytest.fixture
def guarded(hall: Hall) -> Iterator[tuple[Place, Finder]]:
    finder = Finder()
    with served(mounted(hall, shipped(), scanner=finder)) as place:
        yield place, finder


def sheet() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return made.getvalue()


def test_what_the_scanner_finds_is_kept_nowhere(guarded: tuple[Place, Finder], hall: Hall, hub: Core) -> None:
    place, finder = guarded
    no, taking = case(hall), [page.path for one in shipped() for page in one.declared if page.files]
    forms = {
        "/cases/{case_no}/files": ("clerk", f"/hall/cases/{no}", f"/hall/cases/{no}/files", PDF),
        "/items/import": ("editor", "/hall/items/import", "/hall/items/import", sheet()),
    }
    assert sorted(taking) == sorted(forms), "a page that takes files belongs here"
    for role, shown, action, body in forms.values():
        visitor = place.visitor().sign_in(role)
        given = {**visitor.hidden(shown, action), "material": "营业执照", "list": "directory"}
        name = "a.pdf" if body is PDF else "a.xlsx"
        answer = visitor.http.post(action, data=given, files={"file": (name, body, "application/pdf")})
        assert answer.status_code == 422
        assert "文件含有恶意代码（Eicar-Test-Signature），不能上传" in answer.text
    assert finder.looked == [body for *_, body in forms.values()]
    assert hub.value("SELECT count(*) FROM hall_file") == 0
    assert hub.value("SELECT count(*) FROM hall_item_import") == 0
