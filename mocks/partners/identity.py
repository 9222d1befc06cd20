"""SYS-08, the city's single sign-on, from adapters/identity/contract/contract.md: OpenID Connect, CAS and the
directory of bodies and staff.

Own keys: issuer (the address it is asked at), client_id, client_secret, redirects, logout_redirects,
services, backchannels (one application; more by POST /admin/application), max_per_second (0 = no limit).
Admin: POST /admin/change {"orgs": [...], "users": [...]} (members to be changed, null takes one away) or
{"drawn": n}, POST /admin/forget {"before": version}, POST /admin/rotate (a new key for ID tokens).
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from structlog.types import FilteringBoundLogger

from mocks.partners import (
    identity_cas,
    identity_directory,
    identity_keys,
    identity_people,
    identity_signon,
    identity_tokens,
)
from mocks.partners.common import strictjson
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.endpoint import Operation
from mocks.partners.common.faults import SEAL_FAULTS, Faults
from mocks.partners.common.httpfaults import DROP, unworked
from mocks.partners.common.members import STRICT, BadMember, checked
from mocks.partners.common.pace import Pace
from mocks.partners.common.record import Record
from mocks.partners.common.server import main
from mocks.partners.identity_backchannel import Backchannel
from mocks.partners.identity_cas import Cas
from mocks.partners.identity_directory import MANNERS, Directory
from mocks.partners.identity_keys import Keys
from mocks.partners.identity_oidc import Oidc
from mocks.partners.identity_people import People
from mocks.partners.identity_signon import Application, LoginPage, SignOn
from mocks.partners.identity_tokens import Tokens

HTTP_FAULTS = frozenset(
    {"delay_ms", "drop_before_reply", "half_open", "http500", "maintenance", "rate_limit"}
)
FAULTS = {
    "directory": identity_directory.FAULTS, "discovery": HTTP_FAULTS, "jwks": HTTP_FAULTS,
    "authorize": HTTP_FAULTS, "login": HTTP_FAULTS, "token": HTTP_FAULTS | SEAL_FAULTS,
    "userinfo": HTTP_FAULTS, "oidc_logout": HTTP_FAULTS, "cas_login": HTTP_FAULTS,
    "validate": HTTP_FAULTS | {"internal_error"}, "cas_logout": HTTP_FAULTS,
}  # fmt: skip
SCHEMA = "".join(
    one.SCHEMA
    for one in (
        identity_people,
        identity_directory,
        identity_keys,
        identity_signon,
        identity_tokens,
        identity_cas,
    )
)
LISTS = ("redirects", "logout_redirects", "services", "backchannels")
Handler = Callable[[Request], Awaitable[Response]]


class NewApplication(BaseModel):
    """The body of POST /admin/application."""

    model_config = STRICT
    client_id: str = Field(min_length=1, max_length=100)
    secret: str = Field(min_length=1)
    redirects: list[str] = []
    logout_redirects: list[str] = []
    services: list[str] = []
    backchannels: list[str] = []


class NoPushes:
    """Nothing of its own waits for an answer it gives."""

    def hurry(self, job: int) -> None:
        """Nothing is waiting."""

    def attempted(self, job: int) -> bool:
        """Nothing is waiting."""
        return True


def faulty(faults: Faults, operation: str, handler: Handler) -> Handler:
    """The handler with the faults of an HTTP answer around it."""

    async def endpoint(request: Request) -> Response:
        early = await unworked(faults, operation, request)
        if early is not None:
            return early
        if faults.take(operation, "rate_limit"):
            return Response(status_code=429, headers={"Retry-After": "1"})
        answer = await handler(request)
        if faults.take(operation, "drop_before_reply"):
            return Response(headers={DROP: "1"})
        return answer

    return endpoint


@dataclass(frozen=True)
class Identity:
    """The program; nothing of it sends by itself but logouts."""

    record: Record
    people: People
    sign_on: SignOn
    keys: Keys
    app: FastAPI = field(repr=False)

    async def change(self, request: Request) -> JSONResponse:
        """POST /admin/change."""
        try:
            asked = strictjson.read_object(await request.body())
            now, number = self.sign_on.clock(), asked.get("drawn")
            if asked.keys() == {"drawn"} and type(number) is int and 1 <= number <= 1000:
                return JSONResponse({"version": self.people.draw(number, now)})
            return JSONResponse({"version": self.people.change(asked, now)})
        except (strictjson.BadJson, BadMember) as error:
            return JSONResponse({"detail": str(error)}, 422)

    async def forget(self, request: Request) -> JSONResponse:
        """POST /admin/forget."""
        try:
            before = strictjson.read_object(await request.body()).get("before")
        except strictjson.BadJson:
            before = None
        if type(before) is not int or before < 0:
            return JSONResponse({"detail": "before: a version is needed"}, 422)
        self.people.forget(before)
        return JSONResponse({"oldest": before})

    async def register(self, request: Request) -> JSONResponse:
        """POST /admin/application."""
        try:
            new = checked(NewApplication, strictjson.read_object(await request.body()))
        except (strictjson.BadJson, BadMember) as error:
            return JSONResponse({"detail": str(error)}, 422)
        lists = (new.redirects, new.logout_redirects, new.services, new.backchannels)
        self.sign_on.register(Application(new.client_id, new.secret, *map(tuple, lists)))
        return JSONResponse({"client_id": new.client_id})

    def rotate(self) -> JSONResponse:
        """POST /admin/rotate."""
        return JSONResponse({"kid": self.keys.rotate(self.sign_on.clock())})

    def start(self) -> None:
        """Nothing runs beside the server."""

    def stop(self) -> None:
        """Closes the record."""
        self.record.close()


def _application(config: Config) -> Application | None:
    name = config.text("client_id", "")
    lists = [config.texts(key) for key in LISTS]
    if wrong := [url for urls in lists for url in urls if not urlsplit(url).netloc]:
        raise ConfigError(f"{', '.join(LISTS)}: {wrong[0]} is no address")
    secret = config.text("client_secret", "")
    if name and not secret:
        raise ConfigError("client_secret: is needed with client_id")
    return Application(name, secret, *lists) if name else None


def _mount(identity: Identity, faults: Faults, oidc: Oidc, cas: Cas) -> None:
    tokens = Tokens(identity.sign_on, identity.keys, faults, oidc.clock, oidc.address)
    login = LoginPage(identity.sign_on, {"oidc": oidc, "cas": cas})
    for operation, methods, path, handler in (
        ("discovery", ["GET"], "/.well-known/openid-configuration", oidc.discovery),
        ("authorize", ["GET"], "/oidc/authorize", oidc.authorize),
        ("token", ["POST"], "/oidc/token", tokens.token),
        ("userinfo", ["GET", "POST"], "/oidc/userinfo", tokens.userinfo),
        ("jwks", ["GET"], "/oidc/jwks", oidc.jwks), ("oidc_logout", ["GET"], "/oidc/logout", oidc.logout),
        ("login", ["POST"], "/login", login.login), ("cas_login", ["GET"], "/cas/login", cas.login),
        ("validate", ["GET"], "/cas/serviceValidate", cas.validate),
        ("validate", ["GET"], "/cas/p3/serviceValidate", cas.validate3),
        ("cas_logout", ["GET"], "/cas/logout", cas.logout),
    ):  # fmt: skip
        identity.app.add_api_route(path, faulty(faults, operation, handler), methods=methods, name=path)
    for path, work in (
        ("change", identity.change), ("forget", identity.forget), ("application", identity.register),
        ("rotate", identity.rotate),
    ):  # fmt: skip
        identity.app.add_api_route(f"/admin/{path}", work, methods=["POST"])


def build(config: Config, log: FilteringBoundLogger) -> Identity:
    """The sign-on of a configuration."""
    application, issuer = _application(config), config.text("issuer", "").rstrip("/")
    pace = Pace(config.integer("max_per_second", 0))
    ground = open_ground(config, FAULTS, SCHEMA)
    clock, people, keys = ground.signer.clock, People(ground.record, config.seed), Keys(ground.record)
    people.fill()
    keys.ensure(clock())
    sign_on = SignOn(people, clock)
    if application is not None:
        sign_on.register(application)
    identity = Identity(ground.record, people, sign_on, keys, ground.app())
    directory = Directory(people, ground.faults, pace, ground.clock)
    desk = ground.desk(MANNERS, NoPushes())
    desk.mount(identity.app, Operation("directory", "GET", "/directory/v1/changes", directory.changes))
    told = Backchannel(sign_on, keys, clock, log)
    oidc = Oidc(sign_on, keys, clock, issuer, told)
    _mount(identity, ground.faults, oidc, Cas(sign_on, ground.faults, clock, told, oidc.address))
    return identity


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
