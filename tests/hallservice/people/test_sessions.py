"""Signing in, what a session knows, passwords, lockout, windows."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from hallservice.hall import Hall
from hallservice.people import (
    accounts,
    bootstrap,
    credentials,
    grants,
    passwords,
    separation,
    sessions,
    signin,
    staffing,
)
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.grants import Wish
from hallservice.people.sessions import Session, Signed
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import Core
from tests.hallservice.world import LOGINS, PASSWORD, SETTINGS

As = Callable[[str], Clerk]
In = Callable[[str], Session]
NEW = "Ganzhou#River7"


def refusal(act: Callable[[], Any]) -> HallRefused:
    with pytest.raises(HallRefused) as caught:
        act()
    return caught.value


def fields(refused: HallRefused) -> set[tuple[str, str]]:
    return {(fault.field, fault.code) for fault in refused.faults}


def found(hall: Hall, session: Session) -> Signed:
    signed = sessions.find(hall, session.token)
    assert signed is not None
    return signed


def told(hub: Core, kind: str) -> list[Any]:
    """What the ledger's lines of that kind commit to, oldest first."""
    sql = (
        "SELECT a.body FROM act a JOIN ledger_entry e ON e.seq = a.entry"
        " WHERE json_extract(e.leaf, '$.kind') = :kind ORDER BY a.entry"
    )
    return [json.loads(row["body"])["what"] for row in hub.rows(sql, kind=kind)]


def guess(hall: Hall, login: str, password: str = "wrong", client: str = "10.0.0.9") -> HallRefused:
    return refusal(lambda: signin.sign_in(hall, login, password, client))


def test_a_session_holds_the_person_and_the_rights(
    hall: Hall, hub: Core, clerk_as: As, session_as: In
) -> None:
    session = session_as("clerk")
    signed = found(hall, session)
    assert signed.clerk == clerk_as("clerk") and not signed.must_change
    assert signed.clerk.may("counter.accept", "/4414/441402/441402-scj/")
    assert not signed.clerk.may("counter.accept", "/4414/441403/") and not signed.clerk.may("approval.handle")
    assert session.token not in json.dumps(hub.rows("SELECT * FROM hall_session"))
    assert sessions.find(hall, session.token + "x") is None and sessions.find(hall, "") is None
    assert found(hall, session_as("clerk")).csrf != signed.csrf
    sessions.close(hall, signed)
    assert sessions.find(hall, session.token) is None
    assert len(told(hub, "hall.signed_in")) == 2 and told(hub, "hall.signed_out")[0]["session"] == session.id


def test_a_session_ends_by_idleness_by_age_and_with_the_account(
    hall: Hall, hub: Core, session_as: In, clerk_as: As
) -> None:
    idle, old, locked = session_as("clerk"), session_as("clerk2"), session_as("approver")
    credentials.lock(hall, clerk_as("administrator"), clerk_as("approver").user)
    assert sessions.find(hall, locked.token) is None
    for _ in range(21):  # 9.8 hours, busy
        hub.clock.on(28 * 60)
        assert sessions.find(hall, old.token) is not None
    assert sessions.find(hall, idle.token) is None
    hub.clock.on(12 * 60)
    assert sessions.find(hall, old.token) is None


def test_a_right_taken_back_is_gone_at_the_next_request(
    hall: Hall, hub: Core, session_as: In, clerk_as: As
) -> None:
    session, root = session_as("clerk"), clerk_as("root")
    given = hub.value("SELECT id FROM hall_grant WHERE user = :user", user=clerk_as("clerk").user)
    assert found(hall, session).clerk.may("counter.accept")
    grants.revoke(hall, root, given, "试")
    assert not found(hall, session).clerk.may("counter.accept")
    role = hub.value("SELECT id FROM hall_role WHERE name = '窗口受理'")
    soon, then = hub.clock.now + 100, hub.clock.now + 200
    grants.grant(hall, root, Wish(role, "user", clerk_as("clerk").user, "441402-dt", begins=soon, ends=then))
    held = []
    for _ in range(3):
        held.append(found(hall, session).clerk.may("counter.accept", "/4414/441402/441402-dt/"))
        hub.clock.on(100)
    assert held == [False, True, False]
    assert hub.value("SELECT fresh_until FROM hall_session WHERE id = :id", id=session.id) is None


