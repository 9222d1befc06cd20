"""What the library is asked without anything changing: standards, searches, records, files, validity."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mocks.partners.certificate_data import Envelope, FileWanted, Identified, Nothing, Search, parsed
from mocks.partners.certificate_files import Files
from mocks.partners.certificate_register import Register
from mocks.partners.certificate_shelf import VALID, Kept, Shelf
from mocks.partners.certificate_types import CertificateType, type_in
from mocks.partners.certificate_words import FIELD, NONE, STATE, Refused, good, said
from mocks.partners.common.clock import iso
from mocks.partners.common.endpoint import Answer, Call, Desk

WIDE = {0x20: 0x3000, 0xB7: 0x2022, 0x2022: 0xB7} | {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
NARROW = {wide: code for code, wide in WIDE.items() if wide > 0x2FFF}


def other_width(name: str) -> str:
    """Full width for half width and the other way round; the middle dot as another sign."""
    return name.translate(NARROW | WIDE)


@dataclass(frozen=True)
class Queries:
    """Search, metadata and file are written down with account, case and purpose before they are answered."""

    account: str
    desk: Desk
    shelf: Shelf
    register: Register
    files: Files

    def schema(self, call: Call, envelope: Envelope) -> Answer:
        """The fields of a type."""
        parsed(Nothing, envelope.data)
        with self.desk.record.work() as db:
            kind = self.shelf.type_of(db, call.path["typeCode"])
        if kind is None:
            raise Refused(NONE)
        if self.desk.faults.take("schema", "version_gap"):
            kind = kind.model_copy(update={"version": f"{kind.age[0] + 2}.0"})
        return good(kind.said())

    def search(self, call: Call, envelope: Envelope) -> Answer:
        """Certificates of a holder, of other systems too unless a type of the library's own is named."""
        search, now = parsed(Search, envelope.data), self.desk.clock()
        self.shelf.require_holder(search.holderTypeCode)
        self._used(call, search.caseNo, search.useCause, search.holderCode)
        with self.desk.record.work() as db:
            asked = search.certTypeCode
            far = asked is None or bool(self.shelf.held_by(db, asked))
            wait = self.register.ask() if far else 0.0
            found = [
                kept.listed(now, search.holderCode, self.shelf.held_by(db, kept.data["typeCode"]))
                for kept in self.shelf.find(db, search, now)
            ]
        if not found:
            return said(NONE, wait=wait)
        if self.desk.faults.take("search", "name_width"):
            found = [line | {"holderName": other_width(str(line["holderName"]))} for line in found]
        return good({"list": found}, wait=wait)

    def _used(self, call: Call, case: str | None, purpose: str, subject: str) -> None:
        """Who looked at what, for which case and purpose."""
        row = (call.operation, self.account, case or "", purpose, subject, iso(self.desk.clock()))
        with self.desk.record.work() as db:
            db.execute(
                "INSERT INTO usage (operation, account, case_no, purpose, subject, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def _reached(self, db: sqlite3.Connection, name: str) -> tuple[Kept, CertificateType, float]:
        """A certificate, its type, and the seconds its own system takes; Refused 310 or 10."""
        wait = self.register.ask() if self.shelf.held_by(db, type_in(name)) else 0.0
        kept = self.shelf.by_identifier(db, name)
        kind = None if kept is None else self.shelf.type_of(db, kept.data["typeCode"], kept.standard)
        if kept is None or kind is None:
            raise Refused(NONE)
        return kept, kind, wait

    def metadata(self, call: Call, envelope: Envelope) -> Answer:
        """The catalogue record of a certificate."""
        name = parsed(Identified, envelope.data).certificateIdentifier
        self._used(call, None, "", name)
        with self.desk.record.work() as db:
            kept, _, wait = self._reached(db, name)
        record = kept.record(self.desk.clock())
        if self.desk.faults.take("metadata", "name_width"):
            holders = kept.data["holders"]
            record["holders"] = [one | {"name": other_width(one["name"])} for one in holders]
        return good(record, wait=wait)

    def file(self, call: Call, envelope: Envelope) -> Answer:
        """An address of the newest version's file; none before its seal is there."""
        wanted = parsed(FileWanted, envelope.data)
        self._used(call, wanted.caseNo, wanted.useCause, wanted.certificateIdentifier)
        with self.desk.record.work() as db:
            kept, kind, wait = self._reached(db, wanted.certificateIdentifier)
            if wanted.format not in kind.formats:
                raise Refused(FIELD, "data.format")
            if not kept.newest or not kept.sealed(self.desk.clock()):
                raise Refused(STATE)
            data = self.files.offer(db, kept, kind, wanted, f"http://{call.headers['host']}")
        return good(data, wait=wait)

    def verify(self, call: Call, envelope: Envelope) -> Answer:
        """valid, revoked (anything but 01), or unknown (never issued, or its seal is not there yet)."""
        name, now = parsed(Identified, envelope.data).certificateIdentifier, self.desk.clock()
        with self.desk.record.work() as db:
            if self.shelf.held_by(db, type_in(name)):
                self.register.ask()
            kept = self.shelf.by_identifier(db, name)
        if kept is None or not kept.sealed(now):
            return good({"result": "unknown"})
        return good({"result": "valid" if kept.status_at(now) == VALID else "revoked"})
