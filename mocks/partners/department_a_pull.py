"""SYS-02, department A that is pulled from, after adapters/department_a_pull/contract/contract.md.

Own keys: those of department A, but for the two that say which items give a certificate (object 2 says it).
Admin, beside department A's: GET /admin/objects; POST /admin/withdraw {"guid"}.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.amqpdesk import SEND_FAULTS, TAKE_FAULTS, Parcel, open_mouth, other_dates
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.bus import Delivery, Route
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, BODY_FAULTS
from mocks.partners.common.outgoing import SCHEMA as OUTGOING
from mocks.partners.common.processobjects import Finding, pick
from mocks.partners.common.server import main
from mocks.partners.department_a import SCHEMA, Office, read_department
from mocks.partners.department_rules import Items
from mocks.partners.department_steps import Habits, Objects, Scene

SHELF: Final = """
CREATE TABLE IF NOT EXISTS shelf (
  guid TEXT PRIMARY KEY, case_no TEXT NOT NULL, step TEXT NOT NULL, body BLOB NOT NULL,
  pulls INTEGER NOT NULL DEFAULT 0, withdrawn INTEGER NOT NULL DEFAULT 0, spoilt INTEGER NOT NULL DEFAULT 0);
"""
TO_CORRECT: Final = """
SELECT outgoing.* FROM outgoing JOIN shelf USING (case_no, step)
WHERE case_no = ? AND state = 'refused' AND (withdrawn OR shelf.spoilt OR pulls = 0)
AND CAST(outgoing.body AS TEXT) LIKE '%.' || guid || '"'
AND (SELECT count(*) FROM shelf AS one WHERE one.case_no = shelf.case_no AND one.step = shelf.step) <= ?
"""
PULLED: Final = """
UPDATE shelf SET pulls = pulls + 1, spoilt = spoilt OR ? WHERE guid = ? RETURNING body, withdrawn
"""
CORRECTIONS: Final = 4  # an object of a step that is refused after so many is refused for good
AGAIN: Final = """
UPDATE outgoing SET message_id = ?, body = ?, state = 'waiting', code = '', attempts = 0, spoilt = 0, due = ?
WHERE seq = ?
"""
_KEY = re.compile(r"case\.push\.[^.]+\.[0-9]{2}", re.ASCII)
_SFCZ = pick("0", "1")
_NO_SEAL = {"seal": 401, "too_large": 403, "busy": 429}
# A notice is short ASCII without a date or a member: the other faults of a body cannot be seen in it.
NOTICE_FAULTS: Final = SEND_FAULTS - {"truncate_800b", "bad_date_pattern", "gbk_body", "schema_new_field"}
FAULTS: Final = {
    "push": TAKE_FAULTS | {"callback_before_reply"},
    "receipt": SEND_FAULTS,
    "feedback": NOTICE_FAULTS | {"reorder", "maintenance", "version_gap", "missing_attachment"},
    "pull": ANSWER_FAULTS | {"withdrawn"},
}


def routes(uscc: str) -> tuple[Route, ...]:
    """The topology of the contract for a department."""
    own, dead = f"dept.{uscc}.pull", "gov.case.pull.dlx"
    return (
        Route(f"{own}.in", "gov.case.pull", f"case.push.{uscc}.*", dead),
        Route("hub.pull.feedback", "gov.case.pull", "case.feedback.#", dead),
        Route("hub.pull.receipt", "gov.case.pull", "case.receipt.hub.#", dead),
        Route(f"{own}.receipt", "gov.case.pull", f"case.receipt.{uscc}", dead),
        Route("gov.case.pull.dead", dead, "#"),
    )


@dataclass(frozen=True)
class PullOffice(Office):
    """Department A, but its objects lie on a shelf and only their names are pushed."""

    family: str = ".pull"

    def _judge(self, db: sqlite3.Connection, delivery: Delivery) -> tuple[str | None, str, str]:
        if not _KEY.fullmatch(delivery.routing_key):
            return None, "70", "routing key: the item type has two digits"
        return super()._judge(db, delivery)

    def _wrong(self, number: str, sent: Mapping[str, object]) -> list[Finding]:
        """Object 2 has one member more than in the push variant."""
        if number != "2":
            return super()._wrong(number, sent)
        rest = {name: value for name, value in sent.items() if name != "SFCZ"}
        found = super()._wrong(number, rest)
        return found if _SFCZ(sent.get("SFCZ")) else [*found, Finding("SFCZ", "0 or 1 is needed")]

    def _certificate(self, objects: Objects) -> bool:
        return objects.get("2", {}).get("SFCZ") == "1"

    def _parcel(self, step: str, scene: Scene) -> Parcel:
        """Puts the object on the shelf, in the caller's transaction; what is sent is its name."""
        guid = str(uuid4())
        body = strictjson.write({"OBJ": step[0], **self._said(step, scene)})
        with self.ground.record.work() as db:
            self._shelve(db, guid, scene.case, step, body)
        notice = json.dumps(f"SPECIAL@{scene.case}.{scene.objects['2']['XZQHDM']}.{guid}").encode()
        key = f"case.feedback.{self.department.uscc}"
        return Parcel("gov.case.pull", key, notice, str(uuid4()), scene.case, {})

    def _plan(self, db: sqlite3.Connection, case: str) -> None:
        """An object refused as withdrawn, spoilt by a fault or never pulled is told anew."""
        for row in db.execute(TO_CORRECT, (case, CORRECTIONS)).fetchall():
            self._correct(db, row)
        super()._plan(db, case)

    def _correct(self, db: sqlite3.Connection, row: sqlite3.Row) -> None:
        place, _, old = json.loads(row["body"]).rpartition(".")
        (body,) = db.execute("SELECT body FROM shelf WHERE guid = ?", (old,)).fetchone()
        guid, name, case, step = str(uuid4()), str(uuid4()), row["case_no"], row["step"]
        self._shelve(db, guid, case, step, strictjson.write(json.loads(body) | {"BZ": "更正"}))
        notice = json.dumps(f"{place}.{guid}").encode()
        db.execute(AGAIN, (name, notice, self.ground.clock.base(), row["seq"]))
        self.ground.record.note("sent", step, name, notice, "", accepted=False, case=case)

    def _shelve(self, db: sqlite3.Connection, guid: str, case: str, step: str, body: bytes) -> None:
        row = (guid, case, step, body)
        db.execute("INSERT INTO shelf (guid, case_no, step, body) VALUES (?, ?, ?, ?)", row)

    def _answer(self, delivery: Delivery, receipt: bytes) -> None:
        said = json.loads(receipt)
        name, case = str(said["message_id"]), delivery.correlation_id or ""
        self.ground.record.note("sent", "receipt", name, receipt, said["code"], accepted=True, case=case)
        super()._answer(delivery, receipt)

    def _heard(self, delivery: Delivery, said: Mapping[str, object]) -> None:
        name, code, case = str(said["message_id"]), str(said["code"]), delivery.correlation_id or ""
        self.ground.record.note("received", "receipt", name, delivery.body, code, accepted=True, case=case)

    def pull(self, call: Call) -> Answer:
        """GET /cases/<guid>: the same bytes for as long as the department lives."""
        if call.body:
            return _refusal("seal")  # the contract's seal is over an empty body
        guid, faults = call.path["guid"], self.ground.faults
        with self.ground.record.work() as db:
            if faults.take("pull", "withdrawn"):
                db.execute("UPDATE shelf SET withdrawn = 1 WHERE guid = ?", (guid,))
            row = db.execute(PULLED, (self._spoils(), guid)).fetchone()
        if row is None:
            return Answer({}, 404)
        if row["withdrawn"]:
            return Answer({}, 410)
        wrong = faults.take("pull", "bad_date_pattern")
        return Answer(json.loads(other_dates(row["body"]) if wrong else row["body"]))

    def _spoils(self) -> bool:
        """Whether a fault is about to spoil the body of the answer."""
        armed = self.ground.faults.armed()
        return any(one.fault in BODY_FAULTS and one.operation in ("*", "pull") for one in armed)

    def objects(self) -> JSONResponse:
        """Every object on the shelf, by its name."""
        with self.ground.record.work() as db:
            rows = db.execute("SELECT * FROM shelf ORDER BY rowid").fetchall()
        names = ("case_no", "step", "pulls", "withdrawn")
        return JSONResponse({row["guid"]: {name: row[name] for name in names} for row in rows})

    async def withdraw(self, request: Request) -> JSONResponse:
        """Withdraws an object: it is told 410, and corrected once the hub has receipted that."""
        try:
            asked = strictjson.read_object(await request.body())
        except strictjson.BadJson as error:
            return JSONResponse({"detail": str(error)}, 422)
        with self.ground.record.work() as db:
            done = db.execute("UPDATE shelf SET withdrawn = 1 WHERE guid = ?", (asked.get("guid"),))
        return JSONResponse({"withdrawn": done.rowcount}, 200 if done.rowcount else 404)


