"""The hub's side of a bus in the tests' own raw code: pika, or SQL on the database queue of docs/wire.md."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika

WIRE = """
CREATE TABLE IF NOT EXISTS binding (exchange TEXT NOT NULL, pattern TEXT NOT NULL, queue TEXT NOT NULL,
  PRIMARY KEY (exchange, pattern, queue));
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, exchange TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  message_id TEXT, correlation_id TEXT, content_type TEXT, type TEXT, headers TEXT NOT NULL DEFAULT '{}',
  body BLOB NOT NULL, published_at REAL NOT NULL,
  claimed_by TEXT, claimed_until REAL, deliveries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS message_ready ON message (queue, claimed_until, id);
"""
Queues = list[tuple[str, str, str, str | None]]


@dataclass
class Got:
    """One message taken out of a queue."""

    exchange: str
    routing_key: str
    message_id: str | None
    correlation_id: str | None
    content_type: str | None
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Put:
    """One message to send, every property of it the test's."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None = "m-1"
    correlation_id: str | None = None
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class SqliteSide:
    """Tables of docs/wire.md section 6, written from there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path, timeout=10)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(WIRE)

    def db(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    def declare(self, queues: Queues) -> None:
        with closing(self.db()) as db:
            for queue, exchange, pattern, _ in queues:
                db.execute("INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", (exchange, pattern, queue))

    def put(self, queue: str, message: Put) -> None:
        row = (
            queue, message.exchange, message.routing_key, message.message_id, message.correlation_id,
            message.content_type, json.dumps(message.headers), message.body, time.time(),
        )  # fmt: skip
        with closing(self.db()) as db:
            db.execute(
                "INSERT INTO message (queue, exchange, routing_key, message_id, correlation_id, content_type,"
                " headers, body, published_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def get(self, queue: str) -> Got | None:
        with closing(self.db()) as db:
            row = db.execute(
                "DELETE FROM message WHERE id = (SELECT min(id) FROM message WHERE queue = ?)"
                " RETURNING exchange, routing_key, message_id, correlation_id, content_type, headers, body",
                (queue,),
            ).fetchone()
        return None if row is None else Got(*row[:5], json.loads(row[5]), row[6])

    def count(self, queue: str) -> int:
        """Messages waiting or under way."""
        with closing(self.db()) as db:
            return int(db.execute("SELECT count(*) FROM message WHERE queue = ?", (queue,)).fetchone()[0])

    def close(self) -> None:
        return


class RabbitSide:
    """pika, one blocking connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: Any = None
        self.connect()

    def connect(self) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(self.url))
        self.channel = self.connection.channel()

    def declare(self, queues: Queues) -> None:
        for queue, exchange, pattern, dead in queues:
            for name in filter(None, (exchange, dead)):
                self.channel.exchange_declare(name, "topic", durable=True)
            arguments = {"x-dead-letter-exchange": dead} if dead else {}
            self.channel.queue_declare(queue, durable=True, arguments=arguments)
            self.channel.queue_bind(queue, exchange, pattern)

    def put(self, queue: str, message: Put) -> None:
        properties = pika.BasicProperties(
            message_id=message.message_id, correlation_id=message.correlation_id, delivery_mode=2,
            content_type=message.content_type, headers=message.headers, timestamp=int(time.time()),
        )  # fmt: skip
        self.channel.basic_publish(message.exchange, message.routing_key, message.body, properties)

    def get(self, queue: str) -> Got | None:
        method, properties, body = self.channel.basic_get(queue, auto_ack=True)
        if method is None:
            return None
        return Got(
            method.exchange, method.routing_key, properties.message_id, properties.correlation_id,
            properties.content_type, dict(properties.headers or {}), body,
        )  # fmt: skip

    def count(self, queue: str) -> int:
        """Messages waiting (those under way are not counted by a broker)."""
        return int(self.channel.queue_declare(queue, passive=True).method.message_count)

    def delete(self, queues: Queues) -> None:
        for queue, *_ in queues:
            self.channel.queue_delete(queue)

    def close(self) -> None:
        if self.connection.is_open:
            self.connection.close()
