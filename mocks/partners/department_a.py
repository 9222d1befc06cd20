"""SYS-02, the approval system of department A, from adapters/department_a/contract/contract.md.

Own keys: uscc, department_name, staff, suspend_every (7), extend_every (0), refuse_every (11),
step_delay_ms (0), resend_seconds (30), without_certificate (implementation codes), items_file (JSON list with
code and result_kind): by the last two the department knows which of its items end without a certificate.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import jws, strictjson
from mocks.partners.common.amqpdesk import (
    LATER_FAULTS,
    SEND_FAULTS,
    TAKE_FAULTS,
    Checked,
    Mouth,
    Parcel,
    is_uuid,
    open_mouth,
    property_findings,
    verified,
)  # fmt: skip
from mocks.partners.common.assemble import Ground, open_ground
from mocks.partners.common.bus import Delivery, Reject, gov_case
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.outgoing import SCHEMA as OUTGOING
from mocks.partners.common.outgoing import Outgoing
from mocks.partners.common.processobjects import Finding, findings
from mocks.partners.common.server import main
from mocks.partners.department_rules import CODES, DIALECT, Items, contradiction, receipt_of, spaced
from mocks.partners.department_steps import Department, Habits, Objects, Scene, body, next_step

SCHEMA = """
CREATE TABLE IF NOT EXISTS push (
  case_no TEXT NOT NULL, object TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (case_no, object)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
  message_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, case_no TEXT, receipt BLOB NOT NULL) WITHOUT ROWID;