class Unhurried:
    """Desk's Pushes for operations that schedule none."""

    def hurry(self, job: int) -> None:
        """Never asked."""

    def attempted(self, job: int) -> bool:
        """Never asked."""
        return True


def _refusal(reason: str) -> Answer:
    """What is answered without a seal."""
    return Answer({}, _NO_SEAL[reason], sealed=False)


def _mount(office: PullOffice, app: FastAPI) -> None:
    desk = office.ground.desk(Manners(_refusal, error_body={"error": "系统维护中"}), Unhurried())
    desk.mount(app, Operation("pull", "GET", "/cases/{guid}", office.pull))
    app.add_api_route("/admin/cases", office.cases, methods=["GET"])
    app.add_api_route("/admin/objects", office.objects, methods=["GET"])
    app.add_api_route("/admin/withdraw", office.withdraw, methods=["POST"])


def build(config: Config, log: FilteringBoundLogger) -> PullOffice:
    """The department of a configuration."""
    department, every = read_department(config), config.integer
    habits = Habits(every("suspend_every", 7), every("extend_every", 0), every("refuse_every", 11))
    delay, resend = every("step_delay_ms", 0) / 1000, every("resend_seconds", 30, least=1)
    ground = open_ground(config, FAULTS, SCHEMA + OUTGOING + SHELF)
    mouth, app = open_mouth(ground, routes(department.uscc), log), ground.app()
    items = Items(frozenset(), None)
    office = PullOffice(ground, mouth, department, habits, items, delay, app, resend)
    _mount(office, app)
    return office


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
