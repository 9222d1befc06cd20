"""A hall with everybody the review path needs, and a town's body with a credit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import Core, copy_of
from tests.hallservice.items.samples import Lists
from tests.hallservice.items.staff import clerk_named, staffed
from tests.hallservice.world import hall_of


@pytest.fixture(scope="session")
def items_pattern(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Core:
    """The hall's store with two reviewers, an editor of the district and a town centre."""
    core = copy_of(hall_pattern, tmp_path_factory.mktemp("items-pattern"))
    staffed(hall_of(core))
    return core


@pytest.fixture
def hub(tmp_path: Path, items_pattern: Core) -> Any:
    copy = copy_of(items_pattern, tmp_path)
    yield copy
    copy.hub.store.engine.dispose()


@pytest.fixture
def clerk_as(hall: Hall) -> Callable[[str], Clerk]:
    return lambda role: clerk_named(hall, role)


@pytest.fixture
def lists(hall: Hall, hub: Core, clerk_as: Callable[[str], Clerk]) -> Lists:
    """The two lists and those who keep them."""
    return Lists(hall, hub, clerk_as)
