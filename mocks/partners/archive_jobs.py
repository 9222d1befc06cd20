"""Accepted packages on their way: download, examine, keep, publish the result; a killed process goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from structlog.types import FilteringBoundLogger

from mocks.partners import archive_results, archive_store
from mocks.partners.archive_download import Gone, Interrupted, Part, download
from mocks.partners.archive_finding import FORMAT, ITEMS, Finding, detection
from mocks.partners.archive_package import Announced, examine
from mocks.partners.common import jws, strictjson
from mocks.partners.common.bus import Bus, BusError
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

EXCHANGE: Final = "gov.archive"
LARGEST: Final = 10 * 10**9  # bytes: 10 GB, above it the result is 413
REPEATS: Final = (1.0, 5.0, 30.0, 300.0)  # seconds, of the contract
WORDS: Final = {
    "200": "archived", "400": "checks failed", "408": "download not finished in time", "410": "package gone",
    "413": "more than 10 GB",
}  # fmt: skip
MEMBERS: Final = (
    "reqid", "libcode", "unitcode", "fileno", "title", "retention", "year", "size", "aipdigest",
)  # fmt: skip
QUERIES = Queries(
    "SELECT * FROM offer WHERE state != 'published' AND due <= ? ORDER BY due, id LIMIT 1",
    "SELECT min(due) FROM offer WHERE state != 'published'",
    "UPDATE offer SET due = ? WHERE id = ?",
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
    idle: float  # seconds without a byte of a download
    patience: float  # seconds until a download counts as not finished


class Jobs(Worker):
    """One thread; a job is waiting, then checked (its result is written down), then published."""

    def __init__(self, tools: Tools) -> None:
        super().__init__("jobs", tools.record, tools.faults, tools.clock.base, QUERIES)
        self._tools = tools

    def add(self, db: sqlite3.Connection, request: dict[str, object], content: str, delay: float) -> int:
        """Keeps an accepted request inside the caller's transaction."""
        due, text = self.clock() + delay, strictjson.write(request).decode()
        late = self._tools.clock() + self._tools.patience
        done = db.execute(
            "INSERT INTO offer (reqid, unitcode, fileno, content, request, late, due, message_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                request["reqid"], request["unitcode"], request["fileno"], content, text, late, due,
                str(uuid.uuid4()),
            ),
        )  # fmt: skip
        return int(done.lastrowid or 0)

    def waiting(self, db: sqlite3.Connection) -> int:
        """How many packages are not examined yet."""
        return int(db.execute("SELECT count(*) FROM offer WHERE state = 'waiting'").fetchone()[0])

    def same(self, db: sqlite3.Connection, request: Mapping[str, object], content: str = "") -> bool | None:
        """Whether a reqid was accepted with this content; None: it is new. What came once over the network
        and once on a carrier is the same when all but its place is.
        """
        query = "SELECT content, request FROM offer WHERE reqid = ?"
        row = db.execute(query, (request["reqid"],)).fetchone()
        if row is None or row["content"] == content:
            return None if row is None else True
        earlier = json.loads(row["request"])
        carried = "carrier" in earlier or "url" not in request
        return carried and all(earlier.get(name) == request.get(name) for name in MEMBERS)

    def hurry(self, job: int) -> None:
        """Makes a job due now."""
        with self.record.work() as db:
            db.execute("UPDATE offer SET due = 0 WHERE id = ? AND state != 'published'", (job,))
        self.wake()

    def attempted(self, job: int) -> bool:
        """Whether the result of a job was published or tried."""
        with self.record.work() as db:
            row = db.execute("SELECT state, attempt FROM offer WHERE id = ?", (job,)).fetchone()
        return row is None or row["state"] == "published" or row["attempt"] > 0

    def operation(self, row: sqlite3.Row) -> str:
        return "result" if row["state"] == "checked" else ""

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """Counts as tried: callback_before_reply does not wait for it."""
        with self.record.work() as db:
            db.execute("UPDATE offer SET attempt = 1 WHERE id = ?", (row["id"],))

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
        self._conclude(row, json.loads(row["request"]), "400", [Finding(FORMAT, "cannot be examined")])

    def _step(self, row: sqlite3.Row) -> None:
        request = json.loads(row["request"])
        self._arrive(row, request) if row["state"] == "waiting" else self._publish(row)

    def _late(self, row: sqlite3.Row) -> bool:
        return self.stopped.is_set() or self._tools.clock() > row["late"]

    def _arrive(self, row: sqlite3.Row, request: dict[str, object]) -> None:
        """Fetches a package, examines it and writes its result down, or waits to go on."""
        part = Part(self._tools.state / "incoming" / f"{row['id']}.part")
        code = self._fetched(row, request, part)
        if self.stopped.is_set():
            return
        if code == "":
            return self._later(row)
        if code == "200":
            self._examine(row, request, part)
        else:
            self._conclude(row, request, code, [])
        part.remove()

    def _fetched(self, row: sqlite3.Row, request: dict[str, object], part: Part) -> str:
        """200 when all there is was received, another result, or nothing: go on later."""
        take = self.faults.take
        if int(str(request["size"])) > LARGEST:
            return "413"
        if take("download", "gone"):
            return "410"
        if take("download", "not_finished") or self._tools.clock() > row["late"]:
            return "408"
        if "carrier" in request:
            return _copied(Path(str(request["carrier"])), part)
        cut = take("download", "interrupted")
        try:
            download(
                str(request["url"]), part, int(str(request["size"])), idle=self._tools.idle,
                late=lambda: self._late(row), stop_at=None if cut is None else int(cut.number(1000)),
            )  # fmt: skip
        except Gone:
            return "410"
        except Interrupted as error:
            self._tools.log.info("download_interrupted", offer=row["id"], reason=str(error))
            return "408" if self._tools.clock() > row["late"] else ""
        return "200"

    def _examine(self, row: sqlite3.Row, request: dict[str, object], part: Part) -> None:
        now = datetime.fromtimestamp(self._tools.clock.seals(), UTC)
        report = examine(part.file, Announced.of(request), self._tools.trusted, now)
        findings = list(report.findings)
        if fault := self.faults.take("check", "check_fails"):
            item = fault.text(FORMAT)
            findings.append(Finding(item if item in ITEMS else FORMAT, "for trial"))
        with self.record.work() as db:
            findings += archive_store.succession(db, row, report.kind)
            self._conclude(row, request, "400" if findings else "200", findings)
            if not findings:
                (self._tools.state / "held").mkdir(exist_ok=True)
                part.file.replace(self._tools.state / "held" / f"{row['id']}.zip")

    def _conclude(
        self, row: sqlite3.Row, request: Mapping[str, object], code: str, findings: Sequence[Finding]
    ) -> None:  # fmt: skip
        """Writes the result down, and the archive number with a good one."""
        named = {name: request[name] for name in ("reqid", "unitcode", "fileno")}
        result = {**named, "retcode": code, "retdesc": WORDS[code]}
        with self.record.work() as db:
            if code == "200":
                result["archiveNo"] = archive_store.hold(db, row["id"], request)
            body = strictjson.write({**result, "detectionResult": detection(findings)})
            db.execute(
                "UPDATE offer SET state = 'checked', retcode = ?, result = ?, due = ?, attempt = 0"
                " WHERE id = ?",
                (code, body, self.clock(), row["id"]),
            )

    def _publish(self, row: sqlite3.Row) -> None:
        tools = self._tools
        if (folder := archive_results.home(row)) is not None:
            return self._carry_back(row, folder)
        self.pause("result")
        copies = 0 if self.faults.take("result", "drop_before_reply") else 1
        if fault := self.faults.take("result", "duplicate_push"):
            copies += max(1, int(fault.number(1)))
        plain = _bare(row["result"]) if self.faults.take("result", "missing_attachment") else row["result"]
        body, content_type = distorted(plain, "application/json", self.faults, "result")
        for _ in range(copies):
            self._send(row, body, content_type)
        retcode = json.loads(row["result"])["retcode"] if copies else "lost"
        with tools.record.work() as db:
            tools.record.note(
                "sent", "result", row["reqid"], body, retcode, accepted=copies > 0, case=row["fileno"]
            )
            db.execute("UPDATE offer SET state = 'published' WHERE id = ?", (row["id"],))

    def _carry_back(self, row: sqlite3.Row, folder: Path) -> None:
        with self.record.work() as db:
            db.execute("UPDATE offer SET state = 'published' WHERE id = ?", (row["id"],))
            archive_results.write_when_whole(db, folder, self._tools.signer, self.faults)
            self.record.note(
                "sent",
                "result",
                row["reqid"],
                row["result"],
                row["retcode"],
                accepted=True,
                case=row["fileno"],
            )

    def _send(self, row: sqlite3.Row, body: bytes, content_type: str) -> None:
        key = f"result.{row['unitcode']}"
        flaws, bound = self.faults.flaws("result"), {"exchange": EXCHANGE, "routing_key": key}
        seal = self._tools.signer.sign(body, bound, age=flaws.age, spoil=flaws.spoil)
        self._tools.bus.publish(
            EXCHANGE, key, body, message_id=row["message_id"], correlation_id=row["fileno"],
            content_type=content_type, headers={jws.HEADER: seal},
        )  # fmt: skip

    def _later(self, row: sqlite3.Row) -> None:
        waits = self._tools.repeats
        wait = waits[min(row["attempt"], len(waits) - 1)] if waits else 1.0
        with self.record.work() as db:
            due = self.clock() + wait
            db.execute("UPDATE offer SET attempt = attempt + 1, due = ? WHERE id = ?", (due, row["id"]))


def _copied(source: Path, part: Part) -> str:
    """A package from a carrier; 410 when it is not there any more."""
    try:
        part.begin("")
        shutil.copyfile(source, part.file)
    except OSError:
        return "410"
    return "200"


def _bare(result: bytes) -> bytes:
    """Without what the checks found."""
    value = json.loads(result)
    return strictjson.write({name: value[name] for name in value if name != "detectionResult"})
