"""What department B sends: kept, sealed once, posted to the hub, and posted again as the contract says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import httpx2
from cryptography import x509

from mocks.partners.common import soapface
from mocks.partners.common.callback import LARGEST_ANSWER, TIMEOUT
from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.soapface import Contract, SoapRefusal
from mocks.partners.common.worker import Queries, Worker
from mocks.partners.common.xmlseal import verify_enveloped
from mocks.partners.common.xmlsig import Element, SealError, XmlError, parse
from mocks.partners.department_b_steps import OPERATIONS
from mocks.partners.department_b_text import Letter, Scribe

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, msg_id TEXT NOT NULL UNIQUE, case_no TEXT NOT NULL,
  step TEXT NOT NULL, data TEXT NOT NULL, file TEXT NOT NULL, sealed TEXT, due REAL NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', code TEXT NOT NULL DEFAULT '', at REAL,
  UNIQUE (case_no, step));
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due);
"""
QUERIES: Final = Queries(
    "SELECT * FROM outbox WHERE state IN ('waiting', 'copying') AND due <= ? ORDER BY due, seq LIMIT 1",
    "SELECT min(due) FROM outbox WHERE state IN ('waiting', 'copying')",
    "UPDATE outbox SET due = ? WHERE seq = ?",
    "seq",
)
REPEATS: Final = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds: §1
PATH: Final = "/soap/department_b"
SOON: Final = 0.05  # seconds until a copy, or what was spoilt on its way, is sent
STATUSES: Final = frozenset({"200", "500", "401", "409"})
CLIENT, LATER = "client", "later"  # a Fault Client; anything that is not an answer
STATES: Final = {"200": "done", "401": "stopped"}


@dataclass(frozen=True)
class Hub:
    """Where the documents go, and by which certificates its answers are sealed."""

    url: str
    contract: Contract
    trusted: Sequence[x509.Certificate]


def verdict(hub: Hub, operation: str, answer: httpx2.Response, body: bytes, now: datetime) -> str:
    """STATUS of a sealed answer, `client` for a Fault Client, else `later`."""
    try:
        envelope = soapface.read_envelope(answer.headers.get("content-type", ""), body, ("gbk",))
        child = envelope.find(f"{{{soapface.SOAP}}}Body")[0]
        if answer.status_code == 500 and soapface.is_fault(child):
            return CLIENT if _is_client(child) else LATER
        if answer.status_code != 200 or child.tag != f"{{{hub.contract.namespace}}}{operation}Response":
            return LATER
        root = parse(soapface.valid(child, hub.contract)[0].text or "")
        status = verify_enveloped(root, hub.trusted, now).findtext("STATUS")
    except (SoapRefusal, XmlError, SealError, IndexError):
        return LATER
    return str(status) if status in STATUSES and root.tag == "RESULT" else LATER


def _is_client(fault: Element) -> bool:
    return str(fault.findtext("faultcode")).rpartition(":")[2] == "Client"


