"""SYS-11, the courier, from adapters/logistics/contract/contract.md: takes orders, pushes tracks by itself.

Own keys: step_seconds (0.3 between two steps of a parcel), unserved (beginnings of county codes; Hong Kong,
Macao and Taiwan always), share_twice (0.02), share_ahead (0.05) and share_behind (0.1) of tracks,
repeat_seconds (1, 5, 30, 300, 1800, 7200). Further admin: GET /admin/parcels; POST /admin/parcel
{"waybillNo" or "orderId", "opCode": "50" or "60"} makes the next step of a parcel its return or its loss.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field
from structlog.types import FilteringBoundLogger

from mocks.partners.common import firsts
from mocks.partners.common.assemble import draw, open_ground
from mocks.partners.common.callback import Callbacks, Heard
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.members import (
    STRICT,
    BadMember,
    CaseNo,
    Mobile,
    Moment,
    Reference,
    Region,
    Text100,
    Text200,
    checked,
    read_members,
)
from mocks.partners.common.once import Body, Habits, Once, Said
from mocks.partners.common.server import main
from mocks.partners.common.strictjson import BadJson, read_object
from mocks.partners.logistics_van import SCHEMA as PARCELS
from mocks.partners.logistics_van import Terminal, Van, ending, pushed, way, waybill

SCHEMA = firsts.SCHEMA + PARCELS
FAULTS = {
    "create": ANSWER_FAULTS | {"callback_before_reply", "busy"},
    "cancel": ANSWER_FAULTS | {"busy"},
    "route": ANSWER_FAULTS | {"busy"},
    "track": PUSH_FAULTS,
}
LARGEST: Final = 1 << 20  # bytes
REPEATS: Final = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)
FINAL: Final = frozenset({"1000", "2001", "2002", "2003"})
UNSERVED: Final = ("71", "81", "82")
NO_COUNTIES: Final = frozenset({"441900", "442000", "460400", "620200"})  # cities without counties
NEW: Final = """
INSERT INTO parcel (order_id, waybill, case_no, town, receiver, steps, due)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *
"""
DONE, STRANGER, WRONG, OTHER, NOT_SERVED, TOO_LATE, BUSY = (
    "1000", "2001", "2002", "2003", "2004", "2005", "9001",
)  # fmt: skip


Column = Literal["order_id", "waybill"]


def _county(text: str) -> str:
    if text.endswith("00") and text not in NO_COUNTIES:
        raise ValueError("a county is needed")
    return text


class Person(BaseModel):
    """Sender or receiver."""

    model_config = STRICT
    name: Text100
    mobile: Mobile
    areaCode: Annotated[Region, AfterValidator(_county)]
    address: Text200


class Order(BaseModel):
    """order/create."""

    model_config = STRICT
    partnerId: str
    orderId: Reference
    caseNo: CaseNo
    sender: Person
    receiver: Person
    goods: Text200
    orderTime: Moment


class Cancel(BaseModel):
    """order/cancel."""

    model_config = STRICT
    partnerId: str
    orderId: Reference
    reason: Text200 = ""


class Route(BaseModel):
    """order/route."""

    model_config = STRICT
    partnerId: str
    waybillNo: str = Field(pattern=r"^[A-Z]{2}[0-9]{9}CN$")


class Fate(BaseModel):
    """POST /admin/parcel."""

    model_config = STRICT
    waybillNo: str = ""
    orderId: str = ""
    opCode: Literal["50", "60"]


def said(code: str, msg: str) -> Body:
    """An answer without data."""
    return {"resultCode": code, "resultMsg": msg}


def good(data: Mapping[str, object], jobs: tuple[int, ...] = ()) -> Said:
    """Done."""
    return Said(DONE, {**said(DONE, ""), "data": data}, accepted=True, jobs=jobs)


def judge(headers: Mapping[str, str], body: bytes) -> Heard:
    """What the hub says of a track; only 1000, 2001, 2002 and 2003 end its repetition."""
    try:
        code = str(read_object(body).get("resultCode", ""))
    except BadJson:
        code = "no answer of the contract"
    return Heard(code, accepted=code == DONE, final=code in FINAL)


ORDER = Habits("order", "partnerId", "orderId", said, stranger=STRANGER, wrong=WRONG, other=OTHER)
CANCEL = replace(ORDER, kind="cancel", repeats=False)
ROUTE = replace(ORDER, kind="route", id="waybillNo", repeats=False)
REFUSALS = {
    "seal": Answer(said(STRANGER, "signature")),
    "media_type": Answer(said(WRONG, "Content-Type")),
    "too_large": Answer(said(WRONG, "body: too large")),
    "busy": Answer(said(BUSY, "busy"), 429, sealed=False, headers={"Retry-After": "1"}),
}
MANNERS = Manners(REFUSALS.__getitem__, {"error": "system error"}, always_sealed=True)


@dataclass(frozen=True)
class Courier:
    """The courier's work."""

    config: Config
    desk: Desk
    callbacks: Callbacks
    van: Van
    unserved: tuple[str, ...]
    app: FastAPI = field(repr=False)

    def create(self, call: Call) -> Answer:
        """An order, once."""
        return Once(self.desk, self.config.account, ORDER).serve(call, self._book)

    def cancel(self, call: Call) -> Answer:
        """Only before collection."""
        return Once(self.desk, self.config.account, CANCEL).serve(call, self._cancel)

    def route(self, call: Call) -> Answer:
        """The tracks so far: another answer each time."""
        return Once(self.desk, self.config.account, ROUTE).serve(call, self._route)

    def _busy(self, operation: str) -> bool:
        return self.desk.faults.take(operation, "busy") is not None

    def _book(self, db: sqlite3.Connection, value: Body) -> Said:
        if self._busy("create"):
            return ORDER.said(BUSY, "busy", kept=False)
        order = checked(Order, value)
        if order.receiver.areaCode.startswith(self.unserved):
            return ORDER.said(NOT_SERVED, "receiver.areaCode")
        parcel = self._parcel(db, order)
        data = {
            "orderId": order.orderId, "waybillNo": parcel["waybill"], "bookTime": compact(self.desk.clock()),
            "freight": 1000 + 100 * int(draw(self.config.seed, "freight", order.orderId) * 11),
        }  # fmt: skip
        if self.desk.faults.take("create", "callback_before_reply"):
            return good(data, (self.van.move(db, parcel),))
        self.van.wake()
        return good(data)

    def _parcel(self, db: sqlite3.Connection, order: Order) -> sqlite3.Row:
        last = db.execute("SELECT coalesce(max(number), 0) FROM parcel").fetchone()[0]
        serial = int(draw(self.config.seed, "waybills") * 9e7) + int(last) + 1
        row = (
            order.orderId, waybill(serial), order.caseNo, order.receiver.areaCode, order.receiver.name,
            way(self.config.seed, order.orderId), self.van.clock() + self.config.seconds("step_seconds", 0.3),
        )  # fmt: skip
        made: sqlite3.Row = db.execute(NEW, row).fetchone()
        return made

    def _cancel(self, db: sqlite3.Connection, value: Body) -> Said:
        if self._busy("cancel"):
            return CANCEL.said(BUSY, "busy")
        cancel = checked(Cancel, value)
        parcel = _found(db, "order_id", cancel.orderId)
        if parcel is None:
            return CANCEL.said(WRONG, "orderId")
        if parcel["done"]:
            return CANCEL.said(TOO_LATE, "already collected")
        db.execute("UPDATE parcel SET state = 'cancelled' WHERE number = ?", (parcel["number"],))
        return good({"orderId": cancel.orderId})

    def _route(self, db: sqlite3.Connection, value: Body) -> Said:
        if self._busy("route"):
            return ROUTE.said(BUSY, "busy")
        number = checked(Route, value).waybillNo
        if _found(db, "waybill", number) is None:
            return ROUTE.said(TOO_LATE, "no such waybill")
        return good({"waybillNo": number, "traces": pushed(db, number)})

    def parcels(self) -> JSONResponse:
        """GET /admin/parcels; nobody is named."""
        with self.desk.record.work() as db:
            rows = db.execute("SELECT order_id, waybill, case_no, steps, done, state FROM parcel").fetchall()
        return JSONResponse([dict(row) for row in rows])

    async def fate(self, request: Request) -> JSONResponse:
        """POST /admin/parcel."""
        try:
            asked = checked(Fate, read_members(await request.body()))
        except BadMember as error:
            return JSONResponse({"detail": str(error)}, 422)
        column: Column = "waybill" if asked.waybillNo else "order_id"
        name = asked.waybillNo or asked.orderId
        with self.desk.record.work() as db:
            parcel = _found(db, column, name)
            if parcel is None:
                return JSONResponse({"detail": "no such parcel"}, 404)
            if parcel["state"] != "waiting":
                return JSONResponse({"detail": "nothing comes after 40, 50 or 60"}, 409)
            steps = ending(parcel["steps"].split(","), parcel["done"], asked.opCode)
            db.execute("UPDATE parcel SET steps = ? WHERE number = ?", (steps, parcel["number"]))
        return JSONResponse({"waybillNo": parcel["waybill"], "steps": steps})

    def start(self) -> None:
        """Starts van and calls, also what a killed process left."""
        self.callbacks.start()
        self.van.start()

    def stop(self) -> None:
        """Ends the threads and closes the record."""
        self.van.stop()
        self.callbacks.stop()
        self.desk.record.close()


