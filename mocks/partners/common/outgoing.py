"""Messages over AMQP that wait for a business receipt: kept, sent, and sent again until it comes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from uuid import uuid4

from mocks.partners.common.amqpdesk import Mouth, Parcel, headers_text
from mocks.partners.common.bus import BusError
from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

SCHEMA = """
CREATE TABLE IF NOT EXISTS outgoing (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, case_no TEXT NOT NULL,
  step TEXT NOT NULL, exchange TEXT NOT NULL, routing_key TEXT NOT NULL, headers TEXT NOT NULL,
  body BLOB NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting',
  code TEXT NOT NULL DEFAULT '', spoilt INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL DEFAULT 0,
  UNIQUE (case_no, step));
CREATE INDEX IF NOT EXISTS outgoing_due ON outgoing (state, due);
"""
SENT = (
    "UPDATE outgoing SET attempts = attempts + ?, due = ?, spoilt = ?"
    " WHERE seq = ? AND state = 'waiting' AND message_id = ?"
)
QUERIES = Queries(
    "SELECT * FROM outgoing WHERE state = 'waiting' AND due <= ? ORDER BY due, seq LIMIT 1",
    "SELECT min(due) FROM outgoing WHERE state = 'waiting'",
    "UPDATE outgoing SET due = ? WHERE seq = ?",
    "seq",
)
SEAL_TRIES = 3  # times a message refused for its seal is sealed afresh


class Outgoing(Worker):
    """One thread that sends what is due; state waiting, receipted or refused."""

    def __init__(
        self, record: Record, mouth: Mouth, faults: Faults, clock: Clock, *, operation: str, resend: float,
        held_back: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`resend`: seconds without a receipt; `held_back` hears the case of a message the fault delays."""
        super().__init__("outgoing", record, faults, clock, QUERIES)
        self._mouth = mouth
        self._operation, self._resend, self._held_back = operation, resend, held_back
        self._turn = threading.Lock()  # a receipt is read after what its message suffered is written down

    def add(self, db: sqlite3.Connection, step: str, parcel: Parcel, delay: float) -> None:
        """Keeps a message inside the caller's transaction; a step of a case is kept once."""
        done = db.execute(
            "INSERT OR IGNORE INTO outgoing"
            " (message_id, case_no, step, exchange, routing_key, headers, body, due)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                parcel.message_id, parcel.correlation_id, step, parcel.exchange, parcel.routing_key,
                headers_text(parcel.headers), parcel.body, self.clock() + delay,
            ),
        )  # fmt: skip
        if done.rowcount:
            name, case = parcel.message_id, parcel.correlation_id or ""
            self.record.note("sent", step, name, parcel.body, "", accepted=False, case=case)

    def steps(self, db: sqlite3.Connection, case: str) -> dict[str, sqlite3.Row]:
        """The rows of a case by step."""
        rows = db.execute("SELECT * FROM outgoing WHERE case_no = ? ORDER BY seq", (case,))
        return {row["step"]: row for row in rows}

    def settle(self, message_id: str, code: str) -> str | None:
        """Reads a receipt; the case of the message if it was waited for, else None."""
        with self._turn, self.record.work() as db:
            row: sqlite3.Row | None = db.execute(
                "SELECT * FROM outgoing WHERE message_id = ? AND state = 'waiting'", (message_id,)
            ).fetchone()
            if row is None:
                return None
            if code == "0":
                self._close(db, row, "receipted", code)
            elif row["spoilt"] or (code == "60" and row["attempts"] < SEAL_TRIES):
                self._note(row, code, False)
                self._again(db, row, code)
            else:
                self._close(db, row, "refused", code)
        self.wake()
        return str(row["case_no"])

    def _close(self, db: sqlite3.Connection, row: sqlite3.Row, state: str, code: str) -> None:
        db.execute("UPDATE outgoing SET state = ?, code = ? WHERE seq = ?", (state, code, row["seq"]))
        self._note(row, code, state == "receipted")

    def _again(self, db: sqlite3.Connection, row: sqlite3.Row, code: str) -> None:
        """Refused for its seal: the same message; for its content, spoilt on the way: a corrected one."""
        name = row["message_id"] if code == "60" else str(uuid4())
        db.execute(
            "UPDATE outgoing SET message_id = ?, spoilt = 0, due = ? WHERE seq = ?",
            (name, self.clock(), row["seq"]),
        )

    def _note(self, row: sqlite3.Row, code: str, accepted: bool) -> None:
        kind, name = row["step"], row["message_id"]
        self.record.note("sent", kind, name, row["body"], code, accepted=accepted, case=row["case_no"])

    def operation(self, row: sqlite3.Row) -> str:
        return self._operation

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempts"] and not row["late"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """The case goes on as if the message had been sent."""
        with self.record.work() as db:
            db.execute("UPDATE outgoing SET late = 1 WHERE seq = ?", (row["seq"],))
        self._held_back(row["case_no"])

    def work(self, row: sqlite3.Row) -> None:
        headers = json.loads(row["headers"])
        parcel = Parcel(
            row["exchange"], row["routing_key"], row["body"], row["message_id"], row["case_no"], headers
        )
        with self._turn:
            try:
                spoilt, wait, tries = self._mouth.say(self._operation, parcel), self._resend, 1
            except BusError:
                spoilt, wait, tries = False, 1.0, 0
            with self.record.work() as db:
                db.execute(SENT, (tries, self.clock() + wait, int(spoilt), row["seq"], row["message_id"]))
