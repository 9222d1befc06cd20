"""The city's single sign-on against its contract: directory, OpenID Connect (checked by joserfc), CAS."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from jsonschema import Draft202012Validator
from lxml import etree

from tests.mocks.jsonparty import ROOT, Identity, Program, b64url, until

CONTRACT = json.loads((ROOT / "adapters/identity/contract/openapi.json").read_text("utf-8"))
PAGE = Draft202012Validator({
    "$ref": "#/components/schemas/directory", "components": CONTRACT["components"]
})  # fmt: skip
APP, BACK, SERVICE = "http://app.example/back", "http://app.example/bye", "http://app.example/cas/"
CAS = {"cas": "http://www.yale.edu/tp/cas"}


class Fields(HTMLParser):
    """The form of a page: where it goes, and its hidden fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action, self.hidden, self.names = "", dict[str, str](), set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = found["action"]
        if tag == "input":
            self.names.add(found["name"])
            if found.get("type") == "hidden":
                self.hidden[found["name"]] = found["value"]


class Sso(Program):
    """The sign-on process, and a browser in front of it."""

    def __init__(self, folder: Path, **own: Any) -> None:
        settings = {
            "client_id": "console", "client_secret": "s3c/ret+", "redirects": [APP], "services": [SERVICE],
            "logout_redirects": [BACK],
        }  # fmt: skip
        super().__init__("identity", folder, b"{}", **(settings | own))
        self.browser = httpx2.Client(timeout=10, trust_env=False, follow_redirects=False, base_url=self.url)

    def close(self) -> None:
        self.browser.close()
        super().close()

    def page(self, since: Any = 0, cursor: str = "", size: Any = 200, more: str = "") -> Any:
        answer = self.send("GET", f"/directory/v1/changes?since={since}&cursor={cursor}&size={size}{more}")
        said = self.checked(answer)
        assert answer.status_code == 200 and PAGE.is_valid(said)
        return said

    def round(self, since: int, size: int) -> list[Any]:
        """The pages of a round."""
        pages = [self.page(since, size=size)["data"]]
        while cursor := pages[-1].get("cursor"):
            pages.append(self.page(since, cursor, size)["data"])
        return pages

    def authorize(self, verifier: str = "v" * 43, **more: Any) -> httpx2.Response:
        challenge = b64url(hashlib.sha256(verifier.encode()).digest())
        params = {
            "response_type": "code", "client_id": "console", "redirect_uri": APP, "state": "st&1",
            "nonce": "n0", "scope": "openid profile offline_access", "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | more  # fmt: skip
        return self.browser.get("/oidc/authorize", params={k: v for k, v in params.items() if v is not None})

    def sign_in(self, page: httpx2.Response, login: str = "ceshi.jia", word: str = "", **more: str) -> Any:
        """Fills the form of a login page in."""
        assert page.status_code in (200, 401), page.text
        fields = Fields(page.text)
        assert fields.action == "/login" and {"username", "password"} <= fields.names
        data = fields.hidden | {"username": login, "password": word or f"{login}-pass"} | more
        return self.browser.post(fields.action, data=data)

    def token(self, auth: Any = ("console", "s3c/ret+"), **data: Any) -> httpx2.Response:
        headers = {}
        if auth:
            pair = ":".join(httpx2.QueryParams({"x": part}).__str__()[2:] for part in auth)
            headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return self.client.post(f"{self.url}/oidc/token", data=data, headers=headers)

    def bought(self, code: str, verifier: str = "v" * 43, **more: Any) -> httpx2.Response:
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": APP,
            "code_verifier": verifier,
        }
        return self.token(**(given | more))

    def claims(self, token: str) -> dict[str, Any]:
        """What an ID token says, after joserfc verified it by the JWKS."""
        keys = KeySet.import_key_set(self.client.get(f"{self.url}/oidc/jwks").json())
        return dict(jwt.decode(token, keys, algorithms=["ES256"]).claims)

    def userinfo(self, token: str) -> httpx2.Response:
        return self.client.get(f"{self.url}/oidc/userinfo", headers={"Authorization": f"Bearer {token}"})

    def change(self, **rows: Any) -> httpx2.Response:
        return self.client.post(f"{self.url}/admin/change", json=rows)

    def ticket(self, **more: str) -> tuple[str, httpx2.Response]:
        """A service ticket of a fresh login or the session, and the redirect that brought it."""
        answer = self.browser.get("/cas/login", params={"service": SERVICE + "x?a=1"} | more)
        if answer.status_code == 200:
            answer = self.sign_in(answer)
        return query(answer).get("ticket", ""), answer

    def validated(self, ticket: str, service: str = SERVICE + "x?a=1", path: str = "p3/", **more: str) -> Any:
        params = {"service": service, "ticket": ticket} | more
        answer = self.client.get(f"{self.url}/cas/{path}serviceValidate", params=params)
        assert answer.status_code == 200
        if "json" in answer.headers["content-type"]:
            return answer.json()
        assert answer.headers["content-type"].startswith("application/xml")
        return etree.fromstring(answer.content)


