"""The pages of one hall, served."""

from collections.abc import Iterator

import pytest

from hallservice.hall import Hall
from tests.hallservice.web.webrig import Place, mounted, served


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    """All pages of the hall of this test, and those of samplepages."""
    with served(mounted(hall)) as found:
        yield found
