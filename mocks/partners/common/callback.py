"""Outgoing signed HTTP with the contracts' repeats, kept in the record so that a restart goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import httpx2

from mocks.partners.common import jws
from mocks.partners.common.clock import Clock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults
from mocks.partners.common.keys import Certificates
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

REPEATS = (1.0, 5.0, 30.0)  # seconds, of the contracts
TIMEOUT = 10.0
LARGEST_ANSWER = 1 << 20
QUERIES = Queries(
    "SELECT * FROM callback WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT 1",
    "SELECT min(due) FROM callback WHERE state = 'waiting'",
    "UPDATE callback SET due = ? WHERE id = ?",
    "id",
)


@dataclass(frozen=True)
class Note:
    """One business message inside a call, for the record."""

    kind: str
    id: str
    case: str = ""
    content: str = ""  # hex digest of the message alone when the call carries several


@dataclass(frozen=True)
class Heard:
    """What became of a try: the code for the record, whether the message was taken, whether that is final."""

    code: str
    accepted: bool = False
    final: bool = False


Judge = Callable[[Mapping[str, str], bytes], Heard]
"""Reads the hub's sealed answer of HTTP 200 as the contract words it."""


def taken(headers: Mapping[str, str], body: bytes) -> Heard:
    """HTTP 200 says all, whatever the body."""
    return Heard("200", accepted=True, final=True)


