"""Single sign-on: the city's provider as a process by OpenID Connect and CAS, a gateway's ticket, attacks."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import update

from exchange.errors import Misconfigured, TryLater
from exchange.transports.rest import Answer as HttpAnswer
from exchange.transports.rest import RestClient
from hallservice.hall import Hall
from hallservice.people import cas, credentials, providers, sessions, sso
from hallservice.people import tables as t
from hallservice.people.cas import Cas
from hallservice.people.clerk import Clerk
from hallservice.people.headerticket import HeaderTicket
from hallservice.people.local import Local
from hallservice.people.oidc import Oidc
from hallservice.people.port import Answer, IdentityProvider, Trip
from hallservice.refusals import HallRefused
from tests.exchange.core.rig import Core
from tests.hallservice.people.cityside import CALLBACK, visit
from tests.hallservice.world import LOGINS, PASSWORD
from tests.mocks.jsonparty import Program

BROWSER = "a secret in a cookie"


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(HallRefused) as caught:
        act()
    assert caught.value.said
    return caught.value.code


@pytest.fixture(scope="module")
def http() -> Iterator[RestClient]:
    client = RestClient(10.0)
    yield client
    client.close()


@pytest.fixture
def oidc(city: Program, http: RestClient) -> Oidc:
    return Oidc("oidc", "市统一身份认证", city.url, "hall", "s3c/ret+", time.time, "identity", http=http)


@pytest.fixture
def by_cas(city: Program, http: RestClient) -> Cas:
    return Cas("cas", "市统一身份认证", city.url, "identity", http)


def begin(hall: Hall, provider: IdentityProvider, back: str = "/cases") -> str:
    return sso.begin(hall, provider, CALLBACK.format(provider.name), BROWSER, back)


def finish(
    hall: Hall, provider: IdentityProvider, values: Mapping[str, list[str]], browser: str = BROWSER
) -> sso.Arrived:
    answer = Answer(values, client="10.1.1.1")
    return sso.finish(hall, provider, CALLBACK.format(provider.name), browser, answer)


def failures(hub: Core) -> list[str]:
    sql = (
        "SELECT a.body FROM act a JOIN ledger_entry e ON e.seq = a.entry"
        " WHERE json_extract(e.leaf, '$.kind') = 'hall.sign_in_failed' ORDER BY a.entry"
    )
    return [json.loads(row["body"])["what"]["code"] for row in hub.rows(sql)]


@pytest.mark.req("S0-26")
@pytest.mark.usefixtures("staff")
@pytest.mark.parametrize("kind", ["oidc", "by_cas"])
def test_the_citys_sign_on_opens_a_session(
    hall: Hall, hub: Core, kind: str, request: pytest.FixtureRequest
) -> None:
    provider: IdentityProvider = request.getfixturevalue(kind)
    brought = visit(begin(hall, provider))
    arrived = finish(hall, provider, brought)
    signed = sessions.find(hall, arrived.session.token)
    assert signed is not None and signed.clerk.staff_no == "U1001" and arrived.back == "/cases"
    assert hub.value("SELECT level FROM hall_user WHERE staff_no = 'U1001'") == "verified"
    assert hub.value("SELECT provider FROM hall_session") == provider.name
    # The same answer again, its code or ticket on another trip, another browser's answer: nothing opens.
    assert refusal(lambda: finish(hall, provider, brought)) == "sso_state"
    state = parse_qs(urlsplit(begin(hall, provider)).query)
    fresh = state.get("state") or parse_qs(urlsplit(state["service"][0]).query)["state"]
    assert refusal(lambda: finish(hall, provider, brought | {"state": fresh})) in ("sso_code", "sso_ticket")
    stolen = visit(begin(hall, provider))
    assert refusal(lambda: finish(hall, provider, stolen, "another cookie")) == "sso_browser"
    assert refusal(lambda: finish(hall, provider, stolen)) == "sso_state"
    assert refusal(lambda: finish(hall, provider, {"state": ["x", "y"]})) == "sso_answer"
    late = visit(begin(hall, provider))
    hub.clock.on(601)
    assert refusal(lambda: finish(hall, provider, late)) == "sso_state"
    assert len(failures(hub)) == 6 and hub.value("SELECT count(*) FROM hall_session") == 1
    # By login where the number is not known, and by nobody's login else.
    assert finish(hall, provider, visit(begin(hall, provider), "ceshi.yi"))
    hall.write(
        lambda work: work.connection.execute(
            update(t.user).where(t.user.c.login == "ceshi.yi").values(login="y")
        )
    )
    assert (
        refusal(lambda: finish(hall, provider, visit(begin(hall, provider), "ceshi.yi")))
        == "sso_unknown_staff"
    )


@pytest.mark.usefixtures("staff")
def test_who_is_here_no_more_or_not_verified_is_refused(
    hall: Hall, hub: Core, city: Program, by_cas: Cas, oidc: Oidc, clerk_as: Callable[[str], Clerk]
) -> None:
    user = hub.value("SELECT id FROM hall_user WHERE staff_no = 'U1001'")
    credentials.lock(hall, clerk_as("root"), user)
    assert refusal(lambda: finish(hall, by_cas, visit(begin(hall, by_cas)))) == "sso_closed"
    credentials.unlock(hall, clerk_as("root"), user)
    changed = city.client.post(
        f"{city.url}/admin/change", json={"users": [{"userId": "U1003", "realName": "0"}]}
    )
    assert changed.status_code == 200
    for provider in (by_cas, oidc):
        brought = visit(begin(hall, provider), "yangli.bing")
        assert refusal(lambda p=provider, b=brought: finish(hall, p, b)) == "sso_not_real_name"
    lax = replace(
        hall, settings=replace(hall.settings, accounts=replace(hall.settings.accounts, real_name=False))
    )
    assert finish(lax, oidc, visit(begin(lax, oidc), "yangli.bing"))
    assert hub.value("SELECT level FROM hall_user WHERE staff_no = 'U1003'") == "unverified"
    # A login that another person of the directory has now does not open the old holder's account.
    hall.write(
        lambda work: work.connection.execute(
            update(t.user).where(t.user.c.id == user).values(source_id="U999")
        )
    )
    assert refusal(lambda: finish(hall, oidc, visit(begin(hall, oidc)))) == "sso_unknown_staff"


@pytest.mark.usefixtures("staff")
def test_the_provider_changes_its_key_or_is_away(
    hall: Hall, city: Program, oidc: Oidc, by_cas: Cas, http: RestClient
) -> None:
    assert finish(hall, oidc, visit(begin(hall, oidc)))
    assert city.client.post(f"{city.url}/admin/rotate").status_code == 200
    assert finish(hall, oidc, visit(begin(hall, oidc)))
    assert (
        refusal(lambda: finish(hall, oidc, {"state": _state(begin(hall, oidc)), "error": ["access_denied"]}))
        == "sso_denied"
    )
    brought = visit(begin(hall, by_cas))
    assert city.arm(operation="validate", fault="http500").status_code < 300
    assert refusal(lambda: finish(hall, by_cas, brought)) == "sso_away"
    nowhere = Oidc("oidc", "", "http://127.0.0.1:1", "hall", "s", time.time, http=http)
    assert refusal(lambda: begin(hall, nowhere)) == "sso_away"


def _state(address: str) -> list[str]:
    return parse_qs(urlsplit(address).query)["state"]


# -- ID tokens nobody may accept


ISSUER, NOW = "https://idp.example", 1_800_000_000
KEY, OTHER = ECKey.generate_key("P-256", {"kid": "k"}), ECKey.generate_key("P-256", {"kid": "k"})
TRIP = Trip("http://hall.example/back", "state", "nonce", "v" * 43)
GOOD = {
    "iss": ISSUER,
    "aud": "hall",
    "sub": "U1",
    "iat": NOW,
    "exp": NOW + 300,
    "nonce": "nonce",
    "acr": "real_name",
}


@dataclass
class Canned:
    """A provider that says what it is told to say."""

    token: Any
    settings: dict[str, Any]

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        said: Any = {"id_token": self.token}
        if url.endswith("openid-configuration"):
            said = self.settings
        elif url.endswith("/jwks"):
            said = KeySet([KEY]).as_dict(private=False)
        return HttpAnswer(200, said if isinstance(said, bytes) else json.dumps(said).encode(), {})


def provider_saying(token: Any, **settings: Any) -> Oidc:
    told = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/a", "token_endpoint": f"{ISSUER}/t"}
    http: Any = Canned(token, told | {"jwks_uri": f"{ISSUER}/jwks"} | settings)
    return Oidc("oidc", "", ISSUER, "hall", "s", lambda: float(NOW), http=http)


def signed(key: Any = KEY, alg: str = "ES256", **claims: Any) -> str:
    body = {name: value for name, value in (GOOD | claims).items() if value is not None}
    return str(jwt.encode({"alg": alg, "kid": "k"}, body, key, algorithms=[alg]))


def unsigned() -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, GOOD)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def confused() -> str:
    """HS256 with what everybody knows of the key."""
    first, second, _ = unsigned().replace("eyJhbGciOiAibm9uZSJ9", "eyJhbGciOiAiSFMyNTYifQ").split(".")
    mac = hmac.digest(KEY.as_pem(private=False), f"{first}.{second}".encode(), "sha256")
    return f"{first}.{second}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (signed(OTHER), "sso_token"),
        (unsigned(), "sso_token"),
        (confused(), "sso_token"),
        (signed(iss="https://evil.example"), "sso_token"),
        (signed(aud="another"), "sso_token"),
        (signed(aud=["hall", "another"]), "sso_token"),
        (signed(azp="another"), "sso_token"),
        (signed(exp=NOW - 61), "sso_token"),
        (signed(iat=NOW + 61), "sso_token"),
        (signed(exp=None), "sso_token"),
        (signed(exp="soon"), "sso_token"),
        (signed(sub=None), "sso_token"),
        (signed(sub=["U1"]), "sso_token"),
        (signed(nonce="another"), "sso_nonce"),
        (signed(nonce=None), "sso_nonce"),
        (signed()[:-3] + "abc", "sso_token"),
        ("a.b.c", "sso_token"), ("", "sso_token"), ("....", "sso_token"), ("\ud800.é.ü", "sso_token"),
        (None, "sso_token"), (["x"], "sso_token"), ("A" * 300_000, "sso_code"),
    ],
)  # fmt: skip
def test_forged_and_foreign_tokens(token: Any, code: str) -> None:
    answer = Answer({"code": ["c"]})
    assert provider_saying(signed()).identify(TRIP, answer).subject == "U1"
    assert refusal(lambda: provider_saying(token).identify(TRIP, answer)) == code


@pytest.mark.parametrize(
    "settings",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://idp.example/t"}, {"token_endpoint": None},
     {"jwks_uri": "file:///etc/passwd"}, {"authorization_endpoint": 7}],
)  # fmt: skip
def test_a_provider_that_describes_itself_wrongly(settings: dict[str, Any]) -> None:
    provider = provider_saying(signed(), **settings)
    answer = Answer({"code": ["c"]})
    assert refusal(lambda: (provider.address(TRIP), provider.identify(TRIP, answer))) == "sso_provider"


# -- what a CAS server never says


SPACE = 'xmlns:cas="http://www.yale.edu/tp/cas"'
ENTITY = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
USER = "<cas:user>ceshi.jia</cas:user>"


def response(inside: str, space: str = SPACE) -> bytes:
    return f"<cas:serviceResponse {space}>{inside}</cas:serviceResponse>".encode()


def success(inside: str) -> bytes:
    return response(f"<cas:authenticationSuccess>{inside}</cas:authenticationSuccess>")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (response('<cas:authenticationFailure code="INVALID_TICKET"/>'), "sso_ticket"),
        (success(USER + USER), "sso_answer"),
        (success(""), "sso_answer"),
        (success("<cas:user>a<cas:b/>c</cas:user>"), "sso_answer"),
        (success(f"<cas:proxy>{USER}</cas:proxy>"), "sso_answer"),
        (success(USER.replace("cas:", "")), "sso_answer"),
        (response(USER), "sso_answer"),
        (success(USER)[:-5], "sso_answer"),
        (response("<cas:authenticationSuccess/><cas:authenticationSuccess/>"), "sso_answer"),
        (success(USER).replace(b"yale.edu", b"evil.edu"), "sso_answer"),
        (ENTITY + success(USER.replace("ceshi", "&e;")), "sso_answer"),
        (success(USER + "<cas:attributes/>" * 2), "sso_answer"),
        (success(USER + "<cas:a>" * 20 + "</cas:a>" * 20), "sso_answer"),
        (b"\xff\xfe\x00", "sso_answer"), (b"", "sso_answer"), (b'{"serviceResponse":{}}', "sso_answer"),
        (success(USER + "x" * 70_000), "sso_answer"),
    ],
)  # fmt: skip
def test_answers_that_are_no_validation(body: bytes, code: str) -> None:
    assert refusal(lambda: cas.read(body)) == code


def test_a_comment_does_not_cut_a_name_short() -> None:
    assert cas.read(success("<cas:user>admin<!-- x -->.impostor</cas:user>")).login == "admin.impostor"


@pytest.mark.parametrize("ticket", ["", "PT-1", "ST-", "ST-a b", "ST-é", "ST-" + "a" * 300])
def test_a_ticket_of_another_form_is_not_even_asked_about(ticket: str) -> None:
    asked: Any = Canned(None, {})
    asked.send = lambda *_: pytest.fail("asked")
    provider = Cas("cas", "", ISSUER, http=asked)
    assert refusal(lambda: provider.identify(TRIP, Answer({"ticket": [ticket]}))) == "sso_ticket"


# -- a gateway's ticket, and the accounts of the hall behind the same port


def test_a_gateways_ticket_is_good_once(hall: Hall, hub: Core) -> None:
    now = int(hub.clock.now)
    good = {
        "iss": "gw",
        "aud": "hall",
        "login": LOGINS["clerk"],
        "iat": now,
        "exp": now + 60,
        "real_name": True,
    }
    public = ECKey.import_key(KEY.as_pem(private=False))
    provider = HeaderTicket("gate", "门户", hall, public, "gw", "hall")

    def ticket(key: Any = KEY, alg: str = "ES256", **claims: Any) -> str:
        body = {name: value for name, value in (good | {"jti": "j1"} | claims).items() if value is not None}
        return str(jwt.encode({"alg": alg}, body, key, algorithms=[alg]))

    def arrive(said: str) -> sso.Arrived:
        answer = Answer({"state": _state(begin(hall, provider))}, {"x-gov-ticket": said})
        return sso.finish(hall, provider, CALLBACK.format("gate"), BROWSER, answer)

    first = ticket()
    assert sessions.find(hall, arrive(first).session.token)
    for said, code in (
        (first, "sso_replay"), (ticket(exp=now + 40), "sso_replay"), ("", "sso_ticket"),
        (ticket(OTHER, jti="2"), "sso_ticket"), (confused(), "sso_ticket"),
        (ticket(jti="2", aud="another"), "sso_ticket"), (ticket(jti="2", iss="another"), "sso_ticket"),
        (ticket(jti="2", exp=now - 31), "sso_ticket"), (ticket(jti="2", exp=now + 301), "sso_ticket"),
        (ticket(jti="2", iat=now + 31), "sso_ticket"), (ticket(jti=None), "sso_ticket"),
        (ticket(jti=7), "sso_ticket"),
        (ticket(jti="2", login="nobody"), "sso_unknown_staff"), (ticket(jti="3", login=5), "sso_ticket"),
        (ticket(jti="4", real_name=False), "sso_not_real_name"), (unsigned(), "sso_ticket"),
    ):  # fmt: skip
        assert refusal(lambda said=said: arrive(said)) == code, said


def test_the_halls_own_accounts_stand_behind_the_same_port(hall: Hall, hub: Core) -> None:
    provider = Local(hall)

    def arrive(password: str) -> sso.Arrived:
        values = {"state": _state(begin(hall, provider)), "login": [LOGINS["clerk"]], "password": [password]}
        return finish(hall, provider, values)

    assert sessions.find(hall, arrive(PASSWORD).session.token)
    assert refusal(lambda: arrive("wrong")) == "sign_in_failed"
    assert hub.value("SELECT max(failures) FROM hall_attempt") == 1


def test_what_the_network_does_wrong_is_a_refusal_too() -> None:
    class Away:
        def send(self, *_: Any) -> HttpAnswer:
            raise TryLater("partner_away", "ReadTimeout")

    http: Any = Away()
    for provider in (
        Cas("cas", "", ISSUER, http=http),
        Oidc("o", "", ISSUER, "h", "s", time.time, http=http),
    ):
        answer = Answer({"code": ["c"], "ticket": ["ST-1"]})
        assert refusal(lambda p=provider, a=answer: p.identify(TRIP, a)) == "sso_away"


def test_providers_from_the_settings_of_a_site(hall: Hall, tmp_path: Path) -> None:
    key = tmp_path / "gate.pem"
    key.write_bytes(KEY.as_pem(private=False))
    own = {"name": "city", "title": "市平台"}
    oidc = own | {"kind": "oidc", "issuer": ISSUER, "client_id": "hall", "secret": "city"}
    server = {
        "kind": "cas",
        "name": "old",
        "title": "旧平台",
        "server": f"{ISSUER}/",
        "directory": "identity",
    }
    gate = {
        "kind": "header",
        "name": "gate",
        "title": "门户",
        "issuer": "g",
        "audience": "hall",
        "key": str(key),
    }
    found = providers.load(hall, [oidc, server, gate], {"city": "s3c"}.__getitem__)
    assert [type(one) for one in found.values()] == [Oidc, Cas, HeaderTicket] and list(found) == [
        "city",
        "old",
        "gate",
    ]
    assert isinstance(found["city"], Oidc) and found["city"].client_secret == "s3c"
    for wrong in (
        [oidc, oidc], [oidc | {"kind": "ldap"}], [oidc | {"colour": "red"}], [server | {"server": ""}],
        [server | {"name": "A B"}], [server | {"directory": 3}], [gate | {"key": str(tmp_path / "none")}],
    ):  # fmt: skip
        with pytest.raises(Misconfigured):
            providers.load(hall, wrong, str)
    key.write_bytes(KEY.as_pem(private=True))
    with pytest.raises(Misconfigured):
        providers.load(hall, [gate], str)