def test_wrong_answers_lock_the_login_at_that_address(hall: Hall, hub: Core, session_as: In) -> None:
    known = [guess(hall, LOGINS["clerk"], client="127.0.0.1") for _ in range(6)]
    unknown = [guess(hall, "nobody.here", client="127.0.0.1") for _ in range(6)]
    assert [(one.code, one.said) for one in known] == [(one.code, one.said) for one in unknown]
    assert [one.code for one in known] == ["sign_in_failed"] * 5 + ["locked"]
    assert refusal(lambda: session_as("clerk")).code == "locked"  # the right password does not help
    assert len(told(hub, "hall.sign_in_failed")) == 10  # a locked login is no line each time
    hub.clock.on(15 * 60 + 1)
    assert found(hall, session_as("clerk"))


def test_the_client_is_locked_over_all_logins(hall: Hall, session_as: In) -> None:
    codes = [guess(hall, f"somebody{n}", client="127.0.0.1").code for n in range(31)]
    assert codes == ["sign_in_failed"] * 30 + ["locked"]
    assert refusal(lambda: session_as("clerk")).code == "locked"
    assert signin.sign_in(hall, LOGINS["clerk"], PASSWORD, "127.0.0.2")


def test_unknown_logins_cost_as_much_as_known_ones(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the clock: one hash is computed for each, with the same cost."""
    seen: list[str] = []
    real = passwords.PasswordHasher.verify

    def spy(self: Any, kept: str, word: Any) -> Any:
        seen.append(kept[:27])
        return real(self, kept, word)

    monkeypatch.setattr(passwords.PasswordHasher, "verify", spy)
    for login in (LOGINS["clerk"], "nobody.here"):
        guess(hall, login)
    assert len(seen) == 2 and seen[0] == seen[1] and seen[0].startswith("$argon2id$v=19$m=8,t=1,p=1")


def test_the_hash_is_made_anew_when_the_cost_has_risen(hall: Hall, hub: Core) -> None:
    dearer = replace(hall, settings=replace(SETTINGS, accounts=replace(SETTINGS.accounts, memory_kib=16)))
    signin.sign_in(dearer, LOGINS["clerk"], PASSWORD, "")
    assert "m=16," in hub.value("SELECT password FROM hall_user WHERE login = :login", login=LOGINS["clerk"])
    assert signin.sign_in(dearer, LOGINS["clerk"], PASSWORD, "")


def test_a_one_time_password_is_good_once_and_must_be_changed(
    hall: Hall, hub: Core, clerk_as: As, session_as: In
) -> None:
    before, user = session_as("clerk"), clerk_as("clerk").user
    secret = credentials.reset_password(hall, clerk_as("administrator"), user)
    assert sessions.find(hall, before.token) is None
    assert guess(hall, LOGINS["clerk"], PASSWORD).code == "sign_in_failed"
    session = signin.sign_in(hall, LOGINS["clerk"], secret, "")
    signed = found(hall, session)
    assert session.must_change and signed.must_change and not signed.clerk.scopes
    assert guess(hall, LOGINS["clerk"], secret).code == "sign_in_failed"
    credentials.change_password(hall, signed, "", NEW, NEW)
    assert found(hall, session).clerk.may("counter.accept")
    assert signin.sign_in(hall, LOGINS["clerk"], NEW, "") and len(told(hub, "hall.password_changed")) == 1
    late = credentials.reset_password(hall, clerk_as("administrator"), user)
    hub.clock.on(72 * 3600)
    assert guess(hall, LOGINS["clerk"], late).code == "sign_in_failed"


@pytest.mark.parametrize(
    ("new", "codes"),
    [
        ("Short#1", {"too_short"}),
        ("alllowercaseletters", {"too_plain"}),
        ("Xx1#" + "y" * 125, {"too_long"}),
        ("Ceshi.Clerk-77!", {"personal"}),
        ("Qwerty#2026-Mz", {"common"}),
        (PASSWORD, {"used"}),
    ],
)  # fmt: skip
def test_password_rules(hall: Hall, session_as: In, new: str, codes: set[str]) -> None:
    signed = found(hall, session_as("clerk"))
    refused = refusal(lambda: credentials.change_password(hall, signed, PASSWORD, new, new))
    assert isinstance(refused, FormRefused) and fields(refused) == {("password", code) for code in codes}


def test_changing_the_password_ends_the_other_sessions_and_keeps_a_history(
    hall: Hall, hub: Core, session_as: In
) -> None:
    here, elsewhere = session_as("clerk"), session_as("clerk")
    signed = found(hall, here)
    wrong = refusal(lambda: credentials.change_password(hall, signed, "no", NEW, NEW + "x"))
    assert fields(wrong) == {("old", "wrong"), ("again", "differs")}
    old = PASSWORD
    for n in range(6):
        hub.clock.on(60)
        credentials.change_password(hall, signed, old, f"{NEW}{n}", f"{NEW}{n}")
        old = f"{NEW}{n}"
    assert sessions.find(hall, elsewhere.token) is None and sessions.find(hall, here.token)
    again = refusal(lambda: credentials.change_password(hall, signed, old, f"{NEW}1", f"{NEW}1"))
    assert fields(again) == {("password", "used")}
    credentials.change_password(hall, signed, old, f"{NEW}0", f"{NEW}0")  # the sixth before
    assert hub.value("SELECT count(*) FROM hall_password_old") == 5


def test_an_old_password_must_be_changed(hall: Hall, hub: Core) -> None:
    strict = replace(hall, settings=replace(SETTINGS, accounts=replace(SETTINGS.accounts, oldest_days=90)))
    hub.clock.on(90 * 86_400)
    signed = found(strict, signin.sign_in(strict, LOGINS["clerk"], PASSWORD, ""))
    assert signed.must_change
    assert fields(refusal(lambda: credentials.change_password(strict, signed, "", NEW, NEW))) == {
        ("old", "wrong")
    }
    credentials.change_password(strict, signed, PASSWORD, NEW, NEW)


def test_one_window_a_person_and_one_person_a_window(
    hall: Hall, hub: Core, session_as: In, clerk_as: As
) -> None:
    first, second = session_as("clerk"), session_as("clerk2")
    one, two = hub.rows("SELECT id, number FROM hall_window ORDER BY number")[:2]
    sessions.bind_window(hall, found(hall, first), one["id"])
    assert found(hall, first).clerk.window == one["number"] == clerk_as("clerk").window
    assert found(hall, session_as("clerk")).clerk.window == one["number"]  # one binding, all sessions
    taken = refusal(lambda: sessions.bind_window(hall, found(hall, second), one["id"]))
    assert taken.code == "window_taken" and "窗口甲" in taken.said
    sessions.bind_window(hall, found(hall, first), two["id"])
    sessions.bind_window(hall, found(hall, second), one["id"])
    assert [found(hall, s).clerk.window for s in (first, second)] == [two["number"], one["number"]]
    other = refusal(lambda: sessions.bind_window(hall, found(hall, session_as("other")), two["id"]))
    assert other.code == "unknown_window"
    sessions.close(hall, found(hall, first))
    sessions.bind_window(hall, found(hall, second), two["id"])


def test_who_left_a_window_in_one_session_sits_at_it_in_no_other(
    hall: Hall, hub: Core, session_as: In
) -> None:
    window = hub.rows("SELECT id, number FROM hall_window ORDER BY number")[0]
    taker = session_as("clerk2")
    for ended in (True, False):  # signed out; left open and idle
        bound, other = session_as("clerk"), session_as("clerk")
        sessions.bind_window(hall, found(hall, bound), window["id"])
        assert found(hall, other).clerk.window == window["number"]
        if ended:
            sessions.close(hall, found(hall, bound))
        for _ in range(0 if ended else 4):
            hub.clock.on(10 * 60)
            assert found(hall, other) and found(hall, taker)
        sessions.bind_window(hall, found(hall, taker), window["id"])
        assert (found(hall, other).clerk.window, found(hall, taker).clerk.window) == (None, window["number"])
        sessions.leave_window(hall, found(hall, taker))


def test_set_up_gives_one_administrator_and_ends_once_a_password_was_chosen(hall: Hall, hub: Core) -> None:
    hall.write(lambda work: work.connection.execute(update(t.user).values(login=t.user.c.login + ".old")))
    hall.write(lambda work: work.connection.execute(update(t.role).values(name=t.role.c.name + "旧")))
    ended = update(t.grant).values(revoked_at=1.0).where(t.grant.c.granted_by.is_(None))
    hall.write(lambda work: work.connection.execute(ended))  # as on a site where nothing was set up
    for word in ("First-Word-1", "Second-Word-2"):
        hall.write(lambda work, word=word: bootstrap.bootstrap(hall, work, word, "chief"))
    assert guess(hall, "chief", "First-Word-1").code == "sign_in_failed"
    signed = found(hall, signin.sign_in(hall, "chief", "Second-Word-2", ""))
    credentials.change_password(hall, signed, "", NEW, NEW)
    chief = found(hall, signin.sign_in(hall, "chief", NEW, "")).clerk
    assert set(chief.scopes) == {"people.manage", "people.grant"} and chief.may("people.grant", "/4414/")
    late = refusal(lambda: hall.write(lambda work: bootstrap.bootstrap(hall, work, "Third-Word-3", "chief")))
    assert late.code == "set_up_already"


def test_who_has_acted_keeps_the_staff_number(hall: Hall, clerk_as: As) -> None:
    """Else one person could undertake under one number and approve under another."""
    root, person = clerk_as("root"), clerk_as("undertaker")
    form = {"name": person.name, "org": person.org, "login": LOGINS["undertaker"]}
    accounts.change(hall, root, person.user, form | {"staff_no": "S-new"})  # a slip at the set-up
    hall.write(lambda work: separation.note_hand(work, person, "approval.handle", "case"))
    refused = refusal(lambda: accounts.change(hall, root, person.user, form | {"staff_no": "S-second"}))
    assert fields(refused) == {("staff_no", "in_use")}
    accounts.change(hall, root, person.user, form | {"staff_no": "S-new", "name": "承办改"})


@pytest.mark.req("S0-22")
def test_accounts_are_kept_within_reach(hall: Hall, hub: Core, clerk_as: As) -> None:
    county, root = clerk_as("administrator"), clerk_as("root")
    form = {
        "staff_no": "S-77",
        "name": "新来",
        "org": "441402-dt",
        "login": "Xin.Lai",
        "mobile": "13800138000",
    }
    user, secret = accounts.create(hall, county, form)
    assert signin.sign_in(hall, "xin.lai", secret, "").must_change
    again = refusal(lambda: accounts.create(hall, county, form))
    assert fields(again) == {("login", "taken"), ("staff_no", "taken")}
    bad = refusal(
        lambda: accounts.create(
            hall, county, form | {"mobile": "1", "name": "", "login": "坏", "staff_no": "x\u202e"}
        )
    )
    assert fields(bad) == {
        ("mobile", "invalid"),
        ("name", "required"),
        ("login", "invalid"),
        ("staff_no", "invalid"),
        ("staff_no", "required"),
    }
    away = refusal(
        lambda: accounts.create(hall, county, form | {"org": "441403-dt", "login": "a.b.c", "staff_no": "9"})
    )
    assert fields(away) == {("org", "not_allowed")}
    assert (
        refusal(lambda: credentials.reset_password(hall, county, clerk_as("other").user)).code
        == "not_allowed"
    )
    assert refusal(lambda: credentials.reset_password(hall, county, root.user)).code == "not_allowed"
    # Somebody who sits in the county but has rights beyond it is the city's to manage.
    role = hub.value("SELECT id FROM hall_role WHERE name = '审批办理'")
    grants.grant(hall, root, Wish(role, "user", user, "441403"))
    for act in (credentials.reset_password, credentials.lock, credentials.leave, credentials.unlock):
        assert refusal(lambda act=act: act(hall, county, user)).code == "beyond_reach"
    for act in (credentials.lock, credentials.leave, credentials.unlock, credentials.reset_password):
        assert refusal(lambda act=act: act(hall, county, county.user)).code == "own_account"
    assert credentials.reset_password(hall, root, user)


def test_who_moves_or_leaves_loses_what_held_for_the_old_place(hall: Hall, hub: Core, clerk_as: As) -> None:
    root, moving = clerk_as("root"), clerk_as("undertaker")
    form = {"staff_no": moving.staff_no, "name": "承办己", "login": LOGINS["undertaker"]}
    accounts.change(hall, root, moving.user, form | {"org": "441402-scj-sp"})  # a section of the same body
    assert clerk_as("undertaker").posts == ("undertake",) and clerk_as("undertaker").may("approval.handle")
    assert clerk_as("undertaker").unit == "441402-scj"
    ended = accounts.change(hall, root, moving.user, form | {"org": "441402-wjj"})
    now = clerk_as("undertaker")
    assert len(ended) == 1 and now.posts == () and not now.scopes and now.unit == "441402-wjj"
    credentials.leave(hall, root, clerk_as("town").user, "退休")
    gone = clerk_as("town")
    assert not gone.scopes and gone.posts == ()
    assert guess(hall, LOGINS["town"], PASSWORD).code == "sign_in_failed"


def test_a_post_gives_what_was_granted_to_it_to_nobody_by_the_back_door(
    hall: Hall, hub: Core, clerk_as: As
) -> None:
    county, root = clerk_as("administrator"), clerk_as("root")
    post = staffing.save_post(hall, county, "441402-dt", "desk", "总台")
    role = hub.value("SELECT id FROM hall_role WHERE name = '窗口受理'")
    grants.grant(hall, county, Wish(role, "post", post, "441402-dt"))
    staffing.put_in(hall, county, "post", post, clerk_as("clerk").user)
    assert "desk" in clerk_as("clerk").posts
    assert refusal(lambda: staffing.put_in(hall, county, "post", post, county.user)).code == "own_rights"
    assert (
        refusal(lambda: staffing.put_in(hall, county, "post", post, clerk_as("approver").user)).code
        == "other_body"
    )
    # Nor does who has a post make it the one that a step asks for.
    county_post = staffing.save_post(hall, county, "441402", "file", "档案岗")
    staffing.put_in(hall, root, "post", county_post, county.user)
    renamed = refusal(lambda: staffing.save_post(hall, county, "441402", "approve", "档案岗", county_post))
    assert renamed.code == "own_rights"
    assert staffing.save_post(hall, county, "441402", "file", "归档岗", county_post) == county_post
    # A group in the county that the city gave rights in the other county: the county cannot fill it.
    group = staffing.save_group(hall, county, "441402", "专班")
    grants.grant(hall, root, Wish(role, "group", group, "4414"))
    refused = refusal(lambda: staffing.put_in(hall, county, "group", group, clerk_as("section").user))
    assert refused.code == "not_allowed"
    staffing.put_in(hall, root, "group", group, clerk_as("section").user)
    assert clerk_as("section").may("counter.accept", "/4414/441403/")
    staffing.take_out(hall, county, "group", group, clerk_as("section").user)
    assert not clerk_as("section").may("counter.accept")
    rows = hall.read(lambda connection: connection.execute(select(t.group_member)).all())
    assert rows == []
