"""SYS-01b / SYS-14, provincial case reporting, from adapters/provincial_reporting/contract/contract.md.

Takes the ten process objects from queue prov.report, answers each by a sealed receipt, and audits the next
morning what it took. Own keys: receipt_delay_ms (0), row_error_share (0: of first versions, refused by a row
error), audit_hour (6, Beijing). Further admin: GET /admin/case/{case number}, POST /admin/row_errors
(`province_orders.RowErrors`), POST /admin/audit {"date"?, "rows"?}: a day's audit now, or again.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners import province_audit, province_orders, province_post
from mocks.partners.common import jws, strictjson
from mocks.partners.common.amqpdesk import (
    LATER_FAULTS,
    TAKE_FAULTS,
    Checked,
    Mouth,
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
from mocks.partners.province_audit import Auditor, Told, day_of
from mocks.partners.province_orders import Orders, RowErrors, as_findings
from mocks.partners.province_post import Post
from mocks.partners.province_rules import DIALECT, NO_ACCEPTANCE, Report, material_findings, order_findings

SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
  case_no TEXT NOT NULL, object TEXT NOT NULL, step INTEGER NOT NULL, version INTEGER NOT NULL,
  sha256 TEXT NOT NULL, message_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, day TEXT NOT NULL,
  PRIMARY KEY (case_no, object, step, version));
CREATE INDEX IF NOT EXISTS kept_on ON kept (day);
CREATE TABLE IF NOT EXISTS tried (
  case_no TEXT NOT NULL, object TEXT NOT NULL, step INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (case_no, object, step, version));
"""
SCHEMA += province_audit.SCHEMA + province_orders.SCHEMA + province_post.SCHEMA
SAME = "SELECT sha256 FROM kept WHERE case_no = ? AND object = ? AND step = ? AND version = ?"
LAST = "SELECT max(version) FROM kept WHERE case_no = ? AND object = ? AND step = ?"
TRIED = "SELECT max(version) FROM tried WHERE case_no = ? AND object = ? AND step = ?"
FAULTS = {
    "report": TAKE_FAULTS | {"http500", "rate_limit", "partial_accept", "version_gap"},
    "receipt": LATER_FAULTS,
    "audit": LATER_FAULTS,
}
BUSY, SYSTEM = "110", "101"  # of 100-199, bus internal: try later
WITH_ROWS = frozenset({"10", "70", "80"})
MOST_ROWS, LONGEST = 50, 500  # of rowErrors; characters of a msg


@dataclass(frozen=True)
class Verdict:
    """The receipt's code and what explains it. `wrong`: to be corrected under the next version."""

    code: str
    msg: str = ""
    rows: Sequence[Finding] = ()
    wrong: bool = False


def receipt_of(delivery: Delivery, verdict: Verdict) -> dict[str, object]:
    """SBLSH is absent when the body could not be read, rowErrors where the code has none."""
    try:
        case = strictjson.read_object(delivery.body).get("SBLSH")
    except strictjson.BadJson:
        case = None
    named = {"SBLSH": case} if isinstance(case, str) else {}
    said = {"message_id": delivery.message_id, **named, "code": verdict.code, "msg": verdict.msg[:LONGEST]}
    rows = [{"field": row.field, "msg": row.msg[:LONGEST]} for row in verdict.rows[:MOST_ROWS]]
    return said | ({"rowErrors": rows} if verdict.code in WITH_ROWS else {})


