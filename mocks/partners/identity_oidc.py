"""OpenID Connect (contract, part 2): discovery, authorization code with PKCE, keys, logout."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from mocks.partners.common.clock import Clock
from mocks.partners.identity_backchannel import Backchannel
from mocks.partners.identity_keys import Keys
from mocks.partners.identity_people import People
from mocks.partners.identity_signon import (
    COOKIE,
    Application,
    Params,
    Session,
    SignOn,
    hashed,
    message,
    once,
    page,
    redirect,
)

NEEDED = ("scope", "state", "nonce", "code_challenge", "code_challenge_method")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
SCOPES = ("openid", "profile", "offline_access")
PROFILE = ("preferred_username", "name", "org_id", "org_name", "area_code")
CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "sid", "acr", *PROFILE]


def discovery(issuer: str) -> dict[str, object]:
    """/.well-known/openid-configuration."""
    return {
        "issuer": issuer, "authorization_endpoint": f"{issuer}/oidc/authorize",
        "token_endpoint": f"{issuer}/oidc/token", "userinfo_endpoint": f"{issuer}/oidc/userinfo",
        "jwks_uri": f"{issuer}/oidc/jwks", "end_session_endpoint": f"{issuer}/oidc/logout",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"], "scopes_supported": list(SCOPES),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": CLAIMS, "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }  # fmt: skip


def fault_of(params: Params) -> str | None:
    """The error of an authorization request whose client and address are known."""
    kind = params.get("response_type")
    if kind is not None and kind != "code":
        return "unsupported_response_type"
    wrong = kind is None or any(not params.get(name) for name in NEEDED)
    wrong = wrong or params["code_challenge_method"] != "S256"
    if wrong or not CHALLENGE.fullmatch(params["code_challenge"]):
        return "invalid_request"
    age = params.get("max_age", "0")
    if params.get("prompt", "none") not in ("none", "login") or not (age.isascii() and age.isdigit()):
        return "invalid_request"
    return None if "openid" in params["scope"].split() else "invalid_scope"


@dataclass(frozen=True)
class Oidc:
    """The provider; `issuer` empty: the address it is asked at."""

    sign_on: SignOn
    keys: Keys
    clock: Clock
    issuer: str
    told: Backchannel

    @property
    def people(self) -> People:
        """The directory."""
        return self.sign_on.people

    def address(self, request: Request) -> str:
        """{idp}."""
        return self.issuer or str(request.base_url).rstrip("/")

    # -- authorize

    async def authorize(self, request: Request) -> Response:
        """GET /oidc/authorize."""
        params = once(request.query_params.multi_items())
        if params is None:
            return message("参数重复", 400)
        if (refusal := self.refused(params)) is not None:
            return refusal
        session = self.sign_on.session(request)
        if session is not None and not self._again(params, session):
            return self.granted(request, params, session, fresh=False)
        if params.get("prompt") == "none":
            return self._error(params, "login_required")
        return page("oidc", params)

    def refused(self, params: Params) -> Response | None:
        one = self.sign_on.application(params.get("client_id", ""))
        if one is None or params.get("redirect_uri") not in one.redirects:
            return message("应用未登记", 400)
        error = fault_of(params)
        return None if error is None else self._error(params, error)

    def cancelled(self, params: Params) -> Response:
        return self._error(params, "access_denied")

    def _error(self, params: Params, error: str) -> Response:
        state = {"state": params["state"]} if "state" in params else {}
        return redirect(params["redirect_uri"], {"error": error, **state})

    def _again(self, params: Params, session: Session) -> bool:
        """Whether the person has to log in although there is a session."""
        old = "max_age" in params and self.clock() - session.began > int(params["max_age"])
        return params.get("prompt") == "login" or old

    def granted(self, request: Request, params: Params, session: Session, *, fresh: bool) -> Response:
        code = secrets.token_urlsafe(32)
        scope = " ".join(name for name in SCOPES if name in params["scope"].split())
        row = (
            hashed(code), params["client_id"], params["redirect_uri"], scope, params["nonce"],
            params["code_challenge"], session.user_id, session.sid, session.began, self.clock(),
        )  # fmt: skip
        with self.people.record.work() as db:
            db.execute("INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", row)
        return redirect(params["redirect_uri"], {"code": code, "state": params["state"]})

    # -- keys, logout

    async def jwks(self, request: Request) -> Response:
        """GET /oidc/jwks."""
        return JSONResponse(self.keys.jwks(self.clock()))

    async def discovery(self, request: Request) -> Response:
        """GET /.well-known/openid-configuration."""
        return JSONResponse(discovery(self.address(request)))

    async def logout(self, request: Request) -> Response:
        """GET /oidc/logout."""
        params: Mapping[str, str] = request.query_params
        claims = self.keys.claims(params["id_token_hint"]) if "id_token_hint" in params else {}
        if claims is None:
            return message("请求有误", 400)
        target = params.get("post_logout_redirect_uri")
        allowed = [url for one in self._of(claims) for url in one.logout_redirects]
        if target is not None and target not in allowed:
            return message("地址未登记", 400)
        cookie = request.cookies.get(COOKIE, "")
        ended = self.sign_on.end(id=hashed(cookie), sid=str(claims.get("sid", "-")))
        self.told.about(ended, self.address(request))
        state = {"state": params["state"]} if "state" in params else {}
        answer = redirect(target, state) if target else message("已退出")
        answer.delete_cookie(COOKIE, path="/")
        return answer

    def _of(self, claims: Mapping[str, object]) -> list[Application]:
        """The applications a logout may lead back to: that of the hint, or any."""
        found = self.sign_on.applications()
        return [one for one in found if one.client_id == claims["aud"]] if claims else found
