"""Signing on: applications, passwords, sessions in one cookie, the login page; OIDC and CAS build on it."""

from __future__ import annotations

import hashlib
import html
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from mocks.partners.common.clock import Clock
from mocks.partners.identity_people import People, Row, enabled_user

SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
  id TEXT PRIMARY KEY, sid TEXT NOT NULL, user_id TEXT NOT NULL, began REAL NOT NULL,
  used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failure (login TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS locked (login TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS application (client_id TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
"""
COOKIE = "SSO_SESSION"
LIFE, IDLE = 8 * 3600.0, 1800.0  # seconds
TRIES, SPAN = 5, 300.0  # wrong passwords, and seconds both to count them and to lock
LARGEST_FORM = 64 << 10
PAGE = """<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>统一身份认证</title></head>
<body><h1>统一身份认证</h1>{message}<form method="post" action="/login">{hidden}
<p><label>用户名 <input name="username" autocomplete="username"></label></p>
<p><label>密码 <input name="password" type="password" autocomplete="current-password"></label></p>
<p><button>登录</button> <button name="cancel" value="1">取消</button></p></form></body></html>
"""
WRONG = "<p>用户名或密码不正确，或者暂时不能登录。</p>"
Params = Mapping[str, str]


def hashed(token: str) -> str:
    """What is kept of a secret that was given out."""
    return hashlib.sha256(token.encode()).hexdigest()


def message(title: str, status: int = 200) -> Response:
    """A page that says one thing."""
    text = html.escape(title)
    return HTMLResponse(f'<!DOCTYPE html><meta charset="utf-8"><title>{text}</title><h1>{text}</h1>', status)


def with_query(url: str, more: Mapping[str, str]) -> str:
    """The address with parameters added to its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(more))))
    return urlunsplit(parts._replace(query=query))


def redirect(url: str, more: Mapping[str, str]) -> Response:
    """302 with parameters added."""
    return RedirectResponse(with_query(url, more) if more else url, 302, {"Cache-Control": "no-store"})


@dataclass(frozen=True)
class Application:
    """A registered application."""

    client_id: str
    secret: str = field(repr=False)
    redirects: tuple[str, ...] = ()
    logout_redirects: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    backchannels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """Somebody signed on."""

    id: str  # hash of the cookie
    sid: str
    user_id: str
    began: float


class Flow(Protocol):
    """A way to ask for a sign-on: OIDC or CAS."""

    def refused(self, params: Params) -> Response | None:
        """The answer to a request that is wrong."""
        ...

    def granted(self, request: Request, params: Params, session: Session, *, fresh: bool) -> Response:
        """The redirect after a sign-on."""
        ...

    def cancelled(self, params: Params) -> Response:
        """The redirect after the person would not."""
        ...


async def form(request: Request) -> list[tuple[str, str]] | None:
    """The pairs of an urlencoded form; None if the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != "application/x-www-form-urlencoded" or len(body) > LARGEST_FORM:
        return None
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        return None


def once(pairs: Sequence[tuple[str, str]]) -> dict[str, str] | None:
    """As a mapping; None if a name comes twice."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


