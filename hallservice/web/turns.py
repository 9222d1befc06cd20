"""Pages are made one after the other: the interpreter runs one thread at a time, and several that compute
spend more on handing it over than on their pages (measured: half as much again with four)."""

import asyncio
from collections import deque

PATIENCE = 0.02  # seconds after which one goes on beside a page that takes long


class Turns:
    """Of one event loop. Who enters waits for who is inside, but not long; each who leaves lets one in."""

    def __init__(self) -> None:
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """At once where nobody is inside."""
        if self._inside or self._waiting:
            loop = asyncio.get_running_loop()
            turn = loop.create_future()
            self._waiting.append(turn)
            timer = loop.call_later(PATIENCE, _give, turn)
            try:
                await turn
            finally:
                timer.cancel()
        self._inside += 1

    def leave(self) -> None:
        """The next who still waits."""
        self._inside -= 1
        while self._waiting and not _give(self._waiting.popleft()):
            pass


def _give(turn: "asyncio.Future[None]") -> bool:
    """Whether it was still waited for."""
    if turn.done():
        return False
    turn.set_result(None)
    return True
