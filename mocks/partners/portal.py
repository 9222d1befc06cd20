"""SYS-07, the internet portal and mobile app, from adapters/portal/contract/contract.md: applicants and what
they are shown.

Own keys: items_file, cases (0), serial_start (500000), attach_every (2), evaluate_every (2), complain_every
(4), ask_every (3), evaluate_delay_ms (800), max_per_second (50), repeat_seconds. Admin: POST /admin/run
{"cases": n}, GET /admin/progress, GET /admin/case/{applyNo}, GET /admin/published.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common.assemble import open_ground
from mocks.partners.common.callback import JwsSealer
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.members import BadMember, checked, named
from mocks.partners.common.morecases import asked_cases
from mocks.partners.common.pace import Pace
from mocks.partners.common.server import main
from mocks.partners.counter_items import Items
from mocks.partners.portal_applicants import Applicants, Habits
from mocks.partners.portal_calls import REPEATS, Calls
from mocks.partners.portal_events import ComplaintResult, Fee, Performance, read_body, read_event
from mocks.partners.portal_requests import ONLINE
from mocks.partners.portal_store import SCHEMA, Store

FAULTS = {name: ANSWER_FAULTS for name in ("event", "complaint_result", "fee", "performance")} | {
    "apply": PUSH_FAULTS, "supplement": PUSH_FAULTS, "attach": PUSH_FAULTS | {"missing_attachment"},
    "evaluate": PUSH_FAULTS | {"early_evaluation", "rush_rating"},
    "complain": PUSH_FAULTS | {"double_complaint"},
    "ask": {"delay_ms", "maintenance", "reorder", "duplicate_push", "drop_before_reply"}
    | {"wrong_password", "unknown_case"},
}  # fmt: skip
MOST_CASES = 400_000  # serials 500001 to 999999 of each day


def _said(custom: str, message: str = "", status: int = 200) -> Answer:
    return Answer({"custom": custom, "message": message}, status)


REFUSALS = {
    "seal": _said("unauthorized", "seal"),
    "media_type": _said("invalid", "content type"),
    "too_large": _said("invalid", "body: too large"),
    "busy": _said("busy", "too fast", 429),
}
MANNERS = Manners(REFUSALS.__getitem__, {"status": "error"})
Value = Mapping[str, object]


@dataclass(frozen=True)
class Heard:
    """A push that was read: its kind and case for the record, and what it does."""

    kind: str
    case: str
    act: Callable[[], None]


@dataclass(frozen=True)
class Portal:
    """Takes what the hub tells; what a push leads to is one transaction with it."""

    desk: Desk
    store: Store
    calls: Calls
    applicants: Applicants
    pace: Pace
    app: FastAPI = field(repr=False)

    def taken(self, read: Callable[[Value, bytes], Heard]) -> Callable[[Call], Answer]:
        """The handler of one kind of push: pace, identity and refusals are the same for all."""

        def handler(call: Call) -> Answer:
            if self.pace.too_fast(self.desk.clock()):
                return REFUSALS["busy"]
            try:
                value = read_body(call.body)
            except BadMember as error:
                return self._noted(call, call.operation, "", "", _said("invalid", str(error)))
            with self.store.record.work():
                answer = self._answered(call, value, read)
            self.applicants.wake()
            return answer

        return handler

    def _answered(self, call: Call, value: Value, read: Callable[[Value, bytes], Heard]) -> Answer:
        name, sha = named(value, "eventId"), hashlib.sha256(call.body).hexdigest()
        first = self.store.first(name) if name else None
        if first is not None and first[0] != sha:
            return self._noted(call, call.operation, name, "", _said("conflict", "eventId"))
        heard, answer = self._heard(call, value, read)
        if first is not None:
            return self._noted(call, heard.kind, name, heard.case, Answer(first[1]))
        heard.act()
        if name:
            self.store.keep(name, sha, answer.value)
        return self._noted(call, heard.kind, name, heard.case, answer)

    def _heard(
        self, call: Call, value: Value, read: Callable[[Value, bytes], Heard]
    ) -> tuple[Heard, Answer]:  # fmt: skip
        try:
            return read(value, call.body), _said("success")
        except BadMember as error:
            return Heard(call.operation, "", lambda: None), _said("invalid", str(error))

    def _noted(self, call: Call, kind: str, name: str, case: str, answer: Answer) -> Answer:
        custom = answer.value["custom"] if isinstance(answer.value, dict) else ""
        identity, good = name or hashlib.sha256(call.body).hexdigest(), custom == "success"
        self.store.record.note("received", kind, identity, call.body, custom, accepted=good, case=case)
        return answer

    def _known(self, apply_no: str) -> None:
        """Cases of windows are shown too; an online one the portal never numbered is none."""
        if apply_no[20] == ONLINE and self.store.application(apply_no) is None:
            raise BadMember("applyNo")

    def event(self, value: Value, body: bytes) -> Heard:
        """POST /openapi/v1/progress."""
        event = read_event(value)
        self._known(event.applyNo)

        def act() -> None:
            self.store.show(event.eventId, event.applyNo, event.event, event.time, event.seq, body)
            self.applicants.told(event)

        return Heard(event.event.lower(), event.applyNo, act)

    def complaint_result(self, value: Value, body: bytes) -> Heard:
        """POST /openapi/v1/complaint/result."""
        said = checked(ComplaintResult, value)
        case = self.store.complained(said.complaintNo)
        if case is None:
            raise BadMember("complaintNo")
        return Heard("complaint_result", case, lambda: self.store.resolve(said.complaintNo, body))

    def fee(self, value: Value, body: bytes) -> Heard:
        """POST /openapi/v1/fee."""
        said = checked(Fee, value)
        self._known(said.applyNo)
        at = int(self.desk.clock() * 1000)
        return Heard(
            "fee", said.applyNo, lambda: self.store.show(said.eventId, said.applyNo, "FEE", at, 1, body)
        )  # fmt: skip

    def performance(self, value: Value, body: bytes) -> Heard:
        """POST /openapi/v1/performance."""
        said = checked(Performance, value)
        if said.first > said.to:
            raise BadMember("to")
        return Heard("performance", "", lambda: self.store.publish(said.reportNo, body))

    def progress(self) -> JSONResponse:
        """GET /admin/progress."""
        found = self.store.progress()
        if self.applicants.items.missing and found["cases"]:
            found["failed"] = [{"case": "", "code": "items_missing", "path": "items_file"}]
        return JSONResponse(found)

    async def run(self, request: Request) -> JSONResponse:
        """POST /admin/run: so many applications more."""
        number = await asked_cases(request, self.store.target(), MOST_CASES)
        if isinstance(number, JSONResponse):
            return number
        self.store.aim(number)
        self.applicants.items.reload()
        self.applicants.wake()
        return self.progress()

    def start(self) -> None:
        """Applicants and calls go on where they were."""
        self.calls.start()
        self.applicants.start(self.calls)

    def stop(self) -> None:
        """Ends the threads and closes the record."""
        self.applicants.stop()
        self.calls.stop()
        self.store.record.close()


def _mount(portal: Portal) -> None:
    for name, path, read in (
        ("event", "/openapi/v1/progress", portal.event),
        ("complaint_result", "/openapi/v1/complaint/result", portal.complaint_result),
        ("fee", "/openapi/v1/fee", portal.fee),
        ("performance", "/openapi/v1/performance", portal.performance),
    ):
        portal.desk.mount(portal.app, Operation(name, "POST", path, portal.taken(read)))

    def case(apply_no: str) -> JSONResponse:
        return JSONResponse(portal.store.shown(apply_no))

    def published() -> JSONResponse:
        return JSONResponse(portal.store.published())

    portal.app.add_api_route("/admin/progress", portal.progress, methods=["GET"])
    portal.app.add_api_route("/admin/run", portal.run, methods=["POST"])
    portal.app.add_api_route("/admin/case/{apply_no}", case, methods=["GET"])
    portal.app.add_api_route("/admin/published", published, methods=["GET"])


def build(config: Config, log: FilteringBoundLogger) -> Portal:
    """The portal of a configuration."""
    every = config.integer
    habits = Habits(
        config.seed, every("serial_start", 500_000), every("attach_every", 2), every("evaluate_every", 2),
        every("complain_every", 4), every("ask_every", 3), every("evaluate_delay_ms", 800) / 1000,
    )  # fmt: skip
    pace, repeats = Pace(every("max_per_second", 50)), config.numbers("repeat_seconds", REPEATS)
    items = Items(config.state.parent / config.text("items_file", "items.json"))
    ground = open_ground(config, FAULTS, SCHEMA)
    store = Store(ground.record, ground.clock.base)
    store.aim(every("cases", 0), first=True)
    applicants = Applicants(store, ground.faults, items, habits, ground.clock)
    sealer = JwsSealer(ground.signer, ground.trusted, ground.faults)
    calls = Calls(
        ground.record, config.hub_url, sealer, ground.faults, ground.clock.base, repeats, applicants.answered
    )  # fmt: skip
    portal = Portal(ground.desk(MANNERS, calls), store, calls, applicants, pace, ground.app())
    _mount(portal)
    return portal


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
