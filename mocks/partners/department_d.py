"""SYS-02, the approval system of department D, from adapters/department_d/contract: a shared database.

Own keys: uscc, department_name, database_url (SQLAlchemy address), staff, step_seconds (0.2),
poll_seconds (0.5), special_every (5), refuse_every (7), extend_every (0), correct_every (6),
repeat_seconds (1, 5, 30, 300, 1800, 7200).
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import Ground, open_ground
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.processobjects import KINDS
from mocks.partners.common.server import main
from mocks.partners.department_d_front import LOT, Front, Place, Unavailable
from mocks.partners.department_d_rows import BadRow, Row, Trust, check_seal, signed_text, zoned
from mocks.partners.department_d_rules import ACCEPTED, APPLIED, Known, judge, place, unfitting
from mocks.partners.department_d_schema import READ, Table
from mocks.partners.department_d_steps import (
    CORRECTED,
    DONE,
    PROC,
    SPECIAL,
    Habits,
    Scene,
    columns,
    next_step,
)
from mocks.partners.department_d_write import DONE_FAULTS, REPEATS, WRITE_FAULTS, Writer
from mocks.partners.department_d_write import SCHEMA as SHEETS
from mocks.partners.department_steps import Department

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (
  name TEXT NOT NULL, row_key TEXT NOT NULL, dataver INTEGER NOT NULL, case_no TEXT NOT NULL,
  place TEXT NOT NULL, text TEXT NOT NULL, said TEXT NOT NULL,
  PRIMARY KEY (name, row_key, dataver)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS taken_case ON taken (case_no);
"""
READ_FAULTS: Final = frozenset({
    "delay_ms", "maintenance", "drop_before_reply", "rate_limit", "partial_accept", "clock_skew_s"
})  # fmt: skip
FAULTS: Final = {
    **dict.fromkeys(READ, READ_FAULTS),
    PROC: WRITE_FAULTS,
    SPECIAL: WRITE_FAULTS,
    DONE: DONE_FAULTS,
}
TAKEN, ERROR, UNKNOWN = 1, 3, 9
PATIENCE: Final = 3600.0  # seconds a PRE_ACCEPT waits for its application
AWAY: Final = 1.0  # seconds until a database that is away is asked again


@dataclass(frozen=True)
class Verdict:
    """What becomes of a row: its flag and `err`; flag 0 leaves it for later."""

    flag: int
    err: str | None = None


LATER: Final = Verdict(0)


