"""A hall counter, a party of the hub by docs/wire.md: takes cases from application to delivery.

Own keys: party (name), cases, items_file, concurrency (4), supplement_every (5), refuse_every (9),
prereview_refuse_every (17), serial_start (0), first_retry_ms (1000).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, SEAL_FAULTS
from mocks.partners.common.server import main
from mocks.partners.counter_desk import Clerks, Habits, Items
from mocks.partners.counter_flow import NEEDED, heard_state, reaction
from mocks.partners.counter_post import Post
from mocks.partners.counter_store import SCHEMA, Cases

FAULTS = {"inbox": ANSWER_FAULTS, "send": SEAL_FAULTS | {"delay_ms", "duplicate_push", "maintenance"}}
MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
MEMBERS = frozenset({"message_id", "type", "sender", "sent_at", "payload"})
MOST_CASES = 900_000  # a serial has six digits


def _refused(status: int, code: str, path: str = "") -> Answer:
    return Answer({"status": "refused", "code": code, "path": path}, status)


REFUSALS = {
    "seal": _refused(401, "seal_invalid"),
    "media_type": _refused(415, "bad_media_type"),
    "too_large": _refused(413, "too_large"),
    "busy": _refused(503, "busy"),
}
MANNERS = Manners(REFUSALS.__getitem__, {"status": "error"})
OK = Answer({"status": "ok"})


class Unread(Exception):
    """The push cannot be read; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Push:
    """A house document the hub pushed."""

    message_id: str
    type: str
    payload: Mapping[str, object]

    def text(self, name: str) -> str:
        """A text member of the payload, empty if there is none."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""


def read_push(body: bytes) -> Push:
    """Unread for what is no house document this counter has a use for."""
    try:
        document = strictjson.read_object(body)
    except strictjson.BadJson:
        raise Unread(_refused(400, "bad_request")) from None
    if wrong := sorted(MEMBERS - document.keys()):
        raise Unread(_refused(422, "missing_field", wrong[0]))
    if wrong := sorted(document.keys() - MEMBERS - {"causation_id"}):
        raise Unread(_refused(422, "unknown_field", wrong[0]))
    name, kind, payload = document["message_id"], document["type"], document["payload"]
    if not isinstance(name, str) or not MESSAGE_ID.fullmatch(name):
        raise Unread(_refused(422, "bad_value", "message_id"))
    if not isinstance(kind, str) or kind not in NEEDED:
        raise Unread(_refused(422, "unknown_type", "type"))
    if not isinstance(payload, dict):
        raise Unread(_refused(422, "bad_value", "payload"))
    push = Push(name, kind, payload)
    if wrong := [need for need in NEEDED[kind] if not push.text(need)]:
        raise Unread(_refused(422, "missing_field", f"payload.{wrong[0]}"))
    return push


class NoPushes:
    """The counter's own messages never wait for an answer it gives."""

    def hurry(self, job: int) -> None:
        """Nothing is waiting."""

    def attempted(self, job: int) -> bool:
        """Nothing is waiting."""
        return True


