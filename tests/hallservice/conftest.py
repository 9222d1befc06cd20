"""One hall for each test: a copy of a store that is built once, with staff for every role.

`hall` is the hall, `hub` the hub's rig around it (a clock the test moves, parties the test plays),
`clerk_as("clerk")` a signed-in person, `session_as("clerk")` a session whose token a browser could hold.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Session
from hallservice.people.signin import sign_in
from tests.exchange.core.rig import Core, copy_of, make_core
from tests.hallservice.web.browsing import chromium
from tests.hallservice.world import LOGINS, PASSWORD, build, clerk_of_role, hall_of


@pytest.fixture(scope="session")
def hall_pattern(tmp_path_factory: pytest.TempPathFactory) -> Core:
    """What every test's hall is a copy of."""
    state = tmp_path_factory.mktemp("hall-keys")
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(state)}))
    core = make_core(tmp_path_factory.mktemp("hall-pattern"), state / "keys")
    build(core)
    return core


@pytest.fixture
def hub(tmp_path: Path, hall_pattern: Core) -> Iterator[Core]:
    """The hub the hall is a party of."""
    copy = copy_of(hall_pattern, tmp_path)
    yield copy
    copy.hub.store.engine.dispose()


@pytest.fixture
def hall(hub: Core) -> Hall:
    """The hall, with people in it and no case yet."""
    return hall_of(hub)


@pytest.fixture
def clerk_as(hall: Hall) -> Callable[[str], Clerk]:
    """A member of staff by the name in tests/hallservice/world.py."""
    return lambda role: clerk_of_role(hall, role)


@pytest.fixture
def session_as(hall: Hall) -> Callable[[str], Session]:
    """A session of that member of staff, signed in with the password."""
    return lambda role: sign_in(hall, LOGINS[role], PASSWORD, "127.0.0.1")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. While it is there its tool's loop runs in this thread, which allows no other one."""
    with chromium() as started:
        yield started
