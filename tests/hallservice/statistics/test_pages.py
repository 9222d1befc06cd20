"""The statistics as a browser without scripts sees them, over cases that were really worked."""

import re
from collections.abc import Iterator
from html import unescape
from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook

from hallservice.counter import evaluate
from hallservice.counter.evaluate import Rating
from hallservice.web.pages import counter_case, statistics
from tests.exchange.core.rig import ID_NUMBER, NAME, Core
from tests.hallservice.counter.counter import PLAIN, Desk
from tests.hallservice.web.webrig import FRAME, Place, mounted, served

AT = "/hall/statistics"


@pytest.fixture
def place(desk: Desk) -> Iterator[Place]:
    with served(mounted(desk.hall, [*FRAME, statistics.pages, counter_case.pages])) as found:
        yield found


def lines(body: bytes) -> list[list[object]]:
    return CalamineWorkbook.from_filelike(BytesIO(body)).get_sheet_by_index(0).to_python()


def worked(desk: Desk, core: Core) -> list[str]:
    """Two in time of which one was rated, one late, one still open."""
    early, late = desk.decided(PLAIN), desk.decided(PLAIN)
    desk.concluded(early)
    evaluate.at_window(desk.hall, desk.clerk(), early, Rating("fairly_satisfied"))
    core.clock.on(40 * 86_400)
    desk.concluded(late)
    desk.opened(PLAIN, role="town")
    return [early, late]


def test_numbers_lead_to_their_cases_and_go_out_as_a_sheet(place: Place, desk: Desk, hub: Core) -> None:
    early, late = worked(desk, hub)
    ended = hub.rows("SELECT case_no, ended_on, rating FROM hall_case WHERE ended_on IS NOT NULL")
    assert {row["case_no"]: (row["ended_on"], row["rating"]) for row in ended} == {
        early: ("2026-03-02", 3), late: ("2026-04-11", None),
    }  # fmt: skip
    seen = place.visitor().sign_in("supervisor")
    page = seen.get(AT).text
    sheet = lines(seen.get(AT + "?by=site&as=xlsx").content)
    head, *rows = sheet
    assert head[1:] == [
        "申请", "受理", "不予受理", "在办", "超期未结", "办结", "按期办结", "逾期办结", "按期率", "已评价",
        "满意", "满意率",
    ]  # fmt: skip
    assert rows[0] == ["梅江区政务服务大厅", 2, 2, 0, 0, 0, 2, 1, 1, "50.0%", 1, 1, "100.0%"]
    assert rows[1][1:] == [1, 0, 0, 1, 0, 0, 0, 0, "", 0, 0, ""] and rows[2][:2] == ["合计", 3]
    links = re.findall(r'href="(/hall/statistics/cases[^"]*measure=late[^"]*)"', page)
    assert links
    behind = seen.get(unescape(links[0])).text
    assert late in behind and early not in behind and "逾期办结 1 件" in behind
    assert NAME not in behind and ID_NUMBER not in behind
    case_sheet = lines(seen.get(unescape(links[0]) + "&as=xlsx").content)
    assert [line[0] for line in case_sheet] == ["办件编号", late]
    finer = seen.get(AT + "?org=-&by=month")
    assert finer.status_code == 200 and "没有符合条件的办件" in finer.text


def test_others_see_their_own_alone_and_hostile_addresses_get_an_answer(
    place: Place, desk: Desk, hub: Core
) -> None:
    early, _ = worked(desk, hub)
    town, other = place.visitor().sign_in("town"), place.visitor().sign_in("other")
    assert lines(town.get(AT + "?by=state&as=xlsx").content)[1][1] == 1
    assert "没有符合条件的办件" in other.get(AT).text
    assert early not in other.get(AT + "/cases").text and "申请 0 件" in other.get(AT + "/cases").text
    assert "窗口甲" not in other.get(AT + "?clerk=S-clerk").text.replace("窗口甲 ", "")
    assert place.visitor().sign_in("approver").get(AT).status_code == 403
    for odd in (
        "?by=x&measure=y&since=2026-99-99",
        "?since=2026-1-1&until='",
        "?period=%25&item=%00",
        "?by=day",
    ):
        assert town.get(AT + odd).status_code == 200
    assert town.get(AT + "/cases?after=x~y").status_code != 500
