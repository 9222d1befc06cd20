"""Who rates which service, how and when: every third by itself, any by wish; one rating a service."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import draw
from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.members import dashed
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker
from mocks.partners.evaluation_data import PROVINCE, Wish, signed

SCHEMA = """
CREATE TABLE IF NOT EXISTS service (
  number INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, service INTEGER NOT NULL,
  params TEXT NOT NULL, content TEXT NOT NULL, assess_no TEXT NOT NULL DEFAULT '', UNIQUE (project, service));
CREATE TABLE IF NOT EXISTS wish (
  number INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, service INTEGER NOT NULL,
  wish TEXT NOT NULL, due REAL, state TEXT NOT NULL DEFAULT 'waiting');
CREATE INDEX IF NOT EXISTS wish_due ON wish (state, due);
"""
QUERIES = Queries(
    "SELECT * FROM wish WHERE state = 'waiting' AND due <= ? ORDER BY due, number LIMIT 1",
    "SELECT min(due) FROM wish WHERE state = 'waiting'",
    "UPDATE wish SET due = ? WHERE number = ?",
    "number",
)
OPEN: Final = """
SELECT * FROM wish WHERE state = 'open' AND (project = '' OR (project = ? AND service = ?))
ORDER BY number LIMIT 1
"""
PATH: Final = "/evaluation/rated"
OPINIONS: Final = (  # share, satisfaction, tags, words
    (0.60, "5", "510,517", "办得很快，工作人员热情。"), (0.20, "4", "510", ""), (0.10, "3", "", ""),
    (0.07, "2", "101", "等候时间较长。"), (0.03, "1", "102,103", "要求提供指南之外的材料。"),
)  # fmt: skip
BOUNDS: Final = tuple(accumulate(row[0] for row in OPINIONS))
CHANNELS: Final = ("pc", "app", "ewm", "pad", "zd", "12345", "sms")
Rating = dict[str, object]


@dataclass(frozen=True)
class Habit:
    """How often and how late (seconds) citizens rate by themselves."""

    seed: int
    every: int  # every n-th service recorded; 0 = none
    delay: float

    def rates(self, number: int) -> bool:
        """Whether the n-th service recorded here is rated."""
        return self.every > 0 and (number + self.seed) % self.every == 0

    def opinion(self, key: str) -> Wish:
        """What is thought of a service."""
        point, way = draw(self.seed, "opinion", key), draw(self.seed, "channel", key)
        _, satisfaction, tags, words = OPINIONS[min(bisect(BOUNDS, point), len(OPINIONS) - 1)]
        given = {"evalDetail": tags, "writingEvaluation": words}
        return Wish.model_validate(
            {"satisfaction": satisfaction, "pf": CHANNELS[int(way * len(CHANNELS))]}
            | {name: value for name, value in given.items() if value}
        )


class Raters(Worker):
    """Pushes each rating when it is due, of the service as it is recorded then."""

    def __init__(
        self, record: Record, faults: Faults, callbacks: Callbacks, clock: Clock, business: Clock,
        habit: Habit, app: str, secret: str,
    ) -> None:  # fmt: skip
        """`clock` times the ratings, `business` is written on them."""
        super().__init__("raters", record, faults, clock, QUERIES)
        self._callbacks, self._business, self._habit = callbacks, business, habit
        self._app, self._secret = app, secret

    def operation(self, row: sqlite3.Row) -> str:
        return ""

    def recorded(
        self, db: sqlite3.Connection, service: sqlite3.Row, *, new: bool, concluded: bool
    ) -> int | None:
        """After a service record; the call that rates it if one has to come before the answer's."""
        key = (service["project"], service["service"])
        row = db.execute(OPEN, key).fetchone() if concluded else None
        if row is not None:
            after = Wish.model_validate_json(row["wish"]).afterMs / 1000
            db.execute(
                "UPDATE wish SET project = ?, service = ?, due = ?, state = 'waiting' WHERE number = ?",
                (*key, self.clock() + after, row["number"]),
            )
        elif new and self._habit.rates(service["number"]):
            self.plan(db, *key, self._habit.opinion(f"{key[0]}/{key[1]}"), self._habit.delay)
        if not service["assess_no"] and self.faults.take("service_record", "callback_before_reply"):
            return self._rate(db, service, self._habit.opinion(f"{key[0]}/{key[1]}"))
        return None

    def plan(
        self, db: sqlite3.Connection, project: str, service: int, wish: Wish, after: float | None
    ) -> None:
        """A rating to come `after` seconds, or (None) once the service is concluded."""
        due, state = (None, "open") if after is None else (self.clock() + after, "waiting")
        row = (project, service, wish.model_dump_json(exclude_unset=True), due, state)
        db.execute("INSERT INTO wish (project, service, wish, due, state) VALUES (?, ?, ?, ?, ?)", row)

    def work(self, row: sqlite3.Row) -> None:
        with self.record.work() as db:
            db.execute("UPDATE wish SET state = 'done' WHERE number = ?", (row["number"],))
            key = (row["project"], row["service"])
            service = db.execute("SELECT * FROM service WHERE project = ? AND service = ?", key).fetchone()
            if service is not None and not service["assess_no"]:
                self._rate(db, service, Wish.model_validate_json(row["wish"]))
        self._callbacks.wake()

    def _rate(self, db: sqlite3.Connection, service: sqlite3.Row, wish: Wish) -> int:
        name = f"PJ{compact(self._business())}-{service['number']:06d}"
        db.execute("UPDATE service SET assess_no = ? WHERE number = ?", (name, service["number"]))
        params = json.loads(service["params"])
        rating = self._rating(name, params, wish)
        if self.faults.take("rated", "unknown_service"):
            rating["serviceNumber"] = params["serviceNumber"] + 900
        job = self._push(db, rating)
        if self.faults.take("rated", "second_rating"):
            other = {"satisfaction": "1" if wish.satisfaction != "1" else "5"}
            self._push(db, rating | other | {"assessNo": f"{name}-2"}, delay=0.3)
        return job

    def _rating(self, name: str, params: Mapping[str, Any], wish: Wish) -> Rating:
        more = {"evalDetail": wish.evalDetail, "writingEvaluation": wish.writingEvaluation}
        same = {key: params[key] for key in ("projectNo", "serviceNumber", "taskCode", "areaCode")}
        plain = {"satisfaction": wish.satisfaction, "pf": wish.pf, "assessTime": dashed(self._business())}
        return {"assessNo": name, **same, **plain, **{key: text for key, text in more.items() if text}}

    def _push(self, db: sqlite3.Connection, rating: Rating, delay: float = 0.0) -> int:
        name, case = str(rating["assessNo"]), str(rating["projectNo"]).removeprefix(PROVINCE)
        time = compact(self._business())
        body = strictjson.write(signed(self._app, time, rating, self._secret))
        note = Note("rated", name, case, strictjson.digest(rating))
        return self._callbacks.schedule(db, "rated", PATH, body, [note], delay)
