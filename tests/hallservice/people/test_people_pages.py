"""The pages of people, asked by a browser without scripts."""

import html
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx2
import pytest

from exchange.transports.rest import RestClient
from hallservice.hall import Hall
from hallservice.people.cas import Cas
from hallservice.people.clerk import Clerk
from hallservice.people.oidc import Oidc
from hallservice.people.port import IdentityProvider
from hallservice.web.pages import (
    entrance,
    home,
    people_account,
    people_grants,
    people_orgs,
    people_roles,
    people_sso,
    people_users,
)
from tests.exchange.core.rig import Core
from tests.hallservice.people.cityside import signing_on, visit
from tests.hallservice.web.webrig import Place, Visitor, hidden, mounted, served, until
from tests.mocks.jsonparty import Program

FEATURES = [
    one.pages
    for one in (
        entrance,
        home,
        people_account,
        people_grants,
        people_orgs,
        people_roles,
        people_sso,
        people_users,
    )
]
As = Callable[[str], Clerk]
NEW = "Ganzhou#River7"


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, FEATURES)) as found:
        yield found


def text(page: str) -> str:
    """What is read: no tags, one blank for many."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def signing(place: Place, login: str, password: str) -> Visitor:
    made = place.visitor()
    answer = made.post("/hall/sign-in", "/hall/sign-in", {"login": login, "password": password})
    assert answer.status_code == 303, text(answer.text)
    return made


def test_an_account_from_its_form_to_the_first_password(place: Place, hub: Core) -> None:
    county = place.visitor().sign_in("administrator")
    form = "/hall/people/users/new"
    typed = {
        "name": "新来",
        "staff_no": "S-90",
        "login": "坏登录",
        "org": "梅江区政务服务大厅",
        "mobile": "138",
    }
    wrong = county.post(form, form, typed)
    assert wrong.status_code == 422
    assert "登录名用 3 到 64 个小写字母" in text(wrong.text) and "手机号是 11 位数字" in text(wrong.text)
    assert (
        'value="梅江区政务服务大厅"' in wrong.text and 'value="坏登录"' in wrong.text
    )  # nothing typed is lost
    both = county.post(form, form, typed | {"org": "没有的局"})
    assert "请改正 3 处错误" in text(both.text)
    made = county.post(form, form, typed | {"login": "xin.lai", "mobile": ""})
    found = re.search(r"<code>(\S+)</code>", made.text)
    assert made.status_code == 200 and found
    person = signing(place, "xin.lai", found[1])
    assert person.get("/hall/").headers["location"] == "/hall/password"
    weak = person.post("/hall/password", "/hall/password", {"old": "", "password": "short", "again": "other"})
    assert (
        weak.status_code == 422 and "密码至少 10 个字符" in text(weak.text) and "两次输入" in text(weak.text)
    )
    changed = person.post("/hall/password", "/hall/password", {"old": "", "password": NEW, "again": NEW})
    assert changed.status_code == 303 and person.get("/hall/").status_code == 200
    assert (
        found[1] not in str(hub.rows("SELECT * FROM hall_user"))
        and NEW not in person.get("/hall/account").text
    )
    elsewhere = signing(place, "xin.lai", NEW)
    assert "密码" in text(elsewhere.get("/hall/account").text)
    out = elsewhere.post("/hall/account", "/hall/account/sign-out-everywhere")
    assert out.headers["location"] == "/hall/sign-in"
    assert person.get("/hall/account").headers["location"].startswith("/hall/sign-in")


@pytest.mark.req("S0-25")
def test_a_grant_is_looked_at_given_and_taken_back(place: Place, hub: Core, clerk_as: As) -> None:
    county = place.visitor().sign_in("administrator")
    town = clerk_as("section").user
    new = f"/hall/people/grants/new?kind=user&receiver={town}"
    role = hub.value("SELECT id FROM hall_role WHERE name = '窗口受理'")
    typed = {"role": role, "org": "梅江区市场监督管理局", "may_use": "1", "ends": "2026-03-31"}
    seen = county.post(new, "/hall/people/grants/preview", typed)
    said = text(seen.text)
    assert seen.status_code == 200 and "审批壬（行政审批股）将能够" in said
    assert "窗口 · 受理、补正、不予受理 新增" in said and "事项 · 事项查询、导出 原有" in said
    assert "“审批 · 审批办理”与“窗口 · 受理、补正、不予受理”不能用在同一件上" in said
    assert not clerk_as("section").may("counter.accept")  # only looked at
    given = county.send("/hall/people/grants/new", hidden(seen.text, "/hall/people/grants/new"))
    assert given.status_code == 303
    assert clerk_as("section").may("counter.accept", "/4414/441402/441402-scj/")
    assert hub.value("SELECT ends FROM hall_grant WHERE ends IS NOT NULL") == 1774972800.0
    page = given.headers["location"]
    assert "2026-04-01 00:00" in text(county.get(page).text)
    empty = county.post(page, f"{page}/revoke", {"reason": ""})
    assert empty.status_code == 422 and "请填写收回原因" in empty.text
    assert county.post(page, f"{page}/revoke", {"reason": "不再需要"}).status_code == 303
    assert not clerk_as("section").may("counter.accept")
    beyond = county.post(new, "/hall/people/grants/preview", typed | {"org": "4414", "ends": "30/2"})
    assert beyond.status_code == 422 and "日期写成" in beyond.text


@pytest.mark.req("S0-23")
def test_pages_show_only_the_own_subtree(place: Place, hub: Core, clerk_as: As) -> None:
    county = place.visitor().sign_in("administrator")
    assert "梅县区" not in text(county.get("/hall/people/orgs").text)
    assert "窗口丙" not in county.get("/hall/people/users?size=100").text
    assert "窗口甲" in county.get("/hall/people/users?words=ceshi.clerk").text
    other = clerk_as("other").user
    theirs = hub.value("SELECT id FROM hall_grant WHERE user = :user", user=other)
    for path in (
        f"users/{other}",
        f"users/{other}/edit",
        "orgs/441403",
        "orgs/4414/edit",
        f"grants/{theirs}",
    ):
        assert county.get(f"/hall/people/{path}").status_code in (403, 422), path
    keys = county.hidden("/hall/people/orgs/441402-scj", "/hall/people/orgs/441402-scj/entries")
    assert county.send(f"/hall/people/users/{other}/reset", keys).status_code == 403
    sheet = county.get("/hall/people/users?as=xlsx")
    assert sheet.content[:2] == b"PK"


def test_an_organisation_a_post_and_a_role_from_their_forms(place: Place, hub: Core) -> None:
    county = place.visitor().sign_in("administrator")
    new = "/hall/people/orgs/441402/new"
    typed = {
        "code": "441402-tjj",
        "name": "梅江区统计局",
        "kind": "organ",
        "parent": "梅江区",
        "region": "441402",
    }
    wrong = county.post(new, new, typed | {"uscc": "123"})
    assert wrong.status_code == 422 and "统一社会信用代码不对" in wrong.text
    assert county.post(new, new, typed).status_code == 303
    org = "/hall/people/orgs/441402-tjj"
    entry = county.post(org, f"{org}/entries", {"kind": "window", "entry": "", "name": ""})
    assert entry.status_code == 422 and 'href="#f-entry"' in entry.text
    assert (
        county.post(org, f"{org}/entries", {"kind": "post", "entry": "review", "name": "审核岗"}).status_code
        == 303
    )
    assert "审核岗" in county.get(org).text
    role = "/hall/people/roles/new"
    none = county.post(role, role, {"name": "查询", "org": "441402"})
    assert none.status_code == 422 and "请至少选择一项功能" in none.text
    made = county.post(
        role, role, {"name": "查询", "org": "441402", "functions": ["case.view", "items.view"]}
    )
    assert made.status_code == 303 and "查询" in county.get("/hall/people/roles").text
    assert hub.value("SELECT count(*) FROM hall_role WHERE name = '查询'") == 1


@pytest.mark.req("S0-26")
@pytest.mark.usefixtures("staff")
def test_single_sign_on_through_the_pages(hall: Hall, city: Program) -> None:
    http, providers = RestClient(10.0), dict[str, IdentityProvider]()
    extras = {people_sso.PROVIDERS: providers}
    with served(mounted(hall, FEATURES, extras=extras, sign_on=[("市统一身份认证", "/sso/cas")])) as place:
        providers["cas"] = Cas("cas", "市统一身份认证", city.url, "identity", http)
        service = f"{hall.settings.public_url}/sso/cas/back"
        known = {"client_id": "pages", "secret": "x", "services": [service]}
        assert city.client.post(f"{city.url}/admin/application", json=known).status_code == 200
        guest = place.visitor()
        assert "/hall/sso/cas" in guest.get("/hall/sign-in").text
        off = guest.get("/hall/sso/cas?next=/account")
        assert off.status_code == 303 and off.headers["location"].startswith(f"{city.url}/cas/login?")
        brought = visit(off.headers["location"])
        forged = guest.get("/hall/sso/cas/back", params={"state": "x", "ticket": "ST-1"})
        assert forged.status_code == 422 and "登录请求不存在或已过期" in forged.text
        stranger = place.visitor().get("/hall/sso/cas/back", params=brought)
        assert stranger.status_code == 422 and "另一个浏览器" in stranger.text
        again = guest.get("/hall/sso/cas?next=/account").headers["location"]
        back = guest.get("/hall/sso/cas/back", params=visit(again))
        assert (back.status_code, back.headers["location"]) == (303, "/hall/account")
        assert "统一身份认证（本次）" in text(guest.get("/hall/account").text).replace(" （", "（")
        assert guest.get("/hall/sso/none").headers["location"] == "/hall/sign-in"
    http.close()


@pytest.mark.req("SYS-08")
@pytest.mark.usefixtures("staff")
@pytest.mark.parametrize("leaving", ["/cas/logout", "/oidc/logout"])
def test_who_signs_out_at_the_city_is_signed_out_here(
    hall: Hall, hub: Core, city: Program, leaving: str
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hall"
    here = replace(hall, settings=replace(hall.settings, public_url=url))
    http, providers = RestClient(10.0), dict[str, IdentityProvider]()
    known = {"client_id": "out", "secret": "x", "services": [f"{url}/sso/cas/back"]}
    known |= {"redirects": [f"{url}/sso/oidc/back"], "backchannels": [f"{url}/sso/oidc/logout"]}
    assert city.client.post(f"{city.url}/admin/application", json=known).status_code == 200
    providers["cas"] = Cas("cas", "市统一身份认证", city.url, "identity", http)
    providers["oidc"] = Oidc("oidc", "市统一身份认证", city.url, "out", "x", time.time, "identity", http=http)
    extras = {people_sso.PROVIDERS: providers}
    with (
        served(mounted(here, FEATURES, extras=extras), listener) as place,
        httpx2.Client(timeout=10, trust_env=False) as browser,
        httpx2.Client(timeout=10, trust_env=False) as another,
    ):
        signing = [
            (browser, "ceshi.jia", "cas"),
            (browser, "ceshi.jia", "oidc"),
            (another, "ceshi.yi", "oidc"),
        ]
        came = []
        for at, login, way in signing:
            came.append(place.visitor())
            address = came[-1].get(f"/hall/sso/{way}").headers["location"]
            brought = signing_on(at, address, login)
            assert came[-1].get(f"/hall/sso/{way}/back", params=brought).status_code == 303
            assert came[-1].get("/hall/").status_code == 200
        browser.get(f"{city.url}{leaving}")
        until(lambda: hub.value("SELECT count(*) FROM hall_session") == 1)
        assert [one.get("/hall/").status_code for one in came] == [303, 303, 200]
    why = [json.loads(row["body"])["what"]["why"] for row in hub.rows(ENDED)]
    assert sorted(why) == ["signed out at cas", "signed out at oidc"]
    http.close()


ENDED = (
    "SELECT a.body FROM act a JOIN ledger_entry e ON e.seq = a.entry"
    " WHERE json_extract(e.leaf, '$.kind') = 'hall.signed_out'"
)
