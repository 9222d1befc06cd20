"""SYS-04, the certificate library, from adapters/certificates/contract/contract.md: issues, finds, verifies.

Own keys: pending_share (0.3), seal_delay_ms (400), used_numbers (certificate numbers already taken),
repeat_seconds (1, 5, 30). Further admin: POST /admin/type {typeCode, typeName, version?, fields?} serves one
more type, POST /admin/revoke {certificateIdentifier}.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from structlog.types import FilteringBoundLogger

from mocks.partners.certificate_data import Envelope, Identified, Issue, Nothing, Search, TokenRequest, parsed
from mocks.partners.certificate_shelf import ISSUED, SCHEMA, Kept, NumberUsed, Shelf
from mocks.partners.certificate_types import load_catalogue, where
from mocks.partners.common import strictjson, tokens
from mocks.partners.common.assemble import draw, open_ground
from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.server import main

QUERIES = ("token", "schema", "search", "metadata", "verify")
FAULTS = {name: ANSWER_FAULTS for name in QUERIES} | {
    "schema": ANSWER_FAULTS | {"version_gap"},
    "issue": ANSWER_FAULTS | {"callback_before_reply"},
    "sealed": PUSH_FAULTS,
}
NONE, TOKEN, PERMISSION, HOLDER, FIELD, SEAL, USED, OTHER = 10, 11, 100, 103, 104, 300, 301, 302


def _said(status: int, message: str, http: int = 200) -> Answer:
    return Answer({"head": {"status": status, "message": message}, "data": {}}, http)


def _good(data: object, jobs: tuple[int, ...] = ()) -> Answer:
    return Answer({"head": {"status": 0, "message": ""}, "data": data}, jobs=jobs)


REFUSALS = {
    "seal": _said(PERMISSION, "signature", 401),
    "media_type": _said(FIELD, "content type", 415),
    "too_large": _said(FIELD, "too large", 413),
    "busy": _said(SEAL, "seal service unavailable"),
}
MANNERS = Manners(REFUSALS.__getitem__, {"head": {"status": 999, "message": "系统异常"}, "data": {}})


class Refused(Exception):
    """A head status other than 0."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = _said(status, message)
        self.status = status


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
    """The library's work; an issue and all it leads to is one transaction."""

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
            raise Refused(PERMISSION, "no permission")
        if not tokens.holds(self.desk.record, head.accessToken, head.accessId, self.desk.signer.clock()):
            raise Refused(TOKEN, "token wrong or expired")

    def _refused(self, call: Call, refused: Refused) -> Answer:
        if call.operation == "issue":
            name = hashlib.sha256(call.body).hexdigest()
            code = str(refused.status)
            self.desk.record.note("received", "issue", name, call.body, code, accepted=False)
        return refused.answer

    def token(self, call: Call, envelope: Envelope) -> Answer:
        """Two hours for the right digest."""
        given, head, now = parsed(TokenRequest, envelope.data), envelope.head, self.desk.signer.clock()
        if head.accessToken:
            raise Refused(FIELD, "head.accessToken")
        secret, known = self.config.secret, head.accessId == self.config.account
        if not tokens.digest_holds(head.accessId, head.time, secret, given.digest, now) or not known:
            raise Refused(TOKEN, "token wrong or expired")
        token, expires = tokens.issue(self.desk.record, head.accessId, now)
        return _good({"accessToken": token, "expires": compact(expires)})

    def schema(self, call: Call, envelope: Envelope) -> Answer:
        """The fields of a type."""
        parsed(Nothing, envelope.data)
        with self.desk.record.work() as db:
            kind = self.shelf.type_of(db, call.path["typeCode"])
        if kind is None:
            raise Refused(NONE, "none found")
        if self.desk.faults.take("schema", "version_gap"):
            major = kind.version.split(".")[0]
            version = f"{int(major) + 2}.0" if major.isdecimal() else f"{kind.version}+2"
            kind = kind.model_copy(update={"version": version})
        return _good(kind.model_dump())

    def search(self, call: Call, envelope: Envelope) -> Answer:
        """Certificates of a holder."""
        search, now = parsed(Search, envelope.data), self.desk.clock()
        self._known_holder(search.holderTypeCode)
        with self.desk.record.work() as db:
            found = self.shelf.find(db, search, now)
        if not found:
            raise Refused(NONE, "none found")
        return _good({"list": [kept.listed(now) for kept in found]})

    def metadata(self, call: Call, envelope: Envelope) -> Answer:
        """The catalogue record of a certificate."""
        name = parsed(Identified, envelope.data).certificateIdentifier
        with self.desk.record.work() as db:
            kept = self.shelf.by_identifier(db, name)
        if kept is None:
            raise Refused(NONE, "none found")
        return _good(kept.record(self.desk.clock()))

    def verify(self, call: Call, envelope: Envelope) -> Answer:
        """valid, revoked, or unknown (never issued, or its seal is not there yet)."""
        name = parsed(Identified, envelope.data).certificateIdentifier
        with self.desk.record.work() as db:
            kept = self.shelf.by_identifier(db, name)
        if kept is None:
            return _good({"result": "unknown"})
        words = {"ISSUED": "valid", "REVOKED": "revoked", "PENDING_SEAL": "unknown"}
        return _good({"result": words[kept.status_at(self.desk.clock())]})

    def issue(self, call: Call, envelope: Envelope) -> Answer:
        """A certificate, once per requestId."""
        issue, content = parsed(Issue, envelope.data), strictjson.digest(envelope.data)
        with self.desk.record.work() as db:
            answer = self._issued(db, issue, content)
            code = str(_status(answer))
            self.desk.record.note(
                "received", "issue", issue.requestId, call.body, code,
                accepted=code == "0", case=issue.caseNo, content=content,
            )  # fmt: skip
        return answer

    def _issued(self, db: sqlite3.Connection, issue: Issue, content: str) -> Answer:
        earlier = self.shelf.by_request(db, issue.requestId)
        if earlier is not None:
            same = earlier.content == content
            return _good(earlier.answer()) if same else _said(OTHER, "same request id with other content")
        try:
            self._check(db, issue)
            return self._new(db, issue, content)
        except Refused as refused:
            return refused.answer
        except NumberUsed:
            return _said(USED, "number already used")

    def _check(self, db: sqlite3.Connection, issue: Issue) -> None:
        for holder in issue.holders:
            self._known_holder(holder.typeCode)
        kind = self.shelf.type_of(db, issue.typeCode)
        if kind is None:
            raise Refused(FIELD, "data.typeCode")
        if wrong := kind.fault(issue.fields):
            raise Refused(FIELD, f"data.fields.{wrong}")

    def _known_holder(self, code: str) -> None:
        if code not in self.shelf.catalogue.holder_types:
            raise Refused(HOLDER, "bad holder type")

    def _new(self, db: sqlite3.Connection, issue: Issue, content: str) -> Answer:
        now, delay = self.desk.clock(), self.config.integer("seal_delay_ms", 400) / 1000
        share = self.config.share("pending_share", 0.3)
        pending = issue.seal and draw(self.config.seed, "pending", issue.requestId) < share
        kept = self.shelf.put(db, issue, content, now + delay if pending else now, now)
        return _good(kept.answer(), (self._call_back(db, kept, delay),) if pending else ())

    def _call_back(self, db: sqlite3.Connection, kept: Kept, delay: float) -> int:
        data = kept.answer() | {"caseNo": kept.data["caseNo"], "status": ISSUED}
        head = {"accessId": self.config.account, "time": compact(kept.sealed_at)}
        note = Note("sealed", kept.data["requestId"], kept.data["caseNo"])
        body = strictjson.write({"head": head, "data": data})
        return self.callbacks.schedule(db, "sealed", "/cert/sealed", body, [note], delay)

    def start(self) -> None:
        """Starts calling back, also what a killed process left."""
        self.callbacks.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self.callbacks.stop()
        self.desk.record.close()


