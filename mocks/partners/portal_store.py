"""The portal's tables: applications, what it has to say to the hub, what it was told; survives kill -9."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import uuid4

from mocks.partners.common import strictjson
from mocks.partners.common.clock import Clock
from mocks.partners.common.record import Record
from mocks.partners.portal_requests import Application, Plan

SCHEMA = """
CREATE TABLE IF NOT EXISTS application (
  n INTEGER PRIMARY KEY, apply_no TEXT NOT NULL UNIQUE, facts TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'opening', code TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, apply_no TEXT NOT NULL, mark TEXT NOT NULL,
  request_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, due REAL NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', code TEXT NOT NULL DEFAULT '', answer TEXT NOT NULL DEFAULT '',
  UNIQUE (kind, apply_no, mark));
CREATE INDEX IF NOT EXISTS request_due ON request (state, due);
CREATE TABLE IF NOT EXISTS told (
  event_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shown (
  event_id TEXT PRIMARY KEY, apply_no TEXT NOT NULL, event TEXT NOT NULL, at INTEGER NOT NULL,
  seq INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_case ON shown (apply_no, at, seq);
CREATE TABLE IF NOT EXISTS complaint (
  complaint_no TEXT PRIMARY KEY, apply_no TEXT NOT NULL, result TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS published (report_no TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

STATES = ("opening", "applied", "accepted", "concluded", "finished")
AIM = "INSERT INTO setting VALUES ('target', ?) ON CONFLICT (name) DO UPDATE SET value = value + ?"
PUT = """
INSERT OR IGNORE INTO request (kind, apply_no, mark, request_id, body, due) VALUES (?, ?, ?, ?, ?, ?)
"""
PROGRESS = """
SELECT a.apply_no, a.state, a.code, a.path, EXISTS (
  SELECT 1 FROM request r WHERE r.apply_no = a.apply_no AND r.state = 'waiting') AS waiting
FROM application a ORDER BY n
"""


@dataclass(frozen=True)
class Store:
    """Every method joins the caller's transaction or makes its own."""

    record: Record
    clock: Clock  # that no fault moves: it times what waits

    def aim(self, cases: int, *, first: bool = False) -> None:
        """Adds applications to the target; `first`: only if there is none yet."""
        with self.record.work() as db:
            db.execute(AIM, (cases, 0 if first else cases))

    def target(self) -> int:
        """How many applications there are to be, all runs together."""
        with self.record.work() as db:
            row = db.execute("SELECT value FROM setting WHERE name = 'target'").fetchone()
        return int(row[0]) if row else 0

    def count(self) -> int:
        """Applications begun."""
        with self.record.work() as db:
            return int(db.execute("SELECT coalesce(max(n), 0) FROM application").fetchone()[0])

    def begin(self, n: int, one: Application) -> None:
        """Keeps an application."""
        facts = json.dumps(asdict(one), ensure_ascii=False)
        with self.record.work() as db:
            row = (n, one.apply_no, facts)
            db.execute("INSERT INTO application (n, apply_no, facts) VALUES (?, ?, ?)", row)

    def application(self, apply_no: str) -> Application | None:
        """The facts of a case the portal opened."""
        with self.record.work() as db:
            row = db.execute("SELECT facts FROM application WHERE apply_no = ?", (apply_no,)).fetchone()
        return None if row is None else _application(json.loads(row["facts"]))

    def put(
        self, kind: str, one: Application, body: Mapping[str, object], delay: float = 0.0, *, mark: str = ""
    ) -> None:  # fmt: skip
        """Writes a request under an id of its own, once per kind, case and mark; delay in seconds."""
        name = uuid4().hex
        data = strictjson.write({"requestId": name, **body})
        with self.record.work() as db:
            db.execute(PUT, (kind, one.apply_no, mark, name, data, self.clock() + delay))

    def advance(self, apply_no: str, state: str) -> None:
        """Puts a case into a state, never back into an earlier one."""
        with self.record.work() as db:
            row = db.execute("SELECT state FROM application WHERE apply_no = ?", (apply_no,)).fetchone()
            later = max(row["state"], state, key=STATES.index)
            db.execute("UPDATE application SET state = ? WHERE apply_no = ?", (later, apply_no))

    def fail(self, apply_no: str, code: str, path: str) -> None:
        """Writes down why a case cannot go on."""
        with self.record.work() as db:
            ask = "UPDATE application SET code = ?, path = ? WHERE apply_no = ?"
            db.execute(ask, (code, path, apply_no))

    def first(self, event_id: str) -> tuple[str, dict[str, object]] | None:
        """SHA-256 of the body that came first under an id, and what was answered."""
        with self.record.work() as db:
            row = db.execute("SELECT * FROM told WHERE event_id = ?", (event_id,)).fetchone()
        return None if row is None else (row["sha256"], json.loads(row["answer"]))

    def keep(self, event_id: str, sha256: str, answer: object) -> None:
        """Keeps the first answer to an id."""
        with self.record.work() as db:
            row = (event_id, sha256, strictjson.write(answer).decode())
            db.execute("INSERT INTO told VALUES (?, ?, ?)", row)

    def show(self, event_id: str, apply_no: str, event: str, at: int, seq: int, body: bytes) -> None:
        """Keeps an event for the applicant's eyes."""
        with self.record.work() as db:
            row = (event_id, apply_no, event, at, seq, body.decode())
            db.execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?, ?, ?)", row)

    def shown(self, apply_no: str) -> list[dict[str, object]]:
        """What an applicant sees of a case: by time, then seq."""
        with self.record.work() as db:
            ask = "SELECT event, at, seq, body FROM shown WHERE apply_no = ? ORDER BY at, seq, event_id"
            rows = db.execute(ask, (apply_no,)).fetchall()
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]

    def register(self, complaint_no: str, apply_no: str) -> None:
        """A complaint the portal gave a number."""
        with self.record.work() as db:
            ask = "INSERT OR IGNORE INTO complaint (complaint_no, apply_no) VALUES (?, ?)"
            db.execute(ask, (complaint_no, apply_no))

    def complained(self, complaint_no: str) -> str | None:
        """The case a complaint is about."""
        with self.record.work() as db:
            ask = "SELECT apply_no FROM complaint WHERE complaint_no = ?"
            row = db.execute(ask, (complaint_no,)).fetchone()
        return None if row is None else str(row["apply_no"])

    def resolve(self, complaint_no: str, body: bytes) -> None:
        """Keeps the result of a complaint."""
        with self.record.work() as db:
            row = (body.decode(), complaint_no)
            db.execute("UPDATE complaint SET result = ? WHERE complaint_no = ?", row)

    def publish(self, report_no: str, body: bytes) -> None:
        """Replaces what was published under the number."""
        with self.record.work() as db:
            db.execute("INSERT OR REPLACE INTO published VALUES (?, ?)", (report_no, body.decode()))

    def published(self) -> dict[str, object]:
        """Everything published, by report number."""
        with self.record.work() as db:
            rows = db.execute("SELECT report_no, body FROM published ORDER BY report_no").fetchall()
        return {row["report_no"]: json.loads(row["body"]) for row in rows}

    def progress(self) -> dict[str, object]:
        """For GET /admin/progress; a case whose applicant still has something to say is `closing`."""
        with self.record.work() as db:
            rows = db.execute(PROGRESS).fetchall()
        names = [_name(row) for row in rows]
        failed = [
            {"case": row["apply_no"], "code": row["code"], "path": row["path"]}
            for row, name in zip(rows, names, strict=True)
            if name == "failed"
        ]
        by_state = {name: names.count(name) for name in sorted(set(names))}
        done = by_state.get("finished", 0)
        return {"cases": self.target(), "finished": done, "by_state": by_state, "failed": failed}


def _name(row: sqlite3.Row) -> str:
    if row["state"] == "finished":
        return "closing" if row["waiting"] else "finished"
    return "failed" if row["code"] else str(row["state"])


def _application(facts: Mapping[str, object]) -> Application:
    plan, materials = facts["plan"], facts["materials"]
    if not isinstance(plan, dict) or not isinstance(materials, list):
        raise TypeError("facts of another version")
    rest = {**facts, "plan": Plan(**plan), "materials": tuple(materials)}
    return Application(**rest)  # type: ignore[arg-type]  # written by `begin` from an Application
