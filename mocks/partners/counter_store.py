"""The counter's files on its cases: facts, state, what is to be sent and what was heard; survives kill -9."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from mocks.partners.common import strictjson
from mocks.partners.common.record import Record
from mocks.partners.counter_acts import ASIDE, kind_of, writer
from mocks.partners.counter_flow import Due, later
from mocks.partners.counter_papers import File, Item, Plan, moment

SCHEMA = """
CREATE TABLE IF NOT EXISTS hall_case (
  n INTEGER PRIMARY KEY, case_no TEXT NOT NULL UNIQUE, facts TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'opening', notice_no TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS hall_case_notice ON hall_case (notice_no);
CREATE TABLE IF NOT EXISTS letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT, case_no TEXT NOT NULL, step TEXT NOT NULL, lane TEXT NOT NULL,
  aside INTEGER NOT NULL, message_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, seal TEXT NOT NULL DEFAULT '',
  sealed_at REAL NOT NULL DEFAULT 0, due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', UNIQUE (case_no, step));
CREATE INDEX IF NOT EXISTS letter_due ON letter (state, due);
CREATE TABLE IF NOT EXISTS heard (message_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS paid (
  notice_no TEXT NOT NULL, serial TEXT NOT NULL, message_id TEXT NOT NULL DEFAULT '',
  taken_back INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (notice_no, serial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parcel (
  waybill_no TEXT PRIMARY KEY, case_no TEXT NOT NULL, status TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certified (case_no TEXT PRIMARY KEY, identifier TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
DUE = """
SELECT o.* FROM letter o WHERE o.state = 'waiting' AND o.due <= ? AND NOT EXISTS (
  SELECT 1 FROM letter p WHERE p.case_no = o.case_no AND p.lane = o.lane AND p.id < o.id
  AND p.state IN ('waiting', 'failed'))
ORDER BY o.id LIMIT 32
"""
AIM = "INSERT INTO setting VALUES ('target', ?) ON CONFLICT (name) DO UPDATE SET value = value + ?"
ADD = "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?"
PUT = """
INSERT OR IGNORE INTO letter (case_no, step, lane, aside, message_id, body, due) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
WITHDRAW = """
DELETE FROM letter WHERE case_no = ? AND state = 'waiting' AND seal = ''
AND (step LIKE 'fee.confirmed.v1%' OR step = 'certificate.requested.v1')
"""
UNCOLLECTED = """
DELETE FROM letter WHERE case_no = ? AND state = 'waiting' AND seal = '' AND step = 'case.delivered.v1'
"""
PARCEL = """
INSERT INTO parcel VALUES (?, ?, ?) ON CONFLICT (waybill_no) DO UPDATE SET
  case_no = CASE WHEN excluded.case_no = '' THEN case_no ELSE excluded.case_no END,
  status = CASE WHEN excluded.status = '' THEN status ELSE excluded.status END
"""
STANDING = """
SELECT n, case_no, state, code, path, EXISTS (
  SELECT 1 FROM letter l WHERE l.case_no = c.case_no AND l.aside AND l.state = 'waiting') AS waiting
FROM hall_case c ORDER BY n
"""
LATE = frozenset({"certificate.file_requested.v1", "certificate.change_requested.v1"})
AGAIN = """
UPDATE letter SET attempts = attempts + 1, due = ?, seal = CASE WHEN ? THEN '' ELSE seal END WHERE id = ?
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
            return int(db.execute("SELECT coalesce(max(n), 0) FROM hall_case WHERE n > 0").fetchone()[0])

    def adopted(self) -> int:
        """Cases taken over from other systems, whose n is below 0."""
        with self.record.work() as db:
            return int(db.execute("SELECT count(*) FROM hall_case WHERE n < 0").fetchone()[0])

    def begin(self, n: int, file: File) -> None:
        """Opens a file."""
        with self.record.work() as db:
            facts = json.dumps(asdict(file), ensure_ascii=False)
            db.execute("INSERT INTO hall_case (n, case_no, facts) VALUES (?, ?, ?)", (n, file.case_no, facts))

    def file(self, case_no: str) -> File | None:
        """The facts of a case."""
        with self.record.work() as db:
            row = db.execute("SELECT * FROM hall_case WHERE case_no = ?", (case_no,)).fetchone()
        if row is None:
            return None
        facts, notice_no = json.loads(row["facts"]), row["notice_no"]
        return _file(facts | {"notice_no": notice_no, "payment": self.payments(notice_no)})

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
            ask = "SELECT message_id FROM paid WHERE notice_no = ? AND taken_back = 0"
            row = db.execute(ask, (notice_no,)).fetchone()
        return None if row is None else str(row["message_id"])

    def paid(self, notice_no: str, serial: str, message_id: str) -> bool:
        """Keeps a payment, whether its notice is known or not; False if the bank took it back already."""
        with self.record.work() as db:
            row = (notice_no, serial, message_id)
            db.execute("INSERT OR IGNORE INTO paid (notice_no, serial, message_id) VALUES (?, ?, ?)", row)
            ask = "SELECT taken_back FROM paid WHERE notice_no = ? AND serial = ?"
            return not db.execute(ask, row[:2]).fetchone()["taken_back"]

    def taken_back(self, notice_no: str, serial: str) -> None:
        """冲正 of a payment, which may not have come yet."""
        with self.record.work() as db:
            row = (notice_no, serial)
            db.execute("INSERT OR IGNORE INTO paid (notice_no, serial) VALUES (?, ?)", row)
            db.execute("UPDATE paid SET taken_back = 1 WHERE notice_no = ? AND serial = ?", row)

    def payments(self, notice_no: str) -> int:
        """Which payment of a notice stands, or is to come: 1 plus those taken back."""
        with self.record.work() as db:
            ask = "SELECT count(*) FROM paid WHERE notice_no = ? AND taken_back"
            return 1 + int(db.execute(ask, (notice_no,)).fetchone()[0])

    def unpaid(self, case_no: str) -> None:
        """A payment was taken back: unless a certificate was asked for, the case waits for another."""
        with self.record.work() as db:
            ask = "SELECT 1 FROM letter WHERE case_no = ? AND step = ? AND seal <> ''"
            if db.execute(ask, (case_no, "certificate.requested.v1")).fetchone():
                return
            db.execute(WITHDRAW, (case_no,))
            ask = "UPDATE hall_case SET state = 'paying' WHERE case_no = ? AND state = 'paid'"
            db.execute(ask, (case_no,))

    def booked(self, waybill_no: str, case_no: str) -> str:
        """A parcel of a case, which is not collected then; its last status, if it was told before."""
        with self.record.work() as db:
            db.execute(UNCOLLECTED, (case_no,))
            db.execute(PARCEL, (waybill_no, case_no, ""))
            ask = "SELECT status FROM parcel WHERE waybill_no = ?"
            return str(db.execute(ask, (waybill_no,)).fetchone()["status"])

    def tracked(self, waybill_no: str, status: str) -> str | None:
        """Keeps where a parcel is; its case, if that is known."""
        with self.record.work() as db:
            db.execute(PARCEL, (waybill_no, "", status))
            ask = "SELECT case_no FROM parcel WHERE waybill_no = ?"
            return str(db.execute(ask, (waybill_no,)).fetchone()["case_no"]) or None

    def certified(self, case_no: str, identifier: str) -> int:
        """Keeps a certificate; which of all it is, 0 if it was known."""
        with self.record.work() as db:
            done = db.execute("INSERT OR IGNORE INTO certified VALUES (?, ?)", (case_no, identifier))
            number = db.execute("SELECT count(*) FROM certified").fetchone()[0]
        return int(number) if done.rowcount else 0

    def asked(self, name: str) -> bool:
        """Whether the counter sent a report or batch of this name."""
        with self.record.work() as db:
            steps = (f"performance.reported.v1#{name}", f"catalogue.reported.v1#{name}")
            ask = "SELECT 1 FROM letter WHERE case_no = '' AND step IN (?, ?)"
            return db.execute(ask, steps).fetchone() is not None

    def setting(self, name: str, *, more: int = 0) -> int:
        """A number kept under a name, after adding to it."""
        with self.record.work() as db:
            if more:
                db.execute(ADD, (name, more, more))
            row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, case_no: str, state: str) -> None:
        """Puts a case into a state, never back into an earlier one."""
        with self.record.work() as db:
            now = db.execute("SELECT state FROM hall_case WHERE case_no = ?", (case_no,)).fetchone()["state"]
            db.execute("UPDATE hall_case SET state = ? WHERE case_no = ?", (later(now, state), case_no))

    def fail(self, case_no: str, code: str, path: str) -> None:
        """Writes down why a case cannot go on."""
        with self.record.work() as db:
            db.execute("UPDATE hall_case SET code = ?, path = ? WHERE case_no = ?", (code, path, case_no))

    def queue(self, file: File, due: Due, now: float, cause: str = "") -> None:
        """Writes a message of a case, once per step."""
        facts = replace(file, **due.facts)  # type: ignore[arg-type]  # a Due names members of File
        now += due.delay
        lane = due.step if due.delay or kind_of(due.step) in LATE else ""
        self.put(file.case_no, due.step, writer(due.step)(facts, now), now, lane=lane, cause=cause)

    def put(
        self, case_no: str, step: str, payload: Mapping[str, object], now: float, *, lane: str = "",
        cause: str = "",
    ) -> None:  # fmt: skip
        """Writes a message; those of one case and lane are sent in this order."""
        kind = kind_of(step)
        document: dict[str, object] = {
            "message_id": str(uuid4()), "type": kind, "sender": self.party, "sent_at": moment(now),
            "payload": payload,
        }  # fmt: skip
        body = strictjson.write(document | ({"causation_id": cause} if cause else {}))
        with self.record.work() as db:
            db.execute(PUT, (case_no, step, lane, kind in ASIDE, document["message_id"], body, now))

    def due(self, now: float) -> list[sqlite3.Row]:
        """Messages that may be sent now, at most one of each case: the next in its order."""
        with self.record.work() as db:
            return db.execute(DUE, (now,)).fetchall()

    def sealed(self, row: sqlite3.Row, seal: str, now: float) -> bool:
        """Keeps the seal before it is used, so that the same bytes can be sent again; False: withdrawn."""
        with self.record.work() as db:
            ask = "UPDATE letter SET seal = ?, sealed_at = ? WHERE id = ?"
            return db.execute(ask, (seal, now, row["id"])).rowcount == 1

    def postponed(self, row: sqlite3.Row, due: float, *, afresh: bool) -> None:
        """To be sent again, with the same seal or a new one."""
        with self.record.work() as db:
            db.execute(AGAIN, (due, afresh, row["id"]))

    def closed(self, row: sqlite3.Row, state: str) -> None:
        """`done`, `refused` or `failed`; a failed message holds back what would follow it."""
        with self.record.work() as db:
            db.execute("UPDATE letter SET state = ? WHERE id = ?", (state, row["id"]))

    def heard(self, message_id: str, sha: str) -> str:
        """ "new", "again" or "conflict"."""
        with self.record.work() as db:
            row = db.execute("SELECT sha256 FROM heard WHERE message_id = ?", (message_id,)).fetchone()
            if row is not None:
                return "again" if row["sha256"] == sha else "conflict"
            db.execute("INSERT INTO heard VALUES (?, ?)", (message_id, sha))
            return "new"

    def files(self) -> list[tuple[File, bool]]:
        """Every case, and whether it is finished."""
        with self.record.work() as db:
            rows = db.execute("SELECT facts, state FROM hall_case ORDER BY n").fetchall()
        return [(_file(json.loads(row["facts"])), row["state"] == "finished") for row in rows]

    def standing(self) -> list[sqlite3.Row]:
        """Every case: number, state, why it failed, whether something beside its course is to be sent."""
        with self.record.work() as db:
            return db.execute(STANDING).fetchall()

    def reports_wait(self) -> bool:
        """Whether a report that belongs to no case is still to be sent."""
        with self.record.work() as db:
            ask = "SELECT 1 FROM letter WHERE case_no = '' AND state = 'waiting'"
            return db.execute(ask).fetchone() is not None


def _file(facts: Mapping[str, object]) -> File:
    item, plan = facts["item"], facts["plan"]
    if not isinstance(item, dict) or not isinstance(plan, dict):
        raise TypeError("facts of another version")
    whole = Item(**(item | {"fees": tuple(item["fees"]), "materials": tuple(item["materials"])}))
    rest = {**facts, "item": whole, "plan": Plan(**plan)}
    return File(**rest)  # type: ignore[arg-type]  # written by `begin` from a File
