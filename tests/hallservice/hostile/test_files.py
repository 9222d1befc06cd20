"""Files that are more than they say: refused in words, and never the end of the hub."""

import io
import subprocess
import sys
import zipfile

import pytest

from hallservice.items import workbooks
from hallservice.refusals import FormRefused
from hallservice.uploads import SEGMENTS, check

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" '
    'r:id="r1"/></sheets></workbook>',
}
CELL = "<c><v>1</v></c>"


def book(rows: str) -> bytes:
    """A workbook whose only sheet has these rows."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in PARTS.items():
            archive.writestr(name, text)
        sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    return made.getvalue()


def refusal(body: bytes) -> str:
    with pytest.raises(FormRefused) as refused:
        workbooks.read("x.xlsx", body)
    return refused.value.faults[0].code


def test_a_sheet_is_read_by_a_process_of_its_own() -> None:
    grids = workbooks.read("x.xlsx", book(f'<row r="1">{CELL * 3}</row><row r="3">{CELL}</row>'))
    assert [(one.header, one.rows) for one in grids] == [(("1", "1", "1"), (("", "", ""), ("1", "", "")))]


# Each would make the reader take tens of gigabytes, which ends its process.
@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="1">{CELL * 3000}</row><row r="20000">{CELL}</row>',  # cells without a place
        f'<row r="1">{CELL}</row><row x=">" r="1048576">{CELL * 90}</row>',  # a tag that seems to end
        f"<row>{CELL}</row>" * 20_001,
    ],
)
def test_a_grid_too_large_is_known_before_it_is_laid_out(rows: str) -> None:
    assert refusal(book(rows)) == "bomb"


@pytest.mark.parametrize(("ends", "code"), [(3, "broken"), (1, "broken"), (4, "bomb"), (-6, "bomb")])
def test_however_the_reader_ends_it_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, ends: int, code: str
) -> None:
    done = subprocess.CompletedProcess([], ends, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert refusal(book("")) == code


def test_tags_without_an_end_take_no_longer_than_their_length() -> None:
    """Each begin of a tag was looked through to the end of the sheet: hours for a file of this size."""
    code = (
        "import random; from hallservice.items.workbooks import _expect_small, _expect_few\n"
        "sheet = b'<row <v ' * 300_000\n"
        "try: _expect_small(sheet)\n"
        "except Exception as fault: print(fault.faults[0].code)\n"
        "_expect_few([sheet], [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=True)
    assert done.stdout == b"bomb\n"


def test_a_picture_of_segments_alone_is_looked_through_within_bounds() -> None:
    size = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10" + b"\x00" * 20
    few, many = (b"\xff\xd8" + b"\xff\xe0\x00\x02" * count + size for count in (9, SEGMENTS + 1))
    assert check("file", "a.jpg", few).kind.code == "jpeg"
    with pytest.raises(FormRefused) as refused:
        check("file", "a.jpg", many)
    assert refused.value.faults[0].code == "broken"
