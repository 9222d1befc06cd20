"""Sessions: a row for each sign-in, found by a token only the browser holds; rights are kept in the row."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import organisations, policies, rights
from hallservice.people import tables as t
from hallservice.people.clerk import NOTHING, Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

SEEN = 60.0  # seconds: how exactly the last use is kept
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in just made; `token` is for the browser's cookie and is kept nowhere here."""

    token: str
    id: str
    must_change: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """Who a request comes from. While the password must be changed, the clerk holds no function."""

    clerk: Clerk
    csrf: str
    session: str
    must_change: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """By which way a person came in: network address, provider; the single sign-on's own session, and its
    number of the person."""

    client: str = ""
    provider: str = LOCAL
    ticket: str | None = None
    subject: str = ""


def digest(text: str) -> str:
    """SHA-256, as secrets a browser or a partner holds are kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """Follows from the token, so that a form's token is worth nothing without the cookie."""
    made = hmac.digest(token.encode(), b"csrf", "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def clerk_of(connection: Connection, user: str, now: float) -> tuple[Clerk, float | None]:
    """The person with the rights of this moment, and until when they hold."""
    row = connection.execute(_PERSON.where(t.user.c.id == user)).one()
    found = rights.of_user(connection, user, now)
    held = select(t.post.c.code).join(t.user_post).where(t.user_post.c.user == user, t.post.c.active)
    window = select(t.window.c.number).join(t.window_binding).where(t.window_binding.c.user == user)
    posts = tuple(connection.execute(held.order_by(t.post.c.code)).scalars())
    clerk = Clerk(
        user=user,
        staff_no=row.staff_no,
        name=row.name,
        org=row.org,
        path=row.path,
        region=row.region,
        org_name=row.org_name,
        unit=organisations.unit_of(connection, row.org),
        posts=posts,
        scopes=found.scopes,
        window=connection.execute(window).scalar(),
    )
    return clerk, found.until


_PERSON = select(
    t.user.c.staff_no, t.user.c.name, t.user.c.org, t.user.c.region, t.user.c.status, t.org.c.path,
    t.org.c.name.label("org_name"),
).join(t.org, t.org.c.code == t.user.c.org)  # fmt: skip


def open(hall: Hall, work: Work, user: str, door: Door, *, must_change: bool = False) -> Session:
    """A new session of a person whose identity was proved; the act is a line in the ledger."""
    clerk, until = clerk_of(work.connection, user, work.now)
    token, id_ = secrets.token_urlsafe(32), new_id(work.now)
    hours = policies.settings(hall, work.connection).session_hours
    over = select(t.session.c.id).where(t.session.c.ends_at <= work.now)
    _stand_up(work, t.window_binding.c.session.in_(over))
    work.connection.execute(delete(t.session).where(t.session.c.ends_at <= work.now))
    row = {
        "id": id_, "token": digest(token), "user": user, "opened_at": work.now, "seen_at": work.now,
        "ends_at": work.now + hours * 3600, "client": door.client[:64],
        "provider": door.provider, "ticket": digest(door.ticket) if door.ticket else None,
        "subject": digest(door.subject) if door.subject else None,
        "must_change": must_change, **_kept(work.connection, clerk, until),
    }  # fmt: skip
    work.connection.execute(insert(t.session), row)
    said = {"session": id_, "client": door.client, "provider": door.provider}
    hall.record(work, clerk, "hall.signed_in", user, said)
    return Session(token, id_, must_change)


def find(hall: Hall, token: str, *, seen: bool = True) -> Signed | None:
    """Who holds this token; None when the session is over. Rights are those of this request. Without `seen`
    it is a look by the page itself, no sign that somebody is there."""
    with hall.hub.store.read() as connection:
        row = run(connection, _FIND, {"digest": digest(token)}).first()
        now = hall.hub.store.clock()
        if row is None or _over(hall, row, now):
            return None
        stale = row.version != row.current or (row.fresh_until is not None and now >= row.fresh_until)
        clerk, until = clerk_of(connection, row.user, now) if stale else (_clerk(row.clerk), row.fresh_until)
        kept = _kept(connection, clerk, until) if stale else {}
    if seen and (kept or now - row.seen_at >= SEEN):
        hall.write(lambda work: _saw(work, row.id, kept))
    shown = replace(clerk, scopes=NOTHING) if row.must_change else clerk
    return Signed(shown, csrf_of(token), row.id, row.must_change)


_FIND: Select[Any] = (
    select(
        t.session,
        t.user.c.status,
        select(t.rights_version.c.number).scalar_subquery().label("current"),
        select(t.policy.c.idle_minutes).scalar_subquery().label("idle"),
    )
    .join(t.user, t.user.c.id == t.session.c.user)
    .where(t.session.c.token == bindparam("digest"))
)


def _over(hall: Hall, row: Row[Any], now: float) -> bool:
    minutes = hall.settings.idle_minutes if row.idle is None else row.idle
    return bool(now - row.seen_at >= minutes * 60 or now >= row.ends_at or row.status != "active")


def _kept(connection: Connection, clerk: Clerk, until: float | None) -> dict[str, Any]:
    """The columns that hold the person and the rights."""
    plain = {field.name: getattr(clerk, field.name) for field in fields(Clerk)} | {
        "scopes": dict(clerk.scopes)
    }
    return {"clerk": plain, "version": rights.version(connection), "fresh_until": until}


def _clerk(kept: Mapping[str, Any]) -> Clerk:
    scopes = {function: tuple(paths) for function, paths in kept["scopes"].items()}
    return Clerk(**{**kept, "posts": tuple(kept["posts"]), "scopes": scopes})


def _saw(work: Work, session: str, kept: Mapping[str, Any]) -> None:
    work.connection.execute(
        update(t.session).where(t.session.c.id == session).values(seen_at=work.now, **kept)
    )


def touch(hall: Hall, session: str) -> None:
    """The person is still there (a live page says so without another request)."""
    hall.write(lambda work: _saw(work, session, {}))


def close(hall: Hall, signed: Signed) -> None:
    """Sign out: the session and its window binding are gone."""
    hall.write(lambda work: end(hall, work, signed.clerk, t.session.c.id == signed.session, "out"))


def close_all(hall: Hall, work: Work, by: Clerk, user: str, why: str) -> int:
    """Every session of a person ends, on all machines."""
    return end(hall, work, by, t.session.c.user == user, why)


def end(hall: Hall, work: Work, by: Clerk, which: ColumnElement[bool], why: str) -> int:
    """The sessions of that condition, and the window bindings made in them; how many."""
    ended = work.connection.execute(select(t.session.c.id, t.session.c.user).where(which)).all()
    for row in ended:
        _stand_up(work, t.window_binding.c.session == row.id)
        work.connection.execute(delete(t.session).where(t.session.c.id == row.id))
        hall.record(work, by, "hall.signed_out", row.user, {"session": row.id, "why": why})
    return len(ended)


def bind_window(hall: Hall, signed: Signed, window: str) -> None:
    """Sit down at a window: one window a person, one person a window; HallRefused window_taken."""

    def act(work: Work) -> None:
        number = expect_window(work.connection, signed.clerk, window)
        _free(hall, work, signed.clerk.user)
        sitting = work.connection.execute(_SITTING.where(t.window_binding.c.window == window)).one_or_none()
        if sitting is not None:
            raise HallRefused("window_taken", f"{number} 号窗口正由{sitting.name}使用")
        row = {"window": window, "user": signed.clerk.user, "session": signed.session, "since": work.now}
        work.connection.execute(insert(t.window_binding), row)
        _renew(work, signed)
        hall.record(work, signed.clerk, "hall.window_bound", window, {"number": number})

    hall.write(act)


_SITTING = (
    select(t.user.c.name).select_from(t.window_binding).join(t.user, t.user.c.id == t.window_binding.c.user)
)


def leave_window(hall: Hall, signed: Signed) -> None:
    """Stand up; nothing happens to who sits nowhere."""

    def act(work: Work) -> None:
        mine = delete(t.window_binding).where(t.window_binding.c.user == signed.clerk.user)
        if work.connection.execute(mine).rowcount:
            _renew(work, signed)
            hall.record(work, signed.clerk, "hall.window_left", signed.clerk.user, {})

    hall.write(act)


def expect_window(connection: Connection, clerk: Clerk, window: str) -> str:
    """The number of a window the person may sit at; HallRefused unknown_window."""
    ask = select(t.window.c.number, t.org.c.path).join(t.org, t.org.c.code == t.window.c.site)
    row = connection.execute(ask.where(t.window.c.id == window, t.window.c.active)).one_or_none()
    if row is None or not works_at(clerk.path, row.path):
        raise HallRefused("unknown_window", "没有这个窗口，或它不在您工作的大厅")
    return str(row.number)


def works_at(own: str, site: str) -> bool:
    """The hall is of the person's own body, or stands in a division that body belongs to."""
    around = site[: site[:-1].rindex("/") + 1]
    return site.startswith(own) or own.startswith(around)


def _free(hall: Hall, work: Work, user: str) -> None:
    """The person's old window, and those of people whose session is over."""
    idle = work.now - policies.settings(hall, work.connection).idle_minutes * 60
    gone = select(t.session.c.id).where((t.session.c.seen_at <= idle) | (t.session.c.ends_at <= work.now))
    left = (t.window_binding.c.user == user) | t.window_binding.c.session.in_(gone)
    _stand_up(work, left)


def _stand_up(work: Work, which: ColumnElement[bool]) -> None:
    """These sit at their windows no longer, and their other sessions know it from the next request on: else
    two would serve at one window, and one read the cards that lie on the other's reader."""
    people = select(t.window_binding.c.user).where(which)
    work.connection.execute(update(t.session).where(t.session.c.user.in_(people)).values(version=-1))
    work.connection.execute(delete(t.window_binding).where(which))


def _renew(work: Work, signed: Signed) -> None:
    """Every session of the person knows the window from its next request on."""
    mine = t.session.c.user == signed.clerk.user
    work.connection.execute(update(t.session).where(mine).values(version=-1))
