"""Failed sign-ins: counted, and the last allowed one locked, before a password is looked at, so that guessing
side by side gains nothing. Whoever guesses is locked, not the person whose login it is: see
docs/adr/wrong-passwords-lock-the-guesser.md. An unknown login is counted like a known one."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import tables as t
from hallservice.people.policy import AccountPolicy
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

DAY = 86_400.0  # seconds without a failure after which nothing is known of those before
ALARMS = 90 * DAY  # seconds an alarm is listed; the ledger keeps it
TOLD = ("login", "client", "device")  # what an alarm is raised for
ELSEWHERE = "登录失败次数过多，请 {} 分钟后再试；也可以在平时登录的电脑和浏览器上登录，或者请管理员解锁"


@dataclass(frozen=True, slots=True)
class Who:
    """Who tries: the login as typed, the account it is of (None: nobody's), the network address, and the
    digest of the browser's cookie where that login was used in that browser."""

    login: str
    user: str | None
    client: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """So many failures under one key. They are forgotten after so many quiet seconds; with `drains` they
    trickle away, so many a second, and nothing is locked beyond that."""

    kind: str  # device, pair, client, login, own
    key: str
    most: float
    user: str | None = None
    quiet: float = DAY
    drains: float = 0.0


def bounds(hall: Hall, policy: AccountPolicy, who: Who) -> list[Bound]:
    """What one sign-in is counted under. A browser in which that login was used is counted by itself."""
    if who.device:
        found = [Bound("device", f"{who.device}:{who.login}", policy.lock_after, who.user)]
    else:
        near, inside = network(who.client)
        part = policy.lock_login_after / 4  # at once, and as much again over a day; from within and without
        found = [
            Bound("pair", f"{who.login}\n{near}", policy.lock_after, who.user),
            Bound("client", near, policy.lock_client_after, quiet=policy.lock_minutes * 60),
            Bound("login", f"{who.login}\n{inside}", part, who.user, drains=part / DAY),
        ]
    return [_hashed(hall, bound) for bound in found if bound.most]


def own_bounds(hall: Hall, policy: AccountPolicy, login: str, user: str) -> list[Bound]:
    """For the own password asked again within a session: apart from sign-ins, so that nobody locks those."""
    return [_hashed(hall, Bound("own", login, policy.lock_after, user))] if policy.lock_after else []


def told_bounds(hall: Hall, policy: AccountPolicy, client: str) -> list[Bound]:
    """For what is written down of one address without being a guess; nobody is kept out by it."""
    quiet = policy.lock_minutes * 60
    return [_hashed(hall, Bound("told", network(client)[0], policy.lock_client_after, quiet=quiet))]


def _hashed(hall: Hall, bound: Bound) -> Bound:
    text = f"{bound.kind}:{bound.key}".encode("utf-8", "surrogatepass")
    key = hmac.new(hall.hub.pseudonym_key, text, "sha256").hexdigest()
    return Bound(bound.kind, key, bound.most, bound.user, bound.quiet, bound.drains)


def network(client: str) -> tuple[str, bool]:
    """The address, of IPv6 the network a household is given; and whether it is one of an inner network."""
    try:
        found: IPv4Address | IPv6Address = ip_address(client)
    except ValueError:
        return client, False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    inside = found.is_private
    near = str(found) if found.version == 4 else str(ip_network((int(found) >> 64 << 64, 64)))
    return near, inside


# -- counting


def begin(work: Work, policy: AccountPolicy, wanted: Iterable[Bound]) -> list[Bound]:
    """Count one; which bounds that fills. HallRefused locked, and nothing counted, where one is full."""
    rows = [(bound, _row(work.connection, bound.key)) for bound in wanted]
    wait = max((_wait(bound, row, work.now) for bound, row in rows), default=0.0)
    if wait > 0:
        raise HallRefused("locked", ELSEWHERE.format(ceil(wait / 60)))
    return [bound for bound, row in rows if _counted(work, policy, bound, row)]


def _row(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(select(t.attempt).where(t.attempt.c.key == key)).one_or_none()


def _failures(bound: Bound, row: Row[Any] | None, now: float) -> float:
    """How many count at this moment."""
    if row is None or (row.locked_until is not None and row.locked_until <= now):
        return 0.0
    failures, since = float(row.failures), now - float(row.last_at)
    if bound.drains:
        return max(0.0, failures - since * bound.drains)
    return failures if since < bound.quiet else 0.0


def _wait(bound: Bound, row: Row[Any] | None, now: float) -> float:
    """Seconds until one more is allowed."""
    if bound.drains:
        return (_failures(bound, row, now) + 1 - bound.most) / bound.drains
    return float(row.locked_until) - now if row is not None and row.locked_until is not None else 0.0


def _counted(work: Work, policy: AccountPolicy, bound: Bound, row: Row[Any] | None) -> bool:
    failures = _failures(bound, row, work.now) + 1
    full = failures + 1 > bound.most
    before = row.locks if row is not None and work.now - (row.locked_until or row.last_at) < DAY else 0
    locked = full and not bound.drains
    longest = max(policy.lock_minutes, policy.longest_minutes)
    minutes = min(policy.lock_minutes * 2 ** min(before, 20), longest)
    values = {
        "user": bound.user, "failures": failures, "last_at": work.now, "locks": before + locked,
        "locked_until": work.now + minutes * 60 if locked else None,
    }  # fmt: skip
    if row is None:
        work.connection.execute(insert(t.attempt), {"key": bound.key, **values})
    else:
        work.connection.execute(update(t.attempt).where(t.attempt.c.key == bound.key).values(values))
    return full


# -- how it ended


def failed(hall: Hall, work: Work, full: Iterable[Bound], client: str) -> None:
    """The attempt failed: what it filled stays full, and is told where it is no slip of the finger."""
    for bound in full:
        row = _row(work.connection, bound.key)
        told = row.told_at if row is not None else None
        if bound.kind in TOLD and (told is None or work.now - told >= DAY):
            _alarm(hall, work, bound, client)


def _alarm(hall: Hall, work: Work, bound: Bound, client: str) -> None:
    """A line in the ledger, and one in the administrators' list; once a day for each bound."""
    work.connection.execute(update(t.attempt).where(t.attempt.c.key == bound.key).values(told_at=work.now))
    work.connection.execute(delete(t.alarm).where(t.alarm.c.at < work.now - ALARMS))
    row = {"id": new_id(work.now), "at": work.now, "kind": bound.kind, "user": bound.user}
    work.connection.execute(insert(t.alarm), row | {"client": client[:64]})
    said = {"what": bound.kind, "client": client}
    hall.record(work, SYSTEM, "hall.sign_in_alarm", bound.user or "unknown", said)


def passed(work: Work, counted: Iterable[Bound], full: Iterable[Bound]) -> None:
    """The password was right: nothing is left of this attempt, and of slips before it in the same place. What
    others failed at under the login or from the address stays."""
    work.connection.execute(delete(t.attempt).where(_over(work.now)))
    filled = {bound.key for bound in full}
    for bound in counted:
        mine, row = t.attempt.c.key == bound.key, t.attempt.c
        if bound.kind not in ("client", "login"):
            work.connection.execute(delete(t.attempt).where(mine))
            continue
        back: dict[str, Any] = {"failures": row.failures - 1}
        if bound.key in filled and not bound.drains:
            back |= {"locks": row.locks - 1, "locked_until": None}
        work.connection.execute(update(t.attempt).where(mine).values(back))


def _over(now: float) -> Any:
    """Rows that say nothing any more."""
    row = t.attempt.c
    return (row.last_at < now - 2 * DAY) & (row.locked_until.is_(None) | (row.locked_until < now - DAY))


def open_address(hall: Hall, work: Work, client: str) -> None:
    """An administrator knows who it was: from there others may try again at once."""
    mine = t.attempt.c.key == _hashed(hall, Bound("client", network(client)[0], 0)).key
    work.connection.execute(delete(t.attempt).where(mine))


def unlock(hall: Hall, work: Work, user: str, login: str) -> None:
    """An administrator lets the login try again at once, wherever it was tried."""
    keys = [_hashed(hall, Bound("login", f"{login}\n{inside}", 0)).key for inside in (False, True)]
    keys.append(_hashed(hall, Bound("own", login, 0)).key)
    work.connection.execute(delete(t.attempt).where((t.attempt.c.user == user) | t.attempt.c.key.in_(keys)))
