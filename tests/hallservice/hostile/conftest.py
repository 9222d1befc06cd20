"""One site for all hostile requests: each of them leaves it as it was, or changes what no other looks at."""

from collections.abc import Iterator

import pytest

from tests.exchange.core.rig import Core, copy_of
from tests.hallservice.hostile.site import Site, built
from tests.hallservice.web.webrig import served


@pytest.fixture(scope="package")
def site(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub with its hall, served."""
    core = copy_of(hall_pattern, tmp_path_factory.mktemp("hostile"))
    app, hall, made, tokens = built(core)
    with served(app) as place:
        pages = app.state.pages.state
        yield Site(place, hall, pages.pages, made, tokens, pages.gate)
    core.hub.store.engine.dispose()
