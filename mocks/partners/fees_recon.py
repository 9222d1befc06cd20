"""The bank's reconciliation file of a day: lines, faults, and the flag with the seal, into a drop folder."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from mocks.partners.common.clock import OwnClock, compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.jws import Signer
from mocks.partners.common.record import Record
from mocks.partners.fees_calendar import at_bank
from mocks.partners.fees_store import REVERSED, Movement, movements, yuan

NAME: Final = "reconciliation"
REGION: Final = "441400"
STALE: Final = 8 * 86400  # seconds; the hub takes seven days
FAULTS: Final = frozenset({
    "missing_line", "extra_line", "wrong_amount", "wrong_count", "wrong_sum", "duplicate_line", "truncated",
    "no_flag", "same_name", "stale", "sig_bad", "clock_skew_s", "bom",
})  # fmt: skip
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS reconciled (
  day TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY (day, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opened (day TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class NoFolder(Exception):
    """The file cannot be put anywhere; the text says why."""


@dataclass(frozen=True)
class Line:
    """One movement as the file tells it; amounts are fen."""

    notice: str
    serial: str
    kind: int
    amount: int
    overdue: int
    at: str
    bank: str

    def text(self) -> str:
        """Columns by |."""
        columns = (self.notice, self.serial, str(self.kind), yuan(self.amount), yuan(self.overdue), self.at)
        return "|".join((*columns, self.bank))

    def worth(self) -> int:
        """What it adds to the sum."""
        both = self.amount + self.overdue
        return -both if self.kind == REVERSED else both


def signed_yuan(fen: int) -> str:
    """Two decimals, perhaps negative."""
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def file_text(lines: Sequence[Line], count: int = 0, more: int = 0) -> str:
    """First line and lines; `count` and `more` make the first line wrong by so much."""
    total = sum(line.worth() for line in lines) + more
    rows = [f"{len(lines) + count}|{signed_yuan(total)}", *(line.text() for line in lines)]
    return "".join(f"{row}\n" for row in rows)


def line_of(movement: Movement, bank: str) -> Line:
    """A reversal's amount is that of its notice to the hub: surcharge included."""
    amount, overdue = movement.amount, movement.overdue
    if movement.kind == REVERSED:
        amount, overdue = amount + overdue, 0
    return Line(
        movement.number, movement.serial, movement.kind, amount, overdue, compact(movement.at), bank
    )  # fmt: skip


@dataclass(frozen=True)
class Reconciliation:
    """Makes the files; what was made is in the record, so that a restart goes on."""

    record: Record
    clock: OwnClock
    signer: Signer
    faults: Faults
    bank: str
    folder: Path | None

    def catch_up(self) -> None:
        """The files of all days that are over and have none."""
        if self.folder is None:
            return
        today, day = at_bank(self.clock()).date(), self._first_open()
        while day < today:
            self.make(day)
            day += timedelta(days=1)

    def _first_open(self) -> date:
        """The day after the last that has a file, at first the day of the first start."""
        today = at_bank(self.clock()).date()
        with self.record.work() as db:
            last = db.execute("SELECT max(day) FROM reconciled").fetchone()[0]
            db.execute(
                "INSERT INTO opened SELECT ? WHERE NOT EXISTS (SELECT 1 FROM opened)", (today.isoformat(),)
            )
            opened = db.execute("SELECT day FROM opened").fetchone()[0]
        first = date.fromisoformat(opened)
        return first if last is None else max(first, date.fromisoformat(last) + timedelta(days=1))

    def make(self, day: date) -> dict[str, object]:
        """Writes the file of a day, and its flag last; a further one of the same day is a corrected one."""
        if self.folder is None or not self.folder.is_dir():
            raise NoFolder("drop_folder is not set, or is no folder")
        with self.record.work() as db:
            return self._made(self.folder, db, day)

    def _made(self, folder: Path, db: sqlite3.Connection, day: date) -> dict[str, object]:
        """Put there, then written down: a kill between the two makes the same file again."""
        made = db.execute("SELECT count(*) FROM reconciled WHERE day = ?", (day.isoformat(),)).fetchone()[0]
        lines = [line_of(one, self.bank) for one in movements(db, day)]
        acted = [name for name in sorted(FAULTS - {"clock_skew_s"}) if self.faults.take(NAME, name)]
        number = 1 if "same_name" in acted else made + 1
        name = f"RECON_{REGION}_{day:%Y%m%d}{'' if number == 1 else f'_{number}'}.txt"
        body = self._body(self._changed(lines, acted, day), acted)
        self._put(folder, name, body, acted)
        digest = hashlib.sha256(body).hexdigest()
        db.execute("INSERT INTO reconciled VALUES (?, ?, ?, ?)", (day.isoformat(), made + 1, name, digest))
        self.record.note("sent", NAME, name, body, "dropped", accepted=True)
        return {"file": name, "lines": len(lines), "faults": acted}

    def _changed(self, lines: Sequence[Line], acted: Sequence[str], day: date) -> list[Line]:
        """What the faults of whole lines make of the day; the first line agrees with it."""
        changed = list(lines)
        if "missing_line" in acted:
            changed = changed[:-1]
        if "wrong_amount" in acted and changed:
            changed[0] = replace(changed[0], amount=changed[0].amount + 1)
        if "duplicate_line" in acted:
            changed += changed[-1:]
        if "extra_line" in acted:
            changed.append(_unheard(day, self.bank))
        return changed

    def _body(self, lines: Sequence[Line], acted: Sequence[str]) -> bytes:
        text = file_text(lines, int("wrong_count" in acted), int("wrong_sum" in acted))
        body = text.encode("gb18030")
        if "truncated" in acted:
            body = body[: len(body) - 10] if lines else body[:-1]
        return b"\xef\xbb\xbf" + body if "bom" in acted else body

    def _put(self, folder: Path, name: str, body: bytes, acted: Sequence[str]) -> None:
        """Each file appears whole, the flag after what it stands for."""
        seal = self.signer.sign(
            body, {"file": name}, age=(STALE if "stale" in acted else 0) - round(self.faults.skew(NAME)),
            spoil="sig_bad" in acted,
        )  # fmt: skip
        _appear(folder / name, body)
        if "no_flag" not in acted:
            _appear(folder / f"{name}.ok", f"{seal}\n".encode())


def _unheard(day: date, bank: str) -> Line:
    """A payment nobody was told of, in the last second of the day."""
    return Line(
        f"{REGION}{day:%y%m%d}99999990", f"ZF{day:%Y%m%d}9999999999", 1, 100, 0, f"{day:%Y%m%d}235959", bank
    )


def _appear(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise NoFolder(f"drop_folder: {error.strerror}") from error