@dataclass(frozen=True)
class Counter:
    """The counter: its inbox and its administration; the clerks do the sending."""

    cases: Cases
    clerks: Clerks
    app: FastAPI = field(repr=False)

    def inbox(self, call: Call) -> Answer:
        """POST /inbox: one push, its effect and what it makes due in one transaction."""
        try:
            push = read_push(call.body)
            with self.cases.record.work():
                answer = self._heard(push, call.body)
        except Unread as unread:
            name = hashlib.sha256(call.body).hexdigest()
            code = str(unread.answer.status)
            self.cases.record.note("received", "unread", name, call.body, code, accepted=False)
            return unread.answer
        self.clerks.wake()
        return answer

    def _heard(self, push: Push, body: bytes) -> Answer:
        sha = hashlib.sha256(body).hexdigest()
        match self.cases.heard(push.message_id, sha):
            case "conflict":
                raise Unread(_refused(409, "conflict", "message_id"))
            case "new":
                self._apply(push)
        case_no = self._case_of(push) or ""
        self.cases.record.note(
            "received", push.type, push.message_id, body, "ok", accepted=True, case=case_no
        )
        return OK

    def _case_of(self, push: Push) -> str | None:
        if push.type == "fee.paid.v1":
            return self.cases.case_of_notice(push.text("notice_no"))
        return push.text("case_no") or push.text("request_id")[:28]

    def _apply(self, push: Push) -> None:
        if push.type == "fee.paid.v1":
            self.cases.paid(push.text("notice_no"), push.message_id)
        case_no = self._case_of(push)
        if case_no is None:
            return  # the payment is kept until its notice is known
        if self.cases.file(case_no) is None:
            raise Unread(_refused(422, "unknown_case", "payload.case_no"))
        self._react(case_no, push.type, push.payload, push.message_id)
        if push.type == "archive.result.v1" and push.text("code") != "200":
            self.cases.fail(case_no, f"archive_{push.text('code')}", push.type)
        if push.type == "fee.noticed.v1" and (cause := self.cases.noticed(case_no, push.text("notice_no"))):
            self._react(case_no, "fee.paid.v1", {}, cause)

    def _react(self, case_no: str, kind: str, payload: Mapping[str, object], cause: str) -> None:
        file = self.cases.file(case_no)
        if file is None:
            return
        for due in reaction(kind, payload, file):
            self.cases.queue(file, due, self.clerks.clock(), cause)
        if state := heard_state(kind, payload):
            self.cases.advance(case_no, state)

    def progress(self) -> JSONResponse:
        """GET /admin/progress."""
        found = self.cases.progress()
        if self.clerks.items.missing:
            found["failed"] = [{"case": "", "code": "items_missing", "path": "items_file"}]
        return JSONResponse(found)

    async def run(self, request: Request) -> JSONResponse:
        """POST /admin/run: so many cases more."""
        try:
            asked = strictjson.read_object(await request.body())
        except strictjson.BadJson:
            asked = {}
        number = asked.get("cases")
        if asked.keys() != {"cases"} or type(number) is not int or number < 1:
            return JSONResponse({"detail": "cases: a whole number of at least 1 is needed"}, 422)
        if self.cases.target() + number > MOST_CASES:
            return JSONResponse({"detail": f"cases: at most {MOST_CASES} together"}, 422)
        self.cases.aim(number)
        self.clerks.items.reload()
        self.clerks.wake()
        return self.progress()

    def start(self) -> None:
        """The clerks go on where they were."""
        self.clerks.start()

    def stop(self) -> None:
        """Ends the clerks and closes the record."""
        self.clerks.stop()
        self.cases.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Counter:
    """The counter of a configuration."""
    party, every = config.text("party", config.name), config.integer
    habits = Habits(
        config.seed, every("supplement_every", 5), every("refuse_every", 9),
        every("prereview_refuse_every", 17), every("serial_start", 0),
        every("first_retry_ms", 1000, least=1) / 1000,
    )  # fmt: skip
    ground = open_ground(config, FAULTS, SCHEMA)
    cases, workers = Cases(ground.record, party), every("concurrency", 4, least=1)
    cases.aim(every("cases", 0), first=True)
    client = httpx2.Client(timeout=15, trust_env=False, follow_redirects=False)
    post = Post(client, config.hub_url, ground.trusted, ground.signer.clock)
    items = Items(config.state.parent / config.text("items_file", "items.json"))
    app = ground.app()
    clerks = Clerks(cases, post, ground.signer, ground.faults, items, habits, workers, log, ground.clock.base)
    counter = Counter(cases, clerks, app)
    ground.desk(MANNERS, NoPushes()).mount(app, Operation("inbox", "POST", "/inbox", counter.inbox))
    app.add_api_route("/admin/progress", counter.progress, methods=["GET"])
    app.add_api_route("/admin/run", counter.run, methods=["POST"])
    return counter


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
