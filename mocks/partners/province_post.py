"""What the province sends: receipts and audits wait in a table, which a killed process finds again."""

from __future__ import annotations

import hashlib
import sqlite3
from uuid import NAMESPACE_OID, uuid5

from mocks.partners.common import strictjson
from mocks.partners.common.amqpdesk import Mouth, Parcel
from mocks.partners.common.assemble import Ground
from mocks.partners.common.bus import BusError
from mocks.partners.common.worker import Queries, Worker

SCHEMA = """
CREATE TABLE IF NOT EXISTS post (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, message_id TEXT NOT NULL,
  correlation_id TEXT, body BLOB NOT NULL, due REAL NOT NULL);
CREATE INDEX IF NOT EXISTS post_due ON post (due, seq);
"""
QUERIES = Queries(
    "SELECT * FROM post WHERE due <= ? ORDER BY due, seq LIMIT 1",
    "SELECT min(due) FROM post",
    "UPDATE post SET due = ? WHERE seq = ?",
    "seq",
)
KEYS = {"receipt": "receipt.441400", "audit": "audit.441400"}


class Post(Worker):
    """One thread; a message leaves the table when it was published."""

    def __init__(self, ground: Ground, mouth: Mouth) -> None:
        super().__init__("post", ground.record, ground.faults, ground.clock.base, QUERIES)
        self._mouth = mouth

    def add(
        self, db: sqlite3.Connection, operation: str, value: object, name: str, case: str | None, delay: float
    ) -> None:  # fmt: skip
        """Keeps a message inside the caller's transaction. The same one again gets the same message id."""
        body = strictjson.write(value)
        message_id = str(uuid5(NAMESPACE_OID, f"{operation} {name} {hashlib.sha256(body).hexdigest()}"))
        db.execute(
            "INSERT INTO post (operation, message_id, correlation_id, body, due) VALUES (?, ?, ?, ?, ?)",
            (operation, message_id, case, body, self.clock() + delay),
        )

    def operation(self, row: sqlite3.Row) -> str:
        return str(row["operation"])

    def work(self, row: sqlite3.Row) -> None:
        key = KEYS[row["operation"]]
        parcel = Parcel("prov.hall", key, row["body"], row["message_id"], row["correlation_id"], {})
        try:
            self._mouth.say(row["operation"], parcel)
        except BusError:
            with self.record.work() as db:
                db.execute(QUERIES.postpone, (self.clock() + 1.0, row["seq"]))
            return
        with self.record.work() as db:
            db.execute("DELETE FROM post WHERE seq = ?", (row["seq"],))
