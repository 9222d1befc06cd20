"""What the archive holds: packages offered, their results, archive numbers and versions (contract §1, §4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

from mocks.partners.archive_finding import HELD, Finding
from mocks.partners.archive_form import MODIFIED, ORIGINAL

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS offer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reqid TEXT NOT NULL UNIQUE, unitcode TEXT NOT NULL, fileno TEXT NOT NULL, content TEXT NOT NULL,
  request TEXT NOT NULL, late REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', attempt INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  message_id TEXT NOT NULL, retcode TEXT NOT NULL DEFAULT '', result BLOB);
CREATE INDEX IF NOT EXISTS offer_due ON offer (state, due);
CREATE INDEX IF NOT EXISTS offer_file ON offer (unitcode, fileno, id);
CREATE TABLE IF NOT EXISTS holding (
  unitcode TEXT NOT NULL, fileno TEXT NOT NULL, version INTEGER NOT NULL, offer INTEGER NOT NULL UNIQUE,
  archive_no TEXT NOT NULL, PRIMARY KEY (unitcode, fileno, version)) WITHOUT ROWID;
"""
DIGITS: Final = 6


def succession(db: sqlite3.Connection, offer: sqlite3.Row, kind: str) -> Iterator[Finding]:
    """1-2-2: an 原始型 is the first of its file number, a 修改型 never is.

    An 原始型 is refused also after a result other than 200: what is offered then is a 修改型 (§1).
    """
    key = (offer["unitcode"], offer["fileno"])
    held = db.execute("SELECT 1 FROM holding WHERE unitcode = ? AND fileno = ?", key).fetchone()
    earlier = db.execute(
        "SELECT count(*) AS offered, count(nullif(retcode, '')) AS answered FROM offer"
        " WHERE unitcode = ? AND fileno = ? AND id < ?",
        (*key, offer["id"]),
    ).fetchone()
    if kind == ORIGINAL and held:
        yield Finding(HELD, "fileno is held already")
    elif kind == ORIGINAL and earlier["answered"]:
        yield Finding(HELD, "a package offered again is a 修改型")
    elif kind == MODIFIED and not earlier["offered"]:
        yield Finding(HELD, "fileno was never offered before")


def hold(db: sqlite3.Connection, offer: int, request: Mapping[str, object]) -> str:
    """档号 of a package that is archived now; a further version keeps that of the first."""
    key = (request["unitcode"], request["fileno"])
    last = db.execute(
        "SELECT version, archive_no FROM holding WHERE unitcode = ? AND fileno = ?"
        " ORDER BY version DESC LIMIT 1",
        key,
    ).fetchone()
    version, number = (1, _next_number(db, request)) if last is None else (last[0] + 1, str(last[1]))
    db.execute("INSERT INTO holding VALUES (?, ?, ?, ?, ?)", (*key, version, offer, number))
    return number


def _next_number(db: sqlite3.Connection, request: Mapping[str, object]) -> str:
    """全宗号-门类·年度-保管期限-number of six digits."""
    start = f"{request['unitcode']}-{request['libcode']}·{request['year']}-{request['retention']}-"
    taken = db.execute(
        "SELECT count(DISTINCT archive_no) FROM holding WHERE substr(archive_no, 1, ?) = ?",
        (len(start), start),
    ).fetchone()[0]
    return f"{start}{taken + 1:0{DIGITS}d}"
