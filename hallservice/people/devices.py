"""Browsers in which somebody has signed in, known by a cookie (OWASP: device cookies): wrong passwords typed
elsewhere do not keep people out of them. The cookie opens nothing, and is another one after each sign-in."""

import re
import secrets

from sqlalchemy import Connection, delete, insert, select, update

from exchange.store.work import Work
from hallservice.people import tables as t
from hallservice.people.sessions import digest

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
MOST = 8  # people one browser is remembered for
MOST_OF_ONE = 20  # browsers remembered for one person


def _tokens(cookie: str) -> list[str]:
    """One for each person who signed in in this browser, the last one first."""
    return [one for one in cookie[:1000].split(".") if TOKEN.fullmatch(one)][:MOST]


def known(connection: Connection, user: str | None, cookie: str, since: float) -> str | None:
    """The digest of the token by which this browser was this person's, not before `since`. The same is asked
    for an account there is not."""
    held = [digest(one) for one in _tokens(cookie)]
    ask = select(t.device.c.token).where(t.device.c.user == (user or ""), t.device.c.token.in_(held))
    return connection.execute(ask.where(t.device.c.seen_at > since)).scalars().first()


def renew(work: Work, user: str, cookie: str, before: str | None, since: float) -> str:
    """The cookie after a sign-in of that person: a new token in place of the one of `before`, the others'
    tokens as they are."""
    token, mine = secrets.token_urlsafe(24), t.device.c.user == user
    values = {"token": digest(token), "seen_at": work.now}
    old = update(t.device).where(mine, t.device.c.token == before)
    if before is None or not work.connection.execute(old.values(values)).rowcount:
        work.connection.execute(insert(t.device), {"user": user, "since": work.now, **values})
    last = select(t.device.c.token).where(mine).order_by(t.device.c.seen_at.desc()).offset(MOST_OF_ONE)
    surplus = list(work.connection.execute(last.limit(MOST_OF_ONE)).scalars())
    gone = (t.device.c.seen_at <= since) | t.device.c.token.in_(surplus)
    work.connection.execute(delete(t.device).where(gone))
    others = [one for one in _tokens(cookie) if digest(one) != before]
    return ".".join([token, *others][:MOST])


def forget(work: Work, user: str) -> None:
    """No browser is this person's any more."""
    work.connection.execute(delete(t.device).where(t.device.c.user == user))
