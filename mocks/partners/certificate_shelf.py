"""Where the library keeps its certificates, numbers and added types (inside the partner's record)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mocks.partners.certificate_data import Issue, Search
from mocks.partners.certificate_types import Catalogue, CertificateType, identifier
from mocks.partners.common import strictjson

SCHEMA = """
CREATE TABLE IF NOT EXISTS certificate (
  request_id TEXT PRIMARY KEY, content TEXT NOT NULL,
  identifier TEXT NOT NULL UNIQUE, number TEXT NOT NULL UNIQUE,
  data TEXT NOT NULL, status TEXT NOT NULL, sealed_at REAL NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS holder (
  code TEXT NOT NULL, type TEXT NOT NULL, request_id TEXT NOT NULL, PRIMARY KEY (code, type, request_id));
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS added_type (code TEXT PRIMARY KEY, type TEXT NOT NULL);
"""
ISSUED, PENDING, REVOKED = "ISSUED", "PENDING_SEAL", "REVOKED"
NEXT = """
INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value
"""
FIND = """
SELECT certificate.* FROM certificate JOIN holder USING (request_id)
WHERE holder.code = ? AND holder.type = ? AND sealed_at <= ? ORDER BY certificate.rowid
"""


@dataclass(frozen=True)
class Kept:
    """One certificate as it lies on the shelf; `status` is the one first answered."""

    content: str
    identifier: str
    number: str
    data: dict[str, Any]
    status: str
    sealed_at: float
    revoked: bool

    def answer(self) -> dict[str, object]:
        """The data of the issue answer, the same at every repeat."""
        return {"requestId": self.data["requestId"], **self.named(), "status": self.status}

    def named(self) -> dict[str, object]:
        """Identifier and number."""
        return {"certificateIdentifier": self.identifier, "certificateNumber": self.number}

    def status_at(self, now: float) -> str:
        """How it stands now."""
        if self.revoked:
            return REVOKED
        return ISSUED if self.sealed_at <= now else PENDING

    def listed(self, now: float) -> dict[str, object]:
        """Its line in a search answer; without an end of validity there is no validTo."""
        end = {"validTo": self.data["validTo"]} if "validTo" in self.data else {}
        return {
            "certificateIdentifier": self.identifier, "name": self.data["certificateName"],
            "number": self.number, "validFrom": self.data["validFrom"], **end, "status": self.status_at(now),
        }  # fmt: skip

    def record(self, now: float) -> dict[str, object]:
        """The catalogue record: as issued, with identifier, number, status and version."""
        return {**self.data, **self.named(), "status": self.status_at(now), "version": "001"}


def _kept(row: sqlite3.Row) -> Kept:
    return Kept(
        row["content"], row["identifier"], row["number"], json.loads(row["data"]), row["status"],
        row["sealed_at"], bool(row["revoked"]),
    )  # fmt: skip


class NumberUsed(Exception):
    """The next certificate number was taken before (status 301)."""


@dataclass(frozen=True)
class Shelf:
    """Reads and writes inside the caller's transaction."""

    catalogue: Catalogue
    used_numbers: frozenset[str]

    def type_of(self, db: sqlite3.Connection, code: str) -> CertificateType | None:
        """A type of the data file or one added since."""
        row = db.execute("SELECT type FROM added_type WHERE code = ?", (code,)).fetchone()
        if row is not None:
            return CertificateType.model_validate_json(row["type"])
        return next((kind for kind in self.catalogue.types if kind.typeCode == code), None)

    def add_type(self, db: sqlite3.Connection, kind: CertificateType) -> None:
        """Serves one more type from now on; the same code again replaces it."""
        db.execute("INSERT OR REPLACE INTO added_type VALUES (?, ?)", (kind.typeCode, kind.model_dump_json()))

    def by_request(self, db: sqlite3.Connection, request_id: str) -> Kept | None:
        """The certificate a request led to."""
        row = db.execute("SELECT * FROM certificate WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else _kept(row)

    def by_identifier(self, db: sqlite3.Connection, name: str) -> Kept | None:
        """The certificate of an identifier."""
        row = db.execute("SELECT * FROM certificate WHERE identifier = ?", (name,)).fetchone()
        return None if row is None else _kept(row)

    def find(self, db: sqlite3.Connection, search: Search, now: float) -> Sequence[Kept]:
        """Sealed certificates of a holder, expired ones too."""
        rows = db.execute(FIND, (search.holderCode, search.holderTypeCode, now)).fetchall()
        found = [_kept(row) for row in rows]
        return [
            kept for kept in found
            if search.certTypeCode in (None, kept.data["typeCode"]) and search.certNo in (None, kept.number)
        ]  # fmt: skip

    def put(self, db: sqlite3.Connection, issue: Issue, content: str, sealed_at: float, now: float) -> Kept:
        """A new certificate; NumberUsed if its number is taken (the next request gets the next one)."""
        year = issue.issueDate[:4]
        number = f"粤梅{year}{self._next(db, f'number {year}'):06d}"
        if number in self.used_numbers:
            raise NumberUsed
        serial = self._next(db, f"serial {issue.typeCode} {issue.issuer.code}")
        name = identifier(issue.typeCode, issue.issuer.code, serial)
        status, data = ISSUED if sealed_at <= now else PENDING, issue.model_dump(exclude_none=True)
        row = (issue.requestId, content, name, number, strictjson.write(data).decode(), status, sealed_at)
        db.execute("INSERT INTO certificate VALUES (?, ?, ?, ?, ?, ?, ?, 0)", row)
        holders = [(holder.code, holder.typeCode, issue.requestId) for holder in issue.holders]
        db.executemany("INSERT OR IGNORE INTO holder VALUES (?, ?, ?)", holders)
        return Kept(content, name, number, data, status, sealed_at, False)

    def revoke(self, db: sqlite3.Connection, name: str) -> bool:
        """Marks a certificate as revoked; False if there is none."""
        return db.execute("UPDATE certificate SET revoked = 1 WHERE identifier = ?", (name,)).rowcount == 1

    def _next(self, db: sqlite3.Connection, name: str) -> int:
        return int(db.execute(NEXT, (name,)).fetchone()["value"])
