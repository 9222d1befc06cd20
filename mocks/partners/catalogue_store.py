"""The catalogue's numbered changes, its reports and the answers given, in the program's record."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mocks.partners.catalogue_items import Item
from mocks.partners.common.record import Record

FIRST_VERSION: Final = 1024
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS change (
  version INTEGER NOT NULL, seq INTEGER NOT NULL, op TEXT NOT NULL CHECK (op IN ('I', 'U', 'D')),
  task_code TEXT NOT NULL, task_version INTEGER NOT NULL, region TEXT NOT NULL, item TEXT NOT NULL,
  PRIMARY KEY (version, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS change_task ON change (task_code, version, seq);
CREATE TABLE IF NOT EXISTS answered (
  call_id TEXT PRIMARY KEY, digest TEXT NOT NULL, result BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
  id TEXT PRIMARY KEY, digest TEXT NOT NULL, rows TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finding (
  batch TEXT NOT NULL, guid TEXT NOT NULL, err_type TEXT NOT NULL, table_name TEXT NOT NULL,
  msg TEXT NOT NULL);
"""
_REGION: Final = "substr(region, 1, :length) = :prefix"
_SINCE: Final = f"SELECT * FROM change WHERE version > :since AND version <= :to AND {_REGION}"  # noqa: S608  # constants
_ALL: Final = f"""
SELECT * FROM change AS c WHERE version <= :to AND op <> 'D' AND {_REGION} AND NOT EXISTS (
  SELECT 1 FROM change AS d WHERE d.task_code = c.task_code AND d.version <= :to
  AND (d.version, d.seq) > (c.version, c.seq))
"""  # noqa: S608  # constants
_CURSOR = re.compile(r"(\d{1,12})/(\d{12})/(\d{1,12})/(\d{1,9})", re.ASCII)


class BadCursor(ValueError):
    """Not a cursor that this catalogue gave for this question."""


@dataclass(frozen=True)
class Change:
    """One line of an increment; of a D only the key columns count."""

    op: str
    item: Item


@dataclass(frozen=True)
class Page:
    """Part of an increment up to `to_version`; `next` is empty on the last page."""

    total: int
    next: str
    to_version: int
    changes: Sequence[Change]


@dataclass(frozen=True)
class Question:
    """What is asked: changes after `since` (0: everything in force) at and under `region`."""

    since: int
    region: str


