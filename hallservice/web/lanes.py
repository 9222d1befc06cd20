"""What may take long, a few at a time: whoever waits for it holds no worker, and no address keeps out all
others."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Lane:
    """`workers` at a time, `waiting` in progress before the next is told to come later, `of_one` of them for
    one address. Of one event loop."""

    def __init__(self, workers: int, waiting: int, of_one: int) -> None:
        self._turn = asyncio.Semaphore(workers)
        self._waiting, self._of_one = waiting, of_one
        self._inside: Counter[str] = Counter()

    async def run(self, who: str, do: Callable[[], Awaitable[T]]) -> T | None:
        """What it comes to; None where too many wait. `who` '' is bounded by the whole alone."""
        if self._inside.total() >= self._waiting or (who and self._inside[who] >= self._of_one):
            return None
        self._inside[who] += 1
        try:
            async with self._turn:
                return await do()
        finally:
            self._inside[who] -= 1
            self._inside += Counter()  # forgets who is inside no more
