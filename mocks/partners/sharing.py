"""SYS-15, the data-sharing platform, from adapters/sharing/contract/contract.md: verifies subjects.

Own keys: share_unknown (0.05), share_mismatch (0.1), max_per_second (20; 0 = no limit), not_granted (service
codes), refused_purposes (words), down ("" = never; a daily window such as "00:30-05:00"). Further admin:
POST /admin/answer {serviceCode, idNo, result, name?, items?} sets what the authority says of a subject (with
a name: only of that name, of others N), DELETE /admin/answer forgets all of it, GET /admin/queries lists
purposes and results.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import dataclass, field
from typing import Final, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from structlog.types import FilteringBoundLogger

from mocks.partners.common import firsts, strictjson
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faultform import Window
from mocks.partners.common.faults import ANSWER_FAULTS
from mocks.partners.common.members import (
    STRICT,
    BadMember,
    CaseNo,
    Moment,
    Reference,
    Text100,
    checked,
    dashed,
    read_members,
)  # fmt: skip
from mocks.partners.common.once import Body, Habits, Once, Said
from mocks.partners.common.pace import Pace
from mocks.partners.common.server import main
from mocks.partners.common.windows import window
from mocks.partners.sharing_register import SOURCES, Finding, Register, Subject, plain_name

SCHEMA = (
    firsts.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS said (
  service TEXT NOT NULL, id_no TEXT NOT NULL, name TEXT NOT NULL, result TEXT NOT NULL, items TEXT NOT NULL,
  PRIMARY KEY (service, id_no)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
  id TEXT NOT NULL, service TEXT NOT NULL, purpose TEXT NOT NULL, case_no TEXT NOT NULL,
  result TEXT NOT NULL);
"""
)
FAULTS = {"verify": ANSWER_FAULTS | {"busy", "not_granted"}}
LARGEST: Final = 64 << 10  # bytes
DAY: Final = 86400.0
Service = Literal["SFHC", "QYHC", "CLHC"]


class SubjectGiven(BaseModel):
    """Name and paper."""

    model_config = STRICT
    name: Text100
    idType: Literal["111", "414", "511", "516", "553", "554", "001"]
    idNo: str = Field(min_length=1, max_length=18)


class Query(BaseModel):
    """One question."""

    model_config = STRICT
    consumerId: str
    requestId: Reference
    serviceCode: Service
    caseNo: CaseNo = ""
    purpose: str = Field(min_length=5, max_length=200)
    queryTime: Moment
    subject: SubjectGiven

    def who(self) -> Subject:
        """Who is asked about."""
        return Subject(self.subject.name, self.subject.idType, self.subject.idNo)


class Item(BaseModel):
    """What an authority adds."""

    model_config = STRICT
    name: Reference
    value: str = Field(min_length=1, max_length=1000)


class Setting(BaseModel):
    """POST /admin/answer."""

    model_config = STRICT
    serviceCode: Service
    idNo: str = Field(min_length=1, max_length=18)
    result: Literal["Y", "N", "X"]
    name: str = ""
    items: list[Item] | None = None


def said(code: str, message: str) -> Body:
    """An answer without data."""
    return {"code": code, "message": message}


HABITS = Habits(
    "query", "consumerId", "requestId", said, stranger="401", wrong="400", other="409",
    apart=("queryTime",), keep_seconds=DAY,
)  # fmt: skip
TOO_FAST = Answer(said("429", "too many queries"), 429, sealed=False, headers={"Retry-After": "1"})
REFUSALS = {
    "seal": Answer(said("401", "signature")),
    "media_type": Answer(said("400", "Content-Type")),
    "too_large": Answer(said("400", "body: too large")),
    "busy": TOO_FAST,
}
MANNERS = Manners(REFUSALS.__getitem__, {"error": "system error"}, always_sealed=True)


@dataclass(frozen=True)
class Grants:
    """What the hub may not ask."""

    services: frozenset[str]
    purposes: tuple[str, ...]

    def refuse(self, query: Query) -> bool:
        """Whether the service is not granted for this purpose."""
        return query.serviceCode in self.services or any(word in query.purpose for word in self.purposes)