def _status(answer: Answer) -> int:
    head = answer.value["head"] if isinstance(answer.value, dict) else {}
    return int(head["status"])


def mount_admin(library: Library) -> None:
    """POST /admin/type and /admin/revoke."""

    async def add_type(request: Request) -> JSONResponse:
        try:
            kind = library.shelf.catalogue.general(strictjson.read(await request.body()))
        except (strictjson.BadJson, ValidationError) as error:
            return JSONResponse({"detail": str(error)}, 422)
        with library.desk.record.work() as db:
            library.shelf.add_type(db, kind)
        return JSONResponse(kind.model_dump())

    async def revoke(request: Request) -> JSONResponse:
        try:
            given = parsed(Identified, strictjson.read(await request.body()))
        except (strictjson.BadJson, ValidationError) as error:
            return JSONResponse({"detail": str(error)}, 422)
        with library.desk.record.work() as db:
            done = library.shelf.revoke(db, given.certificateIdentifier)
        return JSONResponse({"revoked": done}, 200 if done else 404)

    library.app.add_api_route("/admin/type", add_type, methods=["POST"])
    library.app.add_api_route("/admin/revoke", revoke, methods=["POST"])


def build(config: Config, log: FilteringBoundLogger) -> Library:
    """The library of a configuration."""
    shelf = Shelf(load_catalogue(), frozenset(config.texts("used_numbers")))
    config.share("pending_share", 0.3), config.integer("seal_delay_ms", 400)
    ground = open_ground(config, FAULTS, SCHEMA)
    callbacks = ground.callbacks(for_ever=True)
    desk = ground.desk(MANNERS, callbacks)
    library = Library(config, desk, callbacks, shelf, ground.app())
    operations = {
        "token": ("/auth/token", library.token),
        "schema": ("/cert/schema/{typeCode}", library.schema),
        "search": ("/cert/search", library.search),
        "metadata": ("/cert/metadata", library.metadata),
        "issue": ("/cert/issue", library.issue),
        "verify": ("/cert/verify", library.verify),
    }
    for name, (path, work) in operations.items():
        desk.mount(library.app, Operation(name, "POST", path, library.guarded(work)))
    mount_admin(library)
    return library


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
