"""The rows department D writes: kept first, written under a seal, corrected in place, their flags read."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from structlog.types import FilteringBoundLogger

from mocks.partners.common.assemble import Ground
from mocks.partners.common.faults import Flaws
from mocks.partners.common.worker import Queries, Worker
from mocks.partners.department_d_front import Front, Unavailable
from mocks.partners.department_d_rows import Row, sealed, signed_text
from mocks.partners.department_d_schema import Table
from mocks.partners.department_d_steps import TABLES, Columns, corrected, row_key

SCHEMA = """
CREATE TABLE IF NOT EXISTS sheet (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, case_no TEXT NOT NULL, step TEXT NOT NULL,
  row_key TEXT NOT NULL UNIQUE, said TEXT NOT NULL, version INTEGER NOT NULL,
  stored INTEGER NOT NULL DEFAULT 0,
  task TEXT NOT NULL DEFAULT 'write', state TEXT NOT NULL DEFAULT 'waiting', due REAL NOT NULL,
  correct TEXT NOT NULL DEFAULT '', spoilt INTEGER NOT NULL DEFAULT 0, copies INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
  err TEXT NOT NULL DEFAULT '',
  UNIQUE (case_no, step));
CREATE INDEX IF NOT EXISTS sheet_due ON sheet (state, due);
"""
QUERIES = Queries(
    "SELECT * FROM sheet WHERE state = 'waiting' AND due <= ? ORDER BY due, seq LIMIT 1",
    "SELECT min(due) FROM sheet WHERE state = 'waiting'",
    "UPDATE sheet SET due = ? WHERE seq = ?",
    "seq",
)
WRITE_FAULTS: Final = frozenset({
    "delay_ms", "maintenance", "reorder", "duplicate_push", "sig_bad", "clock_skew_s", "null_text",
    "bad_date_pattern", "truncate_800b", "version_gap",
})  # fmt: skip
DONE_FAULTS: Final = WRITE_FAULTS | {"missing_attachment"}
REPEATS: Final = (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0)  # seconds, after flag 9
AWAY: Final = 1.0  # seconds until a database that is away is tried again
KEPT: Final = frozenset({"projid", "areacode", "itemno", "sn", "dataver", "row_key"})
CUT: Final = 800  # bytes
LONG: Final = "审批过程记录。" * 60  # a remark of 1260 bytes, whose end a column of 800 loses
_TIME: Final = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})", re.ASCII)
LOT: Final = 200  # rows whose flags are asked for at once


class Writer(Worker):
    """One thread that writes what is due; state waiting, written, done, refused or given_up."""

    def __init__(
        self, ground: Ground, front: Front, log: FilteringBoundLogger, repeats: Sequence[float],
        advance: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`advance` hears the case whose next row may be due."""
        super().__init__("writer", ground.record, ground.faults, ground.clock.base, QUERIES)
        self._front, self._signer, self._log = front, ground.signer, log
        self._repeats, self._advance = tuple(repeats), advance

    def add(
        self, db: sqlite3.Connection, case: str, step: str, said: Columns, delay: float, correct: str
    ) -> None:
        """Keeps a row inside the caller's transaction. `correct`: "", "early" or "late"."""
        row = (case, step, row_key(case, step), json.dumps(said), 1, self.clock() + delay, correct)
        db.execute(
            "INSERT INTO sheet (case_no, step, row_key, said, version, due, correct)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def steps(self, db: sqlite3.Connection, case: str) -> dict[str, sqlite3.Row]:
        """The rows of a case by step."""
        rows = db.execute("SELECT * FROM sheet WHERE case_no = ? ORDER BY seq", (case,))
        return {row["step"]: row for row in rows}

    def operation(self, row: sqlite3.Row) -> str:
        return TABLES[row["step"][0]]

    def fresh(self, row: sqlite3.Row) -> bool:
        return not row["stored"] and not row["late"]

    def overtaken(self, row: sqlite3.Row) -> None:
        """The case goes on as if the row had been written and taken."""
        self._change(row, late=1)
        self._advance(row["case_no"])

    def work(self, row: sqlite3.Row) -> None:
        self.pause(self.operation(row))
        try:
            if row["task"] == "reset":
                self._front.reset(self._table(row), row["row_key"], row["stored"])
                self._change(row, state="written")
            else:
                self._write(row)
        except Unavailable as error:
            self._log.warning("front_away", error=type(error).__name__)
            self._change(row, due=self.clock() + AWAY)

    def _table(self, row: sqlite3.Row) -> Table:
        return self._front.tables[self.operation(row)]

    def _change(self, row: sqlite3.Row, **values: object) -> None:
        """Sets columns of a row of the record."""
        marks = ", ".join(f"{name} = ?" for name in values)
        with self.record.work() as db:
            db.execute(f"UPDATE sheet SET {marks} WHERE seq = ?", (*values.values(), row["seq"]))  # noqa: S608  # own names

    def _write(self, row: sqlite3.Row) -> None:
        """Written down, then written: an INSERT, a correction in place, or the same version once more."""
        table, operation = self._table(row), self.operation(row)
        said, spoilt = self._spoilt(row)
        version = row["version"] + (2 if self.faults.take(operation, "version_gap") else 0)
        flaws = self.faults.flaws(operation)
        plain = said | {"row_key": row["row_key"], "dataver": version}
        cut = self.faults.take(operation, "truncate_800b") is not None
        full = sealed(table, plain | ({"remark": LONG} if cut else {}), self._signer, flaws)
        if cut:
            full = {**full, "remark": LONG.encode()[:CUT].decode(errors="ignore")}
        self._change(row, version=version, spoilt=int(cut or spoilt or flaws != Flaws()))
        if self._stored(table, full, row["stored"]):
            self._note(row, version, signed_text(table, full), "", accepted=False)
            self._after(row, version)
        else:
            self._behind(row, table)

    def _stored(self, table: Table, full: Row, before: int) -> bool:
        return self._front.replace(table, full, before) if before else self._front.insert(table, full)

    def _behind(self, row: sqlite3.Row, table: Table) -> None:
        """Another version stands there, as after a kill between writing and writing down."""
        found = self._front.flags(table, [row["row_key"]]).get(row["row_key"])
        stands = found[0] if found is not None and isinstance(found[0], int) else 0
        if stands >= row["version"]:
            self._after(row, stands)
        else:
            self._change(row, stored=stands, due=self.clock() + AWAY)

    def _after(self, row: sqlite3.Row, version: int) -> None:
        """What follows a row that stands: its correction, or a look at its flag."""
        if row["correct"] == "early":
            self._correct(row, version)
        else:
            self._change(row, state="written", stored=version, version=version)

    def _correct(self, row: sqlite3.Row, stored: int) -> None:
        said = json.dumps(corrected(json.loads(row["said"])))
        self._change(
            row, said=said, version=stored + 1, stored=stored, task="write", state="waiting", correct="",
            due=self.clock() + 0.1,
        )  # fmt: skip

    def _spoilt(self, row: sqlite3.Row) -> tuple[Columns, bool]:
        """The columns after the faults of their contents, and whether there was one."""
        said, operation = json.loads(row["said"]), self.operation(row)
        changed = dict(said)
        if self.faults.take(operation, "null_text"):
            texts = {name for name, value in said.items() if isinstance(value, str)} - KEPT
            changed |= dict.fromkeys(texts, "null")
        if self.faults.take(operation, "bad_date_pattern"):
            changed = {name: _other_date(value) for name, value in changed.items()}
        if self.faults.take(operation, "missing_attachment"):
            changed = {name: value for name, value in changed.items() if not name.startswith("certificate")}
        return changed, changed != said

    def _note(self, row: sqlite3.Row, version: int, text: bytes, code: str, *, accepted: bool) -> None:
        kind, name = self.operation(row), f"{row['row_key']}-{version}"
        self.record.note("sent", kind, name, text, code, accepted=accepted, case=row["case_no"])

    def look(self) -> None:
        """Reads the flags of what was written."""
        with self.record.work() as db:
            rows = db.execute("SELECT * FROM sheet WHERE state = 'written' ORDER BY seq").fetchall()
        for name in dict.fromkeys(TABLES.values()):
            mine = [row for row in rows if self.operation(row) == name]
            for first in range(0, len(mine), LOT):
                self._look_at(self._front.tables[name], mine[first : first + LOT])

    def _look_at(self, table: Table, rows: Sequence[sqlite3.Row]) -> None:
        flags = self._front.flags(table, [row["row_key"] for row in rows])
        for row in rows:
            version, flag = flags.get(row["row_key"], (0, 0))
            if version == row["stored"] and isinstance(flag, int) and flag:
                self._settle(table, row, flag)
        self.wake()

    def _settle(self, table: Table, row: sqlite3.Row, flag: int) -> None:
        """1 taken, 3 to be corrected if a fault spoilt it, 9 to be shown again."""
        found = self._front.row(table, row["row_key"], row["stored"])
        if found is None:
            return
        self._note(row, row["stored"], signed_text(table, found), str(flag), accepted=flag == 1)
        self._change(row, err=str(found["err"] or ""))
        if flag == 1:
            self._taken(row)
        elif flag == 9:
            self._unknown(row)
        elif row["spoilt"]:
            self._change(
                row, state="waiting", task="write", version=row["stored"] + 1, due=self.clock(), code="3"
            )
        else:
            self._change(row, state="refused", code=str(flag))

    def _taken(self, row: sqlite3.Row) -> None:
        copies = row["copies"]
        if fault := self.faults.take(self.operation(row), "duplicate_push"):
            copies += max(1, int(fault.number(1)))
        if copies:
            self._change(row, state="waiting", task="write", due=self.clock(), copies=copies - 1, code="1")
        elif row["correct"]:
            self._correct(row, row["stored"])
        else:
            self._change(row, state="done", code="1")
        self._advance(row["case_no"])

    def _unknown(self, row: sqlite3.Row) -> None:
        if row["attempt"] >= len(self._repeats):
            self._change(row, state="given_up", code="9")
            return
        due = self.clock() + self._repeats[row["attempt"]]
        self._change(row, state="waiting", task="reset", due=due, attempt=row["attempt"] + 1, code="9")


def _other_date(value: object) -> object:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else "{}-{}-{} {}:{}:{}".format(*match.groups())
