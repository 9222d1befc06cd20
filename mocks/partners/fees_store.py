"""Notices, payments and refunds of the fee system: the states and who may change them. Amounts are fen."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from mocks.partners.common.clock import BEIJING, Clock, compact
from mocks.partners.common.record import Record
from mocks.partners.fees_calendar import at_bank, surcharge

UNPAID, PAID, CANCELLED = 0, 1, 2
PAYMENT, REVERSED = 1, 2
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS notice (
  id INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL UNIQUE, case_no TEXT NOT NULL,
  total INTEGER NOT NULL, chk TEXT NOT NULL, everything TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, pay_at REAL NOT NULL,
  serial TEXT NOT NULL DEFAULT '', paid_at REAL, overdue INTEGER NOT NULL DEFAULT 0, job INTEGER,
  confirmed INTEGER NOT NULL DEFAULT 0, refunded INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS notice_unpaid ON notice (pay_at) WHERE state = 0;
CREATE TABLE IF NOT EXISTS refund (
  serial TEXT PRIMARY KEY, number TEXT NOT NULL, amount INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
  msg_id TEXT PRIMARY KEY, digest TEXT NOT NULL, fields TEXT NOT NULL, notice INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS due (number TEXT PRIMARY KEY, day TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movement (
  id INTEGER PRIMARY KEY AUTOINCREMENT, serial TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,
  number TEXT NOT NULL, amount INTEGER NOT NULL, overdue INTEGER NOT NULL, at REAL NOT NULL,
  original TEXT NOT NULL DEFAULT '', reverse_at REAL);
CREATE INDEX IF NOT EXISTS movement_at ON movement (at);
CREATE INDEX IF NOT EXISTS movement_reverse ON movement (reverse_at) WHERE reverse_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS basis (code TEXT PRIMARY KEY, amount TEXT NOT NULL) WITHOUT ROWID;
"""


