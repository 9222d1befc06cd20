"""A hall that watches the time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hallservice.hall import Hall
from tests.exchange.core.rig import Core, copy_of
from tests.hallservice.supervision.watch import watched


@pytest.fixture
def watch(hub: Core) -> Hall:
    """The hall of `hub`, with supervision."""
    return watched(hub)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, hall_pattern: Core) -> Iterator[tuple[Core, Hall]]:
    """One hub for the examples of a module, each with a case of its own."""
    folder: Path = tmp_path_factory.mktemp("watched")
    core = copy_of(hall_pattern, folder)
    yield core, watched(core)
    core.hub.store.engine.dispose()