class Sealer(Protocol):
    """How a partner seals what it sends and checks what it is answered."""

    def seal(self, operation: str, path: str, body: bytes) -> tuple[bytes, Mapping[str, str], str]:
        """The bytes to send, the headers of the seal, and what `holds` needs of it."""
        ...

    def holds(self, sealed: str, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the answer is the hub's answer to this call."""
        ...


@dataclass(frozen=True)
class JwsSealer:
    """X-Gov-Signature both ways: the answer binds status and the nonce of the request."""

    signer: jws.Signer
    trusted: Certificates
    faults: Faults

    def seal(self, operation: str, path: str, body: bytes) -> tuple[bytes, Mapping[str, str], str]:
        nonce = jws.new_nonce()
        flaws = self.faults.flaws(operation)
        bound = {"method": "POST", "path": path}
        seal = self.signer.sign(body, bound, nonce=nonce, age=flaws.age, spoil=flaws.spoil)
        return body, {jws.HEADER: seal}, nonce

    def holds(self, sealed: str, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        bound: jws.Bound = {"status": status, "req": sealed}
        try:
            jws.verify(headers.get(jws.HEADER), body, self.trusted, now=self.signer.clock(), bound=bound)
        except jws.BadSeal:
            return False
        return True


class Callbacks(Worker):
    """One thread that sends what is due and repeats what was not answered 200."""

    def __init__(
        self, record: Record, hub_url: str, sealer: Sealer, faults: Faults, clock: Clock, *,
        repeats: Sequence[float] = REPEATS, for_ever: bool = False,
        timeout: float = TIMEOUT, judge: Judge = taken,
        apart: Mapping[str, Sequence[float]] | None = None, unmissed: Collection[str] = (),
    ) -> None:  # fmt: skip
        """`for_ever`: after the last repeat time, go on at that distance until answered 200.

        `timeout`: seconds the hub has to answer. `judge`: reads an answer of HTTP 200.
        `apart`: repeat times of operations that have their own. `unmissed`: operations whose message is gone
        for good when it is lost on the way, because the contract says that some never come.
        """
        super().__init__("callbacks", record, faults, clock, QUERIES)
        self._sealer = sealer
        self._repeats, self._for_ever = tuple(repeats), for_ever
        self._apart, self._unmissed = dict(apart or {}), frozenset(unmissed)
        self._hub, self._judge = hub_url.rstrip("/"), judge
        self._prefix = urlsplit(self._hub).path
        self._client = httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False)

    def schedule(
        self, db: sqlite3.Connection, operation: str, path: str, body: bytes, notes: Sequence[Note],
        delay: float, content_type: str = "application/json",
    ) -> int:  # fmt: skip
        """Keeps a call inside the caller's transaction; returns its number. Delay in seconds."""
        lines = json.dumps([[note.kind, note.id, note.case, note.content] for note in notes])
        row = (operation, path, body, content_type, lines, self.clock() + delay)
        done = db.execute(
            "INSERT INTO callback (operation, path, body, content_type, notes, due)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
        return int(done.lastrowid or 0)

    def hurry(self, job: int) -> None:
        """Makes a waiting call due now."""
        with self.record.work() as db:
            db.execute("UPDATE callback SET due = 0 WHERE id = ? AND state = 'waiting'", (job,))
        self.wake()

    def attempted(self, job: int) -> bool:
        """Whether a call was tried at least once, to the end of the try."""
        with self.record.work() as db:
            row = db.execute("SELECT attempt, state FROM callback WHERE id = ?", (job,)).fetchone()
        return row is None or row["attempt"] > 0 or row["state"] != "waiting"

    def loop(self) -> None:
        with self._client:
            super().loop()

    def operation(self, row: sqlite3.Row) -> str:
        return str(row["operation"])

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"]

    def work(self, row: sqlite3.Row) -> None:
        operation = row["operation"]
        self.pause(operation)
        if self.faults.take(operation, "drop_before_reply"):
            if operation in self._unmissed:
                self._lost(row)
            else:
                self._settle(row, row["body"], Heard("lost"))
            return
        body, content_type = distorted(row["body"], row["content_type"], self.faults, operation)
        path = self._prefix + row["path"]
        body, headers, sealed = self._sealer.seal(operation, path, body)
        headers = {**headers, "Content-Type": content_type}
        self._settle(row, body, self._post(self._hub + row["path"], body, headers, sealed))

    def _lost(self, row: sqlite3.Row) -> None:
        """Nobody will hear of it: the partner believes that it was sent."""
        with self.record.work() as db:
            for kind, id, case, content in json.loads(row["notes"]):
                self.record.note(
                    "sent", kind, id, row["body"], "lost", accepted=False, case=case, content=content
                )
            db.execute("UPDATE callback SET attempt = 1, state = 'given_up' WHERE id = ?", (row["id"],))

    def _post(self, url: str, body: bytes, headers: Mapping[str, str], sealed: str) -> Heard:
        """What the hub said under a good seal, else what happened."""
        try:
            with self._client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LARGEST_ANSWER:
                        return Heard("answer too large")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            return Heard("unreachable")
        if answer.status_code != 200:
            return Heard(str(answer.status_code))
        holds = self._sealer.holds(sealed, 200, answer.headers, data)
        return self._judge(answer.headers, data) if holds else Heard("answer seal")

    def _settle(self, row: sqlite3.Row, body: bytes, heard: Heard) -> None:
        done, attempt = heard.final, row["attempt"] + 1
        copies, due, state = row["copies"], 0.0, "done"
        if done and (fault := self.faults.take(row["operation"], "duplicate_push")):
            copies += max(1, int(fault.number(1)))
        if done and copies > 0:
            copies, due, state = copies - 1, self.clock() + 0.05, "waiting"
        elif not done and (wait := self._wait(row["operation"], attempt)) is not None:
            due, state = self.clock() + wait, "waiting"
        elif not done:
            state = "given_up"
        with self.record.work() as db:
            for kind, id, case, content in json.loads(row["notes"]):
                self.record.note(
                    "sent", kind, id, body, heard.code, accepted=heard.accepted, case=case, content=content
                )
            db.execute(
                "UPDATE callback SET attempt = ?, copies = ?, due = ?, state = ? WHERE id = ?",
                (attempt, copies, due, state, row["id"]),
            )

    def _wait(self, operation: str, attempt: int) -> float | None:
        repeats = self._apart.get(operation, self._repeats)
        if attempt <= len(repeats):
            return repeats[attempt - 1]
        return repeats[-1] if self._for_ever and repeats else None
