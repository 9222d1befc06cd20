"""What waits to be taken over, and that nothing is taken over but by somebody's act."""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from canonical.itemcodes import complete_credit_code
from exchange.store.tables import directory_entry, item, item_content, party
from hallservice.hall import Hall
from hallservice.people import adopting
from hallservice.people.adopting import Waiting
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.web.pages import entrance, home, people_directory
from tests.exchange.core.rig import Core
from tests.hallservice.web.webrig import Place, mounted, served
from tests.hallservice.world import LOGINS, OWN_SYSTEM

As = Callable[[str], Clerk]
AT = {"active": True, "changed_at": "2026-03-02T09:00:00+08:00"}
NEAR, FAR = "441402000000", "441403000000"
TAX, PARKS = (str(complete_credit_code(f"11441402XX{tail}")) for tail in ("0088801", "0099902"))
AWAY = str(complete_credit_code("11441403XX0088803"))


def org(id_: str, name: str, above: str | None = None, region: str = NEAR, **over: Any) -> dict[str, Any]:
    row = {"id": id_, "name": name, "region": region, **AT, **over}
    return row | ({"parent": above} if above else {})


def staff(id_: str, name: str, at: str, **over: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "login": f"sso.{id_.lower()}",
        "organisation": at,
        "level": "verified",
        **AT,
        **over,
    }


def tell(hall: Hall, *rows: dict[str, Any]) -> None:
    """The city's directory says so, again or for the first time."""

    def act(work: Any) -> None:
        e = directory_entry.c
        for data in rows:
            kind = "staff" if "login" in data else "organisation"
            mine = (e.party == "identity") & (e.kind == kind) & (e.id == data["id"])
            work.connection.execute(directory_entry.delete().where(mine))
            row = {
                "party": "identity",
                "kind": kind,
                "id": data["id"],
                "active": data["active"],
                "data": data,
            }
            work.connection.execute(insert(directory_entry), row)

    hall.write(act)


def catalogue(hall: Hall, *bodies: tuple[str, str, int]) -> None:
    """Items of the province: whose (credit code, name) and how many."""

    def act(work: Any) -> None:
        number = 0
        for uscc, name, many in bodies:
            for _ in range(many):
                number += 1
                data = json.dumps({"organisation": name, "organisation_code": uscc}).encode()
                work.connection.execute(insert(item_content), {"id": 9000 + number, "data": data})
                row = {
                    "code": f"{uscc}4{number:012}",
                    "version": 1,
                    "state": "in_force",
                    "row_id": str(number),
                }
                row |= {"org": uscc, "name": "x", "content": 9000 + number, "current": True, "has_fee": False}
                work.connection.execute(insert(item), row)

    hall.write(act)


def ids(found: list[Waiting]) -> list[str]:
    return [one.id for one in found]


def seen(hall: Hall, clerk: Clerk) -> list[Waiting]:
    return hall.read(lambda connection: adopting.waiting(connection, clerk, hall.hub.store.clock()))


def counts(hub: Core) -> tuple[int, int]:
    return hub.value("SELECT count(*) FROM hall_org"), hub.value("SELECT count(*) FROM hall_user")


WORLD = (
    org("B1", "梅江区统计局"), org("S1", "普查股", "B1"), org("B2", "梅县区统计局", region=FAR),
    org("B9", "城管局新名", credit_code=OWN_SYSTEM), org("B7", "无主局", "B404"),
    staff("U1", "测试甲", "S1"), staff("U2", "测试乙", "B2"), staff("U3", "测试丙", "B404"),
    staff("U4", "冒名", "B1", login=LOGINS["auditor"]), staff("U5", "离职", "B1", active=False),
)  # fmt: skip


@pytest.mark.req("S0-20")
def test_each_sees_what_waits_in_the_own_subtree_and_takes_over_no_more(
    hall: Hall, hub: Core, clerk_as: As
) -> None:
    tell(hall, *WORLD)
    catalogue(hall, (TAX, "梅江区税务局", 2), (AWAY, "梅县区税务局", 1), (OWN_SYSTEM, "已知", 1))
    before = counts(hub)
    county, root = clerk_as("administrator"), clerk_as("root")
    assert ids(seen(hall, county)) == ["B1", "B9", "S1", "U1", TAX]
    assert ids(seen(hall, root)) == ["B1", "B9", "S1", "B2", "U1", "U2", TAX, AWAY]
    assert seen(hall, clerk_as("clerk")) == []
    stuck = hall.read(lambda c: adopting.stuck(c, root, hub.clock.now))
    assert {one.id: one.note for one in stuck} == {
        "B7": "没有上级机构或行政区划", "U3": "所在机构不在目录中",
        "U4": "登录名是本系统管理员或审计人员的账号",
    }  # fmt: skip
    assert hall.read(lambda c: adopting.stuck(c, county, hub.clock.now)) == []
    for keys in (
        ["organisation:identity:B2"], ["organisation:identity:B7"], ["staff:identity:U4"],
        [f"body:items:{AWAY}"], ["organisation:identity:B1", "staff:identity:U2"], ["x"], [],
    ):  # fmt: skip
        with pytest.raises(HallRefused) as caught:
            adopting.take(hall, county, keys)
        assert caught.value.code == ("changed_meanwhile" if keys else "form")
    with pytest.raises(HallRefused):
        adopting.take_all(hall, county, "441403")
    assert counts(hub) == before  # nothing came in by looking or by trying


