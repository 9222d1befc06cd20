"""One hub for each test; its keys are made once."""

from pathlib import Path

import pytest

from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from tests.exchange.core.rig import Core, Story, case_number, make_core


@pytest.fixture(scope="session")
def hub_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of an invented hub."""
    state = tmp_path_factory.mktemp("hub-keys")
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(state)}))
    return state / "keys"


@pytest.fixture
def core(tmp_path: Path, hub_keys: Path) -> Core:
    """A hub whose hall may speak, with items in force."""
    return make_core(tmp_path, hub_keys)


@pytest.fixture
def story() -> Story:
    """One case."""
    return Story(case_number(1))
