"""What administrators set up by forms: rules for accounts, duties, groups and their members, relations."""

import html
import json
import re
from collections.abc import Callable, Iterator

import pytest

from hallservice.hall import Hall
from hallservice.people import policies, sessions, signin
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Session
from hallservice.refusals import HallRefused
from hallservice.web.pages import (
    entrance,
    home,
    people_duties,
    people_entries,
    people_orgs,
    people_policy,
    people_users,
)
from tests.exchange.core.rig import Core
from tests.hallservice.web.webrig import Place, mounted, served
from tests.hallservice.world import LOGINS, PASSWORD

MODULES = (entrance, home, people_duties, people_entries, people_orgs, people_policy, people_users)
As = Callable[[str], Clerk]
In = Callable[[str], Session]
LAW = {  # what is set, and what is just beyond the bounds that the form tells
    "shortest": ("12", "7"), "classes": ("4", "2"), "oldest_days": ("30", "91"), "history": ("8", "2"),
    "one_time_hours": ("24", "73"), "lock_after": ("3", "6"), "lock_client_after": ("10", "101"),
    "lock_login_after": ("20", "101"), "lock_minutes": ("60", "9"), "longest_minutes": ("60", "59"),
    "device_days": ("30", "181"), "idle_minutes": ("15", "31"), "session_hours": ("4", "13"),
}  # fmt: skip


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [one.pages for one in MODULES])) as found:
        yield found


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def told(hub: Core, kind: str) -> list[dict[str, object]]:
    sql = (
        "SELECT a.body FROM act a JOIN ledger_entry e ON e.seq = a.entry"
        " WHERE json_extract(e.leaf, '$.kind') = :kind ORDER BY a.entry"
    )
    return [json.loads(row["body"])["what"] for row in hub.rows(sql, kind=kind)]


def test_rules_for_accounts_are_set_within_the_laws_bounds(
    place: Place, hall: Hall, hub: Core, session_as: In
) -> None:
    page, good = "/hall/people/policy", {name: right for name, (right, _) in LAW.items()}
    before = session_as("clerk")
    root = place.visitor().sign_in("root")
    for at, (name, (_, beyond)) in enumerate(LAW.items()):
        for wrong in (beyond, ("", "1e9", "-1", "٣٠")[at % 4]):
            answer = root.post(page, page, good | {name: wrong})
            assert answer.status_code == 422 and f'href="#f-{name}"' in answer.text, (name, wrong)
    assert hub.value("SELECT count(*) FROM hall_policy") == 0
    county = place.visitor().sign_in("administrator")
    assert (
        "无操作自动退出 30 分钟" in text(county.get(page).text)
        and 'name="shortest"' not in county.get(page).text
    )
    keys = county.hidden("/hall/", "/hall/sign-out")
    assert county.send(page, keys | good).status_code == 403
    assert root.post(page, page, good).status_code == 303
    assert {name: str(each) for name, each in policies.figures(policies.now(hall)).items()} == good
    assert "管理员 于" in text(root.get(page).text)
    said = told(hub, "hall.account_rules")
    assert said == [{name: [each, int(good[name])] for name, each in zip(LAW, BEFORE, strict=True)}]
    # They hold at once: for the session that is open, for failures, for the password.
    hub.clock.on(15 * 60)
    assert sessions.find(hall, before.token) is None
    codes = [_tried(hall) for _ in range(4)]
    assert codes == ["sign_in_failed"] * 3 + ["locked"]
    hub.clock.on(60 * 60 - 1)
    assert _tried(hall) == "locked"
    hub.clock.on(2)
    assert signin.sign_in(hall, LOGINS["clerk"], PASSWORD, "").must_change is False
    hub.clock.on(30 * 86_400)
    assert signin.sign_in(hall, LOGINS["clerk"], PASSWORD, "").must_change is True
    again = place.visitor().sign_in("root")
    assert "密码至少 12 个字符" in text(again.get("/hall/password").text)


