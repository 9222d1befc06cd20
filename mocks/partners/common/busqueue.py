"""The database queue of docs/wire.md, section 6, as a partner sees it: an SQLite file shared with the hub."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from mocks.partners.common.bus import (
    PREFETCH,
    Bus,
    BusError,
    Delivery,
    Handler,
    Reject,
    Route,
    Taking,
    Tell,
    Unroutable,
    always,
)  # fmt: skip

TABLES = (
    "CREATE TABLE IF NOT EXISTS binding (exchange TEXT NOT NULL, pattern TEXT NOT NULL, queue TEXT NOT NULL,"
    " PRIMARY KEY (exchange, pattern, queue))",
    "CREATE TABLE IF NOT EXISTS message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, exchange TEXT NOT NULL,"
    " routing_key TEXT NOT NULL, message_id TEXT, correlation_id TEXT, content_type TEXT, type TEXT,"
    " headers TEXT NOT NULL DEFAULT '{}', body BLOB NOT NULL, published_at REAL NOT NULL,"
    " claimed_by TEXT, claimed_until REAL, deliveries INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS message_ready ON message (queue, claimed_until, id)",
)
PEEK = (  # a read takes no write lock
    "SELECT 1 FROM message WHERE queue = :queue AND (claimed_until IS NULL OR claimed_until < :now) LIMIT 1"
)
CLAIM = (
    "UPDATE message SET claimed_by = :me, claimed_until = :now + 30, deliveries = deliveries + 1"
    " WHERE id IN (SELECT id FROM message WHERE queue = :queue"
    " AND (claimed_until IS NULL OR claimed_until < :now) ORDER BY id LIMIT :n) RETURNING *"
)
ACKNOWLEDGE = "DELETE FROM message WHERE id = ? AND claimed_by = ?"
INSERT = (
    "INSERT INTO message (queue, exchange, routing_key, message_id, correlation_id, content_type, headers,"
    " body, published_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
BUSY = 10.0  # seconds to wait for another process's write
SHORTEST, LONGEST = 0.02, 0.2  # seconds between looks into an empty queue
AGAIN = 1.0  # seconds until a message whose handler failed is offered again


@lru_cache(maxsize=256)
def topic(pattern: str) -> re.Pattern[str]:
    """A topic binding as a regular expression: `*` one word, `#` any number, none included."""
    text = ""
    for word in pattern.split("."):
        text += r"(?:\.[^.]*)*" if word == "#" else r"\.[^.]*" if word == "*" else r"\." + re.escape(word)
    return re.compile(text)


def matches(pattern: str, routing_key: str) -> bool:
    """Whether a binding takes a routing key."""
    return topic(pattern).fullmatch("." + routing_key) is not None


def connect(path: Path) -> sqlite3.Connection:
    """The queue file in WAL mode, its tables made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    try:
        _to_wal(db)
        db.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            db.execute(statement)
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _to_wal(db: sqlite3.Connection) -> None:
    """SQLite answers busy at once, without its timeout, when two processes change the mode together."""
    end = time.monotonic() + BUSY
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _queues(db: sqlite3.Connection, exchange: str, routing_key: str) -> list[str]:
    rows = db.execute("SELECT pattern, queue FROM binding WHERE exchange = ?", (exchange,))
    return sorted({row["queue"] for row in rows if matches(row["pattern"], routing_key)})


def _delivery(row: sqlite3.Row) -> Delivery:
    headers = json.loads(row["headers"])
    return Delivery(
        row["queue"], row["exchange"], row["routing_key"], row["message_id"], row["correlation_id"],
        row["content_type"], {str(name): str(value) for name, value in headers.items()}, bytes(row["body"]),
        row["published_at"],
    )  # fmt: skip


