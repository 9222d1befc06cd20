"""SYS-10, the higher platform, from adapters/performance/contract/contract.md: takes efficiency data.

Own keys: none. Further admin: GET /admin/rows lists the rows that stand, by region and period.
A batch number is used up by ret 1 too: corrected rows come under a new one.
"""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field
from structlog.types import FilteringBoundLogger

from mocks.partners.common import firsts, strictjson
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.clock import BEIJING, parse_compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS
from mocks.partners.common.members import (
    STRICT,
    BadMember,
    Day,
    Reference,
    Region,
    Text200,
    checked,
    is_identity,
)  # fmt: skip
from mocks.partners.common.once import Body, Habits, Once, Said
from mocks.partners.common.server import main

SCHEMA = (
    firsts.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS reported (
  region TEXT NOT NULL, begins TEXT NOT NULL, ends TEXT NOT NULL,
  obj_type TEXT NOT NULL, obj_code TEXT NOT NULL, index_code TEXT NOT NULL,
  batch TEXT NOT NULL, row TEXT NOT NULL,
  PRIMARY KEY (region, begins, ends, obj_type, obj_code, index_code)) WITHOUT ROWID;
"""
)
FAULTS = {"report": ANSWER_FAULTS | {"partial_accept", "batch_limit", "busy"}}
MOST_ROWS: Final = 500
HIGHEST: Final = Decimal(1000)
OPEN_DAYS: Final = 45  # after its end a period takes reports
LONGEST_REASON: Final = 500


def _reported_at(text: str) -> str:
    if text[8:9] != "T":
        raise ValueError("yyyyMMddTHHmmss is needed")
    parse_compact(text[:8] + text[9:])
    return text


def _division(text: str) -> str:
    if text.endswith("0000"):
        raise ValueError("a city or county is needed")
    return text


def _no_person(text: str) -> str:
    if is_identity(text):
        raise ValueError("no ID numbers")
    return text


class Head(BaseModel):
    """Who reports what period of which region."""

    model_config = STRICT
    platformId: str
    batchNo: Reference
    regionCode: Annotated[Region, AfterValidator(_division)]
    beginDate: Day
    endDate: Day
    reportTime: Annotated[str, AfterValidator(_reported_at)]


class Row(BaseModel):
    """One score."""

    model_config = STRICT
    objType: Literal["BM", "CK", "GR"]
    objCode: Annotated[Reference, AfterValidator(_no_person)]
    objName: Text200
    indexCode: Reference
    indexName: Text200
    caseNum: int = Field(ge=0)
    score: str = Field(pattern=r"^-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,2})?$")

    def key(self) -> tuple[str, str, str]:
        """What a later batch replaces it by."""
        return self.objType, self.objCode, self.indexCode


@dataclass
class Judged:
    """The rows of a batch that are taken, and what is wrong with the others."""

    good: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seen: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, number: int, raw: object) -> None:
        """Takes or refuses row `number` (from 1)."""
        try:
            row = checked(Row, raw)
        except BadMember as error:
            self.wrong.append(f"row {number}: {error}")
            return
        if row.key() in self.seen:
            self.wrong.append(f"row {number}: indexCode")
        elif Decimal(row.score) > HIGHEST:
            self.wrong.append(f"row {number}: score")
        else:
            self.good[row.key()] = row
        self.seen.add(row.key())

    def reason(self) -> str:
        """The first rows refused, as many as fit."""
        text = ""
        for one in self.wrong:
            if len(text) + len(one) + 2 > LONGEST_REASON:
                break
            text += f"; {one}" if text else one
        return text


def said(code: str, msg: str) -> Body:
    """An answer without data."""
    return {"ret": int(code), "msg": msg}


HABITS = Habits("report", "platformId", "batchNo", said, stranger="2", wrong="1", other="3", head="head")
UNSEALED = Answer(said("9", "busy"), 429, sealed=False, headers={"Retry-After": "1"})
REFUSALS = {
    "seal": Answer(said("2", "signature")),
    "media_type": Answer(said("1", "Content-Type")),
    "too_large": Answer(said("1", "body: too large")),
    "busy": UNSEALED,
}
MANNERS = Manners(REFUSALS.__getitem__, {"error": "system error"}, always_sealed=True)


@dataclass(frozen=True)
class Platform:
    """The platform's work."""

    desk: Desk
    once: Once
    app: FastAPI = field(repr=False)

    def report(self, call: Call) -> Answer:
        """A batch."""
        return self.once.serve(call, self._decide)

    def _decide(self, db: sqlite3.Connection, value: Body) -> Said:
        if self.desk.faults.take("report", "busy"):
            return HABITS.said("9", "busy", kept=False)
        head, rows = self._opened(value)
        if closed := self._closed(head):
            return HABITS.said("4", closed)
        judged = Judged()
        for number, raw in enumerate(rows, start=1):
            if self.desk.faults.take("report", "partial_accept"):
                judged.wrong.append(f"row {number}: indexCode")
            else:
                judged.add(number, raw)
        if not judged.good:
            return HABITS.said("1", judged.reason())
        _put(db, head, judged)
        reason = {"reason": judged.reason()} if judged.wrong else {}
        data = {"batchNo": head.batchNo, "accepted": len(judged.good), **reason}
        return Said("0", {"ret": 0, "msg": "", "data": data}, accepted=True)

    def _opened(self, value: Body) -> tuple[Head, list[object]]:
        if unknown := sorted(value.keys() - {"head", "rows"}):
            raise BadMember(unknown[0])
        try:
            head = checked(Head, value.get("head"))
        except BadMember as error:
            raise BadMember(f"head.{error}") from error
        if head.beginDate > head.endDate:
            raise BadMember("head.endDate")
        limit = self.desk.faults.take("report", "batch_limit")
        most = MOST_ROWS if limit is None else int(limit.number(1))
        rows = value.get("rows")
        if not isinstance(rows, list) or not 1 <= len(rows) <= most:
            raise BadMember("rows")
        return head, rows

    def _closed(self, head: Head) -> str:
        today = datetime.fromtimestamp(self.desk.clock(), BEIJING)
        if head.beginDate > f"{today:%Y%m%d}":
            return "the period lies in the future"
        return "the period is closed" if head.endDate < f"{today - timedelta(days=OPEN_DAYS):%Y%m%d}" else ""

    def rows(self) -> JSONResponse:
        """GET /admin/rows."""
        with self.desk.record.work() as db:
            found = db.execute("SELECT region, begins, ends, batch, row FROM reported").fetchall()
        return JSONResponse([dict(one) | {"row": strictjson.read(one["row"].encode())} for one in found])

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Closes the record."""
        self.desk.record.close()


def _put(db: sqlite3.Connection, head: Head, judged: Judged) -> None:
    period = (head.regionCode, head.beginDate, head.endDate)
    rows = [
        (*period, *key, head.batchNo, strictjson.write(row.model_dump()).decode())
        for key, row in judged.good.items()
    ]
    db.executemany("INSERT OR REPLACE INTO reported VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def build(config: Config, log: FilteringBoundLogger) -> Platform:
    """The platform of a configuration."""
    ground = open_ground(config, FAULTS, SCHEMA)
    desk = ground.desk(MANNERS, ground.callbacks())
    platform = Platform(desk, Once(desk, config.account, HABITS), ground.app())
    desk.mount(platform.app, Operation("report", "POST", "/perf/v2/report", platform.report))
    platform.app.add_api_route("/admin/rows", platform.rows, methods=["GET"])
    return platform


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