BEFORE = (10, 3, 0, 5, 72, 5, 30, 60, 15, 1440, 90, 30, 10)


def _tried(hall: Hall) -> str:
    with pytest.raises(HallRefused) as caught:
        signin.sign_in(hall, LOGINS["clerk"], "wrong", "10.0.0.9")
    return caught.value.code


def test_shorter_sessions_end_those_that_are_open(
    hall: Hall, hub: Core, clerk_as: As, session_as: In
) -> None:
    long = session_as("clerk")
    policies.change(hall, clerk_as("root"), {name: right for name, (right, _) in LAW.items()})
    for _ in range(18):  # four and a half hours, busy
        hub.clock.on(14 * 60)
        alive = sessions.find(hall, long.token)
    assert alive is None


@pytest.mark.req("S0-22")
def test_duties_are_one_list_for_all(place: Place, hub: Core) -> None:
    page = "/hall/people/duties"
    county, root = place.visitor().sign_in("administrator"), place.visitor().sign_in("root")
    wrong = county.post(page, page, {"name": "", "rank": "x", "active": "1"})
    assert wrong.status_code == 422 and "排序是 0 到 999999 的整数" in text(wrong.text)
    assert county.post(page, page, {"name": "股长", "rank": "30", "active": "1"}).status_code == 303
    assert county.post(page, page, {"name": "股长", "rank": "1"}).status_code == 403
    form = "/hall/people/users/new"
    typed = {"name": "新来", "staff_no": "S-91", "login": "gu.zhang", "org": "441402-scj", "duty": "股长"}
    assert '<option value="股长">' in county.get(form).text
    assert county.post(form, form, typed).status_code == 200
    assert "股长 30 1 在用" in text(county.get(page).text)
    assert 'value="30"' in root.get(f"{page}?duty=股长").text
    assert root.post(page, page, {"name": "股长", "rank": "40"}).status_code == 303  # closed
    late = county.post(form, form, typed | {"staff_no": "S-92", "login": "gu.zhang.er"})
    assert late.status_code == 422 and "这个职务已停用" in late.text
    assert [one["active"] for one in told(hub, "hall.duty_saved")] == [True, False]


@pytest.mark.req("S0-22")
def test_a_work_group_is_filled_and_renamed(place: Place, hub: Core, clerk_as: As) -> None:
    county = place.visitor().sign_in("administrator")
    org = "/hall/people/orgs/441402"
    assert (
        county.post(org, f"{org}/entries", {"kind": "group", "entry": "", "name": "专班"}).status_code == 303
    )
    group = hub.value("SELECT id FROM hall_group WHERE name = '专班'")
    page = f"/hall/people/entries/group/{group}"
    assert page in county.get(org).text
    for who, said in (("S-other", "没有这个登录名或工号"), ("", "请填写登录名或工号")):
        wrong = county.post(page, f"{page}/members", {"do": "", "person": who})
        assert wrong.status_code == 422 and said in wrong.text
    own = county.post(page, f"{page}/members", {"person": LOGINS["administrator"]})
    assert own.status_code == 422 and "不能给自己安排" in own.text
    for who in ("S-clerk", LOGINS["section"]):  # of two bodies
        assert county.post(page, f"{page}/members", {"do": "", "person": who}).status_code == 303
    shown = text(county.get(page).text)
    assert "共 2 人" in shown and "窗口甲 S-clerk 梅江区政务服务大厅" in shown and "审批壬" in shown
    out = {"do": "out", "user": clerk_as("section").user}
    assert county.send(f"{page}/members", county.hidden(page, f"{page}/members") | out).status_code == 303
    assert hub.value("SELECT count(*) FROM hall_group_member") == 1
    assert county.post(page, page, {"name": "春运专班"}).status_code == 303
    assert "春运专班" in county.get(page).text


