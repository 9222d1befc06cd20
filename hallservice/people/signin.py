"""Signing in with login and password. Whatever is wrong, the answer is the same and takes as long."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import attempts, passwords, policies, sessions
from hallservice.people import tables as t
from hallservice.people.sessions import Door, Session
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

MOST_LOGIN = 64
WRONG = "登录名或密码不正确，或账号已停用"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Proof:
    """An account whose password was given; `fresh` is a hash of it at the present cost."""

    row: Row[Any]
    fresh: str | None


def sign_in(hall: Hall, login: str, password: str, client: str) -> Session:
    """A session for login and password; `client` is the network address. HallRefused sign_in or locked."""
    proof = prove(hall, login, password, client)

    def act(work: Work) -> Session:
        must_change = settle(hall, work, proof, client)
        return sessions.open(hall, work, proof.row.id, Door(client), must_change=must_change)

    return hall.write(act)


def prove(hall: Hall, login: str, password: str, client: str) -> Proof:
    """Whether login and password belong together; a failure is counted and recorded."""
    login = login.strip()[:MOST_LOGIN].lower()
    limits = attempts.keys(hall, login, client)
    locks = hall.write(lambda work: attempts.begin(hall, work, limits))
    row = hall.read(lambda connection: _account(connection, login))
    right = passwords.verified(hall.settings.accounts, row.password if row else None, password)
    if row is None or not right or _closed(hall, row):
        hall.write(lambda work: _failed(hall, work, row, client, locks))
        raise HallRefused("sign_in_failed", WRONG)
    return Proof(row, passwords.hashed(hall.settings.accounts, password) if _weak(hall, row) else None)


def _account(connection: Connection, login: str) -> Row[Any] | None:
    return connection.execute(select(t.user).where(t.user.c.login == login)).one_or_none()


def _closed(hall: Hall, row: Row[Any]) -> bool:
    """Locked by an administrator, left, or with a one-time password that has run out."""
    run_out = row.one_time_until is not None and row.one_time_until <= hall.hub.store.clock()
    return row.status != "active" or run_out


def _weak(hall: Hall, row: Row[Any]) -> bool:
    return row.one_time_until is None and passwords.outdated(hall.settings.accounts, row.password)


def _failed(hall: Hall, work: Work, row: Row[Any] | None, client: str, locks: list[str]) -> None:
    """Known or not, the same work: a line in the ledger, and the lock when it was one failure too many."""
    attempts.lock(hall, work, locks)
    about = row.id if row else "unknown"
    said = {"client": client, "locked": bool(locks)}
    hall.record(work, SYSTEM, "hall.sign_in_failed", about, said)


def settle(hall: Hall, work: Work, proof: Proof, client: str) -> bool:
    """The attempt succeeded: counters, a one-time password used up. Whether another must be chosen now."""
    row = _account(work.connection, proof.row.login)
    if row is None or row.password != proof.row.password or row.status != "active":
        raise HallRefused("sign_in_failed", WRONG)
    attempts.forgive(hall, work, row.login, client)
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
