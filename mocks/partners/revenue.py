"""SYS-09, the departments' revenue system, from adapters/revenue/contract/contract.md: bases of fees.

What it knows is data/revenue/basis.toml: as the fee system, but for one amount, so that there is something
to find. Own keys: closing ("23:30-00:30": daily, Beijing time; "" = never). Further admin: POST /admin/basis
{"chargeCode", "unitAmount"} makes the amount in force another one (fen), GET /admin/basis lists those in
force.
"""

from __future__ import annotations

import sqlite3
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from structlog.types import FilteringBoundLogger

from mocks.partners.common import firsts
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faultform import Window
from mocks.partners.common.faults import ANSWER_FAULTS
from mocks.partners.common.members import (
    STRICT,
    BadMember,
    CaseNo,
    ItemCode,
    Moment,
    Reference,
    checked,
    read_members,
)  # fmt: skip
from mocks.partners.common.once import Body, Habits, Once, Said
from mocks.partners.common.server import main
from mocks.partners.common.windows import window

SCHEMA = (
    firsts.SCHEMA
    + "CREATE TABLE IF NOT EXISTS amount (code TEXT PRIMARY KEY, fen TEXT NOT NULL) WITHOUT ROWID;"
)
FAULTS = {"query": ANSWER_FAULTS | {"busy"}}
DATA: Final = Path(__file__).parent / "data" / "revenue" / "basis.toml"
CLOSING: Final = "23:30-00:30"


class Query(BaseModel):
    """Which charge, for which item and case."""

    model_config = STRICT
    sysId: str
    queryNo: Reference
    chargeCode: Reference
    itemCode: ItemCode = ""
    caseNo: CaseNo = ""
    queryTime: Moment


class Changed(BaseModel):
    """POST /admin/basis."""

    model_config = STRICT
    chargeCode: Reference
    unitAmount: str = Field(pattern=r"^(0|[1-9][0-9]{0,11})$")


@dataclass(frozen=True)
class Basis:
    """One charge in one span of days; `until` is the first day it was no more in force, "" if it is."""

    code: str
    standard: str
    fen: str
    law: str
    begins: str
    until: str

    def holds(self, day: str) -> bool:
        """Whether it was in force on a day (yyyyMMdd)."""
        return self.begins <= day and (not self.until or day < self.until)


def load_bases() -> tuple[Basis, ...]:
    """The data file."""
    raw = tomllib.loads(DATA.read_text("utf-8"))["basis"]
    return tuple(
        Basis(one["code"], one["standard"], str(one["fen"]), one["law"], one["from"], one.get("until", ""))
        for one in raw
    )


def refusal(bases: Sequence[Basis], code: str, day: str) -> str:
    """Why there is no basis on that day."""
    ended = [one.until for one in bases if one.code == code and one.until and one.until <= day]
    return f"abolished since {max(ended)}" if ended else "no such charge"


def said(code: str, msg: str) -> Body:
    """An answer without data."""
    return {"rtnCode": code, "rtnMsg": msg}


HABITS = Habits(
    "basis", "sysId", "queryNo", said, stranger="01", wrong="02", other="04", apart=("queryTime",)
)
BUSY = Answer(said("99", "busy"), 503, sealed=False)
REFUSALS = {
    "seal": Answer(said("01", "signature")),
    "media_type": Answer(said("02", "Content-Type")),
    "too_large": Answer(said("02", "body: too large")),
    "busy": BUSY,
}
MANNERS = Manners(REFUSALS.__getitem__, {"error": "system error"}, always_sealed=True)


@dataclass(frozen=True)
class Revenue:
    """The system's work."""

    desk: Desk
    once: Once
    bases: tuple[Basis, ...]
    closing: Window | None
    app: FastAPI = field(repr=False)

    def query(self, call: Call) -> Answer:
        """The basis of one charge."""
        return self.once.serve(call, self._decide)

    def _decide(self, db: sqlite3.Connection, value: Body) -> Said:
        if self.desk.faults.take("query", "busy") or self._closed():
            return HABITS.said("99", "day-end closing" if self._closed() else "busy", kept=False)
        query = checked(Query, value)
        day = query.queryTime[:8]
        found = next((one for one in self.bases if one.code == query.chargeCode and one.holds(day)), None)
        if found is None:
            return HABITS.said("03", refusal(self.bases, query.chargeCode, day))
        case = {"caseNo": query.caseNo} if query.caseNo else {}
        data = {
            "queryNo": query.queryNo, **case, "chargeCode": found.code, "standard": found.standard,
            "unitAmount": self._fen(db, found), "lawText": found.law, "validFrom": found.begins,
        }  # fmt: skip
        return Said("00", {"rtnCode": "00", "rtnMsg": "", "data": data}, accepted=True)

    def _closed(self) -> bool:
        return self.closing is not None and self.closing.holds(self.desk.clock())

    def _fen(self, db: sqlite3.Connection, basis: Basis) -> str:
        row = db.execute("SELECT fen FROM amount WHERE code = ?", (basis.code,)).fetchone()
        return str(row["fen"]) if row is not None and not basis.until else basis.fen

    def in_force(self) -> JSONResponse:
        """GET /admin/basis: chargeCode -> fen today."""
        today = compact(self.desk.clock())[:8]
        with self.desk.record.work() as db:
            return JSONResponse({one.code: self._fen(db, one) for one in self.bases if one.holds(today)})

    async def change(self, request: Request) -> JSONResponse:
        """POST /admin/basis."""
        try:
            asked = checked(Changed, read_members(await request.body()))
        except BadMember as error:
            return JSONResponse({"detail": str(error)}, 422)
        if all(one.code != asked.chargeCode or one.until for one in self.bases):
            return JSONResponse({"detail": "chargeCode: none in force"}, 404)
        with self.desk.record.work() as db:
            db.execute("INSERT OR REPLACE INTO amount VALUES (?, ?)", (asked.chargeCode, asked.unitAmount))
        return JSONResponse(asked.model_dump())

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Closes the record."""
        self.desk.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Revenue:
    """The system of a configuration."""
    closing = window(config, "closing", CLOSING)
    ground = open_ground(config, FAULTS, SCHEMA)
    desk = ground.desk(MANNERS, ground.callbacks())
    once = Once(desk, config.account, HABITS)
    revenue = Revenue(desk, once, load_bases(), closing, ground.app())
    desk.mount(revenue.app, Operation("query", "POST", "/api/basis/query", revenue.query))
    revenue.app.add_api_route("/admin/basis", revenue.in_force, methods=["GET"])
    revenue.app.add_api_route("/admin/basis", revenue.change, methods=["POST"])
    return revenue


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