@dataclass(frozen=True)
class Province:
    """The provincial side; what a report changes, and its receipt, is one transaction."""

    ground: Ground
    mouth: Mouth
    post: Post
    orders: Orders
    auditor: Auditor
    app: FastAPI = field(repr=False)
    thread: list[threading.Thread] = field(default_factory=list, repr=False)

    def handle(self, delivery: Delivery) -> None:
        """One message of prov.report; what cannot be answered is rejected."""
        if not is_uuid(delivery.message_id):
            raise Reject("70")
        now = self.mouth.ear("report").hear() + self.mouth.signer.clock()
        try:
            checked = verified(delivery, self.ground.trusted, now)
        except jws.BadSeal as error:
            self._unsealed(delivery, error)
            raise Reject("60") from error
        with self.ground.record.work() as db:
            self._answer(db, delivery, self._verdict(db, delivery, checked))
        self.post.wake()

    def _unsealed(self, delivery: Delivery, error: jws.BadSeal) -> None:
        name, body = str(delivery.message_id), delivery.body
        with self.ground.record.work() as db:
            self.ground.record.note("received", "unsealed", name, body, "60", accepted=False)
            self._answer(db, delivery, Verdict("60", f"seal: {error}"))
        self.post.wake()

    def _verdict(self, db: sqlite3.Connection, delivery: Delivery, checked: Checked) -> Verdict:
        if self.ground.faults.take("report", "http500"):
            return Verdict(SYSTEM, "system error")
        if self.ground.faults.take("report", "rate_limit"):
            return Verdict(BUSY, "busy")
        report = Report.read(delivery)
        verdict = self._invented()
        if verdict is None:
            known = report is not None and self._accepted_before(db, report)
            verdict = Verdict("0") if known else self._judge(db, delivery, report, checked)
            self._note(delivery, report, verdict)
        if report is not None and verdict.wrong:
            db.execute("INSERT OR IGNORE INTO tried VALUES (?, ?, ?, ?)", report.key)
        return verdict

    def _invented(self) -> Verdict | None:
        """The faults that refuse a good report by a row error; VALUE names the member."""
        if fault := self.ground.faults.take("report", "partial_accept"):
            row = Finding(fault.text("SXBM"), "数据项与事项目录不一致")
            return Verdict("70", row.msg, [row], wrong=True)
        if self.ground.faults.take("report", "version_gap"):
            return Verdict("10", "version: 2 is expected", [Finding("SJBBH", "2 is expected")], wrong=True)
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
        if rows := [*property_findings(delivery, report.body), *_data_findings(report)]:
            code = "80" if all(row.too_long for row in rows) else "70"
            return Verdict(code, rows[0].msg, rows, wrong=True)
        if self._id_used(db, delivery):
            return Verdict("70", "message_id used before", [Finding("message_id", "used before")])
        return self._business(db, report)

    def _id_used(self, db: sqlite3.Connection, delivery: Delivery) -> bool:
        row = db.execute("SELECT 1 FROM kept WHERE message_id = ?", (delivery.message_id,)).fetchone()
        return row is not None

    def _business(self, db: sqlite3.Connection, report: Report) -> Verdict:
        kept, tried = (db.execute(query, report.key[:3]).fetchone()[0] or 0 for query in (LAST, TRIED))
        expected = max(kept, tried) + 1
        if not kept < report.version <= expected:
            text = f"{expected} is expected"
            return Verdict("10", f"version: {text}", [Finding("SJBBH", text)])
        if told := self.orders.take(db, report):
            return Verdict(told.code, told.msg, as_findings(told), wrong=True)
        if rows := order_findings(report, self._latest(db, report.case)):
            return Verdict("70", rows[0].msg, rows, wrong=rows[0].msg != NO_ACCEPTANCE)
        day = day_of(self.ground.clock())
        row = (*report.key, report.sha256, report.message_id, report.text, day)
        db.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return Verdict("0")

    def _latest(self, db: sqlite3.Connection, case: str) -> dict[tuple[str, int], dict[str, object]]:
        """The accepted objects of a case by object and step, each in its last version."""
        rows = db.execute("SELECT * FROM kept WHERE case_no = ? ORDER BY version", (case,))
        return {(row["object"], row["step"]): json.loads(row["body"]) for row in rows}

    def _note(self, delivery: Delivery, report: Report | None, verdict: Verdict) -> None:
        kind = delivery.headers.get("x-obj", "?") if report is None else report.number
        case = "" if report is None else report.case
        name = str(delivery.message_id)
        good = verdict.code == "0"
        self.ground.record.note("received", kind, name, delivery.body, verdict.code, accepted=good, case=case)

    def _answer(self, db: sqlite3.Connection, delivery: Delivery, verdict: Verdict) -> None:
        delay = self.ground.config.integer("receipt_delay_ms", 0) / 1000
        name, case = str(delivery.message_id), delivery.correlation_id
        self.post.add(db, "receipt", receipt_of(delivery, verdict), name, case, delay)

    def case(self, number: str) -> JSONResponse:
        """What was accepted of a case, oldest first."""
        with self.ground.record.work() as db:
            rows = db.execute("SELECT * FROM kept WHERE case_no = ? ORDER BY rowid", (number,)).fetchall()
        names = ("object", "step", "version")
        listed = [{name: row[name] for name in names} | {"body": json.loads(row["body"])} for row in rows]
        return JSONResponse(listed)

    async def row_errors(self, request: Request) -> JSONResponse:
        """Keeps an order for the next reports."""
        told = RowErrors.model_validate(strictjson.read(await request.body()))
        with self.ground.record.work() as db:
            self.orders.add(db, told)
        return JSONResponse(told.model_dump())

    async def audit(self, request: Request) -> JSONResponse:
        """Publishes a day's audit now."""
        told = Told.model_validate(strictjson.read(await request.body() or b"{}"))
        rows = None if told.rows is None else [row.model_dump(exclude_none=True) for row in told.rows]
        with self.ground.record.work() as db:
            names = self.auditor.publish(db, told.date or day_of(self.ground.clock()), rows)
        self.post.wake()
        return JSONResponse({"batches": names})

    def _mornings(self, hour: int) -> None:
        """Looks every half second whether a day is to be audited."""
        while not self.mouth.stop.wait(0.5):
            with self.ground.record.work() as db:
                for day in self.auditor.due(db, self.ground.clock(), hour):
                    self.auditor.publish(db, day, None)
            self.post.wake()

    def start(self) -> None:
        """Starts hearing reports, and sending what waits."""
        hour = self.ground.config.integer("audit_hour", 6)
        with self.ground.record.work() as db:
            self.auditor.begin(db, self.ground.clock())
        self.thread.append(threading.Thread(target=self._mornings, args=(hour,), name="audit", daemon=True))
        self.thread[0].start()
        self.post.start()
        self.mouth.bus.consume("prov.report", self.handle, self.mouth.ear("report").open)

    def stop(self) -> None:
        """Ends threads and bus and closes the record."""
        self.mouth.stop.set()
        self.post.stop(0.5)
        for thread in self.thread:
            thread.join(0.5)
        self.mouth.bus.close()
        self.ground.record.close()


def _data_findings(report: Report) -> list[Finding]:
    """What is wrong with the members; for a material list, with its entries."""
    entries = material_findings(report.body)
    lists = {row.field.partition("[")[0] for row in entries}
    plain = findings(report.number, report.body, DIALECT)
    return [*(row for row in plain if row.field not in lists), *entries]


async def _wrong_order(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


def build(config: Config, log: FilteringBoundLogger) -> Province:
    """The province of a configuration."""
    orders = Orders(config.seed, config.share("row_error_share", 0.0))
    config.integer("receipt_delay_ms", 0), config.integer("audit_hour", 6)
    ground = open_ground(config, FAULTS, SCHEMA)
    mouth = open_mouth(ground, PROV_HALL, log)
    app, post = ground.app(), Post(ground, mouth)
    province = Province(ground, mouth, post, orders, Auditor(ground.record, post), app)
    app.add_exception_handler(ValueError, _wrong_order)
    app.add_exception_handler(strictjson.BadJson, _wrong_order)
    app.add_api_route("/admin/case/{number}", province.case, methods=["GET"])
    app.add_api_route("/admin/row_errors", province.row_errors, methods=["POST"])
    app.add_api_route("/admin/audit", province.audit, methods=["POST"])
    return province


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
