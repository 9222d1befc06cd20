"""The database queue: the same keys, headers and bytes as RabbitMQ, in one SQLite file whose tables are
public (docs/wire.md §6)."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from exchange.errors import TryLater
from exchange.transports.queues import Binding, Delivery, Handler, Post, topic_matches

CLAIM_SECONDS = 30.0
PREFETCH = 20
IDLE = 0.05  # seconds between looks at an empty queue

SCHEMA = """
CREATE TABLE IF NOT EXISTS binding (exchange TEXT NOT NULL, pattern TEXT NOT NULL, queue TEXT NOT NULL,
  PRIMARY KEY (exchange, pattern, queue));
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, exchange TEXT NOT NULL, routing_key TEXT NOT
  NULL,
  message_id TEXT, correlation_id TEXT, content_type TEXT, type TEXT, headers TEXT NOT NULL DEFAULT '{}',
  body BLOB NOT NULL, published_at REAL NOT NULL,
  claimed_by TEXT, claimed_until REAL, deliveries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS message_ready ON message (queue, claimed_until, id);
"""
_PUBLISH = (
    "INSERT INTO message (queue, exchange, routing_key, message_id, correlation_id, content_type, type,"
    " headers, body, published_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_READY = "SELECT 1 FROM message WHERE queue = ? AND (claimed_until IS NULL OR claimed_until < ?) LIMIT 1"
_CLAIM = (
    "UPDATE message SET claimed_by = :me, claimed_until = :until, deliveries = deliveries + 1 WHERE id IN"
    " (SELECT id FROM message WHERE queue = :queue AND (claimed_until IS NULL OR claimed_until < :now)"
    " ORDER BY id LIMIT :n) RETURNING *"
)
_GIVE_BACK = "UPDATE message SET claimed_until = ? WHERE id = ? AND claimed_by = ?"
_DONE = "DELETE FROM message WHERE id = ? AND claimed_by = ?"


class DatabaseQueues:
    """Queues in an SQLite file shared by processes of one machine."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing() as connection:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)

    def declare(self, bindings: Sequence[Binding]) -> None:
        """As Queues.declare; dead letters are published by whoever refuses."""
        with self._writing() as connection:
            rows = [(one.exchange, one.pattern, one.queue) for one in bindings]
            connection.executemany("INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", rows)

    def publish(self, posts: Sequence[Post]) -> None:
        """As Queues.publish, all in one transaction."""
        with self._writing() as connection:
            bindings = connection.execute("SELECT exchange, pattern, queue FROM binding").fetchall()
            connection.executemany(_PUBLISH, [row for post in posts for row in self._rows(post, bindings)])

    def consume(self, queue: str, handler: Handler, stopping: Callable[[], bool]) -> None:
        """As Queues.consume."""
        me = uuid4().hex
        while not stopping():
            if not self._handled(queue, me, handler):
                time.sleep(IDLE)

    def _handled(self, queue: str, me: str, handler: Handler) -> int:
        """One claim; how many it brought. A locked file ends it: the rest comes again after its time."""
        try:
            rows = self._claim(queue, me)
            for row in rows:
                self._hand_over(row, me, handler)
        except TryLater:
            return 0
        return len(rows)

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _rows(self, post: Post, bindings: list[sqlite3.Row]) -> Iterator[tuple[object, ...]]:
        queues = {
            b["queue"]
            for b in bindings
            if b["exchange"] == post.exchange and topic_matches(b["pattern"], post.routing_key)
        }
        if not queues:
            raise TryLater("unroutable", f"no queue is bound for {post.routing_key}", post.exchange)
        for queue in sorted(queues):
            yield (
                queue,
                post.exchange,
                post.routing_key,
                post.message_id,
                post.correlation_id,
                post.content_type,
                post.type,
                json.dumps(dict(post.headers)),
                post.body,
                self._clock(),
            )

    def _claim(self, queue: str, me: str) -> list[sqlite3.Row]:
        now = self._clock()
        if not self._connection().execute(_READY, (queue, now)).fetchone():
            return []
        with self._writing() as connection:
            values = {"me": me, "until": now + CLAIM_SECONDS, "queue": queue, "now": now, "n": PREFETCH}
            return sorted(connection.execute(_CLAIM, values).fetchall(), key=lambda row: int(row["id"]))

    def _hand_over(self, row: sqlite3.Row, me: str, handler: Handler) -> None:
        try:
            handler(_delivery(row))
        except TryLater:
            with self._writing() as connection:
                connection.execute(_GIVE_BACK, (self._clock() + 1.0, row["id"], me))
            return
        with self._writing() as connection:
            connection.execute(_DONE, (row["id"], me))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                connection.execute(f"PRAGMA {pragma}")
            self._local.connection = connection
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as fault:
            raise TryLater("busy", str(fault)) from fault
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _delivery(row: sqlite3.Row) -> Delivery:
    """A row as it is, whatever its writer put into it: what is no body or header shows in the seal."""
    return Delivery(
        str(row["exchange"]),
        str(row["routing_key"]),
        _bytes(row["body"]),
        _text(row["message_id"]),
        _text(row["correlation_id"]),
        _text(row["content_type"]),
        _text(row["type"]),
        _headers(row["headers"]),
        row["deliveries"] > 1,
    )


def _bytes(value: object) -> bytes:
    """SQLite keeps in a BLOB column whatever it is given."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _text(value: object) -> str | None:
    return None if value is None else _bytes(value).decode("utf-8", "replace")


def _headers(value: object) -> dict[str, str]:
    """The headers that are texts; none when the column holds no JSON object."""
    try:
        found = json.loads(_text(value) or "{}")
    except (ValueError, RecursionError):
        return {}
    return (
        {name: text for name, text in found.items() if isinstance(text, str)}
        if isinstance(found, dict)
        else {}
    )
