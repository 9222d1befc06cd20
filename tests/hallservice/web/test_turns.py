"""Pages in turn: one at a time, the next at once, and none held up by a slow one."""

import asyncio
import threading

import pytest

from hallservice.web import turns as turns_
from hallservice.web.turns import Turns


def played(play: "asyncio.Future[None] | object") -> None:
    """In a thread of its own: the browser's tool keeps a loop in this one."""
    thread = threading.Thread(target=lambda: asyncio.run(play))  # type: ignore[arg-type]  # a coroutine
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_one_after_the_other_in_the_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_, "PATIENCE", 30.0)  # as long as the machine likes
    turns, inside, order, most = Turns(), 0, list[int](), list[int]()

    async def page(number: int) -> None:
        nonlocal inside
        await turns.enter()
        inside += 1
        order.append(number)
        most.append(inside)
        await asyncio.sleep(0)
        inside -= 1
        turns.leave()

    async def play() -> None:
        await asyncio.gather(*(page(number) for number in range(50)))

    played(play())
    assert order == list(range(50))
    assert set(most) == {1}


def test_who_takes_long_or_goes_away_holds_nobody() -> None:
    turns, done = Turns(), list[str]()

    async def slow(until: asyncio.Event) -> None:
        await turns.enter()
        await until.wait()
        turns.leave()

    async def quick() -> None:
        await turns.enter()
        done.append("quick")
        turns.leave()

    async def play() -> None:
        until = asyncio.Event()
        long = asyncio.create_task(slow(until))
        await asyncio.sleep(0)
        gone = asyncio.create_task(quick())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(*(quick() for _ in range(100)))
        assert not long.done()
        until.set()
        await long
        await quick()

    played(play())
    assert done == ["quick"] * 101
