"""Spreadsheets: bombs stay small, every wrong cell is named, nothing is applied before it is confirmed."""

import html
import io
import random
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from exchange import items
from hallservice.items import finding, importing, layout, workbooks
from hallservice.items.elements import blank
from hallservice.items.finding import Wanted
from hallservice.items.workbooks import Sheet
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ITEM as PERMIT
from tests.exchange.core.rig import PLAIN_ITEM
from tests.hallservice.items.samples import ENTRY, ITEM, Lists


def sheet_of(list_: str, *items: dict[str, Any]) -> bytes:
    """The list as the export writes it."""
    return workbooks.write(layout.sheets(list_, [("", blank(list_) | one) for one in items]))


def spoiled(sheets: Sequence[Sheet], touch: Callable[[Any, Mapping[str, Any]], None]) -> bytes:
    """These sheets as a person's program writes them, with what `touch` does to them."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    pages = {sheet.name: book.add_worksheet(sheet.name) for sheet in sheets}
    for sheet in sheets:
        for line, row in enumerate([sheet.header, *sheet.rows]):
            for column, cell in enumerate(row):
                pages[sheet.name].write_string(line, column, cell)
    touch(book, pages)
    book.close()
    return made.getvalue()


def faults(lists: Lists, list_: str, body: bytes) -> set[tuple[str, int, str, str]]:
    """What the staged sheet is told: sheet, line, column and the first words."""
    staged = importing.stage(lists.hall, lists.clerk_as("editor"), list_, "", "事项.xlsx", body)
    here = lists.hall.read(lambda connection: importing.find(connection, lists.clerk_as("editor"), staged))
    with pytest.raises(HallRefused, match="faulty"):
        importing.confirm(lists.hall, lists.clerk_as("editor"), staged)
    return {
        (one["sheet"], one["row"], one["column"], re.split("[，（“ ]", one["said"])[0]) for one in here.faults
    }


def archive(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name.replace("__", "/") + ".xml", data)
    return made.getvalue()


SPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ROOT = b'<worksheet xmlns="' + SPACE + b'"><sheetData>%s</sheetData></worksheet>'
FAR = ROOT % b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
LONG = b"<sst>" + b"<si><t>" + b"x" * 1_000_000 + b"</t></si></sst>"
MANY = ROOT % (b'<row r="1">' + b'<c t="s"><v>0</v></c>' * 200 + b"</row>")
ROWS = ROOT % (b"<row/>" * 1_000_000)
NOISE = random.Random(1).randbytes(99_999)  # so that the archive is not known by its ratio
BOMBS = {
    "inflated": archive(xl__workbook=b"", xl__big=b"0" * 210_000_000),
    "ratio": archive(xl__workbook=b"", xl__worksheets__sheet1=b" " * 30_000_000),
    "rows": archive(xl__workbook=b"", xl__worksheets__sheet1=ROWS, z=NOISE),
    "far": archive(xl__workbook=b"", xl__worksheets__sheet1=FAR),
    "repeated": archive(xl__workbook=b"", xl__worksheets__sheet1=MANY, xl__sharedStrings=LONG, z=NOISE),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_opened(name: str) -> None:
    with pytest.raises(FormRefused) as refusal:
        workbooks.read("事项.xlsx", BOMBS[name])
    assert refusal.value.faults[0].code == "bomb"


def test_what_is_no_spreadsheet_is_refused() -> None:
    for body in (b"", b"PK\x03\x04" + b"x" * 99, archive(xl__workbook=b"<x"), b"<html>"):
        with pytest.raises(FormRefused):
            workbooks.read("事项.xlsx", body)


def test_numbers_come_back_as_the_codes_they_were() -> None:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    page = book.add_worksheet("目录清单")
    for at, cell in enumerate(("编码", 441402102000, 20, 2.5, True)):
        page.write(0, at, cell)
        page.write(1, at, cell)
    page.write_formula(2, 0, "=1+1", None, 2)
    book.close()
    grid = workbooks.read("a.xlsx", made.getvalue())[0]
    assert grid.rows == (("编码", "441402102000", "20", "2.5", "是"), ("2", "", "", "", ""))


@pytest.mark.req("S3-05")
def test_every_wrong_cell_is_named_by_sheet_row_and_column(lists: Lists) -> None:
    entry = lists.entry()
    good = ITEM | {"directory": entry}
    wrong = good | {
        "directory": "442031L99000", "promised_count": "30",
        "materials": [ITEM["materials"][0] | {"copies": "两份"}],
    }  # fmt: skip
    body = sheet_of("implementation", good, wrong)
    staged = importing.stage(lists.hall, lists.clerk_as("editor"), "implementation", "", "事项.xlsx", body)
    here = lists.hall.read(lambda connection: importing.find(connection, lists.clerk_as("editor"), staged))
    places = {(one["sheet"], one["row"], one["column"]) for one in here.faults}
    assert places == {("实施清单", 3, "承诺时限"), ("实施清单", 3, "目录编码"), ("申请材料", 4, "份数")}
    with pytest.raises(HallRefused, match="faulty"):
        importing.confirm(lists.hall, lists.clerk_as("editor"), staged)
    assert lists.core.value("SELECT count(*) FROM hall_item_change WHERE act = 'import'") == 0
    back = CalamineWorkbook.from_filelike(io.BytesIO(importing.marked(here)))
    marked = back.get_sheet_by_name("实施清单").to_python()
    assert marked[0][-1] == "错误" and "承诺时限不得超过法定时限" in str(marked[2][-1])
    with pytest.raises(HallRefused, match="not_found"):
        lists.hall.read(lambda connection: importing.find(connection, lists.clerk_as("clerk"), staged))


@pytest.mark.req("S3-05")
def test_nothing_typed_is_passed_over_in_silence(lists: Lists) -> None:
    entry = lists.entry()
    main, *groups = layout.sheets(
        "implementation", [("", blank("implementation") | ITEM | {"directory": entry})]
    )
    main = replace(main, header=[*main.header, "备注", "编码"])

    def touch(book: Any, pages: Mapping[str, Any]) -> None:
        pages["实施清单"].write_formula(1, main.header.index("法定时限"), "='[价目.xlsx]表1'!B2", None, 20)
        pages["实施清单"].write_string(1, len(main.header) + 1, "无列名")
        pages["申请材料"].hide()
        pages["收费项目"].merge_range(1, 1, 2, 1, "F1")
        pages["收费项目"].write_formula(1, 3, '=HYPERLINK("http://127.0.0.1/")', None, "每件")
        book.add_worksheet("申请材料 (2)").write_string(0, 0, "序号")

    assert faults(lists, "implementation", spoiled([main, *groups], touch)) == {
        ("实施清单", 1, "备注", "没有这一列"),
        ("实施清单", 1, "编码", "这一列重复"),
        ("实施清单", 2, "法定时限", "单元格是公式"),
        ("实施清单", 2, f"第 {len(main.header) + 2} 列", "这一列没有列名"),
        ("申请材料", 1, "", "工作表是隐藏的"),
        ("收费项目", 2, "收费编码", "合并的单元格"),
        ("收费项目", 2, "收费标准", "单元格是公式"),
        ("申请材料 (2)", 1, "", "不是导入模板中的工作表"),
    }


@pytest.mark.req("S3-05")
def test_codes_twice_in_a_file_and_of_another_unit_are_named(lists: Lists) -> None:
    mine, theirs = lists.entry(), lists.entry(who="district", name="区级登记")
    new = ENTRY | {"name": "新登记"}
    rows = [(mine, ENTRY), (mine, ENTRY), (theirs, ENTRY | {"name": "区级登记"}), ("", new), ("", new)]
    sheets = layout.sheets("directory", [(code, blank("directory") | one) for code, one in rows])
    assert faults(lists, "directory", workbooks.write(sheets)) == {
        ("目录清单", 3, "编码", "与第"), ("目录清单", 4, "编码", "清单中没有本部门这个在用的编码"),
        ("目录清单", 6, "", "与第"),
    }  # fmt: skip


def test_full_width_digits_and_numbers_typed_as_text_are_read_as_meant(lists: Lists) -> None:
    entry = lists.entry()
    wide = str.maketrans("0123456789L.", "０１２３４５６７８９Ｌ．")
    typed = ITEM | {
        "directory": entry.translate(wide), "statutory_count": "２０", "promised_count": " 5 ",
        "region": "４４１４０２００００００", "materials": [ITEM["materials"][0] | {"copies": "２"}],
        "fees": [ITEM["fees"][0] | {"price": "２．５０", "least": "１０．００"}],
    }  # fmt: skip
    body = sheet_of("implementation", typed)
    staged = importing.stage(lists.hall, lists.clerk_as("editor"), "implementation", "", "事项.xlsx", body)
    here = lists.hall.read(lambda connection: importing.find(connection, lists.clerk_as("editor"), staged))
    assert here.faults == []
    kept = lists.published(importing.confirm(lists.hall, lists.clerk_as("editor"), staged))[0]
    said = items.content_of(lists.core.hub.store.engine.connect(), kept.code, 1)
    assert (kept.code[19:], said["statutory_limit"]["count"], said["promised_limit"]["count"]) == (
        entry,
        20,
        5,
    )
    assert (said["materials"][0]["copies"], said["fees"][0]["amount"]) == (2, "10.00")


def test_who_made_the_sheet_does_not_review_it_whoever_confirms_the_import(lists: Lists) -> None:
    both, body = lists.clerk_as("both"), sheet_of("directory", ENTRY)
    staged = importing.stage(lists.hall, both, "directory", "441402-scj", "目录.xlsx", body)
    change = importing.confirm(lists.hall, lists.clerk_as("editor"), staged)
    lists.submitted(change)
    with pytest.raises(HallRefused, match="same_person"):
        lists.decided(change, "both")
    assert lists.decided(change, "staffing") == "legal_review"


@pytest.mark.req("S3-05")
def test_a_confirmed_import_is_one_act_and_comes_back_as_it_went_out(lists: Lists) -> None:
    entries = [ENTRY | {"name": f"登记{no}"} for no in range(1, 4)]
    editor = lists.clerk_as("editor")
    body = sheet_of("directory", *entries)
    staged = importing.stage(lists.hall, editor, "directory", "", "目录.xlsx", body)
    assert lists.core.value("SELECT count(*) FROM hall_item") == 0
    change = importing.confirm(lists.hall, editor, staged)
    with pytest.raises(HallRefused, match="conflict"):
        importing.confirm(lists.hall, editor, staged)
    assert [one.code for one in lists.published(change)] == [f"442031L0{no}000" for no in (1, 2, 3)]
    kept = lists.hall.read(lambda connection: finding.own(connection, "directory", Wanted()))
    body = workbooks.write(layout.sheets("directory", [(one.code, dict(one.content)) for one in kept]))
    again = importing.stage(lists.hall, editor, "directory", "", "目录.xlsx", body)
    here = lists.hall.read(lambda connection: importing.find(connection, editor, again))
    assert (here.faults, [line["base"] for line in here.lines]) == ([], [1, 1, 1])
    assert [line["content"]["name"] for line in here.lines] == ["登记1", "登记2", "登记3"]


def test_a_cell_never_becomes_a_formula(lists: Lists) -> None:
    evil = [f"{sign}cmd|' /C calc'!A{at}" for at, sign in enumerate(("=", "+", "-", "@", "＝", "\t=", "\r="))]
    sheets = layout.sheets("directory", [("", blank("directory") | ENTRY | {"name": one}) for one in evil])
    body = workbooks.write([replace(sheets[0], header=[*sheets[0].header, "=cmd|' /C calc'!A9"])])
    staged = importing.stage(lists.hall, lists.clerk_as("editor"), "directory", "", "a.xlsx", body)
    here = lists.hall.read(lambda connection: importing.find(connection, lists.clerk_as("editor"), staged))
    for made in (body, importing.marked(here)):
        with zipfile.ZipFile(io.BytesIO(made)) as parts:
            sheets = [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets")]
            assert not any(b"<f>" in sheet or b"<f " in sheet for sheet in sheets)
            quoted = {at for at, one in enumerate(_formats(parts)) if b'quotePrefix="1"' in one}
            styles = _styles_of(parts, "calc'!A")
            assert len(styles) >= 8 and set(styles) <= quoted, "every name, and the header"


def _formats(parts: zipfile.ZipFile) -> list[bytes]:
    """The cell formats of a workbook, by number."""
    whole = parts.read("xl/styles.xml").partition(b"<cellXfs")[2].partition(b"</cellXfs>")[0]
    return re.findall(rb"<xf [^>]*>", whole)


def _styles_of(parts: zipfile.ZipFile, words: str) -> list[int]:
    """Numbers of the formats of the cells that hold these words."""
    shared = re.findall(rb"<si><t[^>]*>(.*?)</t></si>", parts.read("xl/sharedStrings.xml"), re.DOTALL)
    at = [no for no, said in enumerate(shared) if words in html.unescape(said.decode())]
    sheet = parts.read("xl/worksheets/sheet1.xml")
    return [int(re.findall(rb's="(\d+)" t="s"><v>%d</v>' % no, sheet)[0]) for no in at]


@pytest.mark.req("S3-17", "S3-18")
def test_search_and_statistics_cover_both_sources(lists: Lists) -> None:
    code = lists.item(lists.entry())

    def search(**wanted: str) -> list[str]:
        found, total = lists.hall.read(lambda c: finding.implementation(c, Wanted(**wanted)))
        assert total == len(found)
        return [one.code for one in found]

    assert len(search()) == 3 and search(source="hall") == [code]
    assert search(words="小型餐饮") == [code]
    assert set(search(kind="public_service")) == {code, PLAIN_ITEM} and search(kind="licence") == [PERMIT]
    assert search(region="441402000000", department="市场监督", state="in_use", source="hall") == [code]
    assert search(region="441403000000") == [] == search(words="%")
    counted = lists.hall.read(lambda c: finding.statistics(c, "kind", Wanted()))
    assert {one.name: one.total for one in counted} == {"行政许可": 1, "公共服务事项": 2}
    by_department = lists.hall.read(lambda c: finding.statistics(c, "department", Wanted()))
    assert [(one.name, one.states) for one in by_department] == [("梅江区市场监督管理局", {"in_use": 3})]
