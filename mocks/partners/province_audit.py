"""The province's own look at what it took: rules over a day, batches of the next morning."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mocks.partners.common.clock import BEIJING
from mocks.partners.common.codes import is_credit_code
from mocks.partners.common.members import Day, is_identity
from mocks.partners.common.processobjects import OBJECTS
from mocks.partners.common.record import Record
from mocks.partners.province_post import Post

SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
  batch_id TEXT PRIMARY KEY, day TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS begun (one INTEGER PRIMARY KEY CHECK (one = 1), day TEXT NOT NULL);
"""
TABLES = dict.fromkeys("012", "up_pro_accept") | {
    "3": "up_pro_process", "4": "up_pro_result", "9": "up_pro_result", "5": "up_pro_special_procedure",
    "6": "up_pro_special_procedure", "7": "up_pro_material", "8": "up_pro_material",
}  # fmt: skip
EMPTY = re.compile(r"[\s\-—/.。、无]*|null|NULL|不详|暂无")
TIMES = {"0": "SBSJ", "1": "YSLSJ", "2": "SLSJ", "3": "SPSJ", "4": "BJSJ", "5": "TBCXKSRQ", "6": "TBCXJSRQ",
         "7": "BZGZSJ", "8": "BZSJ", "9": "LQSJ"}  # fmt: skip
BEFORE = {"1": "0", "2": "0", "3": "2", "4": "3", "5": "2", "6": "5", "7": "0", "8": "7", "9": "4"}
BODIES = ("YSLBMZZJGDM", "SLBMZZJDDM", "SPBMZZJDMD", "BJBMZZJDDM")
PERSONS = (("SQRZJLX", "SQRZJHM"), ("LXRZJLX", "LXRSFZJHM"), ("LQRZJLX", "LQRSFZJHM"))
MOST = 500  # rows of a message
REGION = "441400000000"
STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
Body = Mapping[str, object]
Text500 = Annotated[str, Field(min_length=1, max_length=500)]


class Row(BaseModel):
    """One abnormal row of a batch."""

    model_config = STRICT
    messageId: str = Field(min_length=1, max_length=64)
    SBLSH: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    errType: Literal["E01", "E02", "E03", "E04", "E05", "E06", "E99"]
    tableName: Literal[
        "up_pro_accept", "up_pro_process", "up_pro_result", "up_pro_special_procedure", "up_pro_material"
    ]
    fieldName: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    errMsg: Text500


class Told(BaseModel):
    """POST /admin/audit: the day (today if not said), and rows in place of what the rules find."""

    model_config = STRICT
    date: Day | None = None
    rows: list[Row] | None = None


@dataclass(frozen=True)
class Taken:
    """One object as it was taken."""

    number: str
    step: int
    message_id: str
    case: str
    body: Body


Finding = tuple[str, str, str]
"""errType, fieldName, errMsg."""


def found(one: Taken, case: Sequence[Taken]) -> Iterator[Finding]:
    """What the rules say about one object among the newest objects of its case."""
    yield from _empty(one)
    if not str(one.body["XZQHDM"]).startswith("4414"):
        yield "E02", "XZQHDM", "区划不属于本市"
    yield from _early(one, case)
    if one.body.get("CNBLSXDW") == one.body.get("GDBLSXDW") and _longer(one.body):
        yield "E04", "CNBLSX", "承诺时限长于法定时限"
    yield from _strangers(one.body)
    if one.number == "4" and one.body["BJJGDM"] == "0" and _refused(case):
        yield "E06", "BJJGDM", "办结结果与审批环节不一致"


def _empty(one: Taken) -> Iterator[Finding]:
    for name, member in OBJECTS[one.number].items():
        value = one.body.get(name)
        if member.required and member.kind == "text" and isinstance(value, str) and EMPTY.fullmatch(value):
            yield "E01", name, "必填项实质为空"


def _early(one: Taken, case: Sequence[Taken]) -> Iterator[Finding]:
    """Times are compact texts: their order is that of the texts."""
    name, number = TIMES[one.number], BEFORE.get(one.number)
    before = [
        str(other.body[TIMES[other.number]])
        for other in case
        if other.number == number and (one.number != "6" or other.step == one.step)
    ]
    if before and str(one.body[name]) < (max if one.number == "4" else min)(before):
        yield "E03", name, "早于前一环节时间"


def _longer(body: Body) -> bool:
    promised, legal = body.get("CNBLSX"), body.get("GDBLSX")
    return isinstance(promised, int) and isinstance(legal, int) and promised > legal


