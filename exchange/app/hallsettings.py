"""What a site sets for its hall: hall.toml in the state directory; secrets stay in keys/secrets.toml."""

import tomllib
from collections.abc import Mapping
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from exchange.app.settings import Settings
from exchange.errors import Misconfigured
from hallservice.hall import Hall, HallSettings
from hallservice.othertodos import HttpTodos
from hallservice.people import policies, providers
from hallservice.people.policy import AccountPolicy
from hallservice.people.port import IdentityProvider
from hallservice.scanning import Clamd

FILE = "hall.toml"
PATH = "/hall"
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
USUAL = HallSettings()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    sign_on: tuple[dict[str, str], ...] = ()  # see hallservice.people.providers
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
    """As the hall takes them; Misconfigured where a rule for accounts is laxer than the law's."""
    made = HallSettings(
        told.title, settings.public_url + PATH, told.idle_minutes, told.session_hours,
        settings.state / "files", told.accounts,
    )  # fmt: skip
    for rule in policies.outside(made):
        raise Misconfigured("setting_invalid", f"from {rule.least} to {rule.most}", f"{FILE}: {rule.name}")
    return made


def sign_on(told: HallFile, hall: Hall, secrets: Mapping[str, str]) -> dict[str, IdentityProvider]:
    """Ways to sign in beside the hall's own accounts, by name; Misconfigured names what is wrong."""

    def secret(name: str) -> str:
        if not secrets.get(name):
            raise Misconfigured("secret_missing", "it belongs in keys/secrets.toml, table [hall]", name)
        return secrets[name]

    return providers.load(hall, told.sign_on, secret)
