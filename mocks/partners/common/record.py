"""The partner's own memory: one SQLite file that survives kill -9, written before anything is answered."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mocks.partners.common.clock import Clock, iso

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, direction TEXT NOT NULL CHECK (direction IN ('received', 'sent')),
  kind TEXT NOT NULL, id TEXT NOT NULL, case_no TEXT NOT NULL, sha256 TEXT NOT NULL, content TEXT NOT NULL,
  code TEXT NOT NULL, accepted INTEGER NOT NULL, repeats INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL,
  UNIQUE (direction, kind, id, content));
CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonce_until ON nonce (until);
CREATE TABLE IF NOT EXISTS token (
  token TEXT PRIMARY KEY, account TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS callback (
  id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL,
  content_type TEXT NOT NULL, notes TEXT NOT NULL, due REAL NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
  copies INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting');
CREATE INDEX IF NOT EXISTS callback_due ON callback (state, due);
"""
NOTE = """
INSERT INTO message (direction, kind, id, case_no, sha256, content, code, accepted, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (direction, kind, id, content) DO UPDATE SET
  repeats = repeats + (accepted = excluded.accepted),
  code = CASE WHEN accepted THEN code ELSE excluded.code END,
  sha256 = CASE WHEN accepted THEN sha256 ELSE excluded.sha256 END,
  accepted = max(accepted, excluded.accepted)
RETURNING repeats
"""
LIST = """
SELECT seq, direction, kind, id, case_no AS "case", sha256, code, accepted, repeats, at
FROM message ORDER BY seq
"""
NONCE_SECONDS = 900  # longer than the 300 s either side in which a seal is accepted


class Record:
    """One connection behind one lock; `work` is one transaction, and nested ones join it."""

    def __init__(self, path: Path, clock: Clock, schema: str = "") -> None:
        """`schema`: the partner's own tables (CREATE TABLE IF NOT EXISTS …)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._clock = clock
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA + schema)

    @contextmanager
    def work(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept, or nothing."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._db
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def note(
        self, direction: str, kind: str, id: str, body: bytes, code: str, *,
        accepted: bool, case: str = "", content: str = "",
    ) -> bool:  # fmt: skip
        """Writes one business message down; True if this id with this content (default: body) is new."""
        sha = hashlib.sha256(body).hexdigest()
        row = (direction, kind, id, case, sha, content or sha, code, int(accepted), iso(self._clock()))
        with self.work() as db:
            return bool(db.execute(NOTE, row).fetchone()["repeats"] == 0)

    def entries(self) -> list[dict[str, object]]:
        """Every line of the record, oldest first."""
        with self.work() as db:
            return [dict(row) | {"accepted": bool(row["accepted"])} for row in db.execute(LIST)]

    def counts(self) -> dict[str, object]:
        """Accepted messages once each, refused ones and repeats apart; by_kind counts the accepted ones.

        Receipts (kind `receipt`) are no messages of their own.
        """
        with self.work() as db:
            rows = db.execute(
                "SELECT direction, kind, sum(accepted) AS good, sum(1 - accepted) AS bad,"
                " sum(repeats) AS again FROM message WHERE kind <> 'receipt' GROUP BY direction, kind"
            ).fetchall()
        return {
            "received": sum(row["good"] for row in rows if row["direction"] == "received"),
            "sent": sum(row["good"] for row in rows if row["direction"] == "sent"),
            "refused": sum(row["bad"] for row in rows if row["direction"] == "received"),
            "undelivered": sum(row["bad"] for row in rows if row["direction"] == "sent"),
            "repeats": sum(row["again"] for row in rows),
            "by_kind": {f"{row['direction']}.{row['kind']}": row["good"] for row in rows if row["good"]},
        }

    def use_nonce(self, nonce: str) -> bool:
        """True the first time a nonce is shown; remembered over a restart."""
        now = self._clock()
        with self.work() as db:
            db.execute("DELETE FROM nonce WHERE until < ?", (now,))
            done = db.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", (nonce, now + NONCE_SECONDS))
            return done.rowcount == 1

    def close(self) -> None:
        """Ends the connection; the record can be opened again."""
        with self._lock:
            self._db.close()
