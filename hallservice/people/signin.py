"""Signing in with login and password. Whatever is wrong, the answer is the same and takes as long."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import attempts, devices, passwords, policies, sessions
from hallservice.people import tables as t
from hallservice.people.attempts import Bound, Who
from hallservice.people.sessions import Door, Session
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

MOST_LOGIN = 64
WRONG = "登录名或密码不正确，或账号已停用"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody types: the network address, and the cookie of the browser's earlier sign-ins."""

    client: str
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, counted: under what, and which of that is full now."""

    row: Row[Any] | None
    device: str | None
    counted: list[Bound]
    full: list[Bound]


@dataclass(frozen=True, slots=True)
class Proof:
    """An account whose password was given; `fresh` is a hash of it at the present cost."""

    row: Row[Any]
    fresh: str | None
    tried: Tried


@dataclass(frozen=True, slots=True)
class Entered:
    """A session, and the cookie by which the browser is known at the next sign-in."""

    session: Session
    cookie: str


def sign_in(hall: Hall, login: str, password: str, client: str) -> Session:
    """`enter` in a browser that is not known."""
    return enter(hall, login, password, Browser(client)).session


def enter(hall: Hall, login: str, password: str, browser: Browser) -> Entered:
    """A session for login and password. HallRefused sign_in_failed or locked."""
    proof = prove(hall, login, password, browser)

    def act(work: Work) -> Entered:
        must_change = settle(hall, work, proof)
        user, since = str(proof.row.id), _remembered(hall, work)
        cookie = devices.renew(work, user, browser.cookie, proof.tried.device, since)
        opened = sessions.open(hall, work, user, Door(browser.client), must_change=must_change)
        return Entered(opened, cookie)

    return hall.write(act)


def _remembered(hall: Hall, work: Work) -> float:
    """Since when a browser must have been used."""
    return work.now - policies.settings(hall, work.connection).accounts.device_days * DAY


def prove(hall: Hall, login: str, password: str, browser: Browser) -> Proof:
    """Whether login and password belong together; a failure is counted and recorded."""
    login = login.strip()[:MOST_LOGIN].lower()
    tried = hall.write(lambda work: _tried(hall, work, login, browser))
    row = tried.row
    right = passwords.verified(hall.settings.accounts, row.password if row else None, password)
    if row is None or not right or _closed(hall, row):
        hall.write(lambda work: _failed(hall, work, tried, browser.client))
        raise HallRefused("sign_in_failed", WRONG)
    fresh = passwords.hashed(hall.settings.accounts, password) if _weak(hall, row) else None
    return Proof(row, fresh, tried)


def _tried(hall: Hall, work: Work, login: str, browser: Browser) -> Tried:
    row = _account(work.connection, login)
    user = str(row.id) if row else None
    device = devices.known(work.connection, user, browser.cookie, _remembered(hall, work))
    policy = policies.settings(hall, work.connection).accounts
    counted = attempts.bounds(hall, policy, Who(login, user, browser.client, device))
    return Tried(row, device, counted, attempts.begin(work, policy, counted))


def _account(connection: Connection, login: str) -> Row[Any] | None:
    return connection.execute(select(t.user).where(t.user.c.login == login)).one_or_none()


def _closed(hall: Hall, row: Row[Any]) -> bool:
    """Locked by an administrator, left, or with a one-time password that has run out."""
    run_out = row.one_time_until is not None and row.one_time_until <= hall.hub.store.clock()
    return row.status != "active" or run_out


def _weak(hall: Hall, row: Row[Any]) -> bool:
    return row.one_time_until is None and passwords.outdated(hall.settings.accounts, row.password)


def _failed(hall: Hall, work: Work, tried: Tried, client: str) -> None:
    """Known or not, the same work: a line in the ledger, and an alarm when it was one failure too many."""
    about = str(tried.row.id) if tried.row else "unknown"
    said = {"client": client, "locked": bool(tried.full), "known_browser": tried.device is not None}
    hall.record(work, SYSTEM, "hall.sign_in_failed", about, said)
    attempts.failed(hall, work, tried.full, client)


def settle(hall: Hall, work: Work, proof: Proof) -> bool:
    """The attempt succeeded: counters, a one-time password used up. Whether another must be chosen now."""
    row = _account(work.connection, proof.row.login)
    if row is None or row.password != proof.row.password or row.status != "active":
        raise HallRefused("sign_in_failed", WRONG)
    attempts.passed(work, proof.tried.counted, proof.tried.full)
    if row.one_time_until is not None:  # good for this once
        work.connection.execute(update(t.user).where(t.user.c.id == row.id).values(password=None))
    elif proof.fresh:
        work.connection.execute(update(t.user).where(t.user.c.id == row.id).values(password=proof.fresh))
    return bool(row.must_change) or _old(hall, work, row)


def _old(hall: Hall, work: Work, row: Row[Any]) -> bool:
    """The password has reached the age at which the site wants another."""
    days = policies.settings(hall, work.connection).accounts.oldest_days
    return bool(days) and row.password_at is not None and work.now - row.password_at >= days * DAY


def sign_out(hall: Hall, token: str) -> None:
    """The session of that token ends; nothing happens without one."""
    signed = sessions.find(hall, token)
    if signed is not None:
        sessions.close(hall, signed)
