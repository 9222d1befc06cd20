"""SYS-01b / SYS-14, provincial case reporting, from adapters/provincial_reporting/contract/contract.md.

Takes the ten process objects from queue prov.report and answers each by a sealed receipt. What it accepted it
keeps by case: GET /admin/case/{case number}.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import jws, strictjson
from mocks.partners.common.amqpdesk import (
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
from mocks.partners.common.bus import PROV_HALL, Delivery, Reject
from mocks.partners.common.config import Config
from mocks.partners.common.processobjects import Finding, findings
from mocks.partners.common.server import main
from mocks.partners.province_rules import DIALECT, Report, order_finding

SCHEMA = """
CREATE TABLE IF NOT EXISTS report (
  case_no TEXT NOT NULL, object TEXT NOT NULL, step INTEGER NOT NULL, version INTEGER NOT NULL,
  sha256 TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (case_no, object, step, version));
"""
SAME = "SELECT sha256 FROM report WHERE case_no = ? AND object = ? AND step = ? AND version = ?"
LAST = "SELECT max(version) FROM report WHERE case_no = ? AND object = ? AND step = ?"
KEY = "receipt.441400"
FAULTS = {
    "report": TAKE_FAULTS | {"http500", "rate_limit", "partial_accept", "version_gap"},
    "receipt": SEND_FAULTS,
}
BUSY, SYSTEM = "110", "101"  # of 100-199, bus internal: try later


@dataclass(frozen=True)
class Verdict:
    """The receipt's code and what explains it."""

    code: str
    msg: str = ""
    rows: Sequence[Finding] = ()


@dataclass(frozen=True)
class Province:
    """The provincial side; what a report changes is one transaction, written before the receipt."""

    ground: Ground
    mouth: Mouth
    app: FastAPI = field(repr=False)

    def handle(self, delivery: Delivery) -> None:
        """One message of prov.report; what cannot be answered is rejected."""
        if not is_uuid(delivery.message_id):
            raise Reject("70")
        now = self.mouth.ear("report").hear() + self.mouth.signer.clock()
        try:
            checked = verified(delivery, self.ground.trusted, now)
        except jws.BadSeal as error:
            name, body = str(delivery.message_id), delivery.body
            self.ground.record.note("received", "unsealed", name, body, "60", accepted=False)
            self._answer(delivery, Verdict("60", f"seal: {error}"))
            raise Reject("60") from error
        self._answer(delivery, self._verdict(delivery, checked))

    def _verdict(self, delivery: Delivery, checked: Checked) -> Verdict:
        if self.ground.faults.take("report", "http500"):
            return Verdict(SYSTEM, "system error")
        if self.ground.faults.take("report", "rate_limit"):
            return Verdict(BUSY, "busy")
        if row := self._invented_row():
            return Verdict("10" if row.field == "SJBBH" else "70", row.msg, [row])
        with self.ground.record.work() as db:
            report = Report.read(delivery)
            known = None if report is None else self._accepted_before(db, report)
            verdict = Verdict("0") if known else self._judge(db, delivery, report, checked)
            self._note(delivery, report, verdict)
            return verdict

    def _invented_row(self) -> Finding | None:
        """The faults that refuse a good report by a row error; VALUE names the member."""
        if fault := self.ground.faults.take("report", "partial_accept"):
            return Finding(fault.text("SXBM"), "数据项与事项目录不一致")
        if self.ground.faults.take("report", "version_gap"):
            return Finding("SJBBH", "2 is next")
        return None

    def _accepted_before(self, db: sqlite3.Connection, report: Report) -> bool:
        row = db.execute(SAME, report.key).fetchone()
        return row is not None and row["sha256"] == report.sha256

    def _judge(
        self, db: sqlite3.Connection, delivery: Delivery, report: Report | None, checked: Checked
    ) -> Verdict:  # fmt: skip
        """A report not accepted before."""
        if not checked.fresh:
            return Verdict("20", "iat")
        if not self.ground.record.use_nonce(checked.nonce):
            return Verdict("60", "nonce")
        if report is None:
            return Verdict("70", "not an object of the contract")
        rows = [*property_findings(delivery, report.body), *findings(report.number, report.body, DIALECT)]
        if rows:
            code = "80" if all(row.too_long for row in rows) else "70"
            return Verdict(code, rows[0].msg, rows)
        if self._id_used(db, delivery):
            return Verdict("70", "message_id used before", [Finding("message_id", "used before")])
        return self._business(db, report)

    def _id_used(self, db: sqlite3.Connection, delivery: Delivery) -> bool:
        row = db.execute("SELECT 1 FROM report WHERE message_id = ?", (delivery.message_id,)).fetchone()
        return row is not None

    def _business(self, db: sqlite3.Connection, report: Report) -> Verdict:
        last = db.execute(LAST, report.key[:3]).fetchone()[0]
        if last is not None and report.version != last + 1:
            return Verdict("10", "version", [Finding("SJBBH", f"{last + 1} is next")])
        if finding := order_finding(report, self._latest(db, report.case)):
            return Verdict("70", finding.msg, [finding])
        row = (*report.key, report.sha256, report.message_id, report.text)
        db.execute("INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return Verdict("0")

    def _latest(self, db: sqlite3.Connection, case: str) -> dict[tuple[str, int], dict[str, object]]:
        """The accepted objects of a case by object and step, each in its last version."""
        rows = db.execute("SELECT * FROM report WHERE case_no = ? ORDER BY version", (case,))
        return {(row["object"], row["step"]): json.loads(row["body"]) for row in rows}

    def _note(self, delivery: Delivery, report: Report | None, verdict: Verdict) -> None:
        kind = delivery.headers.get("x-obj", "?") if report is None else report.number
        case = "" if report is None else report.case
        name = str(delivery.message_id)
        good = verdict.code == "0"
        self.ground.record.note("received", kind, name, delivery.body, verdict.code, accepted=good, case=case)

    def _answer(self, delivery: Delivery, verdict: Verdict) -> None:
        errors = [{"field": row.field, "msg": row.msg} for row in verdict.rows]
        said = {
            "message_id": delivery.message_id, "SBLSH": delivery.correlation_id or "", "code": verdict.code,
            "msg": verdict.msg, "rowErrors": errors,
        }  # fmt: skip
        body = strictjson.write(said)
        parcel = Parcel("prov.hall", KEY, body, str(uuid4()), delivery.correlation_id, {})
        self.mouth.say("receipt", parcel)

    def case(self, number: str) -> JSONResponse:
        """What was accepted of a case, oldest first."""
        with self.ground.record.work() as db:
            rows = db.execute("SELECT * FROM report WHERE case_no = ? ORDER BY rowid", (number,)).fetchall()
        names = ("object", "step", "version")
        listed = [{name: row[name] for name in names} | {"body": json.loads(row["body"])} for row in rows]
        return JSONResponse(listed)

    def start(self) -> None:
        """Starts hearing reports."""
        self.mouth.bus.consume("prov.report", self.handle, self.mouth.ear("report").open)

    def stop(self) -> None:
        """Ends the bus and closes the record."""
        self.mouth.stop.set()
        self.mouth.bus.close()
        self.ground.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Province:
    """The province of a configuration."""
    ground = open_ground(config, FAULTS, SCHEMA)
    mouth = open_mouth(ground, PROV_HALL, log)
    app = ground.app()
    province = Province(ground, mouth, app)
    app.add_api_route("/admin/case/{number}", province.case, methods=["GET"])
    return province


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
