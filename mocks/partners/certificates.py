"""SYS-04, the certificate library, from adapters/certificates/contract/contract.md.

It issues and changes here; `certificate_queries` answers what changes nothing. Own keys: pending_share (0.3),
seal_delay_ms (400), used_numbers (certificate numbers already taken),
register_delay_ms (500: how long the systems take in which foreign types lie), repeat_seconds (1, 5, 30).
Further admin: `certificate_admin`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import FastAPI
from pydantic import ValidationError
from structlog.types import FilteringBoundLogger

from mocks.partners import certificate_admin, certificate_files, certificate_register, certificate_shelf
from mocks.partners.certificate_changes import AFTER, Changes
from mocks.partners.certificate_data import Change, Envelope, Issue, TokenRequest, parsed
from mocks.partners.certificate_files import Files
from mocks.partners.certificate_queries import Queries
from mocks.partners.certificate_register import Register
from mocks.partners.certificate_shelf import ISSUED, Kept, NumberUsed, Shelf
from mocks.partners.certificate_types import CertificateType, load_catalogue, where
from mocks.partners.certificate_words import (
    FIELD,
    MANNERS,
    NONE,
    OTHER,
    PERMISSION,
    TOKEN,
    USED,
    Refused,
    good,
    status_of,
)
from mocks.partners.common import strictjson, tokens
from mocks.partners.common.assemble import draw, open_ground
from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.server import main

SCHEMA = certificate_shelf.SCHEMA + certificate_files.SCHEMA
WITH_TOKEN = ANSWER_FAULTS | {"token_expired"}
FAULTS = dict.fromkeys(AFTER, WITH_TOKEN | {"version_gap"}) | {
    "token": ANSWER_FAULTS,
    "schema": WITH_TOKEN | {"version_gap"},
    "search": WITH_TOKEN | {"name_width"},
    "metadata": WITH_TOKEN | {"name_width"},
    "verify": WITH_TOKEN,
    "file": WITH_TOKEN | {"missing_attachment"},
    "download": certificate_files.FAULTS,
    "register": certificate_register.FAULTS,
    "issue": WITH_TOKEN | {"callback_before_reply"},
    "sealed": PUSH_FAULTS,
}
KEPT = frozenset({"issue", *AFTER})  # operations whose refusals are written down


def opened(call: Call) -> Envelope:
    """The envelope of a request; Refused 104 names what is wrong."""
    try:
        return parsed(Envelope, strictjson.read_object(call.body))
    except strictjson.BadJson as error:
        raise Refused(FIELD, str(error)) from error
    except ValidationError as error:
        raise Refused(FIELD, where(error)) from error


@dataclass(frozen=True)
class Library:
    """The library's work; what a request changes and all it leads to is one transaction."""

    config: Config
    desk: Desk
    callbacks: Callbacks
    shelf: Shelf
    app: FastAPI = field(repr=False)

    def guarded(self, work: Callable[[Call, Envelope], Answer]) -> Callable[[Call], Answer]:
        """Opens the envelope, checks account and token, and words refusals."""

        def handler(call: Call) -> Answer:
            try:
                envelope = opened(call)
                self._allowed(call, envelope)
                return work(call, envelope)
            except ValidationError as error:
                return self._refused(call, Refused(FIELD, f"data.{where(error)}"))
            except Refused as refused:
                return self._refused(call, refused)

        return handler

    def _allowed(self, call: Call, envelope: Envelope) -> None:
        head = envelope.head
        if call.operation == "token":
            return
        if head.accessId != self.config.account:
            raise Refused(PERMISSION)
        if self.desk.faults.take(call.operation, "token_expired"):
            raise Refused(TOKEN)
        if not tokens.holds(self.desk.record, head.accessToken, head.accessId, self.desk.signer.clock()):
            raise Refused(TOKEN)

    def _refused(self, call: Call, refused: Refused) -> Answer:
        if call.operation in KEPT:
            name = hashlib.sha256(call.body).hexdigest()
            code = str(refused.status)
            self.desk.record.note("received", call.operation, name, call.body, code, accepted=False)
        return refused.answer

    def token(self, call: Call, envelope: Envelope) -> Answer:
        """Two hours for the right digest."""
        given, head, now = parsed(TokenRequest, envelope.data), envelope.head, self.desk.signer.clock()
        if head.accessToken:
            raise Refused(FIELD, "head.accessToken")
        secret, known = self.config.secret, head.accessId == self.config.account
        if not tokens.digest_holds(head.accessId, head.time, secret, given.digest, now) or not known:
            raise Refused(TOKEN)
        token, expires = tokens.issue(self.desk.record, head.accessId, now)
        return good({"accessToken": token, "expires": compact(expires)})

    def issue(self, call: Call, envelope: Envelope) -> Answer:
        """A certificate, once per requestId."""
        issue = parsed(Issue, envelope.data)
        return self._once(call, envelope, issue, lambda db, content: self._new(db, issue, content))

    def change(self, call: Call, envelope: Envelope) -> Answer:
        """change, annual-inspection, suspend, cancel: once per requestId."""
        asked, changes = parsed(Change, envelope.data), Changes(self.shelf, self.desk.faults)

        def make(db: sqlite3.Connection, content: str) -> Answer:
            return good(changes.make(db, call.operation, asked, content, self.desk.clock()).answer)

        return self._once(call, envelope, asked, make)

    def _once(
        self, call: Call, envelope: Envelope, asked: Issue | Change,
        work: Callable[[sqlite3.Connection, str], Answer],
    ) -> Answer:  # fmt: skip
        """The first answer to a requestId, whichever operation it named."""
        content = strictjson.digest([call.operation, envelope.data])
        with self.desk.record.work() as db:
            try:
                earlier = self.shelf.by_request(db, asked.requestId)
                answer = self._again(earlier, content) if earlier is not None else work(db, content)
            except Refused as refused:
                answer = refused.answer
            code = str(status_of(answer))
            self.desk.record.note(
                "received", call.operation, asked.requestId, call.body, code,
                accepted=code == "0", case=asked.caseNo, content=content,
            )  # fmt: skip
        return answer

    def _again(self, earlier: Kept, content: str) -> Answer:
        if earlier.content != content:
            raise Refused(OTHER)
        return good(earlier.answer)

    def _new(self, db: sqlite3.Connection, issue: Issue, content: str) -> Answer:
        kind = self._checked(db, issue)
        now, delay = self.desk.clock(), self.config.integer("seal_delay_ms", 400) / 1000
        share = self.config.share("pending_share", 0.3)
        pending = issue.seal and draw(self.config.seed, "pending", issue.requestId) < share
        try:
            kept = self.shelf.put(db, issue, kind, content, now + delay if pending else now, now)
        except NumberUsed as error:
            raise Refused(USED) from error
        return good(kept.answer, (self._call_back(db, kept, delay),) if pending else ())

    def _checked(self, db: sqlite3.Connection, issue: Issue) -> CertificateType:
        for holder in issue.holders:
            self.shelf.require_holder(holder.typeCode)
        kind = self.shelf.type_of(db, issue.typeCode)
        if kind is None:
            raise Refused(NONE)
        if kind.heldBy:
            raise Refused(PERMISSION, "held elsewhere")
        if wrong := kind.fault(issue.fields):
            raise Refused(FIELD, f"data.fields.{wrong}")
        return kind

    def _call_back(self, db: sqlite3.Connection, kept: Kept, delay: float) -> int:
        data = kept.answer | {"caseNo": kept.data["caseNo"], "status": ISSUED}
        head = {"accessId": self.config.account, "time": compact(kept.sealed_at)}
        note = Note("sealed", kept.request_id, kept.data["caseNo"])
        body = strictjson.write({"head": head, "data": data})
        return self.callbacks.schedule(db, "sealed", "/cert/sealed", body, [note], delay)

    def start(self) -> None:
        """Starts calling back, also what a killed process left."""
        self.callbacks.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self.callbacks.stop()
        self.desk.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Library:
    """The library of a configuration."""
    shelf = Shelf(load_catalogue(), frozenset(config.texts("used_numbers")))
    config.share("pending_share", 0.3), config.integer("seal_delay_ms", 400)
    delay = config.integer("register_delay_ms", 500) / 1000
    ground = open_ground(config, FAULTS, SCHEMA)
    callbacks = ground.callbacks(for_ever=True)
    desk, app = ground.desk(MANNERS, callbacks), ground.app()
    files = Files(ground.record, ground.faults, ground.clock)
    library = Library(config, desk, callbacks, shelf, app)
    asked = Queries(config.account, desk, shelf, Register(ground.faults, delay), files)
    operations = {
        "token": ("/auth/token", library.token),
        "schema": ("/cert/schema/{typeCode}", asked.schema),
        "search": ("/cert/search", asked.search),
        "metadata": ("/cert/metadata", asked.metadata),
        "file": ("/cert/file", asked.file),
        "verify": ("/cert/verify", asked.verify),
        "issue": ("/cert/issue", library.issue),
        **{name: (f"/cert/{name}", library.change) for name in AFTER},
    }
    for name, (path, work) in operations.items():
        desk.mount(app, Operation(name, "POST", path, library.guarded(work)))
    files.mount(app)
    certificate_admin.mount(app, ground.record, shelf, ground.clock)
    return library


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
