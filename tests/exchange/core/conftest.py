"""One hub for each test; its keys are made once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from exchange.reactions import STANDARD
from tests.exchange.core.rig import Core, Story, case_number, copy_of, make_core


@pytest.fixture(scope="session")
def hub_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of an invented hub."""
    state = tmp_path_factory.mktemp("hub-keys")
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(state)}))
    return state / "keys"


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory, hub_keys: Path) -> Core:
    """What every test's hub is a copy of."""
    return make_core(tmp_path_factory.mktemp("pattern"), hub_keys)


@pytest.fixture
def core(tmp_path: Path, pattern: Core) -> Iterator[Core]:
    """A hub whose hall may speak, with items in force. What the embedded hall does of itself (it watches the
    time limits) is tested with the hall."""
    copy = copy_of(pattern, tmp_path)
    copy.hub = replace(copy.hub, reactions=STANDARD)
    yield copy
    copy.hub.store.engine.dispose()


@pytest.fixture
def story() -> Story:
    """One case."""
    return Story(case_number(1))
