"""The first answer to a message id, given again to the same content (inside the partner's record)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from mocks.partners.common.strictjson import write

SCHEMA = """
CREATE TABLE IF NOT EXISTS first_answer (
  id TEXT PRIMARY KEY, content TEXT NOT NULL, code TEXT NOT NULL, accepted INTEGER NOT NULL,
  answer TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class First:
    """What was answered, and to what; `accepted`: the message counts as taken."""

    content: str
    code: str
    accepted: bool
    value: Mapping[str, object]


def first_answer(db: sqlite3.Connection, id: str, since: float) -> First | None:
    """The answer kept for an id, unless it is older than `since` (Unix seconds)."""
    row = db.execute("SELECT * FROM first_answer WHERE id = ? AND at >= ?", (id, since)).fetchone()
    if row is None:
        return None
    return First(row["content"], row["code"], bool(row["accepted"]), json.loads(row["answer"]))


def keep_answer(db: sqlite3.Connection, id: str, first: First, at: float) -> None:
    """Keeps an answer for its repeats; a later one under the same id takes its place."""
    row = (id, first.content, first.code, first.accepted, write(first.value).decode(), at)
    db.execute("INSERT OR REPLACE INTO first_answer VALUES (?, ?, ?, ?, ?, ?)", row)
