"""Accepted packages on their way: download, examine, keep, publish the result; a killed process goes on."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from structlog.types import FilteringBoundLogger

from mocks.partners.archive_download import DownloadFailed, DownloadRefused, download
from mocks.partners.archive_package import FORMAT, HELD, Finding, detection, examine
from mocks.partners.common import jws, strictjson
from mocks.partners.common.bus import Bus, BusError
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reqid TEXT NOT NULL UNIQUE, content TEXT NOT NULL, request TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', attempt INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  message_id TEXT NOT NULL, result BLOB);
CREATE INDEX IF NOT EXISTS job_due ON job (state, due);
CREATE TABLE IF NOT EXISTS held (
  fileno TEXT PRIMARY KEY, reqid TEXT NOT NULL, archive_no TEXT NOT NULL UNIQUE);
"""
EXCHANGE = "gov.archive"
QUERIES = Queries(
    "SELECT * FROM job WHERE state != 'published' AND due <= ? ORDER BY due, id LIMIT 1",
    "SELECT min(due) FROM job WHERE state != 'published'",
    "UPDATE job SET due = ? WHERE id = ?",
    "id",
)


@dataclass(frozen=True)
class Tools:
    """What the work needs of the program."""

    record: Record
    faults: Faults
    signer: jws.Signer
    trusted: Sequence[x509.Certificate]
    bus: Bus
    state: Path
    clock: OwnClock
    log: FilteringBoundLogger
    repeats: Sequence[float]


