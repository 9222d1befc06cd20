"""The way in, attacked: planted cookies, logins to be found out, the first one-time password."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from hallservice.hall import Hall
from hallservice.people import bootstrap, credentials, passwords, sessions, signin
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Session
from hallservice.refusals import HallRefused
from hallservice.web.pages import entrance, home, people_account
from tests.exchange.core.rig import Core
from tests.hallservice.web.webrig import Place, hidden, mounted, served
from tests.hallservice.world import LOGINS, PASSWORD

As = Callable[[str], Clerk]
In = Callable[[str], Session]
NEW = "Ganzhou#River7"


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    with served(mounted(hall, [entrance.pages, home.pages, people_account.pages])) as found:
        yield found


def refusal(act: Callable[[], Any]) -> HallRefused:
    with pytest.raises(HallRefused) as caught:
        act()
    return caught.value


def test_no_session_but_the_one_the_sign_in_made(place: Place, hall: Hall, session_as: In) -> None:
    planted = place.visitor().enter("planted-by-somebody-else")
    before = planted.hidden("/hall/sign-in", "/hall/sign-in")
    planted.signing_in("/hall/sign-in", "clerk")
    mine = planted.http.cookies["tongban"]
    assert mine != "planted-by-somebody-else" and len(mine) == 43
    assert sessions.find(hall, "planted-by-somebody-else") is None
    # The form's token of before is none of the session's, and the other way round.
    assert planted.send("/hall/account/sign-out-everywhere", before).status_code in (303, 403)
    assert sessions.find(hall, mine) is not None
    # Somebody else's session in this browser ends when another person signs in in it.
    old = session_as("approver").token
    shared = place.visitor().enter(old)
    keys = hidden(shared.get("/hall/account").text, "/hall/sign-out")
    typed = {"login": LOGINS["clerk2"], "password": PASSWORD, "next": "/account"}
    assert shared.send("/hall/sign-in", keys | typed).status_code == 303
    assert sessions.find(hall, old) is None
    found = sessions.find(hall, shared.http.cookies["tongban"])
    assert found is not None and found.clerk.name == "窗口乙"


def test_the_page_says_the_same_of_every_login(place: Place, hall: Hall, hub: Core, clerk_as: As) -> None:
    credentials.lock(hall, clerk_as("administrator"), clerk_as("approver").user)
    one_time = credentials.reset_password(hall, clerk_as("administrator"), clerk_as("reviewer").user)
    hub.clock.on(73 * 3600)  # by now it has run out
    mine = t.user.c.login == LOGINS["health"]
    hall.write(lambda work: work.connection.execute(update(t.user).where(mine).values(password=None)))
    answers = set()
    for login, password in (
        ("nobody.here", "wrong"), (LOGINS["clerk"], "wrong"), (LOGINS["approver"], PASSWORD),
        (LOGINS["reviewer"], one_time), (LOGINS["health"], PASSWORD), ("\ud7ff" * 64, "x"),
    ):  # fmt: skip
        answer = place.visitor().post(
            "/hall/sign-in", "/hall/sign-in", {"login": login, "password": password}
        )
        body = answer.text.replace(f'value="{login}"', 'value=""')
        answers.add((answer.status_code, re.sub(r'name="(csrf|act)" value="[^"]*"', "", body)))
    assert len(answers) == 1 and next(iter(answers))[0] == 422


def test_every_login_costs_one_hash_of_the_same_cost(
    hall: Hall, clerk_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = t.user.c.login == LOGINS["health"]
    hall.write(lambda work: work.connection.execute(update(t.user).where(mine).values(password=None)))
    credentials.lock(hall, clerk_as("administrator"), clerk_as("approver").user)
    seen, real = list[str](), passwords.PasswordHasher.verify

    def spy(self: Any, kept: str, word: Any) -> Any:
        seen.append(kept.rsplit("$", 2)[0])
        return real(self, kept, word)

    monkeypatch.setattr(passwords.PasswordHasher, "verify", spy)
    for login in ("nobody", LOGINS["clerk"], LOGINS["health"], LOGINS["approver"]):
        with pytest.raises(HallRefused):
            signin.sign_in(hall, login, "wrong", "10.0.0.7")
    assert seen == ["$argon2id$v=19$m=8,t=1,p=1"] * 4


def test_before_the_first_password_nothing_else_can_be_done(place: Place, hall: Hall, clerk_as: As) -> None:
    secret = credentials.reset_password(hall, clerk_as("administrator"), clerk_as("clerk").user)
    person = place.visitor()
    typed = {"login": LOGINS["clerk"], "password": secret}
    assert person.post("/hall/sign-in", "/hall/sign-in", typed).headers["location"] == "/hall/"
    for page in ("/hall/", "/hall/window", "/hall/account"):
        assert person.get(page).headers["location"] == "/hall/password"
    keys = hidden(person.get("/hall/password").text, "/hall/password")
    window = hall.read(lambda c: c.execute(t.window.select()).first())
    assert window is not None
    bound = person.send("/hall/window", keys | {"window": window.id})
    assert bound.headers["location"] == "/hall/password"
    assert clerk_as("clerk").window is None
    chosen = person.post("/hall/password", "/hall/password", {"old": "", "password": NEW, "again": NEW})
    assert chosen.status_code == 303 and person.get("/hall/window").status_code == 200


def test_the_first_one_time_password(hall: Hall, hub: Core) -> None:
    fresh = [
        update(t.user).values(login=t.user.c.login + ".old", staff_no=t.user.c.staff_no + "x"),
        update(t.role).values(name=t.role.c.name + "旧"),
        update(t.grant).where(t.grant.c.granted_by.is_(None)).values(revoked_at=1.0),
    ]
    for statement in fresh:
        hall.write(lambda work, s=statement: work.connection.execute(s))

    def set_up(word: str, login: str = "chief") -> str:
        return hall.write(lambda work: bootstrap.bootstrap(hall, work, word, login))

    for bad in ("Chief", "a b", "管理员", "x", "../x"):
        assert refusal(lambda b=bad: set_up("First-Word-1", b)).code == "bad_login"
    first = set_up("First-Word-1")
    # No second one beside it, and nobody else's account by this door.
    for other in ("boss", LOGINS["clerk"] + ".old"):
        assert refusal(lambda o=other: set_up("Evil-Word-1", o)).code == "set_up_already"
    used = signin.sign_in(hall, "chief", "First-Word-1", "")
    assert refusal(lambda: signin.sign_in(hall, "chief", "First-Word-1", "")).code == "sign_in_failed"
    signed = sessions.find(hall, used.token)
    assert signed is not None and not signed.clerk.scopes
    # Whoever has the machine asks again: the session of the first word is over with it.
    assert set_up("Second-Word-2") == first
    assert sessions.find(hall, used.token) is None
    hub.clock.on(72 * 3600)
    assert refusal(lambda: signin.sign_in(hall, "chief", "Second-Word-2", "")).code == "sign_in_failed"
    set_up("Third-Word-3")
    asked = ("SELECT * FROM act", "SELECT * FROM hall_user", "SELECT * FROM ledger_entry")
    kept = [str(row) for ask in asked for row in hub.rows(ask)]
    assert not any(word in row for row in kept for word in ("First-Word", "Second-Word", "Third-Word"))
    chief = sessions.find(hall, signin.sign_in(hall, "chief", "Third-Word-3", "").token)
    assert chief is not None
    credentials.change_password(hall, chief, "", NEW, NEW)
    assert refusal(lambda: set_up("Fourth-Word-4")).code == "set_up_already"
