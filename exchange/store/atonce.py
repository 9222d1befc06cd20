"""Reading for a thread that must not be held up, such as an event loop's: at once, or not at all."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from exchange.store.work import Store, Work

T = TypeVar("T")
EVERY = 10_000  # instructions of SQLite's machine between two looks
LOOKS = 20  # a reading may take so many: a few milliseconds


class WouldWait(Exception):
    """Not to be told at once: ask again in a thread that may wait."""


class AtOnce(Store):
    """The same store, embedded in this process: a reading that meets a lock or takes long, and every write,
    ends in WouldWait. It keeps one connection to itself and serves one caller at a time."""

    patient = False

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine, store.log, lambda: store.clock())
        self._mine: Connection | None = None
        self._taken = threading.Lock()
        self._looks = 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if not self._taken.acquire(blocking=False):
            raise WouldWait("another reading is under way")
        try:
            if self._mine is None:
                self._mine = self._opened()
            self._looks = 0
            with self._mine.begin():
                yield self._mine
        except (OperationalError, sqlite3.OperationalError) as fault:
            self._dropped()
            raise WouldWait("a lock, or too many steps") from fault
        finally:
            self._taken.release()

    def write(self, act: Callable[[Work], T]) -> T:
        raise WouldWait("a commit waits for others")

    def _dropped(self) -> None:
        """What was interrupted is not used again, by nobody."""
        if self._mine is not None:
            self._mine.invalidate()
            self._mine.close()
            self._mine = None

    def _opened(self) -> Connection:
        made = self.engine.connect()
        driver: Any = made.connection.driver_connection
        driver.execute("PRAGMA busy_timeout=0")
        driver.set_progress_handler(self._looked, EVERY)
        return made

    def _looked(self) -> bool:
        """Whether to stop. SQLite counts on from one run of a statement to the next, so that one look says
        nothing."""
        self._looks += 1
        return self._looks > LOOKS


def at_once(store: Store) -> AtOnce | None:
    """None where the database is on the other side of a network: every question to it waits."""
    return AtOnce(store) if store.engine.dialect.name == "sqlite" else None