def query(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def failure(found: Any) -> str:
    return str(found.find("cas:authenticationFailure", CAS).get("code"))


@pytest.fixture
def sso(tmp_path: Path) -> Iterator[Any]:
    made: list[Sso] = []

    def make(**own: Any) -> Sso:
        made.append(Sso(tmp_path, **own))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_round_of_the_directory_is_one_version(sso: Any) -> None:
    program = sso()
    pages = program.round(0, 4)
    assert len({(one["version"], one["total"]) for one in pages}) == 1
    orgs = [row for one in pages for row in one["orgs"]]
    users = [row for one in pages for row in one["users"]]
    assert len(orgs) + len(users) == pages[0]["total"] == 19
    assert any(one["users"] and one["orgs"] for one in pages)
    seen: set[str] = set()
    for row in orgs:
        assert row.get("parentId", row["orgId"]) in seen | {row["orgId"]}
        seen.add(row["orgId"])
        assert row.get("creditCode", "")[8:17] == row.get("orgCode", "")
    assert {row["orgId"] for row in users} <= seen
    version = pages[0]["version"]
    assert program.page(version)["data"] == {
        "since": version, "version": version, "total": 0, "orgs": [], "users": []
    }  # fmt: skip
    assert {one["kind"] for one in program.admin("record")} == {"directory"}
    assert len(program.admin("record")) == len(pages) + 1, "what it answered, the empty page too"


def test_changes_come_once_as_they_are_now_and_a_round_goes_on_undisturbed(sso: Any) -> None:
    program = sso()
    first = program.page(0, size=15)["data"]
    version = first["version"]
    assert program.change(
        orgs=[
            {"orgId": "O111", "orgName": "审批科", "parentId": "O160"},
            {"orgId": "O160", "orgName": "新局", "areaCode": "441400000000", "parentId": "O100"},
        ],
        users=[{"userId": "U1001", "duty": "处长"}, {"userId": "U1001", "duty": None}],
    ).status_code == 200  # fmt: skip
    rest = program.page(0, first["cursor"], 15)["data"]
    assert (rest["version"], rest["total"]) == (version, first["total"])
    assert len(rest["users"]) == 4
    later = program.page(version)["data"]
    assert [row["orgId"] for row in later["orgs"]] == ["O160", "O111"]
    assert [(row["userId"], "duty" in row) for row in later["users"]] == [("U1001", False)]
    for wrong in (
        {}, {"orgs": [{"orgId": "O999", "orgName": "x"}]}, {"users": [{"userId": "U1001", "orgId": "O0"}]},
        {"users": [{"userId": "U1002", "loginName": "ceshi.jia"}]}, {"users": [{"userId": "U1", "x": 1}]},
        {"orgs": [{"orgId": "O110", "creditCode": "XX0031309"}]}, {"x": []}, {"drawn": 0},
    ):  # fmt: skip
        assert program.change(**wrong).status_code == 422
    assert program.page(later["version"])["data"]["total"] == 0
    assert program.change(drawn=5).json()["version"] == later["version"] + 5


def test_errors_of_the_directory(sso: Any) -> None:
    program = sso()
    version = program.page(0)["data"]["version"]
    cursor = program.page(0, size=5)["data"]["cursor"]
    for since, asked, size, more, code in (
        ("x", "", 5, "", "40002"), (0, "", 0, "", "40002"), (0, "", 501, "", "40002"),
        (-1, "", 5, "", "40002"), (0, "", 5, "&since=1", "40002"), (0, "", 5, "&x=1", "40002"),
        (0, "nothing", 5, "", "40003"),
        (1, cursor, 5, "", "40003"), (version + 1, "", 5, "", "40004"),
    ):  # fmt: skip
        assert program.page(since, asked, size, more)["errcode"] == code
    path = "/directory/v1/changes?since=0&cursor=&size=5"
    stranger = Identity("stranger").seal(b"", method="GET", path=path)
    other = program.hub.seal(b"", method="GET", path=path + "0")
    for seal in (None, stranger, other):
        assert program.send("GET", path, seal=seal).json()["errcode"] == "40001"
    program.client.post(f"{program.url}/admin/forget", json={"before": 5})
    assert program.page(4)["errcode"] == "40004"
    assert program.page(5)["errcode"] == program.page(0)["errcode"] == "0"


def test_faults_of_the_directory(sso: Any) -> None:
    program = sso()
    cursor = program.page(0, size=5)["data"]["cursor"]
    program.arm(operation="directory", fault="cursor_lost")
    assert program.page(0, cursor, 5)["errcode"] == "40003"
    program.arm(operation="directory", fault="pagination_shift", value=2)
    rows = program.page(0, cursor, 5)["data"]["orgs"]
    assert rows[0]["orgId"] == program.page(0, size=5)["data"]["orgs"][3]["orgId"]
    program.arm(operation="directory", fault="nine_characters")
    path = "/directory/v1/changes?since=0&cursor=&size=500"
    said = program.checked(program.send("GET", path))
    assert not PAGE.is_valid(said)
    assert said["data"]["orgs"][1]["creditCode"] == "XX0031309"
    program.arm(operation="directory", fault="rate_limit")
    assert program.page(0)["errcode"] == "45009"
    program.arm(operation="directory", fault="http200_error_body")
    assert program.page(0)["errcode"] == "-1"
    program.arm(operation="directory", fault="maintenance")
    assert program.send("GET", path).status_code == 503
    program.arm(operation="directory", fault="sig_bad")
    with pytest.raises(JoseError):
        program.checked(program.send("GET", path))
    assert program.arm(operation="userinfo", fault="sig_bad").status_code == 422


def test_code_flow_with_pkce(sso: Any) -> None:
    program = sso()
    found = program.client.get(f"{program.url}/.well-known/openid-configuration").json()
    assert found["issuer"] == program.url and found["code_challenge_methods_supported"] == ["S256"]
    first = program.sign_in(program.authorize())
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie
    assert query(first)["state"] == "st&1" and first.headers["location"].startswith(APP + "?")
    answer = program.bought(query(first)["code"])
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"], said["scope"]) == (
        "Bearer",
        3600,
        "openid profile offline_access",
    )
    claims = program.claims(said["id_token"])
    assert (claims["iss"], claims["sub"], claims["aud"], claims["nonce"]) == (
        program.url,
        "U1001",
        "console",
        "n0",
    )
    assert claims["exp"] - claims["iat"] == 300 and abs(claims["auth_time"] - time.time()) < 10
    profile = {
        "preferred_username": "ceshi.jia", "name": "测试甲", "org_id": "O111", "org_name": "行政审批科",
        "area_code": "441400000000",
    }  # fmt: skip
    assert profile.items() <= claims.items() and claims["acr"] == "real_name"
    assert program.userinfo(said["access_token"]).json() == profile | {"sub": "U1001"}
    again = program.authorize(scope="openid", nonce="n1")
    short = program.bought(query(again)["code"]).json()
    assert "refresh_token" not in short
    assert "name" not in program.claims(short["id_token"])
    assert program.userinfo(short["access_token"]).json() == {"sub": "U1001"}
    assert program.admin("record") == []