"""
CERTIFICATE = frozenset({"ZJGZMC", "ZJBH", "ZJYXQX"})  # what names the certificate of a conclusion
RECEIPT = frozenset({"message_id", "code", "msg"})
FAULTS = {
    "push": TAKE_FAULTS | {"callback_before_reply"},
    "receipt": SEND_FAULTS,
    "feedback": LATER_FAULTS | {"version_gap", "missing_attachment"},
}


@dataclass(frozen=True)
class Office:
    """The department at work; what a message changes is one transaction, written before its receipt."""

    ground: Ground
    mouth: Mouth
    department: Department
    habits: Habits
    items: Items
    delay: float  # seconds before each feedback
    app: FastAPI = field(repr=False)
    resend: float = 30.0
    family: str = ""
    """What the names of exchange and queues have more than those of the push variant."""
    outgoing: Outgoing = field(init=False, repr=False)

    def __post_init__(self) -> None:
        outgoing = Outgoing(
            self.ground.record, self.mouth, self.ground.faults, self.ground.clock.base,
            operation="feedback", resend=self.resend, held_back=self._advance,
        )  # fmt: skip
        object.__setattr__(self, "outgoing", outgoing)

    def handle(self, delivery: Delivery) -> None:
        """One message of the hub; what cannot be answered is rejected."""
        if not is_uuid(delivery.message_id):
            raise Reject("70")
        now = self.mouth.ear("push").hear() + self.mouth.signer.clock()
        try:
            checked = verified(delivery, self.ground.trusted, now)
        except jws.BadSeal as error:
            self._unauthorised(delivery, f"seal: {error}")
        receipt = self._work(delivery, checked)
        if receipt is None:
            self._unauthorised(delivery, "seal: iat or nonce")
        self.outgoing.wake()
        if self.ground.faults.take("push", "callback_before_reply"):
            self.mouth.stop.wait(0.5)
        self._answer(delivery, receipt)

    def _unauthorised(self, delivery: Delivery, msg: str) -> NoReturn:
        name, sent = str(delivery.message_id), delivery.body
        self.ground.record.note("received", "unsealed", name, sent, "60", accepted=False)
        self._answer(delivery, receipt_of(delivery, "60", msg))
        raise Reject("60")

    def _work(self, delivery: Delivery, checked: Checked) -> bytes | None:
        """The receipt, first or repeated; None if the seal may not be used any more."""
        sha = hashlib.sha256(delivery.body).hexdigest()
        with self.ground.record.work() as db:
            row = db.execute("SELECT * FROM answered WHERE message_id = ?", (delivery.message_id,)).fetchone()
            if row is not None:
                same = row["sha256"] == sha
                self._note(delivery, row["case_no"], "0" if same else "30", known=True)
                return bytes(row["receipt"]) if same else receipt_of(delivery, "30", "message_id used before")
            if not checked.fresh or not self.ground.record.use_nonce(checked.nonce):
                return None
            return self._first(db, delivery, sha)

    def _first(self, db: sqlite3.Connection, delivery: Delivery, sha: str) -> bytes:
        case, code, msg = self._judge(db, delivery)
        receipt = receipt_of(delivery, code, msg)
        db.execute("INSERT INTO answered VALUES (?, ?, ?, ?)", (delivery.message_id, sha, case, receipt))
        self._note(delivery, case, code)
        if case is not None and code == "0":
            self._plan(db, case)
        return receipt

    def _note(self, delivery: Delivery, case: str | None, code: str, *, known: bool = False) -> None:
        kind, name = delivery.headers.get("x-obj", "?"), str(delivery.message_id)
        good = code == "0"
        if known and good:
            return
        self.ground.record.note("received", kind, name, delivery.body, code, accepted=good, case=case or "")

    def _judge(self, db: sqlite3.Connection, delivery: Delivery) -> tuple[str | None, str, str]:
        """Case, code and text for a message not seen before; keeps the object if it is good."""
        number = delivery.headers.get("x-obj", "")
        try:
            sent = strictjson.read_object(delivery.body)
        except strictjson.BadJson as error:
            return None, "70", str(error)
        if number not in CODES:
            return None, "70", "x-obj: 0, 2, F or C is pushed"
        if rows := [*property_findings(delivery, sent), *self._wrong(number, sent)]:
            return None, "70", f"{rows[0].field}: {rows[0].msg}"
        case = str(sent["SBLSH"])
        code, msg = self._keep(db, case, number, delivery.body)
        return case, code, msg

    def _wrong(self, number: str, sent: Mapping[str, object]) -> list[Finding]:
        """What an object breaks of the contract's table."""
        return findings(number, sent, DIALECT)

    def _certificate(self, objects: Objects) -> bool:
        """Whether a case whose object 0 (and 2, if it has come) is known ends with a certificate."""
        return self.items.certificate(str(objects["0"]["SXBM"]))

    def _keep(self, db: sqlite3.Connection, case: str, number: str, raw: bytes) -> tuple[str, str]:
        sent, sha = json.loads(raw), hashlib.sha256(raw).hexdigest()
        row = db.execute("SELECT * FROM push WHERE case_no = ? AND object = ?", (case, number)).fetchone()
        if row is not None and row["sha256"] == sha:
            return "0", ""
        if row is not None and sent["SJBBH"] != row["version"] + 1:
            return "30", f"SJBBH: {row['version'] + 1} is next"
        objects = self._objects(db, case)
        certificate = "0" in objects and self._certificate(objects)
        if msg := contradiction(number, sent, objects, certificate):
            return "70", msg
        values = (case, number, sent["SJBBH"], sha, raw.decode())
        db.execute("INSERT OR REPLACE INTO push VALUES (?, ?, ?, ?, ?)", values)
        return "0", ""

    def _objects(self, db: sqlite3.Connection, case: str) -> Objects:
        rows = db.execute("SELECT object, body FROM push WHERE case_no = ?", (case,))
        return {row["object"]: json.loads(row["body"]) for row in rows}

    def _plan(self, db: sqlite3.Connection, case: str) -> None:
        """Puts the next feedback of a case into the outgoing messages, if one is due."""
        objects, rows = self._objects(db, case), self.outgoing.steps(db, case)
        sent = {step: row["state"] == "receipted" or bool(row["late"]) for step, row in rows.items()}
        certificate = self._certificate(objects)
        step = next_step(case, objects, sent, self.habits, certificate)
        if step is not None:
            now = spaced(self.mouth.clock() + self.delay)
            scene = Scene(case, objects, self.department, self.habits, certificate, now)
            self.outgoing.add(db, step, self._parcel(step, scene), self.delay)

    def _parcel(self, step: str, scene: Scene) -> Parcel:
        said, number = self._said(step, scene), step[0]
        headers = {"x-obj": number, "x-ver": str(said["SJBBH"])}
        key = f"case.feedback.{self.department.uscc}.{number}"
        return Parcel("gov.case", key, strictjson.write(said), str(uuid4()), scene.case, headers)

    def _said(self, step: str, scene: Scene) -> dict[str, object]:
        """The object of a step, with the faults of its content."""
        said, number = body(step, scene), step[0]
        if number == "4" and self.ground.faults.take("feedback", "missing_attachment"):
            said = {name: value for name, value in said.items() if name not in CERTIFICATE}
        if self.ground.faults.take("feedback", "version_gap"):
            said["SJBBH"] = int(str(said["SJBBH"])) + 2
        return said

    def _advance(self, case: str) -> None:
        with self.ground.record.work() as db:
            self._plan(db, case)
        self.outgoing.wake()

    def receipt(self, delivery: Delivery) -> None:
        """A receipt of the hub; a replayed one settles nothing twice."""
        try:
            checked = verified(delivery, self.ground.trusted, self.mouth.signer.clock())
            said = strictjson.read_object(delivery.body)
        except (jws.BadSeal, strictjson.BadJson) as error:
            raise Reject("60" if isinstance(error, jws.BadSeal) else "70") from error
        if not checked.fresh:
            raise Reject("60")
        if said.keys() != RECEIPT or not all(isinstance(one, str) for one in said.values()):
            raise Reject("70")
        self._heard(delivery, said)
        if case := self.outgoing.settle(str(said["message_id"]), str(said["code"])):
            self._advance(case)

    def _heard(self, delivery: Delivery, said: Mapping[str, object]) -> None:
        """A receipt that is one."""
        return None

    def _answer(self, delivery: Delivery, receipt: bytes) -> None:
        key = f"case.receipt.hub.{self.department.uscc}"
        exchange, case = f"gov.case{self.family}", delivery.correlation_id
        self.mouth.say("receipt", Parcel(exchange, key, receipt, str(uuid4()), case, {}))

    def cases(self) -> JSONResponse:
        """What became of each case: its steps with their state and code."""
        with self.ground.record.work() as db:
            names = [row[0] for row in db.execute("SELECT DISTINCT case_no FROM push ORDER BY 1")]
            found = {name: self.outgoing.steps(db, name) for name in names}
        return JSONResponse({
            name: {step: {"state": row["state"], "code": row["code"]} for step, row in steps.items()}
            for name, steps in found.items()
        })  # fmt: skip

    def start(self) -> None:
        """Goes on with every case, also those a killed process left."""
        with self.ground.record.work() as db:
            for (case,) in db.execute("SELECT case_no FROM push WHERE object = '2'").fetchall():
                self._plan(db, case)
        self.outgoing.start()
        queues = f"dept.{self.department.uscc}{self.family}"
        self.mouth.bus.consume(f"{queues}.in", self.handle, self.mouth.ear("push").open)
        self.mouth.bus.consume(f"{queues}.receipt", self.receipt)

    def stop(self) -> None:
        """Ends the threads and closes the record."""
        self.mouth.stop.set()
        self.outgoing.stop()
        self.mouth.bus.close()
        self.ground.record.close()


