"""Parcels on their way: the van does one step after another, each pushed to the hub as a track."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import draw
from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.worker import Queries, Worker

COLLECTED, MOVING, DELIVERING, SIGNED, RETURNED, LOST = "10", "20", "30", "40", "50", "60"
SCHEMA = """
CREATE TABLE IF NOT EXISTS parcel (
  number INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL UNIQUE, waybill TEXT NOT NULL UNIQUE,
  case_no TEXT NOT NULL, town TEXT NOT NULL, receiver TEXT NOT NULL, steps TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, state TEXT NOT NULL DEFAULT 'waiting');
CREATE INDEX IF NOT EXISTS parcel_due ON parcel (state, due);
CREATE TABLE IF NOT EXISTS track (
  trace TEXT PRIMARY KEY, waybill TEXT NOT NULL, job INTEGER NOT NULL, body TEXT NOT NULL);
"""
QUERIES = Queries(
    "SELECT * FROM parcel WHERE state = 'waiting' AND due <= ? ORDER BY due, number LIMIT 1",
    "SELECT min(due) FROM parcel WHERE state = 'waiting'",
    "UPDATE parcel SET due = ? WHERE number = ?",
    "number",
)
STILL: Final = "SELECT * FROM parcel WHERE number = ? AND done = ? AND state = 'waiting'"
PLACES: Final = {
    COLLECTED: "揽收网点", MOVING: "处理中心", DELIVERING: "投递部", SIGNED: "投递部", RETURNED: "处理中心",
    LOST: "处理中心",
}  # fmt: skip
SERVICE: Final = "EM"
WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)  # UPU S10


def waybill(serial: int) -> str:
    """Two letters, eight digits and their check digit (UPU S10), CN."""
    digits = f"{serial % 10**8:08d}"
    rest = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11
    return f"{SERVICE}{digits}{ {0: 5, 1: 0}.get(rest, 11 - rest) }CN"


def way(seed: int, order_id: str) -> str:
    """The steps of a parcel that arrives: one to three times in transit."""
    moves = 1 + int(draw(seed, "moves", order_id) * 3)
    return ",".join((COLLECTED, *[MOVING] * moves, DELIVERING, SIGNED))


def ending(steps: Sequence[str], done: int, end: str) -> str:
    """The steps of a parcel that ends otherwise after what was done."""
    before = list(steps[:done]) or [COLLECTED]
    return ",".join([*before, end])


@dataclass(frozen=True)
class Terminal:
    """The carriers' hand terminals: shares (0 to 1) of tracks doubled, of clocks ahead and behind."""

    seed: int
    step: float
    twice: float
    ahead: float
    behind: float

    def shift(self, trace: str) -> float:
        """Seconds by which the terminal's time is off: up to two minutes ahead, or up to ten behind."""
        point, far = draw(self.seed, "terminal", trace), draw(self.seed, "far", trace)
        if point < self.ahead:
            return 120 * far
        return -600 * far if point < self.ahead + self.behind else 0.0

    def signer(self, receiver: str, trace: str) -> str:
        """What is written at the door."""
        point = draw(self.seed, "signer", trace)
        return "本人" if point < 0.6 else "门卫" if point < 0.8 else f"{receiver[:1]}某（家属）"


class Van(Worker):
    """Moves every parcel one step when it is due."""

    def __init__(
        self, record: Record, faults: Faults, callbacks: Callbacks, clock: Clock, business: Clock,
        plan: Terminal,
    ) -> None:  # fmt: skip
        """`clock` times the steps, `business` is written on them."""
        super().__init__("van", record, faults, clock, QUERIES)
        self._callbacks, self._business, self._plan = callbacks, business, plan

    def operation(self, row: sqlite3.Row) -> str:
        return ""

    def work(self, row: sqlite3.Row) -> None:
        with self.record.work() as db:
            now = db.execute(STILL, (row["number"], row["done"])).fetchone()
            if now is not None:  # else cancelled, or moved meanwhile
                self.move(db, now)
        self._callbacks.wake()

    def move(self, db: sqlite3.Connection, row: sqlite3.Row, delay: float = 0.0) -> int:
        """One step; the number of the call that says so (`delay` seconds later)."""
        steps, done = row["steps"].split(","), int(row["done"])
        track = self._track(row, steps[done], done)
        job = self._say(db, row, track, delay)
        if draw(self._plan.seed, "twice", track["traceNo"]) < self._plan.twice:
            self._say(db, row, track, delay + 0.05)
        body = strictjson.write(track).decode()
        db.execute("INSERT INTO track VALUES (?, ?, ?, ?)", (track["traceNo"], row["waybill"], job, body))
        state = "done" if done + 1 == len(steps) else "waiting"
        due = max(float(row["due"]), self.clock() - self._plan.step) + self._plan.step
        db.execute(
            "UPDATE parcel SET done = ?, due = ?, state = ? WHERE number = ?",
            (done + 1, due, state, row["number"]),
        )
        return job

    def _track(self, row: sqlite3.Row, code: str, done: int) -> dict[str, str]:
        trace = f"{row['waybill']}-{done + 1:02d}"
        at = compact(self._business() + self._plan.shift(trace))
        signer = {"signer": self._plan.signer(row["receiver"], trace)} if code == SIGNED else {}
        place = f"{row['town']}{PLACES[code]}"
        return {
            "traceNo": trace,
            "waybillNo": row["waybill"],
            "opCode": code,
            "opTime": at,
            "opPlace": place,
        } | signer

    def _say(self, db: sqlite3.Connection, row: sqlite3.Row, track: dict[str, str], delay: float) -> int:
        note = Note("track", track["traceNo"], row["case_no"])
        body = strictjson.write(track)
        return self._callbacks.schedule(db, "track", "/logistics/track", body, [note], delay)


def pushed(db: sqlite3.Connection, number: str) -> list[dict[str, object]]:
    """The tracks of a waybill the hub was told, oldest first."""
    rows = db.execute(
        "SELECT track.body AS body FROM track JOIN callback ON callback.id = track.job"
        " WHERE waybill = ? AND (attempt > 0 OR callback.state <> 'waiting') ORDER BY track.rowid",
        (number,),
    )
    return [strictjson.read_object(row["body"].encode()) for row in rows]
