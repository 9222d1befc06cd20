"""CAS 2.0 and 3.0 (contract, part 3): login with a ticket, its validation, logout told to every service."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from mocks.partners.common.clock import Clock, iso
from mocks.partners.common.faults import Faults
from mocks.partners.identity_backchannel import Backchannel
from mocks.partners.identity_people import People, Row, enabled_user
from mocks.partners.identity_signon import (
    COOKIE,
    Params,
    Session,
    SignOn,
    hashed,
    message,
    once,
    page,
    redirect,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS ticket (
  ticket TEXT PRIMARY KEY, service TEXT NOT NULL, user_id TEXT NOT NULL, sid TEXT NOT NULL,
  began REAL NOT NULL, fresh INTEGER NOT NULL, at REAL NOT NULL,
  used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ticket_sid ON ticket (sid);
"""
LIFE = 10.0  # seconds
NAMESPACE = "http://www.yale.edu/tp/cas"
TEXTS = {
    "INVALID_REQUEST": "service and ticket are required", "INVALID_TICKET": "ticket not recognised",
    "INVALID_SERVICE": "ticket was given for another service", "INTERNAL_ERROR": "internal error",
    "INVALID_TICKET_SPEC": "not a service ticket",
}  # fmt: skip


class Invalid(Exception):
    """A validation that failed; the text is its code."""


@dataclass(frozen=True)
class Valid:
    """Whose ticket it was, and what CAS 3.0 tells of him."""

    user: str
    attributes: Mapping[str, str]


def as_xml(found: Valid | str, attributes: bool) -> bytes:
    """cas:serviceResponse; a text is the code of a failure."""
    if isinstance(found, str):
        inside = (
            f'<cas:authenticationFailure code="{found}">{escape(TEXTS[found])}</cas:authenticationFailure>'
        )
    else:
        lines = "".join(f"<cas:{name}>{escape(text)}</cas:{name}>" for name, text in found.attributes.items())
        more = f"<cas:attributes>{lines}</cas:attributes>" if attributes else ""
        user = f"<cas:user>{escape(found.user)}</cas:user>"
        inside = f"<cas:authenticationSuccess>{user}{more}</cas:authenticationSuccess>"
    return f'<cas:serviceResponse xmlns:cas="{NAMESPACE}">{inside}</cas:serviceResponse>'.encode()


def as_json(found: Valid | str) -> dict[str, object]:
    """The same for format=JSON."""
    if isinstance(found, str):
        return {
            "serviceResponse": {"authenticationFailure": {"code": found, "description": TEXTS[found]}}
        }  # fmt: skip
    success = {"user": found.user, "attributes": dict(found.attributes)}
    return {"serviceResponse": {"authenticationSuccess": success}}


@dataclass(frozen=True)
class Cas:
    """The CAS server."""

    sign_on: SignOn
    faults: Faults
    clock: Clock
    told: Backchannel
    address: Callable[[Request], str]

    @property
    def people(self) -> People:
        """The directory."""
        return self.sign_on.people

    async def login(self, request: Request) -> Response:
        """GET /cas/login."""
        params = once(request.query_params.multi_items())
        if params is None:
            return message("参数重复", 400)
        if (refusal := self.refused(params)) is not None:
            return refusal
        renew, session = params.get("renew") == "true", self.sign_on.session(request)
        if session is not None and not renew:
            return self.granted(request, params, session, fresh=False)
        if params.get("gateway") == "true" and not renew:
            return redirect(params["service"], {})
        return page("cas", {name: params[name] for name in ("service", "renew") if name in params})

    def refused(self, params: Params) -> Response | None:
        return None if self._registered(params.get("service", "")) else message("服务未登记", 403)

    def _registered(self, service: str) -> bool:
        found = self.sign_on.applications()
        return any(service.startswith(prefix) for one in found for prefix in one.services)

    def cancelled(self, params: Params) -> Response:
        return message("已取消")

    def granted(self, request: Request, params: Params, session: Session, *, fresh: bool) -> Response:
        ticket, service = f"ST-{secrets.token_hex(24)}", params["service"]
        row = (ticket, service, session.user_id, session.sid, session.began, fresh, self.clock())
        with self.people.record.work() as db:
            db.execute("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?, 0)", row)
        return redirect(service, {"ticket": ticket})

    async def validate(self, request: Request) -> Response:
        """GET /cas/serviceValidate."""
        return Response(as_xml(self._validated(request), False), media_type="application/xml")

    async def validate3(self, request: Request) -> Response:
        """GET /cas/p3/serviceValidate."""
        found = self._validated(request)
        if request.query_params.get("format") == "JSON":
            return JSONResponse(as_json(found))
        return Response(as_xml(found, True), media_type="application/xml")

    def _validated(self, request: Request) -> Valid | str:
        if self.faults.take("validate", "internal_error"):
            return "INTERNAL_ERROR"
        try:
            return self._valid(request.query_params)
        except Invalid as error:
            return str(error)

    def _valid(self, params: Params) -> Valid:
        service, ticket = params.get("service"), params.get("ticket")
        if not service or not ticket:
            raise Invalid("INVALID_REQUEST")
        if not ticket.startswith("ST-"):
            raise Invalid("INVALID_TICKET_SPEC")
        with self.people.record.work() as db:
            row = db.execute("SELECT * FROM ticket WHERE ticket = ?", (ticket,)).fetchone()
            db.execute("UPDATE ticket SET used = 1 WHERE ticket = ?", (ticket,))
        if row is None or row["used"] or self.clock() - row["at"] > LIFE:
            raise Invalid("INVALID_TICKET")
        if row["service"] != service:
            raise Invalid("INVALID_SERVICE")
        user = enabled_user(self.people, row["user_id"])
        if user is None or (params.get("renew") == "true" and not row["fresh"]):
            raise Invalid("INVALID_TICKET")
        return self._told(user, row["began"], fresh=bool(row["fresh"]))

    def _told(self, user: Row, began: float, *, fresh: bool) -> Valid:
        org = self.people.get("orgs", user["orgId"]) or {}
        names = ("userId", "userName", "orgId")
        told = {name: str(user[name]) for name in names}
        told |= {"orgName": str(org.get("orgName", "")), "areaCode": str(org.get("areaCode", ""))}
        told |= {"realName": str(user["realName"]), "authenticationDate": iso(began)}
        told |= {"isFromNewLogin": "true" if fresh else "false"}
        return Valid(str(user["loginName"]), told | {"longTermAuthenticationRequestTokenUsed": "false"})

    async def logout(self, request: Request) -> Response:
        """GET /cas/logout."""
        sid = self.sign_on.end(id=hashed(request.cookies.get(COOKIE, "")))
        self.told.about(sid, self.address(request))
        service = request.query_params.get("service", "")
        answer = redirect(service, {}) if self._registered(service) else message("已退出")
        answer.delete_cookie(COOKIE, path="/")
        return answer
