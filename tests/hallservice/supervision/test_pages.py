"""The pages of supervision as browsers without scripts see them."""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import select

from hallservice.hall import Hall
from hallservice.people import tables as people
from hallservice.supervision import banner
from hallservice.supervision.tables import card
from hallservice.web.pages import entrance, supervision
from tests.exchange.core.rig import Core, Story
from tests.hallservice.supervision.watch import accepted, moment, mornings, staffed
from tests.hallservice.web.webrig import Place, mounted, served
from tests.hallservice.world import clerk_of_role


@pytest.fixture
def late(hub: Core, watch: Hall) -> Story:
    """E26 not concluded, on the day of its red card; the undertaker is one who can sign in."""
    staffed(watch)
    section = people.user.c.login == "ceshi.section"
    with hub.hub.store.read() as connection:
        number = connection.execute(select(people.user.c.staff_no).where(section)).scalar_one()
    story = accepted(hub, 1, "2026-03-02", 10, officer={**OFFICER, "staff_no": number})
    hub.clock.to(moment("2026-03-09"))
    hub.ok("hall", "case.special_started.v1", story.special(1, at=moment("2026-03-09")))
    hub.clock.to(moment("2026-03-13"))
    hub.ok("hall", "case.special_finished.v1", story.special_over(1, at=moment("2026-03-13")))
    mornings(hub, watch, date(2026, 3, 13), date(2026, 3, 24))
    hub.clock.to(moment("2026-03-24"))
    return story


OFFICER = {
    "organisation": "梅江区市场监督管理局",
    "organisation_code": "114414020072081005",
    "name": "审批壬",
}


@pytest.fixture
def place(watch: Hall) -> Iterator[Place]:
    with served(mounted(watch, [entrance.pages, supervision.pages])) as found:
        yield found


def red(core: Core) -> str:
    with core.hub.store.read() as connection:
        return connection.execute(select(card.c.id).where(card.c.colour == "red")).scalar_one()


@pytest.mark.req("S0-31", "R-05")
def test_what_the_supervisor_and_the_receiver_see_and_do(place: Place, hub: Core, late: Story) -> None:
    supervisor = place.visitor().sign_in("supervisor")
    shown = supervisor.get("/hall/supervision").text
    assert re.search(r"<b>1</b><span class=\"card red\">红牌</span>", shown)
    assert re.search(r"<b>0</b><span class=\"card yellow\">黄牌</span>", shown), "one matter is counted once"
    listed = supervisor.get(
        "/hall/supervision/cards?colour=red&region=441402000000&org=市场监督&state=open"
    ).text
    assert late.no in listed and "共 1 条" in listed
    assert '<td><span class="card red">红牌</span></td>' in listed
    assert "共 0 条" in supervisor.get("/hall/supervision/cards?org=卫生健康").text
    address = f"/hall/supervision/cards/{red(hub)}"
    assert "签收(G)" not in supervisor.get(address).text, "who was not told has nothing to acknowledge"
    receiver = place.visitor().sign_in("section")
    assert "签收(G)" in receiver.get(address).text
    assert receiver.post(address, f"{address}/acknowledge").status_code == 303
    assert "已签收" in receiver.get(address).text
    other = place.visitor().sign_in("other")
    assert other.get(address).status_code == 404
    assert "共 0 条" in other.get("/hall/supervision/cards").text
    assert other.get("/hall/supervision").status_code == 403


def test_the_clock_page_says_why_it_is_due_on_that_day(place: Place, late: Story) -> None:
    """E26: ten days from 2 March, suspended from the 9th to the 13th, are over on the 20th."""
    reader = place.visitor().sign_in("undertaker")
    text = reader.get(f"/hall/supervision/clocks/{late.no}").text
    assert "第 10 个工作日是2026年3月20日（周五），即届满日" in text
    assert "3月9日（周一）至3月13日（周五）恢复，中止期间不计入" in text
    rows = re.findall(r'<td class="date">(2026-03-\d\d)</td><td>周.</td><td>([^<]*)</td>', text)
    first = dict(rows[: rows.index(("2026-03-24", "超期第 2 个工作日")) + 1])
    assert first["2026-03-02"] == "受理当日，不计入"
    assert first["2026-03-07"] == "周末，不计入"
    assert [first[f"2026-03-{day:02}"] for day in (6, 9, 12, 13, 20)] == [
        "第 4 个工作日", "中止期间，不计入", "中止期间，不计入", "第 5 个工作日", "第 10 个工作日，届满日",
    ]  # fmt: skip
    assert place.visitor().sign_in("other").get(f"/hall/supervision/clocks/{late.no}").status_code == 404


def test_thresholds_are_set_on_a_page_and_a_wrong_form_keeps_what_was_typed(place: Place, hub: Core) -> None:
    visitor, address = place.visitor().sign_in("supervisor"), "/hall/supervision/thresholds"
    wrong = {"region": "441402000000", "warning": "3", "prompt": "9", "yellow": "1", "red": "2"}
    answer = visitor.post(address, address, wrong)
    assert answer.status_code == 422 and "<title>错误：" in answer.text
    assert "到期提示不能早于预警" in answer.text and 'value="9"' in answer.text
    assert hub.value("SELECT count(*) FROM hall_threshold") == 0
    assert visitor.post(address, address, {**wrong, "prompt": "1"}).status_code == 303
    shown = visitor.get(f"{address}?region=441402102000").text
    assert 'name="warning"' in shown and 'value="3"' in shown and "沿用" in shown
    assert place.visitor().sign_in("section").get(address).status_code == 403


def test_days_off_and_swapped_days_are_named(hub: Core, place: Place) -> None:
    """E16's festival: rest from 15 to 23 February, Saturdays 14 and 28 worked."""
    story = accepted(hub, 3, "2026-02-09", 20)
    hub.clock.to(moment("2026-03-02"))
    text = place.visitor().sign_in("undertaker").get(f"/hall/supervision/clocks/{story.no}").text
    rows = re.findall(r'<td class="date">(2026-\d\d-\d\d)</td><td>周.</td><td>([^<]*)</td>', text)
    said = dict(reversed(rows))  # the limit of the law comes first
    assert said["2026-02-14"] == "第 5 个工作日（春节调休上班）"
    assert said["2026-02-16"] == "春节放假，不计入"
    assert said["2026-03-13"] == "第 20 个工作日，届满日"


@pytest.mark.req("R-05")
def test_the_banner_names_what_the_undertaker_was_told(hub: Core, watch: Hall, late: Story) -> None:
    with hub.hub.store.read() as connection:
        told = banner.lines(connection, clerk_of_role(watch, "section"))
    assert (told[0].case_no, str(told[0].mark), told[0].said) == (
        late.no, "红牌", "法定办理时限，届满日3月20日（周五）",
    )  # fmt: skip
