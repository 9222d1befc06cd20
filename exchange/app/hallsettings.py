"""What a site sets for its hall: hall.toml in the state directory; secrets stay in keys/secrets.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from exchange.app.settings import Settings
from exchange.errors import Misconfigured
from hallservice.hall import Hall, HallSettings
from hallservice.othertodos import HttpTodos
from hallservice.papers import wording
from hallservice.papers.fonts import FontSettings
from hallservice.papers.overlay import Layout, layout_from
from hallservice.papers.service import PaperSettings
from hallservice.papers.wording import Wording
from hallservice.people import policies, providers
from hallservice.people.policy import AccountPolicy
from hallservice.people.port import IdentityProvider
from hallservice.scanning import Clamd

FILE = "hall.toml"
PATH = "/hall"
CHECK = f"{PATH}/check?q="  # where the code on a paper leads
LAYOUTS = "layouts"  # folder of the site's own layouts of overlay printing
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
USUAL = HallSettings()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Other(_Part):
    """Another application system whose to-dos stand on the workbench; its token is a secret under `name`."""

    name: Line
    address: AnyHttpUrl
    hosts: tuple[Line, ...] = ()


class PaperPart(_Part):
    """Names and fonts of the papers (docs/papers.md); families are looked for in `folders` too."""

    notice: Literal["通知书", "告知书"] = "通知书"
    titles: dict[str, Line] = {}
    body: tuple[Line, ...] = FontSettings().body
    title: tuple[Line, ...] = FontSettings().title
    label: tuple[Line, ...] = FontSettings().label
    rare: tuple[Line, ...] = FontSettings().rare
    folders: tuple[Path, ...] = ()


class HallFile(_Part):
    """hall.toml."""

    title: Line = USUAL.title
    idle_minutes: Annotated[int, Field(ge=1, le=720)] = USUAL.idle_minutes
    session_hours: Annotated[int, Field(ge=1, le=24)] = USUAL.session_hours
    certificate_days: Annotated[int, Field(ge=0, le=10)] = USUAL.certificate_days  # 行政许可法 art. 44: 10
    scanner: Annotated[str, StringConstraints(pattern=r"^(tcp://[^/]+|unix:///.+)$")] | None = None
    accounts: AccountPolicy = USUAL.accounts
    sign_on: tuple[dict[str, str], ...] = ()  # see hallservice.people.providers
    other: tuple[Other, ...] = ()
    papers: PaperPart = PaperPart()

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
        settings.state / "files", told.accounts, told.certificate_days,
    )  # fmt: skip
    for rule in policies.outside(made):
        raise Misconfigured("setting_invalid", f"from {rule.least} to {rule.most}", f"{FILE}: {rule.name}")
    return made


def paper_settings(settings: Settings, told: HallFile) -> PaperSettings:
    """How papers look; the code on each leads to the page that checks it. Misconfigured for a title of no
    paper."""
    said = told.papers
    for name in said.titles:
        if "title" not in wording.shipped().get(name, {}):
            raise Misconfigured("setting_invalid", "no such paper", f"papers.titles.{name}")
    usual = FontSettings()
    folders = (*(settings.state / folder for folder in said.folders), *usual.folders)
    fonts = replace(
        usual, body=said.body, title=said.title, label=said.label, rare=said.rare, folders=folders
    )
    return PaperSettings(fonts, Wording(said.notice, said.titles), link=settings.public_url + CHECK)


def layouts(settings: Settings) -> dict[str, Layout]:
    """The site's own layouts of overlay printing, by name; Misconfigured names file and field."""
    found: dict[str, Layout] = {}
    for path in sorted((settings.state / LAYOUTS).glob("*.toml")):
        try:
            layout = layout_from(path.read_bytes())
        except OSError as fault:
            raise Misconfigured("settings_unreadable", f"{fault}", str(path)) from fault
        except Misconfigured as fault:
            raise Misconfigured(fault.code, fault.detail, f"{path.name}: {fault.where or ''}") from fault
        found[layout.name] = layout
    return found


def sign_on(told: HallFile, hall: Hall, secrets: Mapping[str, str]) -> dict[str, IdentityProvider]:
    """Ways to sign in beside the hall's own accounts, by name; Misconfigured names what is wrong."""

    def secret(name: str) -> str:
        if not secrets.get(name):
            raise Misconfigured("secret_missing", "it belongs in keys/secrets.toml, table [hall]", name)
        return secrets[name]

    return providers.load(hall, told.sign_on, secret)
