"""change, annual-inspection, suspend and cancel: each makes a new version of a certificate."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mocks.partners.certificate_data import Change
from mocks.partners.certificate_shelf import CANCELLED, SUSPENDED, VALID, Kept, Shelf, next_name
from mocks.partners.certificate_types import type_in
from mocks.partners.certificate_words import FIELD, NONE, PERMISSION, STATE, Refused
from mocks.partners.common.faults import Faults

AFTER = {"change": VALID, "annual-inspection": VALID, "suspend": SUSPENDED, "cancel": CANCELLED}
TAKES = {"change": {"fields", "validTo"}, "annual-inspection": {"validTo"}}
FINAL = frozenset({"04", "05", "06", "07"})  # nothing leads on from these


@dataclass(frozen=True)
class Changes:
    """The rules of the four operations; reads and writes inside the caller's transaction."""

    shelf: Shelf
    faults: Faults

    def make(self, db: sqlite3.Connection, operation: str, asked: Change, content: str, now: float) -> Kept:
        """The new version; Refused otherwise."""
        self._members(operation, asked)
        name = asked.certificateIdentifier
        if self.shelf.held_by(db, type_in(name)):
            raise Refused(PERMISSION, "held elsewhere")
        old = self.shelf.by_identifier(db, name)
        if old is None:
            raise Refused(NONE)
        if not old.newest or not old.sealed(now) or old.status_at(now) in FINAL:
            raise Refused(STATE)
        self._fits(db, old, asked)
        return self._follow(db, operation, old, asked, content)

    def _members(self, operation: str, asked: Change) -> None:
        """Which of the two optional members an operation takes; a change takes at least one."""
        given = asked.model_fields_set & {"fields", "validTo"}
        for name in sorted(given - TAKES.get(operation, set())):
            raise Refused(FIELD, f"data.{name}")
        if operation == "change" and not given:
            raise Refused(FIELD, "data.fields")

    def _fits(self, db: sqlite3.Connection, old: Kept, asked: Change) -> None:
        """Against the standard under which the certificate was issued."""
        if asked.validTo is not None and asked.validTo < old.data["validFrom"]:
            raise Refused(FIELD, "data.validTo")
        kind = self.shelf.type_of(db, old.data["typeCode"], old.standard)
        if asked.fields is not None and kind is not None and (wrong := kind.fault(asked.fields)):
            raise Refused(FIELD, f"data.fields.{wrong}")

    def _follow(
        self, db: sqlite3.Connection, operation: str, old: Kept, asked: Change, content: str
    ) -> Kept:  # fmt: skip
        version = old.version + (2 if self.faults.take(operation, "version_gap") else 1)
        new = {"requestId": asked.requestId, "caseNo": asked.caseNo, "fields": asked.fields}
        data = old.data | {name: value for name, value in new.items() if value is not None}
        data |= {} if asked.validTo is None else {"validTo": asked.validTo}
        made = {"request_id": asked.requestId, "content": content, "data": data, "status": AFTER[operation]}
        answer = {
            "requestId": asked.requestId, "version": f"{version:03d}", "status": AFTER[operation],
            "certificateIdentifier": next_name(old, version),
        }  # fmt: skip
        return self.shelf.follow(db, old, version, made | {"answer": answer})
