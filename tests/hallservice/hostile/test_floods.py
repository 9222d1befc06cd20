"""Many at once: each is bounded, and none keeps others out."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from hallservice.hall import Hall
from hallservice.people import sso
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.port import Trip
from hallservice.web import live


class Elsewhere:
    """A provider that is only gone to."""

    name, title = "elsewhere", "别处"

    def address(self, trip: Trip) -> str:
        return f"https://sso.example/?state={trip.state}"


def test_trips_to_the_provider_nobody_comes_back_from_give_way(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sso, "MOST_TRIPS", 3)
    for _ in range(5):
        assert sso.begin(hall, Elsewhere(), "https://hall.example/back", "browser").startswith("https://sso.")
    count = select(func.count()).select_from(t.sign_on)
    assert hall.read(lambda connection: connection.execute(count).scalar_one()) == 3


def test_one_person_s_streams_leave_room_for_others(hall: Hall, clerk_as: Callable[[str], Clerk]) -> None:
    async def run(_do: object) -> None:
        await asyncio.sleep(30)

    async def listen() -> list[bool]:
        board = live.Board(hall, [])
        clerks = [clerk_as("clerk")] * (live.MOST_OF_ONE + 1) + [clerk_as("other")]
        try:
            return [await board.listen(clerk, run) is not None for clerk in clerks]
        finally:
            if board._ticker:
                board._ticker.cancel()

    assert asyncio.run(listen()) == [True] * live.MOST_OF_ONE + [False, True]
