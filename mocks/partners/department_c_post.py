"""What department C sends: kept, sealed, posted to the hub, repeated, and corrected if spoilt."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from mocks.partners.common import jws, strictjson
from mocks.partners.common.callback import LARGEST_ANSWER, TIMEOUT
from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults, Flaws
from mocks.partners.common.keys import Certificates
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker
from mocks.partners.department_c_spoil import Letter, letter
from mocks.partners.department_c_steps import ROUTES, identity
from mocks.partners.department_c_xml import encrypt

SCHEMA = """
CREATE TABLE IF NOT EXISTS sending (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, case_no TEXT NOT NULL, step TEXT NOT NULL,
  version INTEGER NOT NULL, plain BLOB NOT NULL, body BLOB NOT NULL, due REAL NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', code TEXT NOT NULL DEFAULT '',
  msg TEXT NOT NULL DEFAULT '', late INTEGER NOT NULL DEFAULT 0,
  UNIQUE (case_no, step));
CREATE INDEX IF NOT EXISTS sending_due ON sending (state, due);
"""
QUERIES = Queries(
    "SELECT * FROM sending WHERE state = 'waiting' AND due <= ? ORDER BY due, seq LIMIT 1",
    "SELECT min(due) FROM sending WHERE state = 'waiting'",
    "UPDATE sending SET due = ? WHERE seq = ?",
    "seq",
)
REPEATS: Final = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds, after "later"
LATER: Final = frozenset({"503", "401", "later"})
STATUSES: Final = frozenset({"200", "401", "403", "409", "500", "503"})
NOTHING: Final = ("later", "")  # no answer of the contract
LONGEST: Final = 500  # characters of a msg that are kept
MEMBERS: Final = frozenset({"status", "msg", "data"})
DATAVER: Final = re.compile(rb"<DATAVER>\d+<")
SOON: Final = 0.05  # seconds until a copy, or what was spoilt on its way, is sent


@dataclass(frozen=True)
class Mail:
    """How letters leave: address, seal, cipher key, repeats after "later" in seconds."""

    hub_url: str
    signer: jws.Signer
    trusted: Certificates
    key: bytes
    repeats: Sequence[float]


class Post(Worker):
    """One thread that posts what is due; state waiting, done, refused or given_up."""

    def __init__(
        self, record: Record, faults: Faults, clock: Clock, mail: Mail, advance: Callable[[str], None]
    ) -> None:  # fmt: skip
        """`advance` hears the case whose next document may be due."""
        super().__init__("post", record, faults, clock, QUERIES)
        self._mail, self._advance = mail, advance
        self._hub = mail.hub_url.rstrip("/")
        self._client = httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def add(self, db: sqlite3.Connection, case: str, step: str, plain: bytes, delay: float) -> int:
        """Keeps a first version inside the caller's transaction; its number."""
        row = (case, step, 1, plain, self._body(plain), self.clock() + delay)
        done = db.execute(
            "INSERT INTO sending (case_no, step, version, plain, body, due) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        return int(done.lastrowid or 0)

    def _body(self, plain: bytes) -> bytes:
        return strictjson.write({"xmlStr": encrypt(plain, self._mail.key)})

    def steps(self, db: sqlite3.Connection, case: str) -> dict[str, sqlite3.Row]:
        """The rows of a case by step."""
        rows = db.execute("SELECT * FROM sending WHERE case_no = ? ORDER BY seq", (case,))
        return {row["step"]: row for row in rows}

    def hurry(self, job: int) -> None:
        """Makes a waiting letter due now."""
        with self.record.work() as db:
            db.execute("UPDATE sending SET due = 0 WHERE seq = ? AND state = 'waiting'", (job,))
        self.wake()

    def attempted(self, job: int) -> bool:
        """Whether a letter was tried at least once, to the end of the try."""
        with self.record.work() as db:
            row = db.execute("SELECT attempt, state FROM sending WHERE seq = ?", (job,)).fetchone()
        return row is None or row["attempt"] > 0 or row["state"] != "waiting"

    def loop(self) -> None:
        with self._client:
            super().loop()

    def operation(self, row: sqlite3.Row) -> str:
        return ROUTES[row["step"][0]][2]

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"] and not row["late"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """The case goes on as if the letter had been sent."""
        with self.record.work() as db:
            db.execute("UPDATE sending SET late = 1 WHERE seq = ?", (row["seq"],))
        self._advance(row["case_no"])

    def work(self, row: sqlite3.Row) -> None:
        operation = self.operation(row)
        self.pause(operation)
        if self.faults.take(operation, "drop_before_reply"):
            self._note(row, Letter(row["body"], "", False, row["version"]), "lost")
            self._later(row, "lost")
            return
        flaws = self.faults.flaws(operation)
        sent = letter(row["plain"], row["body"], row["version"], self._mail.key, self.faults, operation)
        code, msg = self._posted(row, sent, flaws)
        self._hear(row, msg)
        spoilt = sent.spoilt or flaws != Flaws()
        self._note(row, sent, code)
        if code == "200":
            self._taken(row, sent)
        elif code in LATER:
            self._later(row, code)
        elif spoilt:
            self._again(row, sent, code)
        else:
            self._end(row, "refused", code)

    def _posted(self, row: sqlite3.Row, sent: Letter, flaws: Flaws) -> tuple[str, str]:
        """Status and msg the hub answered under a good seal, else "later"."""
        path, nonce = ROUTES[row["step"][0]][1], jws.new_nonce()
        bound = {"method": "POST", "path": urlsplit(self._hub).path + path}
        seal = self._mail.signer.sign(sent.body, bound, nonce=nonce, age=flaws.age, spoil=flaws.spoil)
        headers = {jws.HEADER: seal, "Content-Type": sent.content_type}
        try:
            with self._client.stream("POST", self._hub + path, content=sent.body, headers=headers) as answer:
                data = _bounded(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            return NOTHING
        good = answer.status_code == 200 and self._sealed(answer, data, nonce)
        return status(data) if good else NOTHING

    def _sealed(self, answer: httpx2.Response, data: bytes, nonce: str) -> bool:
        mail = self._mail
        bound: jws.Bound = {"status": 200, "req": nonce}
        try:
            seal = answer.headers.get(jws.HEADER)
            jws.verify(seal, data, mail.trusted, now=mail.signer.clock(), bound=bound)
        except jws.BadSeal:
            return False
        return True

    def _hear(self, row: sqlite3.Row, msg: str) -> None:
        with self.record.work() as db:
            db.execute("UPDATE sending SET msg = ? WHERE seq = ?", (msg[:LONGEST], row["seq"]))

    def _note(self, row: sqlite3.Row, sent: Letter, code: str) -> None:
        name, case = identity(row["step"], row["case_no"], sent.version), row["case_no"]
        content = hashlib.sha256(sent.body if sent.spoilt else row["plain"]).hexdigest()
        kind = ROUTES[row["step"][0]][0]
        self.record.note(
            "sent", kind, name, sent.body, code, accepted=code == "200", case=case, content=content
        )

    def _taken(self, row: sqlite3.Row, sent: Letter) -> None:
        copies = row["copies"]
        if fault := self.faults.take(self.operation(row), "duplicate_push"):
            copies += max(1, int(fault.number(1)))
        due, state = (self.clock() + SOON, "waiting") if copies else (0.0, "done")
        with self.record.work() as db:
            db.execute(
                "UPDATE sending SET state = ?, code = '200', copies = ?, due = ?, attempt = attempt + 1,"
                " version = ? WHERE seq = ?",
                (state, max(0, copies - 1), due, sent.version, row["seq"]),
            )
        self._advance(row["case_no"])

    def _later(self, row: sqlite3.Row, code: str) -> None:
        if row["attempt"] >= len(self._mail.repeats):
            self._end(row, "given_up", code)
            return
        due = self.clock() + self._mail.repeats[row["attempt"]]
        with self.record.work() as db:
            db.execute(
                "UPDATE sending SET attempt = attempt + 1, due = ?, code = ? WHERE seq = ?",
                (due, code, row["seq"]),
            )

    def _again(self, row: sqlite3.Row, sent: Letter, code: str) -> None:
        """Refused unread (403): the same once more; refused for its content: a correction."""
        version, plain = row["version"], row["plain"]
        if code != "403" and sent.version == version:
            version, plain = version + 1, DATAVER.sub(b"<DATAVER>%d<" % (version + 1), plain)
        body = row["body"] if version == row["version"] else self._body(plain)
        with self.record.work() as db:
            db.execute(
                "UPDATE sending SET version = ?, plain = ?, body = ?, attempt = attempt + 1, due = ?,"
                " code = ? WHERE seq = ?",
                (version, plain, body, self.clock() + SOON, code, row["seq"]),
            )

    def _end(self, row: sqlite3.Row, state: str, code: str) -> None:
        with self.record.work() as db:
            db.execute(
                "UPDATE sending SET state = ?, code = ?, attempt = attempt + 1 WHERE seq = ?",
                (state, code, row["seq"]),
            )


def _bounded(answer: httpx2.Response) -> bytes:
    """At most what an answer may be; more counts as none."""
    data = b""
    for chunk in answer.iter_bytes():
        data += chunk
        if len(data) > LARGEST_ANSWER:
            return b""
    return data


def status(data: bytes) -> tuple[str, str]:
    """Status and msg of an answer in the contract's form, else "later"."""
    try:
        said = strictjson.read_object(data)
    except strictjson.BadJson:
        return NOTHING
    good = said.keys() == MEMBERS and isinstance(said["msg"], str) and said["data"] == {}
    code = said.get("status")
    return (code, str(said["msg"])) if good and isinstance(code, str) and code in STATUSES else NOTHING
