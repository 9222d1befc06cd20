"""Passwords and the state of accounts: reset, change, lock, unlock, leave."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import (
    accounts,
    administrators,
    attempts,
    devices,
    leaving,
    passwords,
    policies,
    rights,
    sessions,
)
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.options import mark
from hallservice.people.policy import AccountPolicy
from hallservice.people.sessions import Signed
from hallservice.refusals import FieldFault, FormRefused, HallRefused


def reset_password(hall: Hall, clerk: Clerk, user: str) -> str:
    """A one-time password, told once; the person's sessions end and the old password is worth nothing. Never
    the own one: whoever finds a session open would get in without the old password for good."""
    if user == clerk.user:
        raise HallRefused("own_account", "自己的密码请在“修改密码”中修改；忘记了请由其他管理员重置")
    secret = passwords.one_time()
    kept = passwords.hashed(hall.settings.accounts, secret)

    def act(work: Work) -> None:
        row = accounts.expect_over(work, clerk, user)
        give_one_time(hall, work, row.id, kept)
        attempts.unlock(hall, work, user, row.login)
        devices.forget(work, user)
        sessions.close_all(hall, work, clerk, user, "password reset")
        hall.record(work, clerk, "hall.password_reset", user, {})

    hall.write(act)
    return secret


def give_one_time(hall: Hall, work: Work, user: str, kept: str) -> None:
    """The hash of a one-time password in place of what was there."""
    until = accounts.until(hall, work)
    values = {"password": kept, "password_at": work.now, "must_change": True, "one_time_until": until}
    work.connection.execute(update(t.user).where(t.user.c.id == user).values(values))


def change_password(hall: Hall, signed: Signed, old: str, new: str, again: str) -> None:
    """The own password; after a one-time password the old one is not asked for. Other sessions end. Wrong old
    ones are counted like failed sign-ins: a session left open is no place to guess them."""
    row, policy, hashes = hall.read(lambda connection: _asked(hall, connection, signed.clerk.user))
    faults = _first(hall, signed, row, old)
    if new != again:
        faults.append(FieldFault("again", "differs", "两次输入的密码不一样"))
    known = (row.login, row.staff_no, row.name, row.mobile or "")
    faults += passwords.complaints(policy, new, known, hashes)
    if faults:
        raise FormRefused(faults)
    kept = passwords.hashed(hall.settings.accounts, new)
    hall.write(lambda work: _changed(hall, work, signed, row, kept))


def _asked(hall: Hall, connection: Connection, user: str) -> tuple[Row[Any], AccountPolicy, list[str]]:
    row, policy = accounts.get(connection, user), policies.settings(hall, connection).accounts
    return row, policy, _history(connection, row, policy.history)


def _first(hall: Hall, signed: Signed, row: Row[Any], old: str) -> list[FieldFault]:
    """The old password is right; where there is none any more, the session itself is the proof."""
    if signed.must_change and row.password is None:
        return []
    if row.password is None:
        return [FieldFault("old", "none", "此账号由统一身份认证登录，没有本地密码")]
    policy = policies.now(hall).accounts
    counted = attempts.own_bounds(hall, policy, row.login, row.id)
    full = hall.write(lambda work: attempts.begin(work, policy, counted))
    if passwords.verified(hall.settings.accounts, row.password, old):
        hall.write(lambda work: attempts.passed(work, counted, full))
        return []
    return [FieldFault("old", "wrong", "原密码不正确")]


def _history(connection: Connection, row: Row[Any], most: int) -> list[str]:
    """The hash in use and those before it, newest first."""
    ask = select(t.password_old.c.hash).where(t.password_old.c.user == row.id)
    before = connection.execute(
        ask.order_by(t.password_old.c.at.desc(), t.password_old.c.id.desc())
    ).scalars()
    return list(dict.fromkeys([*([row.password] if row.password else []), *before]))[:most]


def _changed(hall: Hall, work: Work, signed: Signed, seen: Row[Any], kept: str) -> None:
    user = signed.clerk.user
    values = {"password": kept, "password_at": work.now, "must_change": False, "one_time_until": None}
    same = (t.user.c.id == user) & (t.user.c.changed_at == seen.changed_at) & (t.user.c.status == "active")
    if not work.connection.execute(update(t.user).where(same).values(values)).rowcount:
        raise HallRefused("changed_meanwhile", "账号刚刚被修改，请重新登录")
    work.connection.execute(
        insert(t.password_old), {"id": new_id(work.now), "user": user, "hash": kept, "at": work.now}
    )
    _trim(work, user, policies.settings(hall, work.connection).accounts.history)
    others = (t.session.c.user == user) & (t.session.c.id != signed.session)
    sessions.end(hall, work, signed.clerk, others, "password changed")
    work.connection.execute(
        update(t.session).where(t.session.c.id == signed.session).values(must_change=False)
    )
    hall.record(work, signed.clerk, "hall.password_changed", user, {})


def _trim(work: Work, user: str, most: int) -> None:
    """No more hashes are kept than are compared with."""
    mine = select(t.password_old.c.id).where(t.password_old.c.user == user)
    ordered = mine.order_by(t.password_old.c.at.desc(), t.password_old.c.id.desc())
    for id_ in list(work.connection.execute(ordered).scalars())[most:]:
        work.connection.execute(delete(t.password_old).where(t.password_old.c.id == id_))


# -- the state of an account


def lock(hall: Hall, clerk: Clerk, user: str, reason: str = "") -> None:
    """Nobody signs in by this account until it is unlocked; its sessions end now."""
    _set(hall, clerk, user, "active", "locked", reason)


def unlock(hall: Hall, clerk: Clerk, user: str) -> None:
    """The account is in use again, also after too many failures. Never the own one: in a session found open
    the own password could be guessed without end."""
    if user == clerk.user:
        raise HallRefused("own_account", "自己的账号请由其他管理员解锁")

    def act(work: Work) -> None:
        row = accounts.expect_over(work, clerk, user)
        attempts.unlock(hall, work, user, row.login)
        if row.status == "locked":
            _status(work, user, "active")
        hall.record(work, clerk, "hall.user_unlocked", user, {})

    hall.write(act)


def leave(hall: Hall, clerk: Clerk, user: str, reason: str = "") -> None:
    """The person has left: no sign-in, no posts, no grants; login and staff number stay taken."""
    _set(hall, clerk, user, None, "left", reason)


def _set(hall: Hall, clerk: Clerk, user: str, before: str | None, after: str, reason: str) -> None:
    if user == clerk.user:
        raise HallRefused("own_account", "不能锁定或注销自己的账号")

    def act(work: Work) -> None:
        row = accounts.expect_over(work, clerk, user)
        if row.status == after or (before and row.status != before):
            raise HallRefused("wrong_state", f"账号现在是“{accounts.STATUSES[row.status]}”状态")
        end_account(hall, work, clerk, user, after, reason)

    hall.write(act)


def end_account(hall: Hall, work: Work, by: Clerk, user: str, status: str, reason: str) -> None:
    """Lock or close an account within an act."""
    _status(work, user, status)
    ended = leaving.left_for_good(work, by, user) if status == "left" else []
    devices.forget(work, user)
    sessions.close_all(hall, work, by, user, status)
    administrators.expect_one_left(work)
    mark(work)
    rights.touched(work.connection)
    hall.record(work, by, f"hall.user_{status}", user, {"reason": reason, "ended": ended})


def _status(work: Work, user: str, status: str) -> None:
    values = {"status": status, "changed_at": work.now}
    work.connection.execute(update(t.user).where(t.user.c.id == user).values(values))
