"""Failed sign-ins: counted before a password is looked at, by login and by client, so that guessing in
parallel gains nothing. An unknown login is counted like a known one."""

import hmac
from collections.abc import Iterable, Mapping
from math import ceil

from sqlalchemy import Connection, delete, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import policies
from hallservice.people import tables as t
from hallservice.refusals import HallRefused

FORGOTTEN = 86_400.0  # seconds after which nothing is known of a failure


def keys(hall: Hall, login: str, client: str) -> dict[str, int]:
    """What is counted, under keyed hashes, each with the failures it may have."""
    policy = policies.now(hall).accounts
    limits = {f"login:{login}": policy.lock_after, f"client:{client}": policy.lock_client_after}
    return {_key(hall, text): most for text, most in limits.items() if most}


def own_keys(hall: Hall, login: str) -> dict[str, int]:
    """For the own password asked again within a session: apart from sign-ins, so that nobody locks those."""
    most = policies.now(hall).accounts.lock_after
    return {_key(hall, f"own:{login}"): most} if most else {}


def _key(hall: Hall, text: str) -> str:
    return hmac.new(hall.hub.pseudonym_key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def begin(hall: Hall, work: Work, limits: Mapping[str, int]) -> list[str]:
    """Count one; the keys this attempt locks if it fails. HallRefused locked where one is locked already."""
    for key in limits:
        _expect_open(work.connection, key, work.now)
    return [key for key, most in limits.items() if _counted(hall, work, key) >= most]


def _expect_open(connection: Connection, key: str, now: float) -> None:
    until = connection.execute(select(t.attempt.c.locked_until).where(t.attempt.c.key == key)).scalar()
    if until is not None and until > now:
        minutes = ceil((until - now) / 60)
        raise HallRefused("locked", f"登录失败次数过多，请 {minutes} 分钟后再试")


def _counted(hall: Hall, work: Work, key: str) -> int:
    """Failures so far with this one; those of long ago are forgotten. The last allowed one locks."""
    window, row = _minutes(hall, work) * 60, t.attempt
    kept = work.connection.execute(
        select(row.c.failures, row.c.last_at).where(row.c.key == key)
    ).one_or_none()
    recent = kept is not None and work.now - kept.last_at < window
    failures = (kept.failures if kept and recent else 0) + 1
    values = {"failures": failures, "last_at": work.now, "locked_until": None}
    if kept is None:
        work.connection.execute(insert(row), {"key": key, **values})
    else:
        work.connection.execute(update(row).where(row.c.key == key).values(values))
    return failures


def _minutes(hall: Hall, work: Work) -> int:
    return policies.settings(hall, work.connection).accounts.lock_minutes


def lock(hall: Hall, work: Work, which: list[str]) -> None:
    """The attempt has failed: no more of them for a while."""
    until = work.now + _minutes(hall, work) * 60
    for key in which:
        work.connection.execute(
            update(t.attempt).where(t.attempt.c.key == key).values(failures=0, locked_until=until)
        )


def forgive(hall: Hall, work: Work, login: str, client: str) -> None:
    """The attempt succeeded: the login starts anew, and the client has not failed this time."""
    work.connection.execute(delete(t.attempt).where(t.attempt.c.last_at < work.now - FORGOTTEN))
    work.connection.execute(delete(t.attempt).where(t.attempt.c.key == _key(hall, f"login:{login}")))
    mine = t.attempt.c.key == _key(hall, f"client:{client}")
    work.connection.execute(update(t.attempt).where(mine).values(failures=t.attempt.c.failures - 1))


def forget(work: Work, which: Iterable[str]) -> None:
    """Nothing was wrong."""
    for key in which:
        work.connection.execute(delete(t.attempt).where(t.attempt.c.key == key))


def unlock(hall: Hall, work: Work, login: str) -> None:
    """An administrator lets the login try again at once."""
    forget(work, [_key(hall, f"login:{login}"), _key(hall, f"own:{login}")])
