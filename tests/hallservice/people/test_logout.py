"""Single logout: the city says that somebody signed out there; whoever else says so is not believed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from exchange.transports.rest import Answer as HttpAnswer
from hallservice.hall import Hall
from hallservice.people import cas, sessions, sso
from hallservice.people.cas import Cas
from hallservice.people.clerk import Clerk
from hallservice.people.oidc import LOGOUT, Oidc
from hallservice.people.port import Answer
from hallservice.people.sessions import Door, Session
from hallservice.refusals import HallRefused
from hallservice.web.pages import entrance, home, people_sso
from tests.exchange.core.rig import Core
from tests.hallservice.web.webrig import Place, mounted, served

FEATURES = [entrance.pages, home.pages, people_sso.pages]
As = Callable[[str], Clerk]
ISSUER, START = "https://idp.example", 1_800_000_000
KEY, OTHER = ECKey.generate_key("P-256", {"kid": "k"}), ECKey.generate_key("P-256", {"kid": "k"})
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
TICKET = "ST-" + "a1" * 24


def signed_out(hub: Core) -> list[str]:
    """Why sessions ended, as the ledger says."""
    sql = (
        "SELECT a.body FROM act a JOIN ledger_entry e ON e.seq = a.entry"
        " WHERE json_extract(e.leaf, '$.kind') = 'hall.signed_out' ORDER BY a.entry"
    )
    return [json.loads(row["body"])["what"]["why"] for row in hub.rows(sql)]


# -- messages nobody may believe


@dataclass
class Canned:
    """A provider that publishes its keys, and counts who asks."""

    keys: list[Any] = field(default_factory=lambda: [KEY])
    asked: list[str] = field(default_factory=list)
    away: bool = False

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        self.asked.append(url)
        said: Any = KeySet(self.keys).as_dict(private=False)
        if url.endswith("openid-configuration"):
            said = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        return HttpAnswer(503 if self.away else 200, json.dumps(said).encode(), {})


def told(token: Any) -> Answer:
    return Answer({"logout_token": [token]})


def token_of(
    now: float, key: Any = KEY, alg: str = "ES256", typ: str | None = "logout+jwt", **over: Any
) -> str:
    whole = {
        "iss": ISSUER, "aud": "hall", "iat": int(now), "exp": int(now) + 120, "jti": "j1", "sid": "s1",
        "events": {LOGOUT: {}},
    }  # fmt: skip
    claims = {name: value for name, value in (whole | over).items() if value is not None}
    head = {"alg": alg, "kid": "k"} | ({"typ": typ} if typ else {})
    return str(jwt.encode(head, claims, key, algorithms=[alg]))


def provider(canned: Canned, clock: Callable[[], float] = lambda: float(START)) -> Oidc:
    http: Any = canned
    return Oidc("oidc", "", ISSUER, "hall", "s", clock, http=http)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(HallRefused) as caught:
        act()
    return caught.value.code


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": OTHER}, {"iss": "https://evil.example"}, {"iss": None}, {"aud": "another"}, {"aud": None},
        {"aud": ["another", "third"]}, {"iat": None}, {"iat": START + 61}, {"iat": START - 700, "exp": None},
        {"exp": START - 61}, {"exp": "soon"}, {"jti": None}, {"jti": 7}, {"jti": ""}, {"events": None},
        {"events": {}}, {"events": [LOGOUT]}, {"events": {LOGOUT: "x"}}, {"events": {"http://x": {}}},
        {"nonce": "n"}, {"sid": None}, {"sid": 5}, {"sid": "", "sub": "U1"}, {"sub": ["U1"]},
        {"typ": "at+jwt"}, {"sid": "s" * 300},
    ],
)  # fmt: skip
def test_logout_tokens_nobody_may_accept(wrong: dict[str, Any]) -> None:
    good = provider(Canned()).logged_out(told(token_of(START)))
    assert (good.ticket, good.subject, good.once) == ("s1", "", "j1") and good.until == START + 180
    assert refusal(lambda: provider(Canned()).logged_out(told(token_of(START, **wrong)))) == "sso_token"


@pytest.mark.parametrize("over", [{"typ": None}, {"typ": "JWT"}, {"exp": None}, {"aud": ["x", "hall"]}])
def test_logout_tokens_as_other_providers_make_them(over: dict[str, Any]) -> None:
    assert provider(Canned()).logged_out(told(token_of(START, **over))).ticket == "s1"


@pytest.mark.parametrize("token", ["", "a.b.c", "....", "\ud800.é.ü", "eyJhbGciOiJub25lIn0.e30.", "{}"])
def test_what_is_no_token_at_all(token: str) -> None:
    assert refusal(lambda: provider(Canned()).logged_out(told(token))) == "sso_token"


def test_forgeries_cost_the_provider_no_flood_and_nobody_a_wait() -> None:
    clock, canned = [float(START)], Canned()
    one = provider(canned, lambda: clock[0])
    for _ in range(20):
        assert refusal(lambda: one.logged_out(told(token_of(START, OTHER)))) == "sso_token"
    assert len(canned.asked) == 3  # the description, the keys, the keys once more
    clock[0] += 11
    canned.keys = [OTHER]  # they really have changed
    assert one.logged_out(told(token_of(START, OTHER))).ticket == "s1"
    gone = Canned(away=True)
    two = provider(gone, lambda: clock[0])
    for _ in range(20):
        assert refusal(lambda: two.logged_out(told(token_of(START)))) == "sso_away"
    assert len(gone.asked) == 1
    gone.away, clock[0] = False, clock[0] + 11
    assert two.logged_out(told(token_of(START))).ticket == "s1"


def request(inside: str, root: str = "LogoutRequest", before: str = "") -> str:
    return f'{before}<p:{root} xmlns:p="{SAMLP}" ID="a" Version="2.0">{inside}</p:{root}>'


INDEX = f"<p:SessionIndex>{TICKET}</p:SessionIndex>"
ENTITY = f'<!DOCTYPE p [<!ENTITY e "{TICKET}">]>'


@pytest.mark.parametrize(
    "said",
    [
        "", "x", "<a/>", request(""), request(INDEX * 2), request(INDEX, "AuthnRequest"),
        request(INDEX).replace(SAMLP, "urn:other"),
        request("<p:SessionIndex>&e;</p:SessionIndex>", before=ENTITY),
        request(INDEX, before="<!DOCTYPE p SYSTEM 'http://127.0.0.1/x'>"),
        request(f"<p:SessionIndex>{TICKET}<b/></p:SessionIndex>"), request("<p:SessionIndex/>"),
        request("<p:SessionIndex>PT-1</p:SessionIndex>"),
        request("<p:SessionIndex>ST- OR 1=1</p:SessionIndex>"),
        request("<p:SessionIndex>" + "<x>" * 20 + "</x>" * 20 + "</p:SessionIndex>"), request(INDEX)[:-3],
        request(INDEX + f"<!--{'x' * 70_000}-->"),
    ],
)  # fmt: skip
def test_logout_requests_nobody_may_accept(said: str) -> None:
    assert cas.ended(request(INDEX).encode()) == TICKET
    assert refusal(lambda: cas.ended(said.encode())) == "sso_answer"


# -- which sessions end


@pytest.fixture
def opened(hall: Hall, clerk_as: As) -> dict[str, Session]:
    """Sessions of several ways of coming in."""
    doors = {
        "one": ("clerk", Door("", "oidc", "s1", "U1")), "two": ("clerk", Door("", "oidc", "s2", "U1")),
        "unnamed": ("clerk", Door("", "oidc", None, "U1")), "other": ("clerk2", Door("", "oidc", "s3", "U2")),
        "cas": ("clerk", Door("", "cas", TICKET, "U1")), "local": ("clerk", Door()),
    }  # fmt: skip
    return hall.write(
        lambda work: {
            name: sessions.open(hall, work, clerk_as(who).user, door) for name, (who, door) in doors.items()
        }
    )


def left(hall: Hall, opened: Mapping[str, Session]) -> set[str]:
    return {name for name, session in opened.items() if sessions.find(hall, session.token)}


@pytest.mark.parametrize(
    ("over", "ended"),
    [
        ({}, {"one"}),
        ({"sub": "U1"}, {"one", "unnamed"}),
        ({"sub": "U2"}, set()),  # another person's number on this session: it names nobody's
        ({"sid": None, "sub": "U1"}, {"one", "two", "unnamed"}),
        ({"sid": None, "sub": "U9"}, set()),
        ({"sid": TICKET}, set()),  # the name of a session of another provider
    ],
)
def test_a_message_ends_the_sessions_it_names_and_no_other(
    hall: Hall, hub: Core, opened: dict[str, Session], over: dict[str, Any], ended: set[str]
) -> None:
    one = provider(Canned(), lambda: hub.clock.now)
    said = told(token_of(hub.clock.now, **over))
    assert sso.logged_out(hall, one, said) == len(ended)
    assert left(hall, opened) == opened.keys() - ended
    assert signed_out(hub) == ["signed out at oidc"] * len(ended)
    assert refusal(lambda: sso.logged_out(hall, one, said)) == "sso_replay"
    hub.clock.on(200)
    again = sso.logged_out(hall, one, told(token_of(hub.clock.now, jti="j2", sid=None, sub="U1")))
    assert again == len({"one", "two", "unnamed"} - ended)
    assert hub.value("SELECT count(*) FROM hall_ticket") == 1  # what would be too old by now is forgotten


# -- as the route answers


@pytest.fixture
def place(hall: Hall, hub: Core) -> Iterator[Place]:
    ways = {"oidc": provider(Canned(), lambda: hub.clock.now), "cas": Cas("cas", "", ISSUER)}
    with served(mounted(hall, FEATURES, extras={people_sso.PROVIDERS: ways})) as found:
        yield found


def test_the_route_believes_the_message_alone(
    place: Place, hall: Hall, hub: Core, opened: dict[str, Session]
) -> None:
    caller = place.visitor().enter(opened["local"].token)  # whose cookie comes along means nothing
    good = {"logout_token": token_of(hub.clock.now)}
    for path, fields, status in (
        ("oidc/logout", {"logout_token": token_of(hub.clock.now, OTHER)}, 400),
        ("oidc/logout", {}, 400), ("oidc/logout", {"logout_token": ["a", "b"]}, 400),
        ("oidc/logout", {"logoutRequest": request(INDEX)}, 400), ("none/logout", good, 400),
        ("oidc/logout", good, 200), ("oidc/logout", good, 400),
        ("cas/back", {"logoutRequest": request(INDEX, before=ENTITY)}, 400),
        ("cas/back", {"logoutRequest": request(INDEX.replace("a1", "b2"))}, 200),  # nobody's: no hint of that
        ("cas/back?state=x", {"logoutRequest": request(INDEX)}, 200),
        ("cas/back", {"logoutRequest": "x" * 5000}, 400), ("cas/back", {"logoutRequest": "x" * 20_000}, 413),
    ):  # fmt: skip
        answer = caller.send(f"/hall/sso/{path}", fields)
        assert (answer.status_code, answer.content) == (status, b""), (path, fields)
        assert "set-cookie" not in answer.headers and answer.headers["cache-control"] == "no-store"
    plain = caller.http.post(
        "/hall/sso/oidc/logout", content=b"{}", headers={"content-type": "application/json"}
    )
    assert plain.status_code == 400
    assert left(hall, opened) == {"two", "unnamed", "other", "local"}
    assert signed_out(hub) == ["signed out at oidc", "signed out at cas"]
    # Nothing else is open without a form's token, and nothing is signed in by such a message.
    assert caller.send("/hall/sign-out", good).status_code == 403
    assert place.visitor().send("/hall/sso/oidc/logout", good | {"csrf": "x"}).status_code == 400
