"""What a site sets for its hall: hall.toml in the state directory; secrets stay in keys/secrets.toml."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from joserfc.jwk import ECKey, RSAKey
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from exchange.app.settings import Settings
from exchange.errors import Misconfigured
from hallservice.hall import Hall, HallSettings
from hallservice.othertodos import HttpTodos
from hallservice.people.cas import Cas
from hallservice.people.headerticket import HeaderTicket
from hallservice.people.oidc import Oidc
from hallservice.people.policy import AccountPolicy
from hallservice.people.port import IdentityProvider
from hallservice.scanning import Clamd

FILE = "hall.toml"
PATH = "/hall"
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
USUAL = HallSettings()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignOn(_Part):
    """One identity provider; `directory` is the party whose staff entries carry its subjects."""

    name: Name
    title: Line
    directory: Name | Literal[""] = ""


class OidcSignOn(SignOn):
    """OpenID Connect; the client secret is [hall] of keys/secrets.toml under `name`."""

    kind: Literal["oidc"]
    issuer: AnyHttpUrl
    client_id: Line
    real_name: Line = "real_name"


class CasSignOn(SignOn):
    """CAS 3.0."""

    kind: Literal["cas"]
    server: AnyHttpUrl


class TicketSignOn(SignOn):
    """A gateway's signed ticket; `key` is its public key as a PEM file."""

    kind: Literal["ticket"]
    key: Path
    issuer: Line
    audience: Line
    header: Line = "x-gov-ticket"


class Other(_Part):
    """Another application system whose to-dos stand on the workbench; its token is a secret under `name`."""

    name: Line
    address: AnyHttpUrl
    hosts: tuple[Line, ...] = ()


class HallFile(_Part):
    """hall.toml."""

    title: Line = USUAL.title
    idle_minutes: Annotated[int, Field(ge=1, le=720)] = USUAL.idle_minutes
    session_hours: Annotated[int, Field(ge=1, le=24)] = USUAL.session_hours
    scanner: Annotated[str, StringConstraints(pattern=r"^(tcp://[^/]+|unix:///.+)$")] | None = None
    accounts: AccountPolicy = USUAL.accounts
    sign_on: tuple[Annotated[OidcSignOn | CasSignOn | TicketSignOn, Field(discriminator="kind")], ...] = ()
    other: tuple[Other, ...] = ()

    def scanning(self) -> Clamd | None:
        """Where uploads are scanned."""
        return Clamd(self.scanner) if self.scanner else None

    def others(self, secrets: Mapping[str, str]) -> list[HttpTodos]:
        """Systems beside ours."""
        return [HttpTodos(o.name, str(o.address), secrets.get(o.name, ""), o.hosts) for o in self.other]


def read(settings: Settings) -> HallFile:
    """The file, or the defaults where there is none; Misconfigured names the key."""
    path = settings.state / FILE
    if not path.exists():
        return HallFile()
    try:
        return HallFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Misconfigured("setting_invalid", f"{first['msg']} in {path}", where) from wrong
    except (OSError, ValueError) as fault:
        raise Misconfigured("settings_unreadable", f"{fault}", str(path)) from fault


def hall_settings(settings: Settings, told: HallFile) -> HallSettings:
    """As the hall takes them."""
    return HallSettings(
        told.title, settings.public_url + PATH, told.idle_minutes, told.session_hours,
        settings.state / "files", told.accounts,
    )  # fmt: skip


def expect_secrets(told: HallFile, secrets: Mapping[str, str]) -> None:
    """Misconfigured secret_missing names the provider whose client secret is not there."""
    for one in told.sign_on:
        if isinstance(one, OidcSignOn) and not secrets.get(one.name):
            raise Misconfigured("secret_missing", "its client secret belongs in keys/secrets.toml", one.name)


def providers(
    settings: Settings, told: HallFile, hall: Hall, secrets: Mapping[str, str]
) -> dict[str, IdentityProvider]:
    """Ways to sign in beside the hall's own accounts, by name; Misconfigured secret_missing."""
    expect_secrets(told, secrets)
    return {one.name: _provider(settings, one, hall, secrets.get(one.name, "")) for one in told.sign_on}


def _provider(
    settings: Settings, one: OidcSignOn | CasSignOn | TicketSignOn, hall: Hall, secret: str
) -> IdentityProvider:
    if isinstance(one, OidcSignOn):
        issuer, clock = str(one.issuer).rstrip("/"), hall.hub.store.clock
        return Oidc(
            one.name, one.title, issuer, one.client_id, secret, clock, one.directory, real_name=one.real_name
        )
    if isinstance(one, CasSignOn):
        return Cas(one.name, one.title, str(one.server).rstrip("/"), one.directory)
    key = _public_key(settings.state / one.key)
    return HeaderTicket(
        one.name, one.title, hall, key, one.issuer, one.audience, one.header.lower(), one.directory
    )


def _public_key(path: Path) -> ECKey | RSAKey:
    try:
        pem = path.read_bytes()
        return ECKey.import_key(pem) if b"EC" in pem[:40] else _either(pem)
    except (OSError, ValueError) as fault:
        raise Misconfigured("key_unreadable", f"no public key in PEM: {fault}", str(path)) from fault


def _either(pem: bytes) -> ECKey | RSAKey:
    try:
        return ECKey.import_key(pem)
    except ValueError:
        return RSAKey.import_key(pem)
