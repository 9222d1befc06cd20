"""The portal's calls to the hub: sent one after another, repeated at the times of the contract."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

from mocks.partners.common import strictjson
from mocks.partners.common.callback import TIMEOUT, Sealer
from mocks.partners.common.clock import Clock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

REPEATS = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds, of the contract
LARGEST_ANSWER = 1 << 20
DONE, SEAL, BUSY = "0000", "1002", "1009"
NOT_FOUND = "not_found"  # of a progress question
CODES = frozenset({DONE, "1001", SEAL, "1003", "1004", BUSY, NOT_FOUND})
PATHS = {
    "apply": "/portal/apply", "supplement": "/portal/supplement", "attach": "/portal/attach",
    "evaluate": "/portal/evaluate", "complain": "/portal/complain",
}  # fmt: skip
QUERIES = Queries(
    "SELECT * FROM request WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT 1",
    "SELECT min(due) FROM request WHERE state = 'waiting'",
    "UPDATE request SET due = ? WHERE id = ?",
    "id",
)
SETTLE = "UPDATE request SET attempt = ?, copies = ?, due = ?, state = ?, code = ?, answer = ? WHERE id = ?"
ASKED = frozenset({"case_no", "state", "provisional"})
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
Heard = Callable[[sqlite3.Row, str], None]
"""What the portal does about a request that was answered for good: its row and the code."""


class Unanswered(Exception):
    """No whole answer came; the text says why."""


@dataclass(frozen=True)
class Said:
    """What became of a call: a code of the contract, or why there is none."""

    code: str
    answer: str = ""

    @property
    def again(self) -> bool:
        """Whether the contract lets the same call be repeated."""
        return self.code not in CODES or self.code == BUSY


def judged(body: bytes) -> Said:
    """An answer whose seal holds; one that is outside the contract is no answer."""
    try:
        said = strictjson.read_object(body)
    except strictjson.BadJson:
        return Said("answer_form")
    code = said.get("code")
    whole = said.keys() == {"code", "message", "data"} and isinstance(said["message"], str)
    if not whole or not isinstance(code, str) or code not in CODES or said["data"] != {}:
        return Said("answer_form")
    return Said(code, body.decode())


def told(apply_no: str, status: int, body: bytes) -> Said:
    """The answer to a progress question: the state of the case, or not found."""
    try:
        said = strictjson.read_object(body)
    except strictjson.BadJson:
        return Said("answer_form")
    if status == 404:
        return Said(NOT_FOUND) if said.get("code") == NOT_FOUND else Said("404")
    due, state, provisional = said.get("promised_due"), said.get("state"), said.get("provisional")
    members = ASKED <= said.keys() <= ASKED | {"promised_due"} and said["case_no"] == apply_no
    day = due is None or (isinstance(due, str) and DAY.fullmatch(due))
    if not members or not day or not isinstance(state, str) or not state or type(provisional) is not bool:
        return Said("answer_form")
    return Said(DONE, body.decode())


class Calls(Worker):
    """One thread that sends what is due."""

    def __init__(
        self, record: Record, hub_url: str, sealer: Sealer, faults: Faults, clock: Clock,
        repeats: Sequence[float], heard: Heard,
    ) -> None:  # fmt: skip
        super().__init__("calls", record, faults, clock, QUERIES)
        self._hub, self._sealer, self._repeats, self._heard = hub_url.rstrip("/"), sealer, repeats, heard
        self._client = httpx2.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def hurry(self, job: int) -> None:
        """No answer of the portal's waits for a call of its own."""

    def attempted(self, job: int) -> bool:
        """As above."""
        return True

    def loop(self) -> None:
        with self._client:
            super().loop()

    def operation(self, row: sqlite3.Row) -> str:
        return str(row["kind"])

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["attempt"]

    def work(self, row: sqlite3.Row) -> None:
        kind = row["kind"]
        self.pause(kind)
        if self.faults.take(kind, "drop_before_reply"):
            self._settle(row, row["body"], Said("lost"))
            return
        if kind == "ask":
            self._settle(row, row["body"], self._ask(row))
            return
        body, content_type = distorted(row["body"], "application/json", self.faults, kind)
        path = PATHS[kind]
        sealed = self._sealer.seal(kind, urlsplit(self._hub).path + path, body)
        headers = {**sealed[1], "Content-Type": content_type}
        label = content_type != "application/json"
        self._settle(row, body, self._post(path, sealed[0], headers, sealed[2]), label=label)

    def _ask(self, row: sqlite3.Row) -> Said:
        asked = json.loads(row["body"])
        path = f"/api/v1/cases/{asked['applyNo']}?password={asked['queryCode']}"
        try:
            answer, data = self._exchange("GET", path, b"", {})
        except Unanswered as error:
            return Said(str(error))
        if answer.status_code not in (200, 404):
            return Said(str(answer.status_code))
        return told(asked["applyNo"], answer.status_code, data)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], sealed: str) -> Said:
        try:
            answer, data = self._exchange("POST", path, body, headers)
        except Unanswered as error:
            return Said(str(error))
        if answer.status_code != 200:
            return Said(str(answer.status_code))
        if not self._sealer.holds(sealed, 200, answer.headers, data):
            return Said("answer_seal")
        return judged(data)

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[httpx2.Response, bytes]:  # fmt: skip
        data = bytearray()
        try:
            with self._client.stream(
                method, self._hub + path, content=body, headers=dict(headers)
            ) as answer:  # fmt: skip
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LARGEST_ANSWER:
                        raise Unanswered("answer_too_large")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise Unanswered("unreachable") from error
        return answer, bytes(data)

    def _settle(self, row: sqlite3.Row, body: bytes, said: Said, *, label: bool = False) -> None:
        """`label`: it went out under a wrong one."""
        attempt, spoilt = row["attempt"] + 1, label or body != row["body"]
        if said.code == DONE and self._copies(row) > 0:
            self._later(row, body, said, 0.05, self._copies(row, taken=True) - 1)
        elif said.code == DONE:
            self._close(row, body, said, "done")
        elif spoilt and not said.again:
            self._corrected(row, body, said)
        elif (said.again or said.code == SEAL) and attempt <= len(self._repeats):
            self._later(row, body, said, self._repeats[attempt - 1], row["copies"])
        else:
            self._close(row, body, said, "given_up" if said.again else "refused")

    def _copies(self, row: sqlite3.Row, *, taken: bool = False) -> int:
        """How often an answered call is sent once more; the fault is asked once per call."""
        if not taken and (fault := self.faults.take(row["kind"], "duplicate_push")):
            more = int(fault.number(1))
            with self.record.work() as db:
                db.execute("UPDATE request SET copies = copies + ? WHERE id = ?", (more, row["id"]))
        with self.record.work() as db:
            ask = "SELECT copies FROM request WHERE id = ?"
            return int(db.execute(ask, (row["id"],)).fetchone()["copies"])

    def _later(self, row: sqlite3.Row, body: bytes, said: Said, wait: float, copies: int) -> None:
        with self.record.work() as db:
            self._note(row, body, said)
            values = (row["attempt"] + 1, copies, self.clock() + wait, "waiting", said.code, said.answer)
            db.execute(SETTLE, (*values, row["id"]))

    def _corrected(self, row: sqlite3.Row, body: bytes, said: Said) -> None:
        """Refused because a fault spoilt it: what was meant, under another id."""
        name = uuid4().hex
        right = strictjson.write(json.loads(row["body"]) | {"requestId": name})
        with self.record.work() as db:
            self._note(row, body, said)
            ask = "UPDATE request SET request_id = ?, body = ?, due = ?, attempt = 0 WHERE id = ?"
            db.execute(ask, (name, right, self.clock(), row["id"]))

    def _close(self, row: sqlite3.Row, body: bytes, said: Said, state: str) -> None:
        with self.record.work() as db:
            self._note(row, body, said)
            values = (row["attempt"] + 1, 0, 0.0, state, said.code, said.answer)
            db.execute(SETTLE, (*values, row["id"]))
            self._heard(row, said.code)

    def _note(self, row: sqlite3.Row, body: bytes, said: Said) -> None:
        if row["kind"] == "ask":
            return  # a question is no business message: it has no effect
        name, case, done = row["request_id"], row["apply_no"], said.code == DONE
        self.record.note("sent", row["kind"], name, body, said.code, accepted=done, case=case)
