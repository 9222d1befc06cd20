"""How often a partner may be called: the kit keeps to it, and one check goes beyond it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SECOND = 1.0


@dataclass
class Pacer:
    """At most `calls` begin within a second after another was answered, so never more arrive in any second;
    0 = no limit."""

    calls: int = 0
    clock: Callable[[], float] = time.monotonic
    _running: int = 0
    _ended: deque[float] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def turn(self, *, hasty: bool = False) -> Iterator[None]:
        """Waits until one more call is allowed; a `hasty` one only counts."""
        with self._changed:
            while self.calls and not hasty and (left := self._left()) > 0:
                self._changed.wait(left)
            self._running += 1
        try:
            yield
        finally:
            self._end()

    def _left(self) -> float:
        """Seconds until a call may begin."""
        now = self.clock()
        while self._ended and self._ended[0] <= now - SECOND:
            self._ended.popleft()
        if self._running + len(self._ended) < self.calls:
            return 0.0
        return self._ended[0] + SECOND - now if self._ended else 0.05

    def _end(self) -> None:
        with self._changed:
            self._running -= 1
            self._ended.append(self.clock())
            self._changed.notify_all()