class Post(Worker):
    """One thread. state: waiting, copying, done, refused, stopped (401: our side is wrong), given_up."""

    def __init__(
        self, record: Record, faults: Faults, clock: Clock, hub: Hub, scribe: Scribe,
        repeats: Sequence[float], advance: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`advance` hears the case whose next document may be due."""
        super().__init__("post", record, faults, clock, QUERIES)
        self._hub, self._scribe = hub, scribe
        self._repeats, self._advance = tuple(repeats), advance
        self._client = httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def add(
        self, db: sqlite3.Connection, case: str, step: str, data: Mapping[str, object], file: str,
        delay: float,
    ) -> None:  # fmt: skip
        """Keeps a document inside the caller's transaction; a step of a case is kept once."""
        text = json.dumps(data, ensure_ascii=False)
        row = (str(uuid4()), case, step, text, file, self.clock() + delay)
        db.execute(
            "INSERT OR IGNORE INTO outbox (msg_id, case_no, step, data, file, due) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )

    def steps(self, db: sqlite3.Connection, case: str) -> dict[str, sqlite3.Row]:
        """The rows of a case by step."""
        rows = db.execute("SELECT * FROM outbox WHERE case_no = ? ORDER BY seq", (case,))
        return {row["step"]: row for row in rows}

    def revive(self, db: sqlite3.Connection) -> int:
        """What was stopped or given up is tried again; how many."""
        return db.execute(
            "UPDATE outbox SET state = 'waiting', due = ?, attempt = 0"
            " WHERE state IN ('stopped', 'given_up')",
            (self.clock(),),
        ).rowcount

    def push_first(self, seq: int) -> None:
        """Makes a waiting document due now and returns when it was tried (at most 5 s)."""
        with self.record.work() as db:
            db.execute("UPDATE outbox SET due = 0 WHERE seq = ? AND state = 'waiting'", (seq,))
        self.wake()
        for _ in range(250):
            if self._tried(seq) or self.stopped.wait(0.02):
                return

    def _tried(self, seq: int) -> bool:
        with self.record.work() as db:
            row = db.execute("SELECT attempt, state FROM outbox WHERE seq = ?", (seq,)).fetchone()
        return row is None or row["attempt"] > 0 or row["state"] != "waiting"

    def loop(self) -> None:
        with self._client:
            super().loop()

    def operation(self, row: sqlite3.Row) -> str:
        return OPERATIONS[row["step"][:2]]

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"] and not row["late"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """The case goes on as if the document had been sent."""
        with self.record.work() as db:
            db.execute("UPDATE outbox SET late = 1 WHERE seq = ?", (row["seq"],))
        self._advance(row["case_no"])

    def work(self, row: sqlite3.Row) -> None:
        operation = self.operation(row)
        self.pause(operation)
        letter = self._scribe.letter(row, self._sealed(row))
        self._note(row, letter, "")
        lost = self.faults.take(operation, "drop_before_reply") is not None
        code = LATER if lost else self._posted(operation, letter)
        self._note(row, letter, code)
        if code == LATER:
            self._later(row)
        elif letter.spoilt and code != "200":
            self._again(row, letter)
        else:
            self._end(row, code)

    def _sealed(self, row: sqlite3.Row) -> str:
        """The document of a row: sealed at the first try, and the same bytes at every other."""
        if row["sealed"] is not None:
            return str(row["sealed"])
        text = self._scribe.sealed(row)
        with self.record.work() as db:
            db.execute("UPDATE outbox SET sealed = ? WHERE seq = ?", (text, row["seq"]))
        return text

    def _note(self, row: sqlite3.Row, letter: Letter, code: str) -> None:
        """Once before the try, so that a killed process still knows what it may have sent."""
        kind, case, name = row["step"][:2], row["case_no"], row["msg_id"]
        if code or not row["attempt"]:
            body = letter.document.encode("gb18030")
            self.record.note("sent", kind, name, body, code, accepted=code == "200", case=case)

    def _posted(self, operation: str, letter: Letter) -> str:
        action = f'"{self._hub.contract.namespace}/{operation}"'
        headers = {"Content-Type": letter.content_type, "SOAPAction": action}
        try:
            with self._client.stream("POST", self._hub.url, content=letter.body, headers=headers) as answer:
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LARGEST_ANSWER:
                        return LATER
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            return LATER
        now = datetime.fromtimestamp(self._scribe.clock(), UTC)
        return verdict(self._hub, operation, answer, data, now)

    def _later(self, row: sqlite3.Row) -> None:
        attempt = row["attempt"] + 1
        more = attempt <= len(self._repeats)
        due, state = (self._repeats[attempt - 1], row["state"]) if more else (0.0, "given_up")
        with self.record.work() as db:
            db.execute(
                "UPDATE outbox SET attempt = ?, due = ?, state = ? WHERE seq = ?",
                (attempt, self.clock() + due, state, row["seq"]),
            )

    def _again(self, row: sqlite3.Row, letter: Letter) -> None:
        """Refused for what a fault did to it: what was wrong inside takes a new MSGID."""
        name, sealed = (str(uuid4()), None) if letter.wrong else (row["msg_id"], row["sealed"])
        with self.record.work() as db:
            db.execute(
                "UPDATE outbox SET msg_id = ?, sealed = ?, due = ?, attempt = 0 WHERE seq = ?",
                (name, sealed, self.clock() + SOON, row["seq"]),
            )

    def _end(self, row: sqlite3.Row, code: str) -> None:
        copies, state = row["copies"], STATES.get(code, "refused")
        if state == "done" and (fault := self.faults.take(self.operation(row), "duplicate_push")):
            copies += max(1, int(fault.number(1)))
        if state == "done" and copies > 0:
            state, copies = "copying", copies - 1
        with self.record.work() as db:
            db.execute(
                "UPDATE outbox SET state = ?, code = ?, copies = ?, due = ?, attempt = attempt + 1,"
                " at = coalesce(at, ?) WHERE seq = ?",
                (state, code, copies, self.clock() + SOON, self.clock(), row["seq"]),
            )
        self._advance(row["case_no"])