def test_refused_authorizations(sso: Any) -> None:
    program = sso()
    for unknown in ({"client_id": "x"}, {"redirect_uri": APP + "/"}, {"redirect_uri": None}):
        assert program.authorize(**unknown).status_code == 400
    for change, error in (
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"), ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"), ({"scope": "profile"}, "invalid_scope"),
        ({"nonce": None}, "invalid_request"), ({"prompt": "consent"}, "invalid_request"),
        ({"max_age": "x"}, "invalid_request"), ({"prompt": "none"}, "login_required"),
    ):  # fmt: skip
        said = query(program.authorize(**change))
        assert said == {"error": error, "state": "st&1"}
    assert query(program.authorize(state=None)) == {"error": "invalid_request"}
    assert query(program.sign_in(program.authorize(), cancel="1"))["error"] == "access_denied"
    page = program.authorize(state='"><script>')
    assert "<script>" not in page.text and Fields(page.text).hidden["state"] == '"><script>'
    program.sign_in(program.authorize())
    assert "code" in query(program.authorize(prompt="none"))
    assert program.authorize(prompt="login").status_code == 200
    time.sleep(1.1)
    assert program.authorize(max_age=0).status_code == 200
    assert "code" in query(program.authorize(max_age=60))


def test_refused_tokens(sso: Any) -> None:
    program = sso()

    def code() -> str:
        answer = program.authorize()
        return query(program.sign_in(answer) if answer.status_code == 200 else answer)["code"]

    def said(answer: httpx2.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["error"]

    for auth in (("console", "wrong"), ("nobody", "s3c/ret+"), None):
        assert said(program.bought(code(), **({"auth": auth}))) == (401, "invalid_client")
    good = program.bought(code(), auth=None, client_id="console", client_secret="s3c/ret+")
    assert good.status_code == 200
    for change, error in (
        ({"redirect_uri": BACK}, "invalid_grant"), ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code": "x"}, "invalid_grant"), ({"code_verifier": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"), ({"grant_type": ""}, "invalid_request"),
        ({"client_secret": "s3c/ret+"}, "invalid_request"),
    ):  # fmt: skip
        assert said(program.bought(**({"code": code()} | change))) == (400, error)
    used = code()
    first = program.bought(used).json()
    assert said(program.bought(used)) == (400, "invalid_grant")
    assert program.userinfo(first["access_token"]).status_code == 401
    assert "invalid_token" in program.userinfo("x").headers["www-authenticate"]
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert said(program.token(**refresh)) == (400, "invalid_grant")
    old = code()
    program.client.post(f"{program.url}/admin/clock", json={"offset_s": 61})
    assert said(program.bought(old)) == (400, "invalid_grant")


