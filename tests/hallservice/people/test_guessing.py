"""Passwords guessed at: whoever guesses is kept out, by numbers; the person whose login it is works on."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from hallservice.hall import Hall
from hallservice.people import credentials, devices, passwords, policies, sessions, signin, sso
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.port import Answer
from hallservice.people.signin import Browser
from hallservice.refusals import HallRefused
from hallservice.web.pages import entrance, home, people_account, people_alarms, people_users
from tests.exchange.core.rig import Core
from tests.hallservice.hostile.test_floods import Elsewhere
from tests.hallservice.web.webrig import Place, Visitor, hidden, mounted, served
from tests.hallservice.world import LOGINS, PASSWORD

As = Callable[[str], Clerk]
MODULES = (entrance, home, people_account, people_alarms, people_users)
KNOWN, SIGN_IN, ALARMS = "tongban-known", "/hall/sign-in", "/hall/people/alarms"
DAY = 86_400


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [one.pages for one in MODULES])) as found:
        yield found


def tried(hall: Hall, login: str, client: str, cookie: str = "", password: str = "wrong") -> str:
    """The code of the refusal; "in" where there was none."""
    try:
        signin.enter(hall, login, password, Browser(client, cookie))
    except HallRefused as refusal:
        return refusal.code
    return "in"


def entered(hall: Hall, who: str, cookie: str = "", client: str = "10.0.0.1") -> str:
    """The browser's cookie after a sign-in in it."""
    return signin.enter(hall, LOGINS[who], PASSWORD, Browser(client, cookie)).cookie


def guesses(hall: Hall, clock: Any, login: str, clients: list[str], hours: int) -> list[float]:
    """When a password was looked at, of somebody who tries from all these addresses all the time."""
    looked, at = list[float](), 0
    for hour in range(hours):
        for _ in range(len(clients) if hour == 0 else 2):
            at += 1
            if tried(hall, login, clients[at % len(clients)]) != "locked":
                looked.append(clock.now)
        clock.on(3600)
    return looked


def typed(visitor: Visitor, login: str, password: str) -> int:
    return visitor.post(SIGN_IN, SIGN_IN, {"login": login, "password": password}).status_code


def kinds(hub: Core) -> list[str]:
    rows = hub.rows("SELECT json_extract(leaf, '$.kind') AS kind FROM ledger_entry ORDER BY seq")
    return [row["kind"] for row in rows]


def test_an_outsider_at_the_same_address_does_not_lock_the_clerk_out_of_the_own_pc(
    place: Place, hall: Hall
) -> None:
    own, outsider, login = place.visitor().sign_in("clerk"), place.visitor(), LOGINS["clerk"]
    made = next(one for one in own.http.cookies.jar if one.name == KNOWN)
    assert made.has_nonstandard_attr("HttpOnly") and made.get_nonstandard_attr("SameSite") == "strict"
    assert made.path == "/hall" and not made.discard
    assert own.post("/hall/", "/hall/sign-out", {}).status_code == 303
    form = outsider.hidden(SIGN_IN, SIGN_IN)
    for number in range(40):  # the login, and with others the address they share
        name = login if number < 8 else f"somebody{number}"
        answer = outsider.send(SIGN_IN, form | {"login": name, "password": "wrong"})
    assert "登录失败次数过多" in answer.text
    assert typed(outsider, login, PASSWORD) == 422
    own.sign_in("clerk")
    assert sessions.find(hall, own.http.cookies["tongban"]) is not None
    # Of two people at one window, each keeps the own mark.
    own.http.cookies.delete("tongban", path="/hall")
    assert typed(own, LOGINS["clerk2"], PASSWORD) == 422  # never signed in here, and the address is full


def test_with_https_the_mark_is_bound_to_this_host_and_kept_as_long_as_the_rule_says(hall: Hall) -> None:
    secure = replace(hall, settings=replace(hall.settings, public_url="https://hall.example/hall"))
    with served(mounted(secure, [entrance.pages, home.pages])) as place:
        http = place.visitor().http
        shown = http.get(SIGN_IN)
        guest = shown.headers["set-cookie"].partition(";")[0]
        form = hidden(shown.text, SIGN_IN) | {"login": LOGINS["clerk"], "password": PASSWORD}
        answer = http.post(SIGN_IN, data=form, headers={"cookie": guest})
    made = [each for each in answer.headers.get_list("set-cookie") if "known" in each]
    value, *said = made[0].split("; ")
    assert re.fullmatch(r"__Host-tongban-known=[A-Za-z0-9_-]{32}", value)
    assert {one.lower() for one in said} == {
        "httponly", "max-age=7776000", "path=/", "samesite=strict", "secure",
    }  # fmt: skip


