"""The unit of work: several acts share one durable commit, each can fail alone, one checkpoint covers them all."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from ledger.log import Batch, Checkpoint, Draft, Entry, Log
from sqlalchemy import Connection, Engine

from exchange.store.engine import reading

T = TypeVar("T")
GROUP = 64  # most acts in one commit


class Work:
    """One act inside a commit: a connection, the ledger's batch and what to do once the checkpoint is known."""

    def __init__(self, connection: Connection, batch: Batch, now: float) -> None:
        self.connection = connection
        self.now = now  # Unix seconds
        self._batch = batch
        self._at_checkpoint: list[Callable[[Checkpoint], None]] = []
        self._after: list[Callable[[], None]] = []

    def append(self, draft: Draft) -> Entry:
        """One line in the ledger, in this commit."""
        return self._batch.append(draft)

    def at_checkpoint(self, do: Callable[[Checkpoint], None]) -> None:
        """Run `do` with the checkpoint that covers this commit, before it commits."""
        self._at_checkpoint.append(do)

    def after_commit(self, do: Callable[[], None]) -> None:
        """Run `do` once the commit is durable."""
        self._after.append(do)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What fails inside leaves nothing behind: neither rows nor ledger lines nor plans."""
        mark, checkpoints, afters = self._batch.mark(), len(self._at_checkpoint), len(self._after)
        self.connection.exec_driver_sql("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.connection.exec_driver_sql("ROLLBACK TO attempt")
            self.connection.exec_driver_sql("RELEASE attempt")
            self._batch.rewind(mark)
            del self._at_checkpoint[checkpoints:], self._after[afters:]
            raise
        self.connection.exec_driver_sql("RELEASE attempt")

    def seal(self, checkpoint: Checkpoint) -> None:
        """Give the checkpoint to whoever waits for it."""
        for do in self._at_checkpoint:
            do(checkpoint)

    def finished(self) -> None:
        """The commit is durable."""
        for do in self._after:
            do()


class Store:
    """The database of one hub: `write` commits in groups (whoever comes first commits for all who wait)."""

    def __init__(self, engine: Engine, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self.log = log
        self.clock = clock
        self._waiting: deque[tuple[Callable[[Work], Any], Future[Any]]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent state, not blocking writers."""
        with reading(self.engine) as connection:
            yield connection

    def write(self, act: Callable[[Work], T]) -> T:
        """Run `act` in a transaction, durable when this returns; what it raises undoes it alone."""
        future: Future[T] = Future()
        self._waiting.append((act, future))
        with self._lock:
            if not future.done():
                self._commit_group()
        return future.result()

    def _commit_group(self) -> None:
        """Commit the acts that wait, oldest first, until none of an earlier comer is left."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            try:
                settled = self._commit(group)
            except BaseException as fault:
                for _, future in group:
                    if not future.done():
                        future.set_exception(fault)
                continue
            for future, work, result in settled:
                if work is not None:
                    work.finished()
                _settle(future, result)

    def _commit(self, group: list[tuple[Callable[[Work], Any], Future[Any]]]) -> list[Any]:
        with self.engine.connect().execution_options(writing=True) as connection, connection.begin():
            now = self.clock()
            batch = self.log.begin(connection, int(now * 1000))
            settled = [self._perform(connection, batch, now, act, future) for act, future in group]
            checkpoint = batch.close()
            for _, work, _ in settled:
                if work is not None:
                    work.seal(checkpoint)
        return settled

    def _perform(
        self, connection: Connection, batch: Batch, now: float, act: Callable[[Work], Any], future: Future[Any]
    ) -> tuple[Future[Any], Work | None, Any]:
        work = Work(connection, batch, now)
        try:
            with work.attempt():
                return future, work, act(work)
        except Exception as fault:  # noqa: BLE001 - handed to the caller who waits; the others of the group go on
            return future, None, _Failed(fault)


class _Failed:
    def __init__(self, fault: Exception) -> None:
        self.fault = fault


def _settle(future: Future[Any], result: Any) -> None:
    if isinstance(result, _Failed):
        future.set_exception(result.fault)
    else:
        future.set_result(result)