def test_refresh_tokens_keys_and_disabled_users(sso: Any) -> None:
    program = sso()
    first = program.bought(query(program.sign_in(program.authorize()))["code"]).json()
    kid = program.client.post(f"{program.url}/admin/rotate").json()["kid"]
    renewed = program.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    again = program.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.json() == {"error": "invalid_grant"}
    head = json.loads(base64.urlsafe_b64decode(renewed["id_token"].split(".")[0] + "=="))
    assert head["kid"] == kid
    assert program.claims(renewed["id_token"])["sub"] == program.claims(first["id_token"])["sub"]
    program.change(users=[{"userId": "U1001", "enabled": "0"}])
    assert program.userinfo(renewed["access_token"]).status_code == 401
    assert (
        program.token(grant_type="refresh_token", refresh_token=renewed["refresh_token"]).status_code == 400
    )
    page = program.authorize()
    assert page.status_code == 200  # the session is worth nothing any more
    assert program.sign_in(page).status_code == 401
    program.client.post(f"{program.url}/admin/clock", json={"offset_s": 86_500})
    assert [one["kid"] for one in program.client.get(f"{program.url}/oidc/jwks").json()["keys"]] == [kid]


def test_five_wrong_passwords_lock_and_the_page_says_the_same(sso: Any) -> None:
    program = sso()
    page = program.authorize()
    answers = [program.sign_in(page, word="wrong") for _ in range(5)]
    answers += [
        program.sign_in(page),
        program.sign_in(page, login="nobody"),
        program.sign_in(page, login="yangli.wu"),
    ]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    assert program.sign_in(page, login="ceshi.yi").status_code == 302
    program.browser.cookies.clear()
    program.client.post(f"{program.url}/admin/clock", json={"offset_s": 301})
    assert program.sign_in(program.authorize()).status_code == 302


def test_sessions_end_by_time_and_by_logout(sso: Any) -> None:
    program = sso()
    program.sign_in(program.authorize())
    hint = program.bought(query(program.authorize())["code"]).json()["id_token"]
    clock = f"{program.url}/admin/clock"
    program.client.post(clock, json={"offset_s": 1700})
    assert program.authorize().status_code == 302
    program.client.post(clock, json={"offset_s": 1700 + 1801})
    assert program.authorize().status_code == 200
    program.client.post(clock, json={"offset_s": 0})
    program.sign_in(program.authorize())
    wrong = {"id_token_hint": hint, "post_logout_redirect_uri": APP}
    assert program.browser.get("/oidc/logout", params=wrong).status_code == 400
    assert program.browser.get("/oidc/logout", params={"id_token_hint": hint + "x"}).status_code == 400
    right = {"id_token_hint": hint, "post_logout_redirect_uri": BACK, "state": "s"}
    answer = program.browser.get("/oidc/logout", params=right)
    assert answer.headers["location"] == f"{BACK}?state=s"
    assert program.authorize().status_code == 200


def test_faults_of_tokens(sso: Any) -> None:
    program = sso()
    program.sign_in(program.authorize())
    program.arm(operation="token", fault="sig_bad")
    with pytest.raises(JoseError):
        program.claims(program.bought(query(program.authorize())["code"]).json()["id_token"])
    program.arm(operation="token", fault="sig_expired")
    claims = program.claims(program.bought(query(program.authorize())["code"]).json()["id_token"])
    assert claims["exp"] < time.time() - 3000
    program.arm(operation="jwks", fault="http500")
    assert program.client.get(f"{program.url}/oidc/jwks").status_code == 500
    program.arm(operation="authorize", fault="drop_before_reply")
    with pytest.raises(httpx2.HTTPError):
        program.authorize()
    program.arm(operation="validate", fault="internal_error")
    assert failure(program.validated("ST-" + "0" * 40)) == "INTERNAL_ERROR"