@dataclass(frozen=True)
class Office:
    """The department at work; what a row changes is one transaction, kept before its flag is set."""

    ground: Ground
    front: Front
    department: Department
    habits: Habits
    pace: tuple[float, float]  # seconds between looks, seconds before each row of its own
    log: FilteringBoundLogger
    app: FastAPI = field(repr=False)
    writer: Writer = field(init=False, repr=False)
    stopped: threading.Event = field(default_factory=threading.Event, repr=False)
    thread: threading.Thread = field(init=False, repr=False)

    def __post_init__(self) -> None:
        repeats = self.ground.config.numbers("repeat_seconds", REPEATS)
        writer = Writer(self.ground, self.front, self.log, repeats, self.advance)
        object.__setattr__(self, "writer", writer)
        object.__setattr__(self, "thread", threading.Thread(target=self._run, name="reader", daemon=True))

    def _run(self) -> None:
        """Looks until stopped; a database that is away is asked again."""
        created = False
        while not self.stopped.is_set():
            wait = self.pace[0]
            try:
                if not created:
                    self.front.create()
                    created = True
                self._look()
            except Unavailable as error:
                self.log.warning("front_away", error=type(error).__name__)
                wait = AWAY
            except sqlite3.ProgrammingError:  # the record was closed under work that outlived `stop`
                if not self.stopped.is_set():
                    raise
            self.stopped.wait(wait)

    def _look(self) -> None:
        for name in READ:
            if self.ground.faults.take(name, "maintenance"):
                break
            self._read(self.front.tables[name])
        self.writer.look()

    def _read(self, table: Table) -> None:
        """Every row of a table that waits, 50 at a time; what is left for later is passed over."""
        after = Place()
        while not self.stopped.is_set():
            lot = self.front.waiting(table, after)
            for key, version, at in lot:
                self._read_row(table, key, version)
                after = Place(at, key)
            if len(lot) < LOT:
                return

    def _read_row(self, table: Table, key: str, version: object) -> None:
        take = self.ground.faults.take
        if fault := take(table.name, "delay_ms"):
            self.stopped.wait(fault.number(1000) / 1000)
        row = None if take(table.name, "rate_limit") else self.front.row(table, key, version)
        if row is None:
            return
        verdict = self._judged(table, row)
        if verdict.flag and not take(table.name, "drop_before_reply"):
            err = verdict.err[:500] if verdict.err else None
            self.front.mark(table, row, verdict.flag, err, zoned(self.ground.clock()))

    def _judged(self, table: Table, row: Row) -> Verdict:
        """The verdict on a row, which is written down unless it is left for later."""
        now = self.ground.signer.clock() + self.ground.faults.skew(table.name)
        try:
            check_seal(table, row, Trust(self.ground.trusted, now))
            judge(table, row)
        except BadRow as error:
            self._note(table, row, Verdict(ERROR, str(error)), "")
            return Verdict(ERROR, str(error))
        case = str(row["projid"])
        if table.name != APPLIED and not self._is_known(case):
            self._read(self.front.tables[APPLIED])  # it may have been written since that table was read
        with self.ground.record.work() as db:
            verdict = self._keep(db, table, row, case)
            self._note(table, row, verdict, case)
            if verdict.flag == TAKEN:
                self._plan(db, case)
        self.writer.wake()
        return verdict

    def _note(self, table: Table, row: Row, verdict: Verdict, case: str) -> None:
        if verdict.flag:
            name, text = f"{row['row_key']}-{row['dataver']}", _text(table, row)
            good, code = verdict.flag == TAKEN, str(verdict.flag)
            self.ground.record.note("received", table.name, name, text, code, accepted=good, case=case)

    def _is_known(self, case: str) -> bool:
        with self.ground.record.work() as db:
            return APPLIED in self._known(db, case)

    def _keep(self, db: sqlite3.Connection, table: Table, row: Row, case: str) -> Verdict:
        """The verdict on a row that is good by itself; keeps it if it is new and fits."""
        text = signed_text(table, row).decode()
        if earlier := self._earlier(db, table, row, text):
            return earlier
        known = self._known(db, case)
        if table.name != APPLIED and APPLIED not in known:
            return self._unknown(table, row)
        if self.ground.faults.take(table.name, "partial_accept"):
            return Verdict(ERROR, "projid: refused")
        if err := unfitting(table.name, row, known):
            return Verdict(ERROR, err)
        said = {one.name: row[one.name] for one in table.business if one.name != "filebody"}
        where, key, version = place(table.name, row), row["row_key"], row["dataver"]
        kept = text if table.name != "PRE_FILE" else strictjson.digest(text)
        values = (table.name, key, version, case, where, kept, json.dumps(said))
        db.execute("INSERT INTO taken VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return Verdict(TAKEN)

    def _earlier(self, db: sqlite3.Connection, table: Table, row: Row, text: str) -> Verdict | None:
        """What is said to an identity taken before, to an older version, to a key of another case."""
        sql = "SELECT * FROM taken WHERE name = ? AND row_key = ? ORDER BY dataver"
        rows = db.execute(sql, (table.name, row["row_key"])).fetchall()
        if not rows:
            return None
        for one in rows:
            if one["dataver"] == row["dataver"]:
                same = one["text"] in (text, strictjson.digest(text))
                return Verdict(TAKEN) if same else Verdict(ERROR, "row_key: conflict")
        if int(rows[-1]["dataver"]) > int(str(row["dataver"])):
            return Verdict(ERROR, "dataver: replay")
        return None if rows[0]["case_no"] == row["projid"] else Verdict(ERROR, "row_key: conflict")

    def _unknown(self, table: Table, row: Row) -> Verdict:
        """A PRE_ACCEPT may wait an hour for its application, the others may not."""
        written = datetime.fromisoformat(str(row["written_at"])).timestamp()
        if table.name == ACCEPTED and self.ground.clock() - written <= PATIENCE:
            return LATER
        return Verdict(UNKNOWN, "projid: unknown")

    def _known(self, db: sqlite3.Connection, case: str) -> Known:
        rows = db.execute("SELECT place, said FROM taken WHERE case_no = ? ORDER BY dataver", (case,))
        return {row["place"]: json.loads(row["said"]) for row in rows}

    def _plan(self, db: sqlite3.Connection, case: str) -> None:
        """Gives the next row of a case to the writer, if one is due."""
        rows = self.writer.steps(db, case)
        sent = {step: row["state"] == "done" or bool(row["late"]) for step, row in rows.items()}
        delay = self.pace[1]
        scene = Scene(case, self._known(db, case), self.department, self.habits, self.ground.clock() + delay)
        step = next_step(scene, sent)
        if step is not None:
            correct = self.habits.correction(case) if step == CORRECTED else ""
            self.writer.add(db, case, step, columns(step, scene), delay, correct)

    def advance(self, case: str) -> None:
        """Plans what may follow now."""
        with self.ground.record.work() as db:
            self._plan(db, case)
        self.writer.wake()

    def cases(self) -> JSONResponse:
        """What became of each case: its steps with their state, version, flag and err."""
        with self.ground.record.work() as db:
            names = [row[0] for row in db.execute("SELECT DISTINCT case_no FROM taken ORDER BY 1")]
            found = {name: self.writer.steps(db, name) for name in names}
        shown = ("state", "version", "code", "err")
        return JSONResponse({
            name: {step: {one: row[one] for one in shown} for step, row in steps.items()}
            for name, steps in found.items()
        })  # fmt: skip

    def start(self) -> None:
        """Goes on with every case, also those a killed process left."""
        with self.ground.record.work() as db:
            for (case,) in db.execute("SELECT DISTINCT case_no FROM taken").fetchall():
                self._plan(db, case)
        self.writer.start()
        self.thread.start()

    def stop(self) -> None:
        """Ends the threads and closes record and database."""
        self.stopped.set()
        self.thread.join(1.0)
        self.writer.stop(0.5)
        self.front.close()
        self.ground.record.close()


def _text(table: Table, row: Row) -> bytes:
    """The signed text, also of a row whose columns hold what they may not."""
    try:
        return signed_text(table, row)
    except (ValueError, TypeError):
        return repr(sorted(row.items())).encode(errors="replace")


def _department(config: Config) -> Department:
    uscc = config.text("uscc", "")
    if not KINDS["credit"](uscc):
        raise ConfigError("uscc: a credit code of 18 characters is needed")
    staff = config.texts("staff") or ("林示范", "陈样例", "黄虚构")
    return Department(uscc, config.text("department_name", "梅州市示范局"), staff)


def build(config: Config, log: FilteringBoundLogger) -> Office:
    """The department of a configuration."""
    department, every = _department(config), config.integer
    habits = Habits(
        every("special_every", 5), every("refuse_every", 7), every("extend_every", 0),
        every("correct_every", 6), config.seed,
    )  # fmt: skip
    pace = config.seconds("poll_seconds", 0.5), config.seconds("step_seconds", 0.2)
    front = Front.open(config.text("database_url", ""))
    ground = open_ground(config, FAULTS, SCHEMA + SHEETS)
    office = Office(ground, front, department, habits, pace, log, ground.app())
    office.app.add_api_route("/admin/cases", office.cases, methods=["GET"])
    return office


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