def read_department(config: Config) -> Department:
    uscc = config.text("uscc", "")
    if not DIALECT.kinds["credit"](uscc):
        raise ConfigError("uscc: a credit code of 18 characters is needed")
    staff = config.texts("staff") or ("林示范", "陈样例", "黄虚构")
    return Department(uscc, config.text("department_name", "梅州市示范局"), staff)


def _path(config: Config, name: str) -> Path | None:
    """A file of the partner's own keys; a relative one lies beside the state folder."""
    text = config.text(name, "")
    return config.state.parent / text if text else None


def build(config: Config, log: FilteringBoundLogger) -> Office:
    """The department of a configuration."""
    department = read_department(config)
    every = config.integer
    habits = Habits(every("suspend_every", 7), every("extend_every", 0), every("refuse_every", 11))
    items = Items(frozenset(config.texts("without_certificate")), _path(config, "items_file"))
    delay, resend = config.integer("step_delay_ms", 0) / 1000, config.integer("resend_seconds", 30, least=1)
    ground = open_ground(config, FAULTS, SCHEMA + OUTGOING)
    mouth, app = open_mouth(ground, gov_case(department.uscc), log), ground.app()
    office = Office(ground, mouth, department, habits, items, delay, app, resend)
    app.add_api_route("/admin/cases", office.cases, methods=["GET"])
    return office


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
