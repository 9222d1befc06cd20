"""Row errors found on order: told by POST /admin/row_errors, or in a share of the reports."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mocks.partners.common.assemble import draw
from mocks.partners.common.processobjects import Finding
from mocks.partners.province_rules import Report

SCHEMA = """
CREATE TABLE IF NOT EXISTS told_rows (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, object TEXT NOT NULL, case_no TEXT NOT NULL, value TEXT NOT NULL,
  left INTEGER NOT NULL);
"""
NEXT = """
UPDATE told_rows SET left = left - 1 WHERE seq = (
  SELECT seq FROM told_rows WHERE left > 0 AND object IN ('', ?) AND case_no IN ('', ?) ORDER BY seq LIMIT 1)
RETURNING value
"""
STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
IDENTITY = frozenset({"SBLSH", "SJBBH", "SPBZH", "XH"})  # members that are never found wrong by chance


class RowError(BaseModel):
    """One entry of rowErrors."""

    model_config = STRICT
    field: Annotated[str, Field(min_length=1, max_length=64)]
    msg: Annotated[str, Field(max_length=500)]


class RowErrors(BaseModel):
    """What POST /admin/row_errors takes; without object or SBLSH the next report, whichever it is."""

    model_config = STRICT
    rows: list[RowError] = Field(max_length=50)
    code: Literal["10", "70", "80"] = "70"
    msg: Annotated[str, Field(max_length=500)] = "数据校验不通过"
    object: Annotated[str, Field(pattern=r"^[0-9]?$")] = ""
    SBLSH: str = ""
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1


@dataclass(frozen=True)
class Orders:
    """Reads and writes inside the caller's transaction."""

    seed: int
    share: float

    def add(self, db: sqlite3.Connection, told: RowErrors) -> None:
        """Keeps an order for the next reports it fits."""
        row = (told.object, told.SBLSH, told.model_dump_json(), told.times)
        db.execute("INSERT INTO told_rows (object, case_no, value, left) VALUES (?, ?, ?, ?)", row)

    def take(self, db: sqlite3.Connection, report: Report) -> RowErrors | None:
        """What is to be found wrong in a report that is good; a corrected version has no bad luck."""
        row = db.execute(NEXT, (report.number, report.case)).fetchone()
        if row is not None:
            return RowErrors.model_validate(json.loads(row["value"]))
        name = (report.case, report.number, str(report.step))
        if report.version > 1 or draw(self.seed, "row error", *name) >= self.share:
            return None
        members = sorted(report.body.keys() - IDENTITY)
        member = members[int(draw(self.seed, "row member", *name) * len(members))]
        return RowErrors(rows=[RowError(field=member, msg="数据项与省级规则不符")])


def as_findings(told: RowErrors) -> list[Finding]:
    """The entries as findings."""
    return [Finding(row.field, row.msg) for row in told.rows]
