"""The pages of one hall, served."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.signin import sign_in
from hallservice.web.registry import Page, Pages, shipped
from tests.exchange.core.rig import Core, copy_of
from tests.hallservice.web import samplepages
from tests.hallservice.web.browsing import Guest
from tests.hallservice.web.prepared import MAKERS
from tests.hallservice.web.webrig import FRAME, Place, Visitor, mounted, served
from tests.hallservice.world import LOGINS, PASSWORD, clerk_of_role, hall_of


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    """All pages of the hall of this test, and those of samplepages."""
    with served(mounted(hall)) as found:
        yield found


@dataclass
class Walked:
    """One hall for all pages, its people by name, and what the content policy kept from running."""

    place: Place
    hall: Hall
    clerks: dict[str, Clerk]
    violations: list[str]
    made: dict[str, str] = field(default_factory=dict)
    signed: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self, role: str) -> Visitor:
        """That member of staff with a browser without scripts."""
        if role not in self.signed:
            self.signed[role] = self.place.visitor().enter(self.token(role))
        return self.signed[role]

    def token(self, role: str) -> str:
        """A new session's."""
        return sign_in(self.hall, LOGINS[role], PASSWORD, "127.0.0.1").token

    def values(self, page: Page) -> dict[str, str]:
        """What the page's example stands for."""
        for given in page.example.values():
            name = given[1:]
            if given.startswith("@") and name not in self.made and name in MAKERS:
                self.made[name] = MAKERS[name](self.hall)
        return self.made


@contextmanager
def opened(pattern: Core, folder: Path, features: Iterable[Pages]) -> Iterator[Walked]:
    """A hall of its own for these pages."""
    core = copy_of(pattern, folder)
    hall, violations = hall_of(core), list[str]()
    with served(mounted(hall, features, reported=violations.append)) as place:
        yield Walked(place, hall, {name: clerk_of_role(hall, name) for name in LOGINS}, violations)
    core.hub.store.engine.dispose()


@pytest.fixture(scope="session")
def walked(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """A hall with the pages of every feature, in which cases are only looked at."""
    features = [*shipped(), samplepages.pages]
    with opened(hall_pattern, tmp_path_factory.mktemp("walked"), features) as found:
        yield found


@pytest.fixture(scope="session")
def framed(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """A hall with the frame's own pages and the samples."""
    with opened(hall_pattern, tmp_path_factory.mktemp("framed"), FRAME) as found:
        yield found


@pytest.fixture(scope="module")
def guests(browser: Browser, walked: Walked) -> Callable[[str], Guest]:
    """A browser for each role, signed in once; "" is nobody."""
    known: dict[str, Guest] = {}

    def guest(role: str) -> Guest:
        if role not in known:
            made = Guest(browser, walked.place.base)
            known[role] = made.enter(walked.token(role)) if role else made
        return known[role]

    return guest
