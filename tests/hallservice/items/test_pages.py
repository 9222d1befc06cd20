"""An item goes through the pages: begun, saved unfinished, finished, reviewed, in force; a sheet goes in."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser
from python_calamine import CalamineWorkbook

from exchange.app import publication
from exchange.app.gate import problem
from hallservice.items import finding, layout, workbooks
from hallservice.items.elements import blank
from hallservice.items.finding import Wanted
from hallservice.people.sessions import Session
from hallservice.web.registry import shipped
from tests.hallservice import world
from tests.hallservice.items.samples import ENTRY, ITEM, Lists
from tests.hallservice.items.staff import MORE
from tests.hallservice.papers.witnesses import text_of
from tests.hallservice.web.browsing import Guest
from tests.hallservice.web.webrig import Visitor, mounted, served

NEW = "/hall/items/begin"
ROWS = "[...document.querySelectorAll('table.list')].find(t => t.innerText.includes('审查要点')).tBodies[0]"
# What says nothing without what follows it: headings, captions, the header of a table.
ALONE = re.compile(
    r"序号\s+材料|收费项目\s+收费标准|情形\s+条件|^(申请材料|收费|办理情形|办理流程|共 \d+ 份|粤财综.*)$"
)
TOLD = ("conditions", "result_name", "fee_basis", "address", "opening_hours", "contact")
TYPED = {name: said for name, said in ENTRY.items() if isinstance(said, str)} | {"levels": ["county", "town"]}


def _at(answer: object) -> str:
    """Where a redirect leads."""
    assert answer.status_code == 303, answer.text  # type: ignore[attr-defined]
    return str(answer.headers["location"])  # type: ignore[attr-defined]


def _imported(editor: Visitor) -> str:
    form = "/hall/items/import"
    rows = [("", blank("directory") | ENTRY | {"name": name}) for name in ("一号备案", "")]
    body = workbooks.write(layout.sheets("directory", rows))
    fields = editor.hidden(form, form) | {"list": "directory", "org": "441402-scj"}
    files = {"file": ("目录.xlsx", body, "application/octet-stream")}
    return editor.get(_at(editor.http.post(form, data=fields, files=files))).text


@pytest.mark.req("S0-02")
def test_a_guide_says_every_element_and_no_heading_ends_a_printed_page(
    lists: Lists, browser: Browser, session_as: Callable[[str], Session]
) -> None:
    code = lists.item(lists.entry())
    with served(mounted(lists.hall, features=shipped())) as place:
        guest = Guest(browser, place.base, axe=False).enter(session_as("editor").token)
        assert guest.open(f"/hall/items/guides/{code}") == 200
        said = guest.page.inner_text("main")
        typed = [str(value) for name, value in ITEM.items() if name in TOLD]
        assert [
            one for one in (*typed, ENTRY["legal_basis"], code, "经营面积大于150") if one not in said
        ] == []
        assert re.search(r"平面布局图\s+必要\s+原件\s+纸质\s+2\s+申请人自备\s+较大场所", said)
        assert "20个工作日" in said and "5个工作日" in said and "1 件 10.00 元；10 件 25.00 元" in said
        for rows in (2, 3, 19, 1):
            guest.page.evaluate(f"n => {{ while (n--) {ROWS}.append({ROWS}.rows[0].cloneNode(true)) }}", rows)
            pages = text_of(guest.page.pdf(format="A4", prefer_css_page_size=True), "-layout").split("\f")
            last = [page.rstrip().rpartition("\n")[2].strip() for page in pages[:-2]]
            assert not [line for line in last if ALONE.search(line)], rows
            assert not any("由何变更" in page for page in pages), "its history is not the applicant's"
        guest.context.close()


@pytest.mark.req("S3-03", "S3-04")
def test_an_entry_goes_through_the_pages(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MORE:
        monkeypatch.setitem(world.LOGINS, name, f"ceshi.{name}")
    with served(mounted(lists.hall, features=shipped())) as place:
        editor = place.visitor().sign_in("editor")
        line = _at(editor.post(NEW, NEW, {"list": "directory", "how": "add", "org": "441402-scj"}))
        change = line.removesuffix("/lines/1")
        unfinished = editor.get(_at(editor.post(line, line, {**TYPED, "name": "", "do": "save"}))).text
        assert "错误：请填写事项名称" in html.unescape(unfinished) and ENTRY["legal_basis"] in unfinished
        form = unfinished[unfinished.index('method="post" action="' + line) :]
        assert re.findall('<button[^>]*value="([^"]*)"', form)[0] == "save", "what the Enter key does"
        refused = editor.post(change, change, {"do": "submit"})
        assert refused.status_code == 422 and "请填写事项名称" in refused.text
        assert _at(editor.post(line, line, {**TYPED, "do": "save"})) == change
        stale = editor.post(change, change, {"do": "submit", "revision": "1"})
        assert stale.status_code == 409, "another version was shown"
        assert _at(editor.post(change, change, {"do": "submit"})) == change
        assert editor.get("/hall/items/review").status_code == 403
        for who in ("staffing", "lawyer"):
            reviewer = place.visitor().sign_in(who)
            assert change.removeprefix("/hall") in reviewer.get("/hall/items/review").text
            nothing = reviewer.post(change, change, {"do": "return", "words": ""})
            assert nothing.status_code == 422 and "请写明退回的理由" in nothing.text
            assert _at(reviewer.post(change, change, {"do": "pass"})) == "/hall/items/review"
        code = lists.core.value("SELECT code FROM hall_item")
        assert f"{code}</a>" in place.visitor().sign_in("clerk").get("/hall/items/directory").text
        told = re.sub(r"\s+", "", _imported(editor))
        assert '目录清单</td><tdclass="num">3</td><td>事项名称</td><td>请填写事项名称' in told


@pytest.mark.req("S3-09", "S3-15", "S0-06")
def test_both_lists_are_searched_counted_and_taken_away_as_sheets(
    lists: Lists, session_as: Callable[[str], Session]
) -> None:
    entry = lists.entry()
    code = lists.item(entry)
    lists.entry(name="最低生活保障申请", kind="payment", category="civil_affairs", levels=["town"])
    with served(mounted(lists.hall, features=shipped())) as place:
        clerk = place.visitor().enter(session_as("editor").token)

        def sheet(address: str) -> list[list[Any]]:
            answer = clerk.get(f"/hall/items{address}&as=xlsx")
            assert answer.status_code == 200 and "spreadsheetml" in answer.headers["content-type"]
            return (
                CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
            )

        def names(address: str) -> list[Any]:
            return [row[1] for row in sheet(address)[1:]]

        assert names("/directory?category=city_management") == ["小型餐饮场所登记"]
        assert names("/directory?kind=payment&words=保障") == ["最低生活保障申请"]
        assert names("/directory?state=suspended") == []
        found = sheet("?source=hall&department=市场监督")
        assert [row[:2] for row in found] == [["编码", "事项名称"], [code, "小型餐饮场所登记"]]
        by_category = sheet("/statistics?list=directory&by=category")
        assert by_category == [
            ["名称", "在用", "暂停", "取消", "合计"], ["城市管理", 1, 0, 0, 1], ["民政事务", 1, 0, 0, 1],
            ["合计", 2, 0, 0, 2],
        ]  # fmt: skip
        levels = sheet("/statistics?list=directory&by=level")
        assert [row[:2] for row in levels[1:]] == [["镇（乡、街道）级", 2], ["县级", 1], ["合计", 3]]
        assert sheet("/statistics?list=directory&by=kind&level=county")[-1] == ["合计", 1, 0, 0, 1]
        mine = sheet("/statistics?list=implementation&by=category&source=hall")
        assert mine[1:] == [["城市管理", 1, 0, 0, 1], ["合计", 1, 0, 0, 1]]
        shown = clerk.get("/hall/items/statistics?list=directory&by=department").text
        assert "目录清单统计" in shown and "梅江区市场监督管理局" in shown


@pytest.mark.req("S3-02")
def test_one_library_from_the_directory_to_what_anybody_reads(lists: Lists) -> None:
    entry = lists.entry()
    code = lists.item(entry)
    app = mounted(lists.hall, features=shipped())
    publication.mount(app, lists.core.hub, problem)
    with served(app) as place:
        reader = place.visitor()

        def published() -> dict[str, str]:
            said = reader.get(publication.ROOT).json()["items"]
            return {one["code"]: one["state"] for one in said if one["catalog_code"] == entry}

        def counted(list_: str) -> dict[str, int]:
            found = lists.hall.read(lambda c: finding.statistics(c, "source", Wanted(source="hall"), list_))
            return dict(found[0].states)

        assert published() == {code: "in_use"}
        assert counted("directory") == counted("implementation") == {"in_use": 1}
        lists.published(lists.begun("suspend", "directory", entry))
        assert published() == {code: "suspended"}
        assert counted("directory") == counted("implementation") == {"suspended": 1}
        lists.published(lists.begun("cancel", "directory", entry))
        assert published() == {code: "cancelled"}
        assert reader.get(f"{publication.ROOT}/{code}?version=1").json()["state"] == "in_use"
