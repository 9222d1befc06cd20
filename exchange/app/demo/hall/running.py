"""The hall within a run of the demonstration: made ready, worked in, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exchange.app import opening
from exchange.app.demo.asking import Asking
from exchange.app.demo.counter import FIELDS
from exchange.app.demo.hall import applicants, complaints, late, site
from exchange.app.demo.hall.day import Day, Standing, certificate_types
from exchange.app.demo.hall.site import Account
from exchange.app.demo.layout import Layout, Partner
from exchange.app.halls import open_hall
from exchange.app.hallsettings import PATH
from exchange.app.serving import build_hub
from exchange.app.settings import Settings

LEFT = 6  # cases left waiting, one in each stage


@dataclass(frozen=True)
class Seen:
    """What the summary says of the hall."""

    standing: Standing = field(default_factory=Standing)
    url: str = ""
    password: str = ""
    accounts: Sequence[Account] = ()

    def as_json(self) -> list[dict[str, str]]:
        """Who may sign in."""
        return [
            {"role": one.role, "login": one.login, "password": self.password, "name": one.name}
            for one in self.accounts
        ]


@dataclass
class Working:
    """The hall of one run; `day` is None where none was asked for."""

    url: str = ""
    password: str = ""
    day: Day | None = None

    def step(self) -> None:
        """The clerks do what can be done now."""
        if self.day is not None:
            self.day.step()

    @property
    def seen(self) -> Seen:
        """What it came to so far."""
        if self.day is None:
            return Seen()
        return Seen(self.day.standing, self.url, self.password, site.accounts())

    def close(self) -> None:
        """Give the store back."""
        if self.day is not None:
            self.day.hall.hub.store.engine.dispose()


def begin(
    settings: Settings, layout: Layout, members: Sequence[Partner], asking: Asking, cases: int
) -> Working:
    """Bodies and staff in place, the types of their certificates known to the library; no case yet."""
    if not cases:
        return Working()
    hall = open_hall(settings, build_hub(settings, opening.open_store(settings)))
    password = site.kept_password(layout.root / "hall")
    taken = frozenset(one.org for one in members if one.org is not None)
    bodies = site.build(hall, password, taken)
    complaints.seed(hall, bodies)
    day = Day(hall, bodies, cases, LEFT)  # its numbers follow those of earlier runs alone
    applicants.seed(hall, bodies)
    late.seed(hall, bodies)
    for code, name in certificate_types(hall, bodies):
        kind = {"typeCode": code, "typeName": name, "version": "1.0", "fields": FIELDS}
        asking.post("certificates", "/admin/type", kind)
    return Working(settings.public_url + PATH, password, day)
