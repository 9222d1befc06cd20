"""The token and userinfo endpoints of OpenID Connect (contract, part 2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults, Flaws
from mocks.partners.identity_keys import Keys, b64
from mocks.partners.identity_people import People, Row, enabled_user
from mocks.partners.identity_signon import Application, Params, SignOn, form, hashed, once

SCHEMA = """
CREATE TABLE IF NOT EXISTS code (
  code TEXT PRIMARY KEY, client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, scope TEXT NOT NULL,
  nonce TEXT NOT NULL, challenge TEXT NOT NULL, user_id TEXT NOT NULL, sid TEXT NOT NULL,
  auth_time REAL NOT NULL, at REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oidc_token (
  token TEXT PRIMARY KEY, kind TEXT NOT NULL, code TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS oidc_token_code ON oidc_token (code);
"""
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
CODE_LIFE, ID_LIFE, ACCESS_LIFE, REFRESH_LIFE = 60.0, 300, 3600, 8 * 3600.0  # seconds
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Denied(Exception):
    """An error of the token endpoint."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.status = status


class Replayed(Exception):
    """A code that was used before; the text is what is kept of it."""


@dataclass(frozen=True)
class Tokens:
    """What a code buys."""

    sign_on: SignOn
    keys: Keys
    faults: Faults
    clock: Clock
    address: Callable[[Request], str]

    @property
    def people(self) -> People:
        """The directory."""
        return self.sign_on.people

    async def token(self, request: Request) -> Response:
        """POST /oidc/token."""
        try:
            given = once(await form(request) or [])
            if not given:
                raise Denied("invalid_request")
            client = self._client(request, given)
            with self.people.record.work() as db:
                return JSONResponse(self._granted(request, db, client, given), headers=NO_STORE)
        except Replayed as replayed:
            with self.people.record.work() as db:
                db.execute("DELETE FROM oidc_token WHERE code = ?", (str(replayed),))
            return JSONResponse({"error": "invalid_grant"}, 400, NO_STORE)
        except Denied as denied:
            basic = {"WWW-Authenticate": 'Basic realm="oidc"'} if denied.status == 401 else {}
            return JSONResponse({"error": str(denied)}, denied.status, NO_STORE | basic)

    def _client(self, request: Request, given: dict[str, str]) -> Application:
        """By HTTP Basic or by form, not by both."""
        header = request.headers.get("authorization")
        if header is not None and "client_secret" in given:
            raise Denied("invalid_request")
        name, secret = (
            _basic(header) if header else (given.get("client_id", ""), given.get("client_secret", ""))
        )
        one = self.sign_on.application(name)
        if one is None or not secrets.compare_digest(one.secret.encode(), secret.encode()):
            raise Denied("invalid_client", 401)
        return one

    def _granted(
        self, request: Request, db: sqlite3.Connection, client: Application, given: Params
    ) -> dict[str, object]:  # fmt: skip
        match given.get("grant_type"):
            case None | "":
                raise Denied("invalid_request")
            case "authorization_code":
                grant = self._by_code(db, client, given)
            case "refresh_token":
                grant = self._by_refresh(db, client, given)
            case _:
                raise Denied("unsupported_grant_type")
        return self._tokens(request, db, client, grant)

    def _by_code(self, db: sqlite3.Connection, client: Application, given: Params) -> sqlite3.Row:
        code, verifier = given.get("code"), given.get("code_verifier")
        if not code or not verifier or not given.get("redirect_uri"):
            raise Denied("invalid_request")
        row = db.execute("SELECT * FROM code WHERE code = ?", (hashed(code),)).fetchone()
        if row is None or row["client_id"] != client.client_id:
            raise Denied("invalid_grant")
        if row["used"]:
            raise Replayed(row["code"])
        challenge = b64(hashlib.sha256(verifier.encode()).digest())
        right = row["redirect_uri"] == given["redirect_uri"] and row["challenge"] == challenge
        if not right or not VERIFIER.fullmatch(verifier) or self.clock() - row["at"] > CODE_LIFE:
            raise Denied("invalid_grant")
        db.execute("UPDATE code SET used = 1 WHERE code = ?", (row["code"],))
        grant: sqlite3.Row = row
        return grant

    def _by_refresh(self, db: sqlite3.Connection, client: Application, given: Params) -> sqlite3.Row:
        if not given.get("refresh_token"):
            raise Denied("invalid_request")
        name, now = hashed(given["refresh_token"]), self.clock()
        ask = (
            "SELECT c.* FROM oidc_token t JOIN code c ON c.code = t.code"
            " WHERE t.token = ? AND t.kind = 'refresh' AND t.expires > ? AND c.client_id = ?"
        )
        row: sqlite3.Row | None = db.execute(ask, (name, now, client.client_id)).fetchone()
        if row is None:
            raise Denied("invalid_grant")
        db.execute("DELETE FROM oidc_token WHERE token = ?", (name,))
        return row

    def _tokens(
        self, request: Request, db: sqlite3.Connection, client: Application, grant: sqlite3.Row
    ) -> dict[str, object]:  # fmt: skip
        user = enabled_user(self.people, grant["user_id"])
        if user is None:
            raise Denied("invalid_grant")
        said: dict[str, object] = {
            "access_token": self._new(db, "access", grant, ACCESS_LIFE), "token_type": "Bearer",
            "expires_in": ACCESS_LIFE, "scope": grant["scope"],
            "id_token": self._id_token(self.address(request), client, grant, user),
        }  # fmt: skip
        if "offline_access" in grant["scope"].split():
            said["refresh_token"] = self._new(db, "refresh", grant, REFRESH_LIFE)
        return said

    def _new(self, db: sqlite3.Connection, kind: str, grant: sqlite3.Row, life: float) -> str:
        token = secrets.token_urlsafe(32)
        row = (hashed(token), kind, grant["code"], self.clock() + life)
        db.execute("INSERT INTO oidc_token VALUES (?, ?, ?, ?)", row)
        return token

    def _id_token(self, issuer: str, client: Application, grant: sqlite3.Row, user: Row) -> str:
        flaws: Flaws = self.faults.flaws("token")
        now = int(self.clock()) - flaws.age
        claims: dict[str, object] = {
            "iss": issuer, "sub": user["userId"], "aud": client.client_id, "exp": now + ID_LIFE, "iat": now,
            "auth_time": int(grant["auth_time"]), "nonce": grant["nonce"], "sid": grant["sid"],
            "acr": "real_name" if user["realName"] == "1" else "none",
        }  # fmt: skip
        return self.keys.sign(claims | self._profile(grant["scope"], user), spoil=flaws.spoil)

    def _profile(self, scope: str, user: Row) -> dict[str, object]:
        if "profile" not in scope.split():
            return {}
        org = self.people.get("orgs", user["orgId"]) or {}
        return {
            "preferred_username": user["loginName"], "name": user["userName"], "org_id": user["orgId"],
            "org_name": org.get("orgName", ""), "area_code": org.get("areaCode", ""),
        }  # fmt: skip

    async def userinfo(self, request: Request) -> Response:
        """GET or POST /oidc/userinfo."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        ask = (
            "SELECT c.scope, c.user_id FROM oidc_token t JOIN code c ON c.code = t.code"
            " WHERE t.token = ? AND t.kind = 'access' AND t.expires > ?"
        )
        with self.people.record.work() as db:
            row = db.execute(ask, (hashed(token), self.clock())).fetchone()
        user = enabled_user(self.people, row["user_id"]) if row else None
        if kind.lower() != "bearer" or row is None or user is None:
            error = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, error)
        return JSONResponse({"sub": user["userId"], **self._profile(row["scope"], user)}, headers=NO_STORE)


def _basic(header: str) -> tuple[str, str]:
    """RFC 6749 2.3.1: both parts are form-encoded inside Basic."""
    kind, _, value = header.partition(" ")
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Denied("invalid_client", 401) from None
    name, colon, secret = text.partition(":")
    if kind.lower() != "basic" or not colon:
        raise Denied("invalid_client", 401)
    return unquote_plus(name), unquote_plus(secret)