def _strangers(body: Body) -> Iterator[Finding]:
    for name in BODIES:
        if name in body and not is_credit_code(str(body[name])):
            yield "E05", name, "机构代码校验不通过"
    for kind, name in PERSONS:
        if body.get(kind) == "111" and name in body and not is_identity(str(body[name])):
            yield "E05", name, "身份证号校验不通过"


def _refused(case: Sequence[Taken]) -> bool:
    return any(other.number == "3" and other.body["SPHJZTDM"] == "3" for other in case)


def rows_of(day: Sequence[Taken], cases: Mapping[str, Sequence[Taken]]) -> list[dict[str, object]]:
    """The abnormal rows of what was taken in a day."""
    return [
        {
            "messageId": one.message_id, "SBLSH": one.case, "errType": kind,
            "tableName": TABLES[one.number], "fieldName": name, "errMsg": text,
        }
        for one in day
        for kind, name, text in found(one, cases[one.case])
    ]  # fmt: skip


def day_of(seconds: float) -> str:
    """yyyyMMdd in Beijing."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y%m%d")


def days_between(first: str, last: str) -> Iterator[str]:
    """From the first to the last, both included."""
    at, end = (datetime.strptime(one, "%Y%m%d").replace(tzinfo=BEIJING) for one in (first, last))
    while at <= end:
        yield at.strftime("%Y%m%d")
        at += timedelta(days=1)


@dataclass(frozen=True)
class Auditor:
    """Batches are made once and kept: the same day again is the same batch, message id and all."""

    record: Record
    post: Post

    def begin(self, db: sqlite3.Connection, now: float) -> None:
        """Remembers the first day there is: what lies before it is nobody's to audit."""
        db.execute("INSERT OR IGNORE INTO begun VALUES (1, ?)", (day_of(now),))

    def due(self, db: sqlite3.Connection, now: float, hour: int) -> list[str]:
        """Days that are over, were not audited, and whose morning has reached the hour."""
        last = day_of(now - 86400 - hour * 3600)
        first = str(db.execute("SELECT day FROM begun").fetchone()["day"])
        done = {row["day"] for row in db.execute("SELECT DISTINCT day FROM batch")}
        return [day for day in days_between(first, last) if day not in done]

    def publish(
        self, db: sqlite3.Connection, day: str, rows: Sequence[dict[str, object]] | None
    ) -> list[str]:  # fmt: skip
        """Sends the batches of a day: those kept, or new ones of these rows (None: what the rules find)."""
        kept = db.execute("SELECT * FROM batch WHERE day = ? ORDER BY length(batch_id), batch_id", (day,))
        batches = {row["batch_id"]: json.loads(row["value"]) for row in kept}
        if rows is not None or not batches:
            found_now = self._found(db, day) if rows is None else rows
            batches = self._made(db, day, found_now, len(batches))
        for name, value in batches.items():
            self.post.add(db, "audit", value, name, None, 0.0)
            body = json.dumps(value, sort_keys=True).encode()
            self.record.note("sent", "audit", name, body, "", accepted=True)
        return list(batches)

    def _made(
        self, db: sqlite3.Connection, day: str, rows: Sequence[dict[str, object]], before: int
    ) -> dict[str, dict[str, object]]:  # fmt: skip
        made: dict[str, dict[str, object]] = {}
        for at in range(0, max(1, len(rows)), MOST):
            number = before + at // MOST + 1
            name = f"AUD441400{day}" + (f"-{number}" if number > 1 else "")
            part = list(rows[at : at + MOST])
            made[name] = {"batchId": name, "XZQHDM": REGION, "auditDate": day, "rows": part}
            row = (name, day, json.dumps(made[name], ensure_ascii=False))
            db.execute("INSERT INTO batch VALUES (?, ?, ?)", row)
        return made

    def _found(self, db: sqlite3.Connection, day: str) -> list[dict[str, object]]:
        taken = [_taken(row) for row in db.execute("SELECT * FROM kept WHERE day = ? ORDER BY rowid", (day,))]
        cases = {one.case: self._newest(db, one.case) for one in taken}
        current = [one for one in taken if one in cases[one.case]]
        return rows_of(current, cases)

    def _newest(self, db: sqlite3.Connection, case: str) -> list[Taken]:
        rows = db.execute("SELECT * FROM kept WHERE case_no = ? ORDER BY version", (case,))
        return list({(row["object"], row["step"]): _taken(row) for row in rows}.values())


def _taken(row: sqlite3.Row) -> Taken:
    return Taken(row["object"], row["step"], row["message_id"], row["case_no"], json.loads(row["body"]))
