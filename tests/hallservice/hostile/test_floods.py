"""Many at once: each is bounded, and none keeps others out."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from starlette.responses import Response

from hallservice.hall import Hall
from hallservice.people import sso
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.port import Trip
from hallservice.people.sessions import Session
from hallservice.web import app, live
from hallservice.web.context import Context
from hallservice.web.pages import entrance
from hallservice.web.registry import Pages
from tests.hallservice.hostile.site import alone
from tests.hallservice.web.webrig import mounted, served, until


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

    assert alone(listen()) == [True] * live.MOST_OF_ONE + [False, True]


def test_whoever_waits_for_another_system_keeps_nobody_else_waiting(
    hall: Hall, session_as: Callable[[str], Session]
) -> None:
    """And nobody outside, however many connections he has, keeps the hall from printing."""
    pages, answered, waiting = Pages(), threading.Event(), []

    @pages.get("/far", function=None, public=True, title="远", slow=True)
    def far(ctx: Context) -> Response:
        waiting.append(ctx)
        answered.wait(30)
        return ctx.file(b"far", "a", "text/plain")

    @pages.get("/near", function=None, public=True, title="近")
    def near(ctx: Context) -> Response:
        return ctx.file(b"near", "a", "text/plain")

    @pages.get("/print", function=None, title="打印", slow=True)
    def printed(ctx: Context) -> Response:
        return ctx.file(b"printed", "a", "text/plain")

    most = app.SLOW_OF_ONE
    with (
        served(mounted(hall, [entrance.pages, pages])) as place,
        ThreadPoolExecutor(most) as many,
    ):
        clerk = place.visitor().enter(session_as("clerk").token)
        first = [many.submit(place.visitor().get, "/hall/far") for _ in range(most)]
        until(lambda: len(waiting) == app.PUBLIC_WORKERS)
        assert place.visitor().get("/hall/near").text == "near"
        until(lambda: place.visitor().get("/hall/far").status_code == 503)
        assert clerk.get("/hall/print").text == "printed"
        assert place.visitor().get("/hall/print").status_code == 303  # waits for nobody's turn
        answered.set()
        assert [one.result().text for one in first] == ["far"] * most


def test_a_page_that_takes_long_keeps_no_other_page_waiting(hall: Hall) -> None:
    pages, answered, waiting = Pages(), threading.Event(), []

    @pages.get("/long", function=None, public=True, title="久")
    def long(ctx: Context) -> Response:
        waiting.append(ctx)
        answered.wait(30)
        return ctx.file(b"long", "a", "text/plain")

    @pages.get("/near", function=None, public=True, title="近")
    def near(ctx: Context) -> Response:
        return ctx.file(b"near", "a", "text/plain")

    with served(mounted(hall, [pages])) as place, ThreadPoolExecutor(2) as many:
        first = [many.submit(place.visitor().get, "/hall/long") for _ in range(2)]
        until(lambda: len(waiting) == 2)
        assert [place.visitor().get("/hall/near").text for _ in range(5)] == ["near"] * 5
        answered.set()
        assert [one.result().text for one in first] == ["long"] * 2


def test_a_stream_is_not_opened_for_its_headers_alone(
    hall: Hall, session_as: Callable[[str], Session]
) -> None:
    with served(mounted(hall, [entrance.pages])) as place:
        clerk = place.visitor().enter(session_as("clerk").token)
        assert clerk.http.head("/hall/live").status_code == 405
        assert place.board.streams == 0