class Jobs(Worker):
    """One thread; a job is waiting, then checked (its result is written down), then published."""

    def __init__(self, tools: Tools) -> None:
        super().__init__("jobs", tools.record, tools.faults, tools.clock.base, QUERIES)
        self._tools = tools

    def add(self, db: sqlite3.Connection, request: dict[str, object], content: str, delay: float) -> int:
        """Keeps an accepted request inside the caller's transaction."""
        due, text = self.clock() + delay, strictjson.write(request).decode()
        done = db.execute(
            "INSERT INTO job (reqid, content, request, due, message_id) VALUES (?, ?, ?, ?, ?)",
            (request["reqid"], content, text, due, str(uuid.uuid4())),
        )
        return int(done.lastrowid or 0)

    def waiting(self, db: sqlite3.Connection) -> int:
        """How many packages are not examined yet."""
        return int(db.execute("SELECT count(*) FROM job WHERE state = 'waiting'").fetchone()[0])

    def content(self, db: sqlite3.Connection, reqid: str) -> str | None:
        """The digest of the content accepted under a reqid."""
        row = db.execute("SELECT content FROM job WHERE reqid = ?", (reqid,)).fetchone()
        return None if row is None else str(row["content"])

    def hurry(self, job: int) -> None:
        """Makes a job due now."""
        with self.record.work() as db:
            db.execute("UPDATE job SET due = 0 WHERE id = ? AND state != 'published'", (job,))
        self.wake()

    def attempted(self, job: int) -> bool:
        """Whether the result of a job was published or tried."""
        with self.record.work() as db:
            row = db.execute("SELECT state, attempt FROM job WHERE id = ?", (job,)).fetchone()
        return row is None or row["state"] == "published" or row["attempt"] > 0

    def operation(self, row: sqlite3.Row) -> str:
        return "result" if row["state"] == "checked" else ""

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """Counts as tried: callback_before_reply does not wait for it."""
        with self.record.work() as db:
            db.execute("UPDATE job SET attempt = 1 WHERE id = ?", (row["id"],))

    def work(self, row: sqlite3.Row) -> None:
        try:
            self._step(row)
        except BusError as error:
            self._tools.log.warning("result_waits", job=row["id"], error=type(error).__name__)
            self._later(row)
        except sqlite3.ProgrammingError:
            raise
        except Exception:  # the thread's boundary: a package nobody foresaw must not stop the others
            self._tools.log.exception("job_failed", job=row["id"])
            self._give_up(row)

    def _give_up(self, row: sqlite3.Row) -> None:
        """A job that cannot be done is tried again, then answered as unusable."""
        if row["state"] != "waiting" or row["attempt"] < len(self._tools.repeats):
            return self._later(row)
        findings = [Finding(FORMAT, "cannot be examined")]
        self._conclude(row, json.loads(row["request"]), "400", "", findings)

    def _step(self, row: sqlite3.Row) -> None:
        request = json.loads(row["request"])
        self._examine(row, request) if row["state"] == "waiting" else self._publish(row, request)

    def _examine(self, row: sqlite3.Row, request: dict[str, str]) -> None:
        part = self._tools.state / "incoming" / f"{row['id']}.part"
        try:
            download(request["url"], part, int(request["size"]))
        except DownloadRefused as error:
            return self._conclude(row, request, str(error), "download refused", [])
        except DownloadFailed as error:
            if row["attempt"] < len(self._tools.repeats):
                return self._later(row)
            return self._conclude(row, request, "404", f"download failed: {error}", [])
        findings = examine(
            part, request["fileno"], int(request["size"]), request["aipdigest"], self._tools.trusted,
            datetime.fromtimestamp(self._tools.clock.seals(), UTC),
        )  # fmt: skip
        with self.record.work() as db:
            if db.execute("SELECT 1 FROM held WHERE fileno = ?", (request["fileno"],)).fetchone():
                findings = [Finding(HELD, "file number already held"), *findings]
            self._conclude(row, request, "400" if findings else "200", "", findings)
            if not findings:
                (self._tools.state / "held").mkdir(exist_ok=True)
                part.replace(self._tools.state / "held" / f"{row['id']}.zip")
        part.unlink(missing_ok=True)

    def _conclude(
        self, row: sqlite3.Row, request: dict[str, str], code: str, text: str, findings: Sequence[Finding]
    ) -> None:  # fmt: skip
        """Writes the result down, and the archive number with a good one."""
        words = "archived" if code == "200" else text or "checks failed"
        named = {name: request[name] for name in ("reqid", "unitcode", "fileno")}
        result = {**named, "retcode": code, "retdesc": words}
        with self.record.work() as db:
            if code == "200":
                result["archiveNo"] = self._archive_no(db, request)
                held = (request["fileno"], request["reqid"], result["archiveNo"])
                db.execute("INSERT INTO held VALUES (?, ?, ?)", held)
            body = strictjson.write({**result, "detectionResult": detection(findings)})
            change = "UPDATE job SET state = 'checked', result = ?, due = ?, attempt = 0 WHERE id = ?"
            db.execute(change, (body, self.clock(), row["id"]))

    def _archive_no(self, db: sqlite3.Connection, request: dict[str, str]) -> str:
        """档号 in the form of DA/T 13: fonds, category and year, retention, number."""
        start = f"{request['unitcode']}-{request['libcode']}·{request['year']}-{request['retention']}-"
        taken = db.execute(
            "SELECT count(*) FROM held WHERE substr(archive_no, 1, ?) = ?", (len(start), start)
        ).fetchone()[0]
        return f"{start}{taken + 1:04d}"

    def _publish(self, row: sqlite3.Row, request: dict[str, str]) -> None:
        tools = self._tools
        self.pause("result")
        copies = 0 if self.faults.take("result", "drop_before_reply") else 1
        if fault := self.faults.take("result", "duplicate_push"):
            copies += max(1, int(fault.number(1)))
        body, content_type = distorted(row["result"], "application/json", self.faults, "result")
        for _ in range(copies):
            self._send(row, request, body, content_type)
        retcode = json.loads(row["result"])["retcode"] if copies else "lost"
        with tools.record.work() as db:
            tools.record.note(
                "sent", "result", request["reqid"], body, retcode, accepted=copies > 0, case=request["fileno"]
            )
            db.execute("UPDATE job SET state = 'published' WHERE id = ?", (row["id"],))

    def _send(self, row: sqlite3.Row, request: dict[str, str], body: bytes, content_type: str) -> None:
        key = f"result.{request['unitcode']}"
        flaws, bound = self.faults.flaws("result"), {"exchange": EXCHANGE, "routing_key": key}
        seal = self._tools.signer.sign(body, bound, age=flaws.age, spoil=flaws.spoil)
        self._tools.bus.publish(
            EXCHANGE, key, body, message_id=row["message_id"], correlation_id=request["fileno"],
            content_type=content_type, headers={jws.HEADER: seal},
        )  # fmt: skip

    def _later(self, row: sqlite3.Row) -> None:
        waits = self._tools.repeats
        wait = waits[min(row["attempt"], len(waits) - 1)] if waits else 1.0
        with self.record.work() as db:
            due = self.clock() + wait
            db.execute("UPDATE job SET attempt = attempt + 1, due = ? WHERE id = ?", (due, row["id"]))