@dataclass(frozen=True)
class Platform:
    """The platform's work."""

    desk: Desk
    once: Once
    register: Register
    grants: Grants
    pace: Pace
    down: Window | None
    app: FastAPI = field(repr=False)

    def verify(self, call: Call) -> Answer:
        """One question, at most so many a second."""
        if self.pace.too_fast(self.desk.clock()):
            return TOO_FAST
        return self.once.serve(call, self._decide)

    def _decide(self, db: sqlite3.Connection, value: Body) -> Said:
        faults = self.desk.faults
        if faults.take("verify", "busy") or (self.down is not None and self.down.holds(self.desk.clock())):
            return HABITS.said("503", "busy", kept=False)
        query = checked(Query, value)
        if self.grants.refuse(query) or faults.take("verify", "not_granted"):
            return HABITS.said("403", "not granted for this purpose")
        finding = self._finding(db, query)
        row = (query.requestId, query.serviceCode, query.purpose, query.caseNo, finding.result)
        db.execute("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", row)
        data = {
            "requestId": query.requestId, "result": finding.result, "source": SOURCES[query.serviceCode],
            "verifyTime": dashed(self.desk.clock()), "items": finding.items,
        }  # fmt: skip
        none = finding.result == "X"
        top = said("404", "no record") if none else said("200", "")
        return Said("404" if none else "200", {**top, "data": data}, accepted=True)

    def _finding(self, db: sqlite3.Connection, query: Query) -> Finding:
        key = (query.serviceCode, query.subject.idNo)
        row = db.execute("SELECT * FROM said WHERE service = ? AND id_no = ?", key).fetchone()
        if row is None:
            return self.register.look(query.serviceCode, query.who())
        if row["name"] and row["name"] != plain_name(query.subject.name):
            return Finding("N", self.register.items(query.serviceCode, good=False))
        return Finding(row["result"], json.loads(row["items"]))

    async def set_answer(self, request: Request) -> JSONResponse:
        """POST /admin/answer."""
        try:
            asked = checked(Setting, read_members(await request.body()))
        except BadMember as error:
            return JSONResponse({"detail": str(error)}, 422)
        items = (
            [] if asked.result == "X" else self.register.items(asked.serviceCode, good=asked.result == "Y")
        )
        if asked.items is not None:
            items = [one.model_dump() for one in asked.items]
        text = strictjson.write(items).decode()
        row = (asked.serviceCode, asked.idNo, plain_name(asked.name), asked.result, text)
        with self.desk.record.work() as db:
            db.execute("INSERT OR REPLACE INTO said VALUES (?, ?, ?, ?, ?)", row)
        return JSONResponse({"serviceCode": asked.serviceCode, "result": asked.result, "items": items})

    def forget(self) -> JSONResponse:
        """DELETE /admin/answer."""
        with self.desk.record.work() as db:
            done = db.execute("DELETE FROM said").rowcount
        return JSONResponse({"forgotten": done})

    def queries(self) -> JSONResponse:
        """GET /admin/queries: for what which service was asked; nobody is named."""
        with self.desk.record.work() as db:
            rows = db.execute("SELECT * FROM asked ORDER BY rowid").fetchall()
        return JSONResponse([dict(row) for row in rows])

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Closes the record."""
        self.desk.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Platform:
    """The platform of a configuration."""
    shares = config.share("share_unknown", 0.05), config.share("share_mismatch", 0.1)
    grants = Grants(frozenset(config.texts("not_granted")), config.texts("refused_purposes"))
    pace, down = Pace(config.integer("max_per_second", 20)), window(config, "down", "")
    ground = open_ground(config, FAULTS, SCHEMA)
    desk = ground.desk(MANNERS, ground.callbacks())
    once = Once(desk, config.account, HABITS)
    platform = Platform(desk, once, Register(config.seed, *shares), grants, pace, down, ground.app())
    desk.mount(
        platform.app, Operation("verify", "POST", "/share/v1/verify", platform.verify, largest=LARGEST)
    )
    platform.app.add_api_route("/admin/answer", platform.set_answer, methods=["POST"])
    platform.app.add_api_route("/admin/answer", platform.forget, methods=["DELETE"])
    platform.app.add_api_route("/admin/queries", platform.queries, methods=["GET"])
    return platform


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
