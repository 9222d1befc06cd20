"""A thread that does what is due in a table of the record, and again what was not done; a restart goes on."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass

from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record

IDLE = 0.5  # seconds between looks at the table when nothing wakes the thread
HELD = 0.5  # seconds until a message kept back in a maintenance is looked at again


@dataclass(frozen=True)
class Queries:
    """What the thread asks its table, one `?` each for a time (and a row's number last)."""

    due: str  # one row with due <= ?
    soonest: str  # min(due) of what is not done
    postpone: str  # set due = ? where the number = ?
    number: str  # the column of a row's number


class Worker(ABC):
    """One row after another; the faults `maintenance` and `reorder` of a row's operation hold it back."""

    def __init__(self, name: str, record: Record, faults: Faults, clock: Clock, queries: Queries) -> None:
        self.record, self.faults, self.clock = record, faults, clock
        self._queries = queries
        self._wake, self.stopped = threading.Event(), threading.Event()
        self._overtaken: set[int] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def operation(self, row: sqlite3.Row) -> str:
        """The operation whose faults hold the row back; "" for work inside the partner."""

    @abstractmethod
    def work(self, row: sqlite3.Row) -> None:
        """Does what is due, and writes down what became of it."""

    def fresh(self, row: sqlite3.Row) -> bool:
        """Whether the row was not tried yet: only then others overtake it."""
        return True

    def overtaken(self, row: sqlite3.Row) -> None:
        """After `reorder` held a row back."""
        return None

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, seconds: float = 1.0) -> None:
        """Ends the thread; what is under way begins again after the restart."""
        self.stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def pause(self, operation: str) -> None:
        """The fault delay_ms; `stop` ends it."""
        if fault := self.faults.take(operation, "delay_ms"):
            self.stopped.wait(fault.number(1000) / 1000)

    def _run(self) -> None:
        try:
            self.loop()
        except sqlite3.ProgrammingError:  # the record was closed under work that outlived `stop`
            if not self.stopped.is_set():
                raise

    def loop(self) -> None:
        """Until stopped."""
        while not self.stopped.is_set():
            row = self._next()
            if row is None:
                self._wake.wait(self._idle())
                self._wake.clear()
            elif not self._kept_back(row):
                self.work(row)

    def _idle(self) -> float:
        with self.record.work() as db:
            due = db.execute(self._queries.soonest).fetchone()[0]
        return IDLE if due is None else min(IDLE, max(0.005, due - self.clock()))

    def _next(self) -> sqlite3.Row | None:
        with self.record.work() as db:
            row: sqlite3.Row | None = db.execute(self._queries.due, (self.clock(),)).fetchone()
        return row

    def _kept_back(self, row: sqlite3.Row) -> bool:
        """Whether a fault lets it wait. No row is overtaken twice."""
        operation, number = self.operation(row), int(row[self._queries.number])
        if self.faults.take(operation, "maintenance"):
            self._postpone(row, HELD)
            return True
        may = number not in self._overtaken and self.fresh(row)
        late = self.faults.late(operation) if may else None
        if late is None:
            return False
        self._overtaken.add(number)
        self._postpone(row, late)
        self.overtaken(row)
        return True

    def _postpone(self, row: sqlite3.Row, seconds: float) -> None:
        with self.record.work() as db:
            db.execute(self._queries.postpone, (self.clock() + seconds, row[self._queries.number]))
