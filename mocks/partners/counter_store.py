"""The counter's files on its cases: facts, state, what is to be sent and what was heard; survives kill -9."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import uuid4

from mocks.partners.common import strictjson
from mocks.partners.common.record import Record
from mocks.partners.counter_flow import later
from mocks.partners.counter_papers import WRITERS, File, Item, Plan, moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS hall_case (
  n INTEGER PRIMARY KEY, case_no TEXT NOT NULL UNIQUE, facts TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'opening', notice_no TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS hall_case_notice ON hall_case (notice_no);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, case_no TEXT NOT NULL, kind TEXT NOT NULL,
  message_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, seal TEXT NOT NULL DEFAULT '',
  sealed_at REAL NOT NULL DEFAULT 0, due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', UNIQUE (case_no, kind));
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due);
CREATE TABLE IF NOT EXISTS heard (message_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payment (notice_no TEXT PRIMARY KEY, message_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
DUE = """
SELECT o.* FROM outbox o WHERE o.state = 'waiting' AND o.due <= ? AND NOT EXISTS (
  SELECT 1 FROM outbox p WHERE p.case_no = o.case_no AND p.id < o.id AND p.state != 'done')
ORDER BY o.id LIMIT 32
"""
AIM = "INSERT INTO setting VALUES ('target', ?) ON CONFLICT (name) DO UPDATE SET value = value + ?"
AGAIN = """
UPDATE outbox SET attempts = attempts + 1, due = ?, seal = CASE WHEN ? THEN '' ELSE seal END WHERE id = ?
"""


@dataclass(frozen=True)
class Cases:
    """Tables of one counter; every method joins the caller's transaction or makes its own."""

    record: Record
    party: str

    def target(self) -> int:
        """How many cases there are to be, all runs together."""
        with self.record.work() as db:
            row = db.execute("SELECT value FROM setting WHERE name = 'target'").fetchone()
            return int(row[0]) if row else 0

    def aim(self, cases: int, *, first: bool = False) -> int:
        """Adds cases to the target; `first`: only if there is none yet."""
        with self.record.work() as db:
            more = 0 if first else cases
            db.execute(AIM, (cases, more))
            return self.target()

    def count(self) -> int:
        """Cases begun."""
        with self.record.work() as db:
            return int(db.execute("SELECT coalesce(max(n), 0) FROM hall_case").fetchone()[0])

    def begin(self, n: int, file: File) -> None:
        """Opens a file."""
        with self.record.work() as db:
            facts = json.dumps(asdict(file), ensure_ascii=False)
            db.execute("INSERT INTO hall_case (n, case_no, facts) VALUES (?, ?, ?)", (n, file.case_no, facts))

    def file(self, case_no: str) -> File | None:
        """The facts of a case."""
        with self.record.work() as db:
            row = db.execute("SELECT * FROM hall_case WHERE case_no = ?", (case_no,)).fetchone()
        return None if row is None else _file(json.loads(row["facts"]), row["notice_no"])

    def case_of_notice(self, notice_no: str) -> str | None:
        """The case a payment notice is about, once the hub has told its number."""
        with self.record.work() as db:
            ask = "SELECT case_no FROM hall_case WHERE notice_no = ?"
            row = db.execute(ask, (notice_no,)).fetchone() if notice_no else None
        return None if row is None else str(row["case_no"])

    def noticed(self, case_no: str, notice_no: str) -> str | None:
        """Keeps a notice's number; the message that told its payment, if that came first."""
        with self.record.work() as db:
            db.execute("UPDATE hall_case SET notice_no = ? WHERE case_no = ?", (notice_no, case_no))
            ask = "SELECT message_id FROM payment WHERE notice_no = ?"
            row = db.execute(ask, (notice_no,)).fetchone()
        return None if row is None else str(row["message_id"])

    def paid(self, notice_no: str, message_id: str) -> None:
        """Keeps a payment, whether its notice is known or not."""
        with self.record.work() as db:
            db.execute("INSERT OR IGNORE INTO payment VALUES (?, ?)", (notice_no, message_id))

    def advance(self, case_no: str, state: str) -> None:
        """Puts a case into a state, never back into an earlier one."""
        with self.record.work() as db:
            now = db.execute("SELECT state FROM hall_case WHERE case_no = ?", (case_no,)).fetchone()["state"]
            db.execute("UPDATE hall_case SET state = ? WHERE case_no = ?", (later(now, state), case_no))

    def fail(self, case_no: str, code: str, path: str) -> None:
        """Writes down why a case cannot go on."""
        with self.record.work() as db:
            db.execute("UPDATE hall_case SET code = ?, path = ? WHERE case_no = ?", (code, path, case_no))

    def queue(self, file: File, kind: str, now: float, cause: str = "") -> None:
        """Writes a message of a case, once per kind."""
        document: dict[str, object] = {
            "message_id": str(uuid4()), "type": kind, "sender": self.party, "sent_at": moment(now),
            "payload": WRITERS[kind](file, now),
        }  # fmt: skip
        body = strictjson.write(document | ({"causation_id": cause} if cause else {}))
        with self.record.work() as db:
            db.execute(
                "INSERT OR IGNORE INTO outbox (case_no, kind, message_id, body, due) VALUES (?, ?, ?, ?, ?)",
                (file.case_no, kind, document["message_id"], body, now),
            )

    def due(self, now: float) -> list[sqlite3.Row]:
        """Messages that may be sent now, at most one of each case: the next in its order."""
        with self.record.work() as db:
            return db.execute(DUE, (now,)).fetchall()

    def sealed(self, row: sqlite3.Row, seal: str, now: float) -> None:
        """Keeps the seal before it is used, so that the same bytes can be sent again."""
        with self.record.work() as db:
            db.execute("UPDATE outbox SET seal = ?, sealed_at = ? WHERE id = ?", (seal, now, row["id"]))

    def postponed(self, row: sqlite3.Row, due: float, *, afresh: bool) -> None:
        """To be sent again, with the same seal or a new one."""
        with self.record.work() as db:
            db.execute(AGAIN, (due, afresh, row["id"]))

    def closed(self, row: sqlite3.Row, state: str) -> None:
        """`done` or `failed`; a failed message holds back what would follow it."""
        with self.record.work() as db:
            db.execute("UPDATE outbox SET state = ? WHERE id = ?", (state, row["id"]))

    def heard(self, message_id: str, sha: str) -> str:
        """ "new", "again" or "conflict"."""
        with self.record.work() as db:
            row = db.execute("SELECT sha256 FROM heard WHERE message_id = ?", (message_id,)).fetchone()
            if row is not None:
                return "again" if row["sha256"] == sha else "conflict"
            db.execute("INSERT INTO heard VALUES (?, ?)", (message_id, sha))
            return "new"

    def progress(self) -> dict[str, object]:
        """For GET /admin/progress."""
        with self.record.work() as db:
            rows = db.execute("SELECT case_no, state, code, path FROM hall_case ORDER BY n").fetchall()
        names = ["failed" if row["code"] and row["state"] != "finished" else row["state"] for row in rows]
        failed = [
            {"case": row["case_no"], "code": row["code"], "path": row["path"]}
            for row, name in zip(rows, names, strict=True)
            if name == "failed"
        ]
        by_state = {name: names.count(name) for name in sorted(set(names))}
        done = by_state.get("finished", 0)
        return {"cases": self.target(), "finished": done, "by_state": by_state, "failed": failed}


def _file(facts: Mapping[str, object], notice_no: str) -> File:
    item, plan = facts["item"], facts["plan"]
    if not isinstance(item, dict) or not isinstance(plan, dict):
        raise TypeError("facts of another version")
    whole = Item(**(item | {"fees": tuple(item["fees"]), "materials": tuple(item["materials"])}))
    rest = {**facts, "item": whole, "plan": Plan(**plan), "notice_no": notice_no}
    return File(**rest)  # type: ignore[arg-type]  # written by `begin` from a File
