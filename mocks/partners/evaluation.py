"""SYS-16, the evaluation system, from adapters/evaluation/contract/contract.md: services, ratings.

Own keys: rate_every (3: every third service recorded is rated; 0 = none), rating_delay_ms (1500),
share_time_off (0.1 of envelopes up to five minutes off), repeat_seconds (1, 5, 30, 300, 1800, 7200). Further
admin: GET /admin/services; POST /admin/rate {"satisfaction", "caseNo"?, "serviceNumber"?, "pf"?,
"evalDetail"?, "writingEvaluation"?, "afterMs"?} rates a service that many milliseconds from now, or after
its conclusion if it is not recorded yet; without caseNo the next service concluded (a machine that gives
"5", or a bad rating).
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import Ground, open_ground
from mocks.partners.common.callback import Callbacks
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.members import BadMember, checked, read_members
from mocks.partners.common.server import main
from mocks.partners.evaluation_data import (
    BUSY,
    DESC,
    DONE,
    OTHER,
    PROVINCE,
    STRANGER,
    WRONG,
    Envelope,
    EnvelopeSealer,
    Service,
    Wish,
    answer_value,
    judge,
    sign_holds,
)
from mocks.partners.evaluation_raters import SCHEMA, Habit, Raters

FAULTS = {
    "service_record": ANSWER_FAULTS | {"callback_before_reply", "busy", "header_differs"},
    "rated": PUSH_FAULTS | {"second_rating", "unknown_service"},
}
LARGEST: Final = 1 << 20  # bytes
REPEATS: Final = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)
PUT: Final = """
INSERT INTO service (project, service, params, content) VALUES (?, ?, ?, ?)
ON CONFLICT (project, service) DO UPDATE SET params = excluded.params, content = excluded.content RETURNING *
"""


def said(code: str, msg: str = "", jobs: tuple[int, ...] = ()) -> Answer:
    """An answer whose header and body agree."""
    value = answer_value(code, msg)
    return Answer(value, headers={DESC: str(value[DESC])}, jobs=jobs, push_first=bool(jobs))


REFUSALS = {
    "seal": said(STRANGER, "signature"),
    "media_type": said(WRONG, "Content-Type"),
    "too_large": said(WRONG, "body: too large"),
    "busy": Answer(answer_value(BUSY, "busy"), 429, sealed=False, headers={DESC: "fail", "Retry-After": "1"}),
}
MANNERS = Manners(REFUSALS.__getitem__, {"error": "system error"}, always_sealed=True)


class Refused(Exception):
    """A code other than 000000."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