class QueueBus(Bus):
    """One publishing connection behind a lock, one connection per consuming thread."""

    def __init__(self, path: Path, routes: tuple[Route, ...], consumer: str, tell: Tell) -> None:
        self._path, self._tell = path, tell
        self._name = consumer or secrets.token_hex(8)
        self._dead = {route.queue: route.dead_letter_exchange for route in routes}
        self._stop, self._threads = threading.Event(), list[threading.Thread]()
        self._lock, self._db = threading.Lock(), connect(path)
        rows = [(route.exchange, route.pattern, route.queue) for route in routes]
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str,
        correlation_id: str | None = None, content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        queues: list[str] = []
        told = json.dumps(dict(headers or {}))
        row = (exchange, routing_key, message_id, correlation_id, content_type, told)
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                queues = _queues(self._db, exchange, routing_key)
                self._db.executemany(INSERT, [(queue, *row, body, time.time()) for queue in queues])
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                _undo(self._db)
                raise BusError(type(error).__name__) from error
        if not queues:
            raise Unroutable(routing_key)

    def consume(self, queue: str, handler: Handler, taking: Taking = always) -> None:
        thread = threading.Thread(target=self._run, args=(queue, handler, taking), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(1.5)
        with self._lock:
            self._db.close()

    def _run(self, queue: str, handler: Handler, taking: Taking) -> None:
        me, fresh = f"{self._name}/{queue}", True
        while not self._stop.is_set():
            try:
                with closing(connect(self._path)) as db:
                    if fresh:  # what a killed process of this name had claimed
                        db.execute("UPDATE message SET claimed_until = NULL WHERE claimed_by = ?", (me,))
                        fresh = False
                    self._serve(db, queue, me, handler, taking)
            except sqlite3.Error:
                self._tell("queue_lost")
                self._stop.wait(AGAIN)

    def _serve(
        self, db: sqlite3.Connection, queue: str, me: str, handler: Handler, taking: Taking
    ) -> None:  # fmt: skip
        wait = SHORTEST
        while not self._stop.is_set():
            if not taking():
                self._stop.wait(LONGEST)
                continue
            rows = self._claim(db, queue, me)
            for row in rows:
                if self._stop.is_set() or row["claimed_until"] < time.time() + 1:
                    self._give_back(db, row, 0)
                else:
                    self._one(db, row, handler)
            wait = SHORTEST if rows else min(LONGEST, wait * 1.5)
            self._stop.wait(0 if rows else wait)

    def _claim(self, db: sqlite3.Connection, queue: str, me: str) -> list[sqlite3.Row]:
        values = {"queue": queue, "now": time.time(), "me": me, "n": PREFETCH}
        if db.execute(PEEK, values).fetchone() is None:
            return []
        return sorted(db.execute(CLAIM, values).fetchall(), key=lambda row: int(row["id"]))

    def _one(self, db: sqlite3.Connection, row: sqlite3.Row, handler: Handler) -> None:
        try:
            handler(_delivery(row))
        except Reject as reject:
            self._bury(db, row, reject.code)
        except Exception as error:  # noqa: BLE001  # the thread's boundary: the message is kept and offered again
            self._tell(f"handler_failed {type(error).__name__}")
            self._give_back(db, row, time.time() + AGAIN)
        else:
            self._acknowledge(db, row)

    def _acknowledge(self, db: sqlite3.Connection, row: sqlite3.Row) -> bool:
        """False if the claim had run out and the message belongs to another by now."""
        return db.execute(ACKNOWLEDGE, (row["id"], row["claimed_by"])).rowcount == 1

    def _give_back(self, db: sqlite3.Connection, row: sqlite3.Row, until: float) -> None:
        db.execute(
            "UPDATE message SET claimed_until = ? WHERE id = ? AND claimed_by = ?",
            (until or None, row["id"], row["claimed_by"]),
        )

    def _bury(self, db: sqlite3.Connection, row: sqlite3.Row, code: str) -> None:
        """Moves a message to the dead-letter queue in one transaction; without one it is dropped."""
        exchange = self._dead.get(row["queue"])
        db.execute("BEGIN IMMEDIATE")
        if self._acknowledge(db, row) and exchange is not None:
            headers = json.dumps(json.loads(row["headers"]) | {"x-code": code})
            for queue in _queues(db, exchange, row["routing_key"]):
                values = (queue, exchange, row["routing_key"], row["message_id"], row["correlation_id"])
                db.execute(INSERT, (*values, row["content_type"], headers, row["body"], time.time()))
        db.execute("COMMIT")
        self._tell(f"rejected {code}")


def _undo(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