class RuleBroken(Exception):
    """A rule of the fee system; `code` is the answer's CODE."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(msg)
        self.code = code


@dataclass(frozen=True)
class Notice:
    """One payment notice as it stands."""

    id: int
    number: str
    case_no: str
    total: int
    chk: str
    everything: str
    state: int
    serial: str
    paid_at: float | None
    overdue: int
    job: int | None
    confirmed: bool
    refunded: int


@dataclass(frozen=True)
class Movement:
    """Money that came (kind 1) or was taken back (2); `original` is the serial of the payment taken back."""

    serial: str
    kind: int
    number: str
    amount: int
    overdue: int
    at: float
    original: str


def movements(db: sqlite3.Connection, day: date) -> list[Movement]:
    """Of one day of the bank, by the second."""
    first = datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp()
    rows = db.execute(
        "SELECT serial, kind, number, amount, overdue, at, original FROM movement"
        " WHERE at >= ? AND at < ? ORDER BY CAST(at AS INTEGER), id",
        (first, first + 86400),
    )
    return [Movement(*row) for row in rows]


def yuan(fen: int) -> str:
    """Two decimals."""
    return f"{fen // 100}.{fen % 100:02d}"


def fen(amount: str) -> int:
    """Of a text with exactly two decimals."""
    return int(amount.replace(".", ""))


def notice_number(serial: int, now: float) -> str:
    """20 digits: division, day, serial, and a last digit that makes the weighted sum a multiple of ten."""
    digits = f"441400{compact(now)[2:8]}{serial % 10**7:07d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def check_number(text: str, digits: int) -> str:
    """A check number of so many digits."""
    return str(int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10**digits).zfill(digits)


class Notices:
    """Every change is one transaction of the record."""

    def __init__(
        self, record: Record, clock: Clock, pay_delay: float, reverse_every: int = 0, reverse_delay: float = 0
    ) -> None:  # fmt: skip
        """`pay_delay`: seconds after which the bank pays a notice by itself; `reverse_every`: it takes back
        each so many-th payment `reverse_delay` seconds later (0: none), of one notice one.
        """
        self._record, self._clock, self._pay_delay = record, clock, pay_delay
        self._reverse_every, self._reverse_delay = reverse_every, reverse_delay

    def create(self, case_no: str, total: int, due: str) -> Notice:
        """A new unpaid notice; `due` is yyyyMMdd."""
        now = self._clock()
        with self._record.work() as db:
            row = db.execute("SELECT coalesce(max(id), 0) + 1 FROM notice").fetchone()
            number = notice_number(row[0], now)
            values = (
                number, case_no, total, check_number(number, 4),
                check_number(f"{number}|{case_no}|{total}", 8), now + self._pay_delay,
            )  # fmt: skip
            db.execute(
                "INSERT INTO notice (number, case_no, total, chk, everything, pay_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            db.execute("INSERT INTO due VALUES (?, ?)", (number, due))
        return self.named(number)

    def named(self, number: str) -> Notice:
        """The notice; code 900010 if there is none."""
        with self._record.work() as db:
            row = db.execute("SELECT * FROM notice WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise RuleBroken("900010", "没有这张缴款通知书")
        return _notice(row)

    def numbered(self, id: int) -> Notice:
        """The notice of a row number that was given out."""
        with self._record.work() as db:
            return _notice(db.execute("SELECT * FROM notice WHERE id = ?", (id,)).fetchone())

    def all(self) -> list[Notice]:
        """Oldest first."""
        with self._record.work() as db:
            return [_notice(row) for row in db.execute("SELECT * FROM notice ORDER BY id")]

    def due(self) -> tuple[Sequence[Notice], float | None]:
        """Unpaid notices the bank pays now, and the second at which the next one falls due."""
        now = self._clock()
        with self._record.work() as db:
            rows = db.execute(
                "SELECT * FROM notice WHERE state = 0 AND pay_at <= ? ORDER BY id", (now,)
            ).fetchall()
            after = db.execute(
                "SELECT min(pay_at) FROM notice WHERE state = 0 AND pay_at > ?", (now,)
            ).fetchone()[0]
        return [_notice(row) for row in rows], after

    def cancel(self, number: str) -> None:
        """Only an unpaid notice."""
        with self._record.work() as db:
            self._require(self.named(number).state == UNPAID)
            db.execute("UPDATE notice SET state = 2 WHERE number = ?", (number,))

    def pay(self, db: sqlite3.Connection, number: str, overdue: int | None = None) -> Notice:
        """The bank has the money; once until it is taken back. Inside the caller's transaction.

        `overdue`: the surcharge in fen; None is that of the contract.
        """
        notice = self.named(number)
        self._require(notice.state == UNPAID)
        now = self._clock()
        if overdue is None:
            due = db.execute("SELECT day FROM due WHERE number = ?", (number,)).fetchone()
            overdue = 0 if due is None else surcharge(notice.total, due["day"], now)
        serial = self._move(db, "ZF", Movement("", PAYMENT, number, notice.total, overdue, now, ""))
        db.execute(
            "UPDATE notice SET state = 1, serial = ?, paid_at = ?, overdue = ? WHERE id = ?",
            (serial, now, overdue, notice.id),
        )
        return self.named(number)

    def _move(self, db: sqlite3.Connection, prefix: str, movement: Movement) -> str:
        """Writes a movement down under a new serial, and when the bank takes it back by itself."""
        row = db.execute("SELECT coalesce(max(id), 0) + 1 FROM movement").fetchone()
        serial = f"{prefix}{compact(movement.at)}{row[0]:010d}"
        db.execute(
            "INSERT INTO movement (serial, kind, number, amount, overdue, at, original, reverse_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                serial, movement.kind, movement.number, movement.amount, movement.overdue, movement.at,
                movement.original, self._reverse_at(db, movement),
            ),
        )  # fmt: skip
        return serial

    def _reverse_at(self, db: sqlite3.Connection, movement: Movement) -> float | None:
        if movement.kind != PAYMENT or not self._reverse_every:
            return None
        query = "SELECT count(*) AS paid, coalesce(sum(number = ?), 0) AS before FROM movement WHERE kind = 1"
        counted = db.execute(query, (movement.number,)).fetchone()
        chosen = (counted["paid"] + 1) % self._reverse_every == 0 and not counted["before"]
        return movement.at + self._reverse_delay if chosen else None

    def reverse(self, db: sqlite3.Connection, number: str) -> Movement:
        """The bank takes a payment back, whole, on its own day; the notice is unpaid again, not confirmed."""
        notice, now = self.named(number), self._clock()
        self._require(notice.state == PAID and not notice.refunded)
        paid = at_bank(notice.paid_at or 0).date()
        self._require(paid == at_bank(now).date())
        back = Movement("", REVERSED, number, notice.total, notice.overdue, now, notice.serial)
        serial = self._move(db, "CZ", back)
        db.execute("UPDATE movement SET reverse_at = NULL WHERE serial = ?", (notice.serial,))
        db.execute(
            "UPDATE notice SET state = 0, serial = '', paid_at = NULL, overdue = 0, confirmed = 0,"
            " job = NULL, pay_at = ? WHERE id = ?",
            (now + self._pay_delay, notice.id),
        )
        return replace(back, serial=serial)

    def to_reverse(self) -> list[str]:
        """Numbers of notices whose payment the bank takes back now."""
        with self._record.work() as db:
            query = "SELECT number FROM movement WHERE reverse_at <= ? ORDER BY id"
            return [row["number"] for row in db.execute(query, (self._clock(),))]

    def keep(self, number: str) -> None:
        """The bank does not take a payment back after all: it cannot any more."""
        with self._record.work() as db:
            db.execute("UPDATE movement SET reverse_at = NULL WHERE number = ?", (number,))

    def set_job(self, db: sqlite3.Connection, notice: Notice, job: int) -> None:
        """The callback that tells of the payment."""
        db.execute("UPDATE notice SET job = ? WHERE id = ?", (job, notice.id))

    def confirm(self, number: str, case_no: str) -> None:
        """The window's own act, once, after the payment."""
        with self._record.work() as db:
            notice = self.named(number)
            if notice.case_no != case_no:
                raise RuleBroken("900013", "CASENO 与缴款通知书不一致")
            self._require(notice.state == PAID and not notice.confirmed and notice.refunded < notice.total)
            db.execute("UPDATE notice SET confirmed = 1 WHERE id = ?", (notice.id,))

    def refund(self, number: str, amount: int) -> str:
        """The serial of a refund, all of them together at most what was paid."""
        with self._record.work() as db:
            notice = self.named(number)
            self._require(notice.state == PAID)
            if not 0 < amount <= notice.total - notice.refunded:
                raise RuleBroken("900013", "退款金额超过已缴金额")
            count = db.execute("SELECT count(*) FROM refund").fetchone()[0]
            serial = f"TF{compact(self._clock())}{count + 1:010d}"
            db.execute("INSERT INTO refund VALUES (?, ?, ?)", (serial, number, amount))
            db.execute("UPDATE notice SET refunded = refunded + ? WHERE id = ?", (amount, notice.id))
        return serial

    def _require(self, allowed: bool) -> None:
        if not allowed:
            raise RuleBroken("900011", "状态不允许")


def _notice(row: sqlite3.Row) -> Notice:
    names = (
        "id",
        "number",
        "case_no",
        "total",
        "chk",
        "everything",
        "state",
        "serial",
        "paid_at",
        "overdue",
        "job",
    )
    return Notice(
        **{name: row[name] for name in names}, confirmed=bool(row["confirmed"]), refunded=row["refunded"]
    )