@dataclass(frozen=True)
class SignOn:
    """Accounts and sessions; every method joins the caller's transaction or makes its own."""

    people: People
    clock: Clock

    def register(self, one: Application) -> None:
        """Registers an application, or changes it."""
        facts = json.dumps({
            "secret": one.secret, "redirects": one.redirects, "logout_redirects": one.logout_redirects,
            "services": one.services, "backchannels": one.backchannels,
        })  # fmt: skip
        with self.people.record.work() as db:
            db.execute("INSERT OR REPLACE INTO application VALUES (?, ?)", (one.client_id, facts))

    def applications(self) -> list[Application]:
        """All registered ones."""
        with self.people.record.work() as db:
            rows = db.execute("SELECT * FROM application ORDER BY client_id").fetchall()
        return [_application(row["client_id"], json.loads(row["facts"])) for row in rows]

    def application(self, client_id: str) -> Application | None:
        """One of them."""
        return next((one for one in self.applications() if one.client_id == client_id), None)

    def session(self, request: Request) -> Session | None:
        """That of the cookie, if it still holds and its user is enabled; counts as used."""
        cookie, now = request.cookies.get(COOKIE), self.clock()
        if not cookie:
            return None
        with self.people.record.work() as db:
            db.execute("DELETE FROM session WHERE began < ? OR used < ?", (now - LIFE, now - IDLE))
            row = db.execute("SELECT * FROM session WHERE id = ?", (hashed(cookie),)).fetchone()
            if row is None or enabled_user(self.people, row["user_id"]) is None:
                return None
            db.execute("UPDATE session SET used = ? WHERE id = ?", (now, row["id"]))
        return Session(row["id"], row["sid"], row["user_id"], row["began"])

    def end(self, *, id: str = "", sid: str = "") -> str | None:
        """Ends a session by one of its names; its sid."""
        with self.people.record.work() as db:
            row = db.execute("SELECT * FROM session WHERE id = ? OR sid = ?", (id, sid)).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM session WHERE id = ?", (row["id"],))
        return str(row["sid"])

    def user(self, login: str, password: str) -> Row | None:
        """The user of name and password; five wrong ones lock the name."""
        now = self.clock()
        with self.people.record.work() as db:
            db.execute("DELETE FROM locked WHERE until <= ?", (now,))
            db.execute("DELETE FROM failure WHERE at <= ?", (now - SPAN,))
            if db.execute("SELECT 1 FROM locked WHERE login = ?", (login,)).fetchone():
                return None
            found = self.people.by_login(login)
            if found is not None and secrets.compare_digest(f"{login}-pass".encode(), password.encode()):
                db.execute("DELETE FROM failure WHERE login = ?", (login,))
                return found
            db.execute("INSERT INTO failure VALUES (?, ?)", (login, now))
            wrong = db.execute("SELECT count(*) FROM failure WHERE login = ?", (login,)).fetchone()[0]
            if wrong >= TRIES:
                db.execute("INSERT OR REPLACE INTO locked VALUES (?, ?)", (login, now + SPAN))
        return None

    def begin(self, user: Row) -> tuple[str, Session]:
        """A new session and its cookie."""
        cookie, now = secrets.token_urlsafe(32), self.clock()
        session = Session(hashed(cookie), secrets.token_hex(16), str(user["userId"]), now)
        with self.people.record.work() as db:
            row = (session.id, session.sid, session.user_id, now, now)
            db.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?)", row)
        return cookie, session


def _application(client_id: str, facts: Mapping[str, object]) -> Application:
    lists = {name: value for name, value in facts.items() if isinstance(value, list)}
    named = {name: tuple(map(str, value)) for name, value in lists.items()}
    return Application(client_id, str(facts["secret"]), **named)


def page(flow: str, params: Params, status: int = 200) -> Response:
    """The login page with the request repeated in it."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in {"flow": flow, **params}.items()
    )
    text = PAGE.format(message=WRONG if status == 401 else "", hidden=hidden)
    return HTMLResponse(text, status, {"Cache-Control": "no-store", "X-Frame-Options": "DENY"})


@dataclass(frozen=True)
class LoginPage:
    """POST /login."""

    sign_on: SignOn
    flows: Mapping[str, Flow]

    async def login(self, request: Request) -> Response:
        """Name and password, then what was asked for."""
        pairs = await form(request)
        params = once(pairs or [])
        flow = self.flows.get((params or {}).pop("flow", ""))
        if params is None or flow is None:
            return message("请求有误", 400)
        name, password = params.pop("username", ""), params.pop("password", "")
        cancel = params.pop("cancel", None) is not None
        if (refusal := flow.refused(params)) is not None:
            return refusal
        if cancel:
            return flow.cancelled(params)
        user = self.sign_on.user(name, password)
        if user is None:
            return page(next(key for key, one in self.flows.items() if one is flow), params, 401)
        return self._signed_on(request, flow, params, user)

    def _signed_on(self, request: Request, flow: Flow, params: Params, user: Row) -> Response:
        with self.sign_on.people.record.work():
            if (old := request.cookies.get(COOKIE)) is not None:
                self.sign_on.end(id=hashed(old))
            cookie, session = self.sign_on.begin(user)
            answer = flow.granted(request, params, session, fresh=True)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", secure=secure, path="/")
        return answer