def _found(db: sqlite3.Connection, column: Column, value: str) -> sqlite3.Row | None:
    query = {
        "order_id": "SELECT * FROM parcel WHERE order_id = ?",
        "waybill": "SELECT * FROM parcel WHERE waybill = ?",
    }[column]
    row: sqlite3.Row | None = db.execute(query, (value,)).fetchone()
    return row


def build(config: Config, log: FilteringBoundLogger) -> Courier:
    """The courier of a configuration."""
    plan = Terminal(
        config.seed, config.seconds("step_seconds", 0.3), config.share("share_twice", 0.02),
        config.share("share_ahead", 0.05), config.share("share_behind", 0.1),
    )  # fmt: skip
    unserved = (*UNSERVED, *config.texts("unserved"))
    ground = open_ground(config, FAULTS, SCHEMA)
    callbacks = ground.callbacks(repeats=REPEATS, judge=judge)
    van = Van(ground.record, ground.faults, callbacks, ground.clock.base, ground.clock, plan)
    desk = ground.desk(MANNERS, callbacks)
    courier = Courier(config, desk, callbacks, van, unserved, ground.app())
    for name, work in (("create", courier.create), ("cancel", courier.cancel), ("route", courier.route)):
        desk.mount(courier.app, Operation(name, "POST", f"/order/{name}", work, largest=LARGEST))
    courier.app.add_api_route("/admin/parcels", courier.parcels, methods=["GET"])
    courier.app.add_api_route("/admin/parcel", courier.fate, methods=["POST"])
    return courier


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