def test_cas_tickets(sso: Any) -> None:
    program = sso()
    assert program.browser.get("/cas/login", params={"service": "http://evil.example/"}).status_code == 403
    gateway = program.browser.get("/cas/login", params={"service": SERVICE, "gateway": "true"})
    assert (gateway.status_code, gateway.headers["location"]) == (302, SERVICE)
    ticket, answer = program.ticket()
    assert ticket.startswith("ST-") and len(ticket) >= 40
    assert answer.headers["location"] == f"{SERVICE}x?a=1&ticket={ticket}"
    found = program.validated(ticket)
    assert found.tag == "{http://www.yale.edu/tp/cas}serviceResponse"
    assert found.findtext(".//cas:user", namespaces=CAS) == "ceshi.jia"
    attributes = {etree.QName(one).localname: one.text for one in found.find(".//cas:attributes", CAS)}
    assert set(attributes) == {
        "userId", "userName", "orgId", "orgName", "areaCode", "realName", "authenticationDate",
        "isFromNewLogin", "longTermAuthenticationRequestTokenUsed",
    }  # fmt: skip
    assert (attributes["userId"], attributes["isFromNewLogin"]) == ("U1001", "true")
    assert failure(program.validated(ticket)) == "INVALID_TICKET"
    second, _ = program.ticket()
    plain = program.validated(second, path="")
    assert plain.findtext(".//cas:user", namespaces=CAS) == "ceshi.jia"
    assert plain.find(".//cas:attributes", CAS) is None
    third, _ = program.ticket()
    said = program.validated(third, format="JSON")["serviceResponse"]["authenticationSuccess"]
    assert (said["user"], said["attributes"]["isFromNewLogin"]) == ("ceshi.jia", "false")
    told = program.validated("ST-x", format="JSON")["serviceResponse"]["authenticationFailure"]
    assert told["code"] == "INVALID_TICKET"


def test_failed_cas_validations(sso: Any) -> None:
    program = sso()
    program.ticket()
    ticket, _ = program.ticket()
    assert failure(program.validated(ticket, SERVICE)) == "INVALID_SERVICE"
    assert failure(program.validated(ticket)) == "INVALID_TICKET"  # any validation uses it up
    assert failure(program.validated("")) == "INVALID_REQUEST"
    assert failure(program.validated("PT-" + secrets.token_hex(24))) == "INVALID_TICKET_SPEC"
    old, _ = program.ticket()
    assert failure(program.validated(old, renew="true")) == "INVALID_TICKET"
    fresh, answer = program.ticket(renew="true")
    assert answer.status_code == 302
    assert program.validated(fresh, renew="true").find(".//cas:user", CAS) is not None
    late, _ = program.ticket()
    program.client.post(f"{program.url}/admin/clock", json={"offset_s": 11})
    assert failure(program.validated(late)) == "INVALID_TICKET"


class Ear(BaseHTTPRequestHandler):
    """Hears logouts."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append(parse_qs(body)["logoutRequest"][0])  # type: ignore[attr-defined]
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


def test_a_cas_logout_is_told_to_every_service_once(sso: Any) -> None:
    server = HTTPServer(("127.0.0.1", 0), Ear)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    service = f"http://127.0.0.1:{server.server_port}/"
    program = sso(services=[service])
    program.client.post(f"{program.url}/admin/application", json={
        "client_id": "second", "secret": "x", "services": [SERVICE]
    })  # fmt: skip
    tickets = [
        query(program.sign_in(program.browser.get("/cas/login", params={"service": service})))["ticket"]
    ]
    tickets.append(query(program.browser.get("/cas/login", params={"service": service + "b"}))["ticket"])
    answer = program.browser.get("/cas/logout", params={"service": SERVICE})
    assert answer.headers["location"] == SERVICE
    heard = until(lambda: server.heard if len(server.heard) == 2 else None)
    time.sleep(0.2)
    server.shutdown()
    thread.join()
    server.server_close()
    found = [etree.fromstring(text.encode()) for text in heard]
    names = [one.findtext("{urn:oasis:names:tc:SAML:2.0:protocol}SessionIndex") for one in found]
    assert names == tickets and len(server.heard) == 2
    assert found[0].get("Version") == "2.0"
    assert program.browser.get("/cas/login", params={"service": service}).status_code == 200
