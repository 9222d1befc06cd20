"""The city's single sign-on as a program, and people of its directory with an account in the hall."""

from collections.abc import Iterator
from typing import Any

import pytest

from hallservice.hall import Hall
from hallservice.people.accounts import UserRow, add
from hallservice.people.system import SYSTEM
from tests.hallservice.people.cityside import CALLBACK
from tests.mocks.jsonparty import Program


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """SYS-08 as it is told in its contract, a program of its own."""
    own = {"client_id": "hall", "client_secret": "s3c/ret+", "redirects": [CALLBACK.format("oidc")]}
    own["services"] = [CALLBACK.format("cas")]
    program = Program("identity", tmp_path_factory.mktemp("identity"), b"{}", **own)
    yield program
    program.close()


@pytest.fixture
def staff(hall: Hall) -> None:
    """Three of the city's people have an account here, two of them known by their number."""

    def act(work: Any) -> None:
        for id_, login in (("U1001", "ceshi.jia"), ("U1003", "yangli.bing")):
            add(
                hall,
                work,
                SYSTEM,
                UserRow(id_, "某人", "441402-scj", login, source="identity", source_id=id_),
            )
        add(hall, work, SYSTEM, UserRow("x2", "某人", "441402-scj", "ceshi.yi"))

    hall.write(act)