@dataclass(frozen=True)
class System:
    """The system's work."""

    config: Config
    desk: Desk
    callbacks: Callbacks
    raters: Raters
    app: FastAPI = field(repr=False)

    def service_record(self, call: Call) -> Answer:
        """A service, new, the same, or replaced."""
        params: Mapping[str, object] = {}
        with self.desk.record.work() as db:
            try:
                params = self._opened(call)
                answer = self._recorded(db, params)
            except BadMember as error:
                answer = said(WRONG, str(error))
            except Refused as refused:
                answer = said(refused.code, refused.msg)
            self._note(call, params, answer)
        if self.desk.faults.take("service_record", "header_differs"):
            other = "fail" if answer.headers[DESC] == "success" else "success"
            return Answer(answer.value, headers={DESC: other}, jobs=answer.jobs, push_first=answer.push_first)
        return answer

    def _opened(self, call: Call) -> Mapping[str, object]:
        """The params of an envelope whose account and sign hold."""
        content = checked(Envelope, read_members(call.body)).txnBodyCom
        if content.appMark != self.config.account or not sign_holds(content, self.config.secret):
            raise Refused(STRANGER, "sign")
        if self.desk.faults.take("service_record", "busy"):
            raise Refused(BUSY, "busy")
        return content.params

    def _recorded(self, db: sqlite3.Connection, params: Mapping[str, object]) -> Answer:
        try:
            service = checked(Service, params)
        except BadMember as error:
            raise BadMember(f"params.{error}") from error
        if missing := service.incomplete():
            raise BadMember(f"params.{missing}")
        content = strictjson.digest(params)
        key = (service.projectNo, service.serviceNumber)
        old = db.execute("SELECT * FROM service WHERE project = ? AND service = ?", key).fetchone()
        if old is not None and old["content"] == content:
            return said(DONE)
        if old is not None and not _may_replace(old, service):
            raise Refused(OTHER, "same service with other content")
        row = db.execute(PUT, (*key, strictjson.write(params).decode(), content)).fetchone()
        job = self.raters.recorded(db, row, new=old is None, concluded=service.proStatus == "3")
        self.raters.wake()
        return said(DONE, jobs=() if job is None else (job,))

    def _note(self, call: Call, params: Mapping[str, object], answer: Answer) -> None:
        project, number = str(params.get("projectNo", "")), params.get("serviceNumber", "")
        name = f"{project}/{number}" if project else hashlib.sha256(call.body).hexdigest()
        code = str(dict(answer.value)["C-Response-Code"]) if isinstance(answer.value, dict) else ""
        self.desk.record.note(
            "received", "service_record", name, call.body, code, accepted=code == DONE,
            case=project.removeprefix(PROVINCE), content=strictjson.digest(params) if params else "",
        )  # fmt: skip

    def services(self) -> JSONResponse:
        """GET /admin/services: what is recorded, and the number of its rating; nobody is named."""
        with self.desk.record.work() as db:
            rows = db.execute("SELECT project, service, assess_no FROM service ORDER BY number").fetchall()
        return JSONResponse([dict(row) for row in rows])

    async def rate(self, request: Request) -> JSONResponse:
        """POST /admin/rate."""
        try:
            wish = checked(Wish, read_members(await request.body()))
        except BadMember as error:
            return JSONResponse({"detail": str(error)}, 422)
        project = PROVINCE + wish.caseNo if wish.caseNo else ""
        with self.desk.record.work() as db:
            key = (project, wish.serviceNumber)
            row = db.execute("SELECT * FROM service WHERE project = ? AND service = ?", key).fetchone()
            if row is not None and row["assess_no"]:
                return JSONResponse({"detail": "rated before: the first rating stands"}, 409)
            self.raters.plan(db, *key, wish, None if row is None else wish.afterMs / 1000)
        self.raters.wake()
        return JSONResponse({"planned": "after its conclusion" if row is None else f"in {wish.afterMs} ms"})

    def start(self) -> None:
        """Starts raters and calls, also what a killed process left."""
        self.callbacks.start()
        self.raters.start()

    def stop(self) -> None:
        """Ends the threads and closes the record."""
        self.raters.stop()
        self.callbacks.stop()
        self.desk.record.close()


def _may_replace(old: sqlite3.Row, service: Service) -> bool:
    """Unrated, and the new status not lower."""
    before = strictjson.read_object(old["params"].encode())["proStatus"]
    return not old["assess_no"] and service.proStatus >= str(before)


def _raters(config: Config, ground: Ground, callbacks: Callbacks) -> Raters:
    habit = Habit(
        config.seed, config.integer("rate_every", 3), config.integer("rating_delay_ms", 1500) / 1000
    )  # fmt: skip
    return Raters(
        ground.record, ground.faults, callbacks, ground.clock.base, ground.clock, habit,
        config.account, config.secret,
    )  # fmt: skip


def build(config: Config, log: FilteringBoundLogger) -> System:
    """The system of a configuration."""
    ground = open_ground(config, FAULTS, SCHEMA)
    share = config.share("share_time_off", 0.1)
    sealer = EnvelopeSealer(ground.sealer(), ground.clock, config.secret, config.seed, share)
    callbacks = ground.callbacks(repeats=REPEATS, judge=judge, sealer=sealer)
    desk = ground.desk(MANNERS, callbacks)
    system = System(config, desk, callbacks, _raters(config, ground, callbacks), ground.app())
    operation = Operation(
        "service_record", "POST", "/pf/v1/serviceRecord", system.service_record, largest=LARGEST
    )
    desk.mount(system.app, operation)
    system.app.add_api_route("/admin/services", system.services, methods=["GET"])
    system.app.add_api_route("/admin/rate", system.rate, methods=["POST"])
    return system


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