def test_a_hundred_addresses_get_no_more_guesses_a_day_than_the_rule_says(hall: Hall, hub: Core) -> None:
    most = policies.now(hall).accounts.lock_login_after
    outside = [f"20.0.{n}.7" for n in range(75)] + [f"2a01:{n}::1" for n in range(25)]
    looked = guesses(hall, hub.clock, LOGINS["clerk"], outside, 26)
    inside = [f"10.1.{n}.7" for n in range(100)]
    hub.clock.on(-26 * 3600)  # the same day again
    looked += guesses(hall, hub.clock, LOGINS["clerk"], inside, 26)
    worst = max(sum(start <= one < start + DAY for one in looked) for start in looked)
    assert most / 2 <= worst <= most == 60
    assert kinds(hub).count("hall.sign_in_alarm") == 4  # once a day for each side
    # Somebody outside who keeps it full keeps nobody out who sits inside.
    hub.clock.on(2 * DAY)
    guesses(hall, hub.clock, LOGINS["clerk"], outside, 1)
    assert tried(hall, LOGINS["clerk"], "20.9.9.9", password=PASSWORD) == "locked"
    assert tried(hall, LOGINS["clerk"], "10.9.9.9", password=PASSWORD) == "in"


def test_an_ipv6_network_is_one_guesser(hall: Hall) -> None:
    codes = [tried(hall, LOGINS["clerk"], f"2a01:db8:1:2::{n:x}") for n in range(7)]
    assert codes == ["sign_in_failed"] * 5 + ["locked"] * 2
    codes = [tried(hall, "other.login", client) for client in ["20.0.0.1", "::ffff:20.0.0.1"] * 3]
    assert codes == ["sign_in_failed"] * 5 + ["locked"]


def test_the_owner_s_signing_in_gives_a_guesser_nothing_back(hall: Hall) -> None:
    cookie = entered(hall, "clerk")
    codes = []
    for n in range(18):
        codes.append(tried(hall, LOGINS["clerk"], f"20.0.0.{n}"))
        cookie = entered(hall, "clerk", cookie)
    assert codes == ["sign_in_failed"] * 15 + ["locked"] * 3


def test_a_stolen_cookie_is_no_session_and_has_its_own_guesses(
    place: Place, hall: Hall, clerk_as: As
) -> None:
    cookie = entered(hall, "clerk")
    thief = place.visitor()
    for name in (KNOWN, "tongban"):
        thief.http.cookies.set(name, cookie, domain="127.0.0.1", path="/hall")
    assert thief.get("/hall/account").headers["location"].startswith(SIGN_IN)
    # For another login it is worth nothing: counted as in any browser.
    codes = [tried(hall, LOGINS["clerk2"], f"20.0.1.{n}", cookie) for n in range(20)]
    assert codes.count("sign_in_failed") == 15
    codes = [tried(hall, LOGINS["clerk"], f"20.0.0.{n}", cookie) for n in range(8)]
    assert codes == ["sign_in_failed"] * 5 + ["locked"] * 3
    assert tried(hall, LOGINS["clerk"], "20.0.9.9", password=PASSWORD) == "in"  # nobody else was touched
    credentials.unlock(hall, clerk_as("administrator"), clerk_as("clerk").user)
    fresh = entered(hall, "clerk", cookie)
    assert fresh != cookie and hall.read(lambda c: _known(c, clerk_as("clerk").user, cookie)) is None
    codes = [tried(hall, LOGINS["clerk"], "20.0.0.1", cookie) for _ in range(6)]
    assert codes[-1] == "locked" and entered(hall, "clerk", fresh)  # the owner's own goes on


def _known(connection: Any, user: str, cookie: str) -> str | None:
    return devices.known(connection, user, cookie, 0.0)


def test_a_browser_is_known_for_eight_people_and_forgotten_in_time(
    hall: Hall, hub: Core, clerk_as: As
) -> None:
    people, cookie = ["clerk", "clerk2", "other", "town", "village", "land", "health", "leader", "editor"], ""
    for who in people:
        cookie = entered(hall, who, cookie)

    def knows(who: str) -> bool:
        since = hub.clock.now - policies.now(hall).accounts.device_days * DAY
        return hall.read(lambda c: devices.known(c, clerk_as(who).user, cookie, since)) is not None

    assert [knows(who) for who in people] == [False] + [True] * 8
    credentials.reset_password(hall, clerk_as("administrator"), clerk_as("clerk2").user)
    assert not knows("clerk2") and knows("town")
    hub.clock.on(90 * DAY)
    assert not knows("town")
    for junk in ("", ".", "x" * 5000, "\ud800", "....", "'; --", "x" * 32):
        assert tried(hall, LOGINS["town"], "20.1.1.1", junk, PASSWORD) == "in"


def test_each_lock_is_longer_and_an_administrator_ends_it(hall: Hall, hub: Core, clerk_as: As) -> None:
    waits = []
    for _ in range(3):
        while tried(hall, LOGINS["clerk"], "10.0.0.9") != "locked":
            pass
        begun = hub.clock.now
        while tried(hall, LOGINS["clerk"], "10.0.0.9") == "locked":
            hub.clock.on(300)
        waits.append(round((hub.clock.now - begun) / 60))
    assert waits == [15, 30, 60]
    while tried(hall, LOGINS["clerk"], "10.0.0.9") != "locked":
        pass
    credentials.unlock(hall, clerk_as("administrator"), clerk_as("clerk").user)
    assert tried(hall, LOGINS["clerk"], "10.0.0.9", password=PASSWORD) == "in"


