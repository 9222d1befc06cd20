"""Department B's cases: what is known of each, and which document leaves next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from mocks.partners.common.clock import Clock
from mocks.partners.common.record import Record
from mocks.partners.department_b_post import Post
from mocks.partners.department_b_steps import Department, Habits, Scene, attachment, data_of
from mocks.partners.department_rules import spaced


@dataclass
class Cases:
    """Everything between what came and what leaves; `pause`: seconds before each document."""

    record: Record
    clock: Clock  # of business
    department: Department
    habits: Habits
    pause: float
    make_outbox: Callable[[Callable[[str], None]], Post]
    outbox: Post = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = self.make_outbox(self.advance)

    def scene(self, db: sqlite3.Connection, case: str) -> Scene:
        """What the hub sent of a case."""
        rows = db.execute("SELECT kind, data FROM document WHERE case_no = ?", (case,))
        known = {row["kind"]: json.loads(row["data"]) for row in rows}
        return Scene(case, known, self.department, self.habits)

    def plan(self, db: sqlite3.Connection, case: str) -> None:
        """Puts the next document of a case into the outbox, if one is due."""
        scene, rows = self.scene(db, case), self.outbox.steps(db, case)
        sent = {step: row["code"] == "200" or bool(row["late"]) for step, row in rows.items()}
        step = scene.next_step(sent)
        if step is not None:
            data = data_of(step, scene, spaced(self.clock() + self.pause))
            self.outbox.add(db, case, step, data, attachment(step, case), self.pause)

    def advance(self, case: str) -> None:
        """A document of the case was answered, or is overtaken."""
        with self.record.work() as db:
            self.plan(db, case)
        self.outbox.wake()

    def start(self) -> None:
        """Also with what a killed process left."""
        with self.record.work() as db:
            self.outbox.revive(db)
            for (case,) in db.execute("SELECT case_no FROM document WHERE kind = 'SL'").fetchall():
                self.plan(db, case)
        self.outbox.start()

    def mount(self, app: FastAPI) -> None:
        """Adds /admin/cases and /admin/resend."""
        app.add_api_route("/admin/cases", self.shown, methods=["GET"])
        app.add_api_route("/admin/resend", self.resend, methods=["POST"])

    def shown(self) -> JSONResponse:
        """What became of each case: its documents with their state and code."""
        with self.record.work() as db:
            names = [row[0] for row in db.execute("SELECT DISTINCT case_no FROM document ORDER BY 1")]
            found = {name: self.outbox.steps(db, name) for name in names}
        return JSONResponse({
            name: {step: {"state": row["state"], "code": row["code"]} for step, row in steps.items()}
            for name, steps in found.items()
        })  # fmt: skip

    def resend(self) -> JSONResponse:
        """What was stopped or given up is tried again."""
        with self.record.work() as db:
            count = self.outbox.revive(db)
        self.outbox.wake()
        return JSONResponse({"again": count})
