"""Where the library keeps certificates in all their versions, numbers and standards (inside its record)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mocks.partners.certificate_data import Issue, Search
from mocks.partners.certificate_types import Catalogue, CertificateType, cannot_follow, identifier
from mocks.partners.certificate_words import HOLDER, Refused
from mocks.partners.common import strictjson
from mocks.partners.common.clock import compact

SCHEMA = """
CREATE TABLE IF NOT EXISTS edition (
  identifier TEXT PRIMARY KEY, number TEXT NOT NULL, version INTEGER NOT NULL, newest INTEGER NOT NULL,
  request_id TEXT NOT NULL UNIQUE, content TEXT NOT NULL, answer TEXT NOT NULL, data TEXT NOT NULL,
  standard TEXT NOT NULL, status TEXT NOT NULL, sealed_at REAL NOT NULL, UNIQUE (number, version));
CREATE TABLE IF NOT EXISTS bearer (
  code TEXT NOT NULL, type TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (code, type, number));
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS standard (
  code TEXT NOT NULL, major INTEGER NOT NULL, minor INTEGER NOT NULL, type TEXT NOT NULL,
  PRIMARY KEY (code, major, minor));
CREATE TABLE IF NOT EXISTS usage (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, account TEXT NOT NULL,
  case_no TEXT NOT NULL, purpose TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL);
