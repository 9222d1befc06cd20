"""The unit of work: several acts share one durable commit, each can fail alone, one checkpoint covers them
all."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, Insert
from sqlalchemy.exc import SQLAlchemyError

from exchange.errors import TryLater
from exchange.store.engine import reading
from ledger.errors import LedgerError
from ledger.log import Batch, Checkpoint, Draft, Entry, Log
from ledger.prepared import run

log = structlog.get_logger()

T = TypeVar("T")
GROUP = 64  # most acts in one commit


class Group:
    """What the acts of one commit share: rows to be inserted together at its end, and answers others of
    the group may ask for."""

    def __init__(self) -> None:
        self._rows: list[tuple[Insert, dict[str, Any]]] = []
        self.answers: dict[Any, Any] = {}

    def mark(self) -> tuple[int, int]:
        """A point to go back to."""
        return len(self._rows), len(self.answers)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what came after."""
        del self._rows[mark[0] :]
        for key in list(self.answers)[mark[1] :]:
            del self.answers[key]

    def later(self, statement: Insert, row: dict[str, Any]) -> None:
        """Insert `row` at the end of the commit; every row of a statement has the same columns."""
        self._rows.append((statement, row))

    def flush(self, connection: Connection) -> None:
        """Insert what waits, one statement at a time."""
        waiting: dict[Insert, list[dict[str, Any]]] = {}
        for statement, row in self._rows:
            waiting.setdefault(statement, []).append(row)
        self._rows.clear()
        for statement, rows in waiting.items():
            run(connection, statement, rows)


class Work:
    """One act inside a commit: a connection, the ledger's batch and what to do once the checkpoint is
    known."""

    def __init__(self, connection: Connection, batch: Batch, now: float, group: Group) -> None:
        self.connection = connection
        self.now = now  # Unix seconds
        self.group = group
        self.named: list[str] = []  # numbers that became known, for what waits for them
        self._batch = batch
        self._driver: Any = connection.connection.driver_connection
        self._at_checkpoint: list[Callable[[Checkpoint], None]] = []
        self._after: list[Callable[[], None]] = []

    def append(self, draft: Draft) -> Entry:
        """One line in the ledger, in this commit."""
        return self._batch.append(draft)

    def later(self, statement: Insert, row: dict[str, Any]) -> None:
        """Insert `row` with others at the end of the commit; until then only `flush` shows it to queries."""
        self.group.later(statement, row)

    def flush(self) -> None:
        """Insert now what waits."""
        self.group.flush(self.connection)

    def at_checkpoint(self, do: Callable[[Checkpoint], None]) -> None:
        """Run `do` with the checkpoint that covers this commit, before it commits."""
        self._at_checkpoint.append(do)

    def after_commit(self, do: Callable[[], None]) -> None:
        """Run `do` once the commit is durable."""
        self._after.append(do)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What fails inside leaves nothing behind: neither rows nor ledger lines nor plans."""
        mark, waiting = self._batch.mark(), self.group.mark()
        checkpoints, afters, named = len(self._at_checkpoint), len(self._after), len(self.named)
        say = self._driver.execute  # past SQLAlchemy: two such words for each message
        say("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            say("ROLLBACK TO SAVEPOINT attempt")
            say("RELEASE SAVEPOINT attempt")
            self._batch.rewind(mark)
            self.group.rewind(waiting)
            del self._at_checkpoint[checkpoints:], self._after[afters:], self.named[named:]
            raise
        say("RELEASE SAVEPOINT attempt")

    def seal(self, checkpoint: Checkpoint) -> None:
        """Give the checkpoint to whoever waits for it."""
        for do in self._at_checkpoint:
            do(checkpoint)

    def finished(self) -> None:
        """The commit is durable; a defect in what follows must not tell its caller that it failed."""
        for do in self._after:
            try:
                do()
            except Exception:  # the commit stands, and others of its group wait for their answers
                log.exception("after_commit_failed")


class Store:
    """The database of one hub: `write` commits in groups (whoever comes first commits for all who wait)."""

    patient = True  # who asks may wait

    def __init__(self, engine: Engine, log: Log, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self.log = log
        self.clock = clock
        self._waiting: deque[tuple[Callable[[Work], Any], Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._writer: Connection | None = None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction on the one connection that writes; whoever holds the lock has it."""
        if self._writer is None:
            self._writer = self.engine.connect().execution_options(writing=True)
        try:
            with self._writer.begin():
                yield self._writer
        except SQLAlchemyError:
            self._writer.close()
            self._writer = None
            raise

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
            except BaseException as fault:  # noqa: BLE001 - each caller who waits gets it as its own
                for _, future in group:
                    if not future.done():
                        future.set_exception(_named(fault))
                continue
            for future, work, result in settled:
                if work is not None:
                    work.finished()
                _settle(future, result)

    def _commit(self, group: list[tuple[Callable[[Work], Any], Future[Any]]]) -> list[Any]:
        with self._writing() as connection:
            now = self.clock()
            batch = self.log.begin(connection, int(now * 1000))
            alone, shared = len(group) == 1, Group()
            settled = [
                self._perform(Work(connection, batch, now, shared), act, future, alone)
                for act, future in group
            ]
            checkpoint = batch.close()
            for _, work, _ in settled:
                if work is not None:
                    work.seal(checkpoint)
            shared.flush(connection)
        return settled

    def _perform(
        self, work: Work, act: Callable[[Work], Any], future: Future[Any], alone: bool
    ) -> tuple[Future[Any], Work | None, Any]:
        """One act of the group; what fails alone takes its whole transaction back instead of a savepoint."""
        if alone:
            return future, work, act(work)
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
        future.set_exception(_named(result.fault))
    else:
        future.set_result(result)


def _named(fault: BaseException) -> BaseException:
    """The database's own errors as what a caller can do about them: the same again later."""
    if isinstance(fault, SQLAlchemyError | LedgerError):
        log.error(
            "commit_failed", error=type(fault).__name__, detail=str(getattr(fault, "orig", fault))[:300]
        )
        named = TryLater("busy", "the store cannot be written now")
        named.__cause__ = fault
        return named
    return fault
