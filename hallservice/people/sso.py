"""Single sign-on, whatever the provider: a trip begins, comes back once to the same browser, and is over; and
a session ends when the provider says that its own did."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    false,
    func,
    insert,
    select,
    true,
    update,
)

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import accounts, attempts, policies, rights, sessions, signin
from hallservice.people import tables as t
from hallservice.people.once import first
from hallservice.people.port import (
    Answer,
    Ended,
    Identity,
    IdentityProvider,
    TellsLogout,
    Trip,
    refused,
)
from hallservice.people.sessions import Door, Session, digest
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

TRIP = 600.0  # seconds a person may take at the provider
MOST_TRIPS = 20_000  # under way at a time: a flood fills no disk


@dataclass(frozen=True, slots=True)
class Arrived:
    """A sign-on that came back: the session, and where the person wanted to go."""

    session: Session
    back: str


def challenge(verifier: str) -> str:
    """S256 of RFC 7636."""
    made = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def begin(hall: Hall, provider: IdentityProvider, callback: str, browser: str, back: str = "/") -> str:
    """Where to send the browser. `browser` is a secret in a cookie of it: the answer counts only with it."""
    trip = Trip(callback, *(secrets.token_urlsafe(32) for _ in range(3)))
    row = {
        "state": digest(trip.state), "provider": provider.name, "browser": digest(browser),
        "nonce": trip.nonce, "verifier": trip.verifier, "back": back[:2000],
    }  # fmt: skip
    address = provider.address(trip)

    def act(work: Work) -> None:
        work.connection.execute(delete(t.sign_on).where(t.sign_on.c.expires <= work.now))
        if work.connection.execute(select(func.count()).select_from(t.sign_on)).scalar_one() >= MOST_TRIPS:
            oldest = select(t.sign_on.c.state).order_by(t.sign_on.c.expires).limit(1).scalar_subquery()
            work.connection.execute(delete(t.sign_on).where(t.sign_on.c.state == oldest))
        work.connection.execute(insert(t.sign_on), row | {"expires": work.now + TRIP})

    hall.write(act)
    return address or f"{callback}?state={trip.state}"


def finish(hall: Hall, provider: IdentityProvider, callback: str, browser: str, answer: Answer) -> Arrived:
    """The session of who came back; HallRefused with a code that begins with `sso_`, recorded."""
    try:
        trip, back = _came_back(hall, provider, callback, browser, answer)
        identity = provider.identify(trip, answer)
        user = hall.read(lambda connection: _account(connection, hall, provider, identity))
    except HallRefused as refusal:
        code, client = refusal.code, answer.client
        hall.write(lambda work: _failed(hall, work, provider.name, code, client))
        raise
    return Arrived(
        hall.write(lambda work: _admitted(hall, work, provider, identity, user, answer.client)), back
    )


def _came_back(
    hall: Hall, provider: IdentityProvider, callback: str, browser: str, answer: Answer
) -> tuple[Trip, str]:
    """The trip of the state the browser brings; it is used up by that."""
    state = answer.one("state")
    row = hall.write(lambda work: _take(work, digest(state)))
    if row is None or row.provider != provider.name or row.expires <= hall.hub.store.clock():
        raise refused("state", "登录请求不存在或已过期")
    if not secrets.compare_digest(row.browser, digest(browser)):
        raise refused("browser", "登录请求来自另一个浏览器")
    return Trip(callback, state, row.nonce, row.verifier), row.back


def _take(work: Work, state: str) -> Row[Any] | None:
    row = work.connection.execute(select(t.sign_on).where(t.sign_on.c.state == state)).one_or_none()
    work.connection.execute(delete(t.sign_on).where(t.sign_on.c.state == state))
    return row


# Whoever names accounts over there could else be "admin" here.
_NOT_LINKED = "管理员和审计人员的账号须先与统一身份目录关联，才能用统一身份认证登录；请用本系统密码登录"


def _account(connection: Connection, hall: Hall, provider: IdentityProvider, identity: Identity) -> str:
    """The account here of that identity: by the number in the directory, else by login."""
    row = _known(connection, provider, identity)
    if row is None:
        raise HallRefused("sso_unknown_staff", "统一身份认证已通过，但您不在本系统的人员名单中，请联系管理员")
    unlinked = not provider.directory or row.source != provider.directory
    if unlinked and rights.governs(connection, str(row.id), hall.hub.store.clock()):
        raise HallRefused("sso_not_linked", _NOT_LINKED)
    if row.status != "active":
        raise HallRefused("sso_closed", "统一身份认证已通过，但您在本系统的账号已停用，请联系管理员")
    if identity.verified is False and hall.settings.accounts.real_name:
        raise HallRefused("sso_not_real_name", "您尚未完成实名认证，请先在统一身份认证平台办理")
    return str(row.id)


def _known(connection: Connection, provider: IdentityProvider, identity: Identity) -> Row[Any] | None:
    u = t.user.c
    ask: Select[Any] = select(u.id, u.status, u.source, u.source_id)
    if identity.subject and provider.directory:
        numbered = ask.where(u.source == provider.directory, u.source_id == identity.subject)
        if (row := connection.execute(numbered).one_or_none()) is not None:
            return row
    login = accounts.login_of(identity.login)
    row = connection.execute(ask.where(u.login == login)).one_or_none() if login else None
    # A login that went over to somebody else in the directory does not open the account it opened before.
    other = (
        row is not None and row.source == provider.directory and row.source_id not in (None, identity.subject)
    )
    return None if other and identity.subject else row


def _failed(hall: Hall, work: Work, provider: str, code: str, client: str) -> None:
    """A line in the ledger, so many of one address: anybody can come back from nowhere without end."""
    policy = policies.settings(hall, work.connection).accounts
    try:
        attempts.begin(work, policy, attempts.told_bounds(hall, policy, client))
    except HallRefused:
        return
    said = {"provider": provider, "code": code, "client": client}
    hall.record(work, SYSTEM, "hall.sign_in_failed", "unknown", said)


def _admitted(
    hall: Hall, work: Work, provider: IdentityProvider, identity: Identity, user: str, client: str
) -> Session:
    must_change = identity.proof is not None and signin.settle(hall, work, identity.proof)
    if identity.verified is not None:
        level = "verified" if identity.verified else "unverified"
        work.connection.execute(update(t.user).where(t.user.c.id == user).values(level=level))
    door = Door(client, provider.name, identity.ticket, identity.subject)
    return sessions.open(hall, work, user, door, must_change=must_change)


# -- signed out over there


def logged_out(hall: Hall, provider: TellsLogout, told: Answer) -> int:
    """The provider says that sessions of its own ended: those made with them end here too. How many did."""
    said = provider.logged_out(told)
    mine = _made_with(provider.name, said)
    if not said.once and not hall.read(lambda c: c.execute(select(t.session.c.id).where(mine)).first()):
        return 0  # anybody can make up a ticket: that costs no write
    return hall.write(lambda work: _ended(hall, work, provider.name, said, mine))


def _made_with(provider: str, said: Ended) -> ColumnElement[bool]:
    """Sessions of that provider's session, and with a number alone all of the person's. One that was opened
    without the provider's naming its session is the person's."""
    s = t.session.c
    person = s.subject == digest(said.subject) if said.subject else true()
    if not said.ticket:
        return (s.provider == provider) & person if said.subject else false()
    unnamed = s.ticket.is_(None) if said.subject else false()
    return (s.provider == provider) & person & ((s.ticket == digest(said.ticket)) | unnamed)


def _ended(hall: Hall, work: Work, provider: str, said: Ended, mine: ColumnElement[bool]) -> int:
    if said.once and not first(work, provider, said.once, said.until):
        raise refused("replay", "退出通知已处理")
    return sessions.end(hall, work, SYSTEM, mine, f"signed out at {provider}")
