"""A hall counter, a party of the hub by docs/wire.md: takes cases from application to delivery.

Own keys: party (name), cases, items_file, concurrency (4), supplement_every (5), refuse_every (9),
prereview_refuse_every (17), serial_start (0), first_retry_ms (1000), acts (none; `counter_acts.ALL_ACTS`),
change_every (10, certified cases), rate_delay_ms (1500), parcel_patience_ms (120000).
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.endpoint import Answer, Call, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, SEAL_FAULTS
from mocks.partners.common.morecases import asked_cases
from mocks.partners.common.server import main
from mocks.partners.counter_acts import ALL_ACTS
from mocks.partners.counter_desk import Clerks
from mocks.partners.counter_flow import Ways
from mocks.partners.counter_hearing import Hearing
from mocks.partners.counter_items import Items
from mocks.partners.counter_plans import Habits
from mocks.partners.counter_post import Post
from mocks.partners.counter_progress import progress
from mocks.partners.counter_push import MORE_NEEDED, NEEDED, Push, Unread, read_push, refused
from mocks.partners.counter_store import SCHEMA, Cases

FAULTS = {"inbox": ANSWER_FAULTS, "send": SEAL_FAULTS | {"delay_ms", "duplicate_push", "maintenance"}}
BUSY = "503"
MOST_CASES = 900_000  # a serial has six digits


REFUSALS = {
    "seal": refused(401, "seal_invalid"),
    "media_type": refused(415, "bad_media_type"),
    "too_large": refused(413, "too_large"),
    "busy": refused(503, "busy"),
}
MANNERS = Manners(REFUSALS.__getitem__, {"status": "error"})
OK = Answer({"status": "ok"})


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
    hearing: Hearing
    app: FastAPI = field(repr=False)

    @property
    def acts(self) -> frozenset[str]:
        """What it was told to do beside its own cases."""
        return self.hearing.habits.ways.acts

    def inbox(self, call: Call) -> Answer:
        """POST /inbox: one push, its effect and what it makes due in one transaction."""
        try:
            push = read_push(call.body, {**NEEDED, **MORE_NEEDED} if self.acts else NEEDED)
            with self.cases.record.work():
                self._heard(push, call.body)
        except Unread as unread:
            name = hashlib.sha256(call.body).hexdigest()
            code = str(unread.answer.status)
            if code != BUSY:
                self.cases.record.note("received", "unread", name, call.body, code, accepted=False)
            return unread.answer
        self.clerks.wake()
        return OK

    def _heard(self, push: Push, body: bytes) -> None:
        sha = hashlib.sha256(body).hexdigest()
        match self.cases.heard(push.message_id, sha):
            case "conflict":
                raise Unread(refused(409, "conflict", "message_id"))
            case "new":
                self.hearing.hear(push)
        case = self.hearing.case_of(push) or ""
        self.cases.record.note("received", push.type, push.message_id, body, "ok", accepted=True, case=case)

    def progress(self) -> JSONResponse:
        """GET /admin/progress."""
        found = progress(self.cases, acting=bool(self.acts), reporting=self.clerks.to_report)
        if self.clerks.items.missing:
            found["failed"] = [{"case": "", "code": "items_missing", "path": "items_file"}]
        return JSONResponse(found)

    async def run(self, request: Request) -> JSONResponse:
        """POST /admin/run: so many cases more."""
        number = await asked_cases(request, self.cases.target(), MOST_CASES)
        if isinstance(number, JSONResponse):
            return number
        self.cases.aim(number)
        self.cases.setting("runs", more=1)
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


def _habits(config: Config) -> Habits:
    every, acts = config.integer, frozenset(config.texts("acts"))
    if wrong := sorted(acts - ALL_ACTS):
        raise ConfigError(f"acts: {wrong[0]} is none of {', '.join(sorted(ALL_ACTS))}")
    ways = Ways(acts, every("rate_delay_ms", 1500) / 1000, every("parcel_patience_ms", 120_000) / 1000)
    return Habits(
        config.seed, every("supplement_every", 5), every("refuse_every", 9),
        every("prereview_refuse_every", 17), every("serial_start", 0),
        every("first_retry_ms", 1000, least=1) / 1000, every("change_every", 10), ways,
    )  # fmt: skip


def build(config: Config, log: FilteringBoundLogger) -> Counter:
    """The counter of a configuration."""
    party, every, habits = config.text("party", config.name), config.integer, _habits(config)
    ground = open_ground(config, FAULTS, SCHEMA)
    cases, workers = Cases(ground.record, party), every("concurrency", 4, least=1)
    cases.aim(every("cases", 0), first=True)
    cases.setting("runs", more=0 if cases.setting("runs") or not cases.target() else 1)
    client = httpx2.Client(timeout=15, trust_env=False, follow_redirects=False)
    post = Post(client, config.hub_url, ground.trusted, ground.signer.clock)
    items = Items(config.state.parent / config.text("items_file", "items.json"))
    app = ground.app()
    clerks = Clerks(cases, post, ground.signer, ground.faults, items, habits, workers, log, ground.clock.base)
    counter = Counter(cases, clerks, Hearing(cases, items, habits, ground.clock.base), app)
    ground.desk(MANNERS, NoPushes()).mount(app, Operation("inbox", "POST", "/inbox", counter.inbox))
    app.add_api_route("/admin/progress", counter.progress, methods=["GET"])
    app.add_api_route("/admin/run", counter.run, methods=["POST"])
    return counter


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
