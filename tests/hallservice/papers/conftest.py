"""One typst process for the tests of a worker, and the foreign readers they look through."""

from collections.abc import Iterator

import pytest

from hallservice.papers.service import Papers


@pytest.fixture(scope="session")
def papers() -> Iterator[Papers]:
    with Papers() as shared:
        yield shared