"""
ISSUED, PENDING = "ISSUED", "PENDING_SEAL"
VALID, SUSPENDED, CANCELLED, EXPIRED, OTHERWISE = "01", "02", "04", "05", "99"
NEXT = """
INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value
"""
FIND = """
SELECT edition.* FROM edition JOIN bearer USING (number)
WHERE bearer.code = ? AND bearer.type = ? AND sealed_at <= ? ORDER BY edition.rowid
"""
PUT = "INSERT INTO edition VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Kept:
    """One version of a certificate; `status` by the national list, without expiry."""

    identifier: str
    number: str
    version: int
    newest: bool
    request_id: str
    content: str
    answer: dict[str, Any]  # to the request that made it, the same at every repeat
    data: dict[str, Any]
    standard: str
    status: str
    sealed_at: float

    @property
    def named(self) -> dict[str, object]:
        """Identifier and number."""
        return {"certificateIdentifier": self.identifier, "certificateNumber": self.number}

    @property
    def version_text(self) -> str:
        """Three digits."""
        return f"{self.version:03d}"

    def sealed(self, now: float) -> bool:
        """Whether its seal is there."""
        return self.sealed_at <= now

    def status_at(self, now: float) -> str:
        """How it stands now: an earlier version, or one without its seal, is 99."""
        if not self.newest or not self.sealed(now):
            return OTHERWISE
        over = self.data.get("validTo", "99999999") < compact(now)[:8]
        return EXPIRED if over and self.status in (VALID, SUSPENDED) else self.status

    def listed(self, now: float, holder: str, held_by: str) -> dict[str, object]:
        """Its line in a search answer; what there is not is left out."""
        names = [one["name"] for one in self.data["holders"] if one["code"] == holder]
        line = {
            "certificateIdentifier": self.identifier, "name": self.data["certificateName"],
            "number": self.number, "holderName": names[0], "validFrom": self.data["validFrom"],
            "validTo": self.data.get("validTo"), "status": self.status_at(now), "heldBy": held_by or None,
        }  # fmt: skip
        return {name: value for name, value in line.items() if value is not None}

    def record(self, now: float) -> dict[str, object]:
        """The catalogue record: as issued, with identifier, number, status and version."""
        return {**self.data, **self.named, "status": self.status_at(now), "version": self.version_text}


def _kept(row: sqlite3.Row) -> Kept:
    values = {name: row[name] for name in Kept.__dataclass_fields__}
    values |= {"newest": bool(row["newest"]), "answer": json.loads(row["answer"])}
    return Kept(**values | {"data": json.loads(row["data"])})


def next_name(old: Kept, version: int) -> str:
    """The identifier of another version: the serial stays, the check character changes."""
    *_, kind, issuer, serial, _, _ = old.identifier.split(".")
    return identifier(kind, issuer, serial, version)


class NumberUsed(Exception):
    """The next certificate number was taken before (status 301)."""


class BadStandard(Exception):
    """A standard that cannot follow the one in force; the text says why."""


@dataclass(frozen=True)
class Shelf:
    """Reads and writes inside the caller's transaction."""

    catalogue: Catalogue
    used_numbers: frozenset[str]

    def require_holder(self, code: str) -> None:
        """Refused 103 unless holders can be named by this kind of document."""
        if code not in self.catalogue.holder_types:
            raise Refused(HOLDER)

    def type_of(self, db: sqlite3.Connection, code: str, version: str = "") -> CertificateType | None:
        """A type in the newest version of its standard, or in that one."""
        rows = db.execute("SELECT type FROM standard WHERE code = ? ORDER BY major, minor", (code,))
        found = [kind for kind in self.catalogue.types if kind.typeCode == code]
        found += [CertificateType.model_validate_json(row["type"]) for row in rows]
        return next((kind for kind in reversed(found) if version in ("", kind.version)), None)

    def publish(self, db: sqlite3.Connection, kind: CertificateType) -> None:
        """Serves a type, or a new version of its standard, from now on; BadStandard if it cannot follow."""
        old = self.type_of(db, kind.typeCode)
        if old is not None and (why := cannot_follow(old, kind)):
            raise BadStandard(why)
        if old != kind:
            row = (kind.typeCode, *kind.age, kind.model_dump_json())
            db.execute("INSERT INTO standard VALUES (?, ?, ?, ?)", row)

    def held_by(self, db: sqlite3.Connection, code: str) -> str:
        """The other system a type lies in, "" for the library's own."""
        kind = self.type_of(db, code)
        return "" if kind is None else kind.heldBy

    def by_request(self, db: sqlite3.Connection, request_id: str) -> Kept | None:
        """The version a request led to."""
        row = db.execute("SELECT * FROM edition WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else _kept(row)

    def by_identifier(self, db: sqlite3.Connection, name: str) -> Kept | None:
        """The version of an identifier."""
        row = db.execute("SELECT * FROM edition WHERE identifier = ?", (name,)).fetchone()
        return None if row is None else _kept(row)

    def find(self, db: sqlite3.Connection, search: Search, now: float) -> Sequence[Kept]:
        """Sealed certificates of a holder, expired ones and earlier versions too."""
        rows = db.execute(FIND, (search.holderCode, search.holderTypeCode, now)).fetchall()
        found = [_kept(row) for row in rows]
        return [
            kept for kept in found
            if search.certTypeCode in (None, kept.data["typeCode"]) and search.certNo in (None, kept.number)
        ]  # fmt: skip

    def put(
        self, db: sqlite3.Connection, issue: Issue, kind: CertificateType, content: str, sealed_at: float,
        now: float,
    ) -> Kept:  # fmt: skip
        """A new certificate; NumberUsed if its number is taken (the next request gets the next one)."""
        number = self._number(db, issue, kind)
        serial = self._next(db, f"serial {issue.typeCode} {issue.issuer.code}")
        name = identifier(issue.typeCode, issue.issuer.code, f"{serial:09d}")
        status = ISSUED if sealed_at <= now else PENDING
        answer = {
            "requestId": issue.requestId, "certificateIdentifier": name, "certificateNumber": number,
            "status": status,
        }  # fmt: skip
        data = issue.model_dump(exclude_none=True)
        kept = Kept(
            name, number, 1, True, issue.requestId, content, answer, data, kind.version, VALID, sealed_at
        )
        self._write(db, kept)
        holders = [(holder.code, holder.typeCode, number) for holder in issue.holders]
        db.executemany("INSERT OR IGNORE INTO bearer VALUES (?, ?, ?)", holders)
        return kept

    def _number(self, db: sqlite3.Connection, issue: Issue, kind: CertificateType) -> str:
        year = issue.issueDate[:4]
        if kind.heldBy:
            return f"{year}{self._next(db, f'held {year}'):08d}"
        number = f"粤梅{year}{self._next(db, f'number {year}'):06d}"
        if number in self.used_numbers:
            raise NumberUsed
        return number

    def follow(self, db: sqlite3.Connection, old: Kept, version: int, made: Mapping[str, Any]) -> Kept:
        """A new version: its own identifier, the number of the old one; `made`: what else is new."""
        values = {field: getattr(old, field) for field in Kept.__dataclass_fields__}
        new = {"identifier": next_name(old, version), "version": version}
        kept = Kept(**values | new | dict(made))
        db.execute("UPDATE edition SET newest = 0 WHERE identifier = ?", (old.identifier,))
        self._write(db, kept)
        return kept

    def _write(self, db: sqlite3.Connection, kept: Kept) -> None:
        answer, data = (strictjson.write(value).decode() for value in (kept.answer, kept.data))
        row = (
            kept.identifier, kept.number, kept.version, kept.request_id, kept.content, answer, data,
            kept.standard, kept.status, kept.sealed_at,
        )  # fmt: skip
        db.execute(PUT, row)

    def mark(self, db: sqlite3.Connection, name: str, status: str) -> bool:
        """Gives the newest version of a certificate another status; False if there is none."""
        asked = "UPDATE edition SET status = ? WHERE identifier = ? AND newest = 1"
        return db.execute(asked, (status, name)).rowcount == 1

    def _next(self, db: sqlite3.Connection, name: str) -> int:
        return int(db.execute(NEXT, (name,)).fetchone()["value"])