@pytest.mark.req("S0-22")
def test_one_person_has_several_posts_of_the_own_body(place: Place, hub: Core, clerk_as: As) -> None:
    county = place.visitor().sign_in("administrator")
    for code in ("undertake", "review"):
        post = hub.value("SELECT id FROM hall_post WHERE org = '441402-scj' AND code = :code", code=code)
        at = f"/hall/people/entries/post/{post}"
        assert county.post(at, f"{at}/members", {"do": "", "person": "S-approver"}).status_code == 303
        away = county.post(at, f"{at}/members", {"do": "", "person": "S-health"})
        assert away.status_code == 422 and "岗位只能安排给本机构" in away.text
    assert clerk_as("approver").posts == ("approve", "review", "undertake")
    window = hub.value("SELECT id FROM hall_window WHERE number = 'A01'")
    assert f"/people/entries/window/{window}" in county.get("/hall/people/orgs/441402-dt").text
    desk = f"/hall/people/entries/window/{window}"
    assert county.post(desk, desk, {"number": "A02", "name": ""}).status_code == 422  # taken
    assert county.post(desk, desk, {"number": "B01", "name": "综合"}).status_code == 303
    other = place.visitor().sign_in("root")
    theirs = "/hall/people/entries/club/x"
    assert (
        other.get(theirs).status_code == 422 and county.get("/hall/people/entries/post/x").status_code == 422
    )


@pytest.mark.req("S0-22")
def test_relations_beside_the_tree_from_their_form(place: Place, hub: Core) -> None:
    county = place.visitor().sign_in("administrator")
    org = "/hall/people/orgs/441402-scj"
    form = f"{org}/relations"
    wrong = county.post(org, form, {"relation": "subordinate", "other": "没有的局"})
    assert wrong.status_code == 422 and 'href="#f-other"' in wrong.text
    assert county.post(org, form, {"relation": "club", "other": "441402-wjj"}).status_code == 422
    assert county.post(org, form, {"relation": "subordinate", "other": "441400-dsj"}).status_code == 303
    assert (
        county.post(org, form, {"do": "", "relation": "parallel", "other": "梅江区卫生健康局"}).status_code
        == 303
    )
    assert county.post(org, form, {"do": "", "relation": "parallel", "other": "441403-dt"}).status_code == 403
    beside = "/hall/people/orgs/441402-wjj"
    assert "并列 梅江区市场监督管理局" in text(county.get(beside).text)
    assert "业务上级 梅州市政务服务和数据管理局" in text(county.get(org).text)
    end = {"do": "end", "relation": "parallel", "other": "441402-scj"}
    keys = county.hidden(beside, f"{beside}/relations")
    assert county.send(f"{beside}/relations", keys | end).status_code == 303
    assert hub.value("SELECT kind FROM hall_org_relation") == "subordinate"
    assert len(told(hub, "hall.organisations_related")) == 2
    assert len(told(hub, "hall.organisations_unrelated")) == 1


def test_why_an_account_was_locked_or_left_is_in_the_ledger(place: Place, hub: Core, clerk_as: As) -> None:
    county = place.visitor().sign_in("administrator")
    page = f"/hall/people/users/{clerk_as('clerk2').user}"
    keys = county.hidden(page, f"{page}/state")
    assert county.send(f"{page}/state", keys | {"do": "lock", "reason": "账号外借"}).status_code == 303
    back = county.hidden(page, f"{page}/state")
    assert county.send(f"{page}/state", back | {"do": "unlock"}).status_code == 303
    gone = county.hidden(page, f"{page}/state")
    assert (
        county.send(f"{page}/state", gone | {"do": "leave", "reason": "退休" + "久" * 300}).status_code == 303
    )
    assert told(hub, "hall.user_locked")[0]["reason"] == "账号外借"
    assert told(hub, "hall.user_left")[0]["reason"] == "退休" + "久" * 198