class Catalogue:
    """Every write is one transaction of the record."""

    def __init__(self, record: Record, first: Iterable[Item]) -> None:
        """Loads `first` as version 1024 unless the record holds a catalogue already."""
        self._record = record
        with record.work() as db:
            if db.execute("SELECT 1 FROM change LIMIT 1").fetchone() is None:
                self._write(db, FIRST_VERSION, [Change("I", item) for item in first])

    def version(self) -> int:
        """The newest version."""
        with self._record.work() as db:
            return int(db.execute("SELECT max(version) FROM change").fetchone()[0])

    def append(self, changes: Sequence[Change]) -> int:
        """One new version with these changes."""
        with self._record.work() as db:
            version = self.version() + 1
            self._write(db, version, changes)
        return version

    def _write(self, db: sqlite3.Connection, version: int, changes: Sequence[Change]) -> None:
        rows = [
            (version, seq, change.op, change.item["TASK_CODE"], int(change.item["TASK_VERSION"]),
             change.item["REGION_CODE"], json.dumps(change.item, ensure_ascii=False))
            for seq, change in enumerate(changes, 1)
        ]  # fmt: skip
        db.executemany("INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def latest(self, task_code: str) -> Change | None:
        """The last change of an item, a D too."""
        with self._record.work() as db:
            row = db.execute(
                "SELECT * FROM change WHERE task_code = ? ORDER BY version DESC, seq DESC LIMIT 1",
                (task_code,),
            ).fetchone()
        return None if row is None else _change(row)

    def item(self, task_code: str, task_version: int | None) -> Item | None:
        """An item in force, or one of its versions by number."""
        newest = self.latest(task_code)
        if task_version is None:
            return None if newest is None or newest.op == "D" else newest.item
        with self._record.work() as db:
            row = db.execute(
                "SELECT * FROM change WHERE task_code = ? AND task_version = ? AND op <> 'D'"
                " ORDER BY version DESC, seq DESC LIMIT 1",
                (task_code, task_version),
            ).fetchone()
        return None if row is None else _change(row).item

    def page(self, question: Question, size: int, cursor: str, shift: int = 0) -> Page:
        """A page; a cursor keeps to the version at which its first page was read.

        `shift`: entries by which a following page begins too early.
        """
        to, offset = _read_cursor(cursor, question) if cursor else (self.version(), 0)
        offset = max(0, offset - shift) if cursor else 0
        prefix = _prefix(question.region)
        bound = {"since": question.since, "to": to, "prefix": prefix, "length": len(prefix)}
        query = _SINCE if question.since else _ALL
        with self._record.work() as db:
            total = int(db.execute(f"SELECT count(*) FROM ({query})", bound).fetchone()[0])  # noqa: S608  # constants
            rows = db.execute(
                f"{query} ORDER BY version, seq LIMIT :size OFFSET :offset",
                bound | {"size": size, "offset": offset},
            ).fetchall()
        more = _write_cursor(question, to, offset + size) if offset + size < total else ""
        return Page(total, more, to, [_change(row, everything=not question.since) for row in rows])

    def answered(self, call_id: str) -> tuple[str, str] | None:
        """Digest of the body and the result that a callId was answered with."""
        with self._record.work() as db:
            row = db.execute("SELECT * FROM answered WHERE call_id = ?", (call_id,)).fetchone()
        return None if row is None else (row["digest"], zlib.decompress(row["result"]).decode())

    def remember(self, call_id: str, digest: str, result: str) -> None:
        """Keeps an answer for the same call."""
        with self._record.work() as db:
            row = (call_id, digest, zlib.compress(result.encode(), 1))
            db.execute("INSERT INTO answered VALUES (?, ?, ?)", row)

    def batch(self, batch_id: str) -> tuple[str, list[list[str]]] | None:
        """Digest and row answers of a report."""
        with self._record.work() as db:
            row = db.execute("SELECT * FROM batch WHERE id = ?", (batch_id,)).fetchone()
        return None if row is None else (row["digest"], json.loads(row["rows"]))

    def keep_batch(
        self, batch_id: str, digest: str, rows: Sequence[Sequence[str]], findings: Sequence[Sequence[str]]
    ) -> None:
        """A report with the answers to its rows and what the audit found in them."""
        with self._record.work() as db:
            text = json.dumps(rows, ensure_ascii=False)
            db.execute("INSERT INTO batch VALUES (?, ?, ?)", (batch_id, digest, text))
            db.executemany(
                "INSERT INTO finding VALUES (?, ?, ?, ?, ?)", [(batch_id, *line) for line in findings]
            )

    def findings(self, batch_id: str) -> list[tuple[str, ...]]:
        """guid, err_type, table_name, msg of a report."""
        with self._record.work() as db:
            rows = db.execute(
                "SELECT guid, err_type, table_name, msg FROM finding WHERE batch = ?", (batch_id,)
            )
            return [tuple(row) for row in rows]


def _change(row: sqlite3.Row, *, everything: bool = False) -> Change:
    return Change("I" if everything else row["op"], json.loads(row["item"]))


def _prefix(region: str) -> str:
    """What every region at or under `region` begins with: 4 digits city, 6 county, 9 town, 12 village."""
    for zeros, length in (("0" * 8, 4), ("0" * 6, 6), ("0" * 3, 9)):
        if region.endswith(zeros):
            return region[:length]
    return region


def _write_cursor(question: Question, to: int, offset: int) -> str:
    text = f"{question.since}/{question.region}/{to}/{offset}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, question: Question) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError) as error:
        raise BadCursor(cursor) from error
    match = _CURSOR.fullmatch(text)
    if match is None or (int(match[1]), match[2]) != (question.since, question.region):
        raise BadCursor(cursor)
    return int(match[3]), int(match[4])