def test_guesses_side_by_side_are_counted_before_one_is_looked_at(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, looked = threading.Event(), []

    def slow(*_: Any) -> bool:
        looked.append(1)
        gate.wait(30)
        return False

    monkeypatch.setattr(passwords, "verified", slow)
    with ThreadPoolExecutor(12) as many:
        running = [many.submit(tried, hall, LOGINS["clerk"], "10.0.0.9") for _ in range(12)]
        refused = 0
        while refused < 7:
            refused = sum(one.done() for one in running)
        gate.set()
        codes = [one.result() for one in running]
    assert (len(looked), codes.count("locked")) == (5, 7)


def test_an_unknown_login_is_counted_told_and_refused_like_a_known_one(hall: Hall, hub: Core) -> None:
    seen = []
    for login, net in ((LOGINS["clerk"], 1), ("nobody.here", 2)):
        before, rows = len(kinds(hub)), hub.value("SELECT count(*) FROM hall_attempt")
        said = []
        for n in range(20):
            with pytest.raises(HallRefused) as caught:
                signin.sign_in(hall, login, "wrong", f"20.{net}.0.{n % 10}")
            said.append((caught.value.code, caught.value.said))
        more = hub.value("SELECT count(*) FROM hall_attempt") - rows
        seen.append((said, kinds(hub)[before:], more))
    assert seen[0] == seen[1] and "hall.sign_in_alarm" in seen[0][1]
    kept = json.dumps([str(row) for row in hub.rows("SELECT * FROM hall_attempt")])
    assert "nobody.here" not in kept and LOGINS["clerk"] not in kept


def test_administrators_and_auditors_are_told_each_of_the_own_people(
    place: Place, hall: Hall, hub: Core, clerk_as: As
) -> None:
    for n in range(15):
        tried(hall, LOGINS["clerk"], f"20.0.0.{n}")
    for n in range(30):
        tried(hall, f"somebody{n}", "20.0.9.9")
    county, root, auditor = (place.visitor().sign_in(one) for one in ("administrator", "root", "auditor"))
    assert ("窗口甲（ceshi.clerk）" in county.get(ALARMS).text) and "20.0.9.9" not in county.get(ALARMS).text
    for each in (root, auditor):
        text = each.get(ALARMS).text
        assert "窗口甲（ceshi.clerk）" in text and "20.0.9.9" in text
    assert 'name="id"' not in auditor.get(ALARMS).text
    ask = select(t.alarm.c.kind, t.alarm.c.id)
    alarms = {row.kind: row.id for row in hall.read(lambda connection: connection.execute(ask).all())}
    assert alarms.keys() == {"login", "client"}
    form = auditor.hidden("/hall/", "/hall/sign-out")
    assert auditor.send(ALARMS, form | {"id": alarms["login"]}).status_code == 403
    assert county.post(ALARMS, ALARMS, {"id": alarms["client"]}).status_code == 404
    assert re.search(r'data-count="alarms">[^<]*1', county.get("/hall/").text)
    assert county.post(ALARMS, ALARMS, {"id": alarms["login"]}).status_code == 303
    assert county.post(ALARMS, ALARMS, {"id": alarms["login"]}).status_code == 422
    assert tried(hall, LOGINS["land"], "20.0.9.9", password=PASSWORD) == "locked"
    assert root.post(ALARMS, ALARMS, {"id": alarms["client"]}).status_code == 303
    assert tried(hall, LOGINS["land"], "20.0.9.9", password=PASSWORD) == "in"
    assert kinds(hub).count("hall.sign_in_alarm_seen") == 2 and "管理巳" in root.get(ALARMS).text


def test_coming_back_from_nowhere_fills_no_ledger(hall: Hall, hub: Core) -> None:
    for _ in range(40):
        with pytest.raises(HallRefused) as caught:
            sso.finish(hall, Elsewhere(), "https://x/back", "b", Answer({"state": ["x"]}, {}, "20.0.0.1"))
        assert caught.value.code == "sso_state"
    assert kinds(hub).count("hall.sign_in_failed") == 30
    assert tried(hall, LOGINS["clerk"], "20.0.0.1", password=PASSWORD) == "in"


def test_what_is_old_is_not_kept(hall: Hall, hub: Core) -> None:
    for n in range(9):
        tried(hall, f"somebody{n}", f"20.0.0.{n}")
    hub.clock.on(3 * DAY)
    entered(hall, "clerk")
    assert hub.value("SELECT count(*) FROM hall_attempt WHERE last_at < :at", at=hub.clock.now - DAY) == 0