def test_one_is_taken_over_and_then_all_of_a_subtree(hall: Hall, hub: Core, clerk_as: As) -> None:
    tell(hall, *WORLD)
    catalogue(hall, (TAX, "梅江区税务局", 2), (PARKS, "梅江区园林局", 1), (AWAY, "梅县区税务局", 1))
    row = {
        "name": "dept_parks",
        "adapter": "department_a",
        "org": PARKS,
        "account": {},
        "sends": [],
        "takes": [],
    }
    hall.write(lambda work: work.connection.execute(insert(party), row | {"active": True}))
    county = clerk_as("administrator")
    lonely = adopting.take(hall, county, ["organisation:identity:S1"])  # its body is not here yet
    assert lonely.directory.organisations == 0 and "普查股" in lonely.directory.problems[0]
    one = adopting.take(hall, county, [f"body:items:{TAX}"])
    assert one.bodies == 1 and one.directory.organisations == 0
    made = hub.rows("SELECT * FROM hall_org WHERE uscc = :u", u=TAX)[0]
    assert (made["path"], made["name"], made["has_own_system"]) == (
        f"/4414/441402/441402-{TAX[8:17]}/",
        "梅江区税务局",
        0,
    )
    all_ = adopting.take_all(hall, county, "441402")
    assert (all_.bodies, all_.directory.organisations, all_.directory.added) == (1, 3, 1)
    assert all_.directory.problems == [] and seen(hall, county) == []
    parks = hub.rows("SELECT has_own_system, party FROM hall_org WHERE uscc = :u", u=PARKS)[0]
    assert (parks["has_own_system"], parks["party"]) == (1, "dept_parks")  # its cases are not worked here
    assert (
        hub.value("SELECT path FROM hall_org WHERE source_id = 'S1'")
        == "/4414/441402/identity-B1/identity-S1/"
    )
    assert hub.value("SELECT name FROM hall_org WHERE uscc = :u", u=OWN_SYSTEM) == "城管局新名"
    assert hub.value("SELECT count(*) FROM hall_org WHERE source_id = 'B2' OR uscc = :u", u=AWAY) == 0
    # What changes over there waits again, and comes in by another act.
    tell(hall, org("S1", "普查中心", "B1"), staff("U1", "测试甲", "S1", active=False))
    assert [(one.id, one.change) for one in seen(hall, county)] == [("S1", "changed"), ("U1", "gone")]
    assert hub.value("SELECT name FROM hall_org WHERE source_id = 'S1'") == "普查股"
    then = adopting.take_all(hall, county, "441402")
    assert (then.directory.organisations, then.directory.closed) == (1, 1)
    assert hub.value("SELECT status FROM hall_user WHERE source_id = 'U1'") == "left"
    hub.verified()


def test_one_wrong_row_keeps_nobody_else_out(hall: Hall, hub: Core, clerk_as: As) -> None:
    tell(
        hall,
        org("B1", "甲局", credit_code=TAX),
        org("B2", "乙局", credit_code=TAX),
        org("B3", "丙局", "B2"),
        org("B4", "丁局"),
    )
    done = adopting.take_all(hall, clerk_as("root"), "4414")
    assert done.directory.organisations == 2 and len(done.directory.problems) == 2
    assert "统一社会信用代码已由" in done.directory.problems[0] and "丙局" in done.directory.problems[1]
    assert [
        row["name"] for row in hub.rows("SELECT name FROM hall_org WHERE source <> '' ORDER BY code")
    ] == ["甲局", "丁局"]


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [entrance.pages, home.pages, people_directory.pages])) as found:
        yield found


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


@pytest.mark.req("S0-20")
def test_the_page_takes_over_what_is_ticked_or_all_of_a_subtree(place: Place, hall: Hall, hub: Core) -> None:
    tell(hall, *WORLD)
    catalogue(hall, (TAX, "梅江区税务局", 2))
    page, before = "/hall/people/directory", counts(hub)
    county = place.visitor().sign_in("administrator")
    shown = county.get(page).text
    assert "梅县区统计局" not in shown and "待接收 共 5 条" in text(shown) and "2 个事项" in shown
    assert "待接收 共 1 条" in text(county.get(f"{page}?kind=staff").text)
    none = county.post(page, page, {"do": "picked"})
    assert none.status_code == 422 and 'href="#f-pick"' in none.text
    assert county.post(page, page, {"do": "picked", "pick": ["organisation:identity:B2"]}).status_code == 422
    assert county.post(page, page, {"do": "all", "org": "441403"}).status_code == 422
    assert counts(hub) == before
    one = county.post(page, page, {"do": "picked", "pick": ["organisation:identity:B1"]})
    assert "目录机构 1 个" in text(one.text) and "待接收 共 4 条" in text(one.text)
    rest = county.post(page, page, {"do": "all", "org": "梅江区"})
    assert "事项所属机构 1 个，目录机构 2 个，新增人员 1 人" in text(rest.text)
    assert "没有等候接收的机构或人员" in rest.text
    root = place.visitor().sign_in("root")
    assert "测试丙" in text(root.get(page).text)
    kinds = [json.loads(row["leaf"])["kind"] for row in hub.rows("SELECT leaf FROM ledger_entry")]
    assert kinds.count("hall.directory_adopted") == 2 and kinds.count("hall.bodies_adopted") == 1
