"""SYS-06, the archives, from adapters/archives/contract/contract.md: takes requests, examines packages.

Own keys: check_delay_ms (200), max_waiting (1000; code 9 above it), repeat_seconds (1, 5, 30, 300, the last
again; of downloads, and of results the bus did not take), idle_seconds (60; without a byte of a download),
patience_seconds (86400; then the result is 408). The result goes over the bus of common/bus.py.
Admin: POST /admin/handover {"folder", "results"?: "queue" or "folder"} takes a carrier's folder (section 5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from structlog.types import FilteringBoundLogger

from mocks.partners import archive_handover, archive_results
from mocks.partners.archive_jobs import REPEATS, Jobs, Tools
from mocks.partners.archive_store import SCHEMA
from mocks.partners.common import strictjson, tokens
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.bus import GOV_ARCHIVE, Bus
from mocks.partners.common.clock import compact, parse_compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.keys import load_certificates, wait_for
from mocks.partners.common.server import main

FAULTS = {
    "token": ANSWER_FAULTS,
    "addFile": ANSWER_FAULTS | {"callback_before_reply"},
    "download": {"interrupted", "gone", "not_finished"},
    "check": {"check_fails"},
    "result": PUSH_FAULTS | {"missing_attachment"},
    archive_results.NAME: archive_results.FAULTS,
}
BEARER = re.compile(r"Bearer ([0-9A-Za-z._~+/-]+=*)", re.ASCII)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("an http address is needed")
    return text


def _digest(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("base64") from error
    if len(raw) != 32:
        raise ValueError("SHA-256 has 32 bytes")
    return text


Text = Annotated[str, Field(min_length=1, max_length=300)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,32}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class AddFile(BaseModel):
    """The body of POST /archive/addFile; unitcode is a word of a routing key, fileno a folder."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    reqid: Text
    appid: Text
    libcode: Word
    unitcode: Word
    fileno: Name
    title: Text
    retention: Literal["Y", "D30", "D10"]
    year: int = Field(ge=1900, le=2999)
    url: Annotated[str, Field(max_length=2000), AfterValidator(_url)]
    size: int = Field(ge=1)
    aipdigest: Annotated[str, AfterValidator(_digest)]

    @model_validator(mode="after")
    def _named_by_the_case(self) -> AddFile:
        case, _, moment = self.reqid.partition("@")
        parse_compact(moment)
        if case != self.fileno:
            raise ValueError("reqid is <fileno>@yyyyMMddHHmmss")
        return self


def _said(code: str, msg: str, http: int = 200, **more: str) -> Answer:
    return Answer({"code": code, "msg": msg, **more}, http)


REFUSALS = {
    "seal": _said("2", "signature", 401),
    "media_type": _said("1", "content type", 415),
    "too_large": _said("1", "too large", 413),
    "busy": _said("9", "busy"),
}
MANNERS = Manners(REFUSALS.__getitem__, {"code": "99", "msg": "系统异常"})


@dataclass(frozen=True)
class Archives:
    """The archive's HTTP side; an accepted request and its job are one transaction."""

    config: Config
    desk: Desk
    jobs: Jobs
    bus: Bus
    app: FastAPI = field(repr=False)

    def token(self, call: Call) -> Answer:
        """Two hours for the right digest."""
        given = dict(call.query)
        if len(call.query) != 3 or given.keys() != {"appid", "time", "digest"}:
            return _said("1", "bad parameter")
        account, now = given["appid"], self.desk.signer.clock()
        secret, known = self.config.secret, account == self.config.account
        if not tokens.digest_holds(account, given["time"], secret, given["digest"], now) or not known:
            return _said("2", "token")
        token, expires = tokens.issue(self.desk.record, account, now)
        return Answer({"code": "0", "data": {"token": token, "expires": compact(expires)}})

    def add_file(self, call: Call) -> Answer:
        """Accepts a request; what the package is worth comes as the result."""
        if not self._token_holds(call):
            return self._refused(call, "2", "token")
        try:
            raw = strictjson.read_object(call.body)
            request = AddFile.model_validate(raw)
        except (strictjson.BadJson, ValidationError):
            return self._refused(call, "1", "bad parameter")
        if request.appid != self.config.account:
            return self._refused(call, "1", "bad parameter")
        return self._accepted(call, request, strictjson.digest(raw))

    def _token_holds(self, call: Call) -> bool:
        match = BEARER.fullmatch(call.headers.get("authorization", ""))
        if match is None:
            return False
        return tokens.holds(self.desk.record, match[1], self.config.account, self.desk.signer.clock())

    def _refused(self, call: Call, code: str, msg: str) -> Answer:
        name = hashlib.sha256(call.body).hexdigest()
        self.desk.record.note("received", "addFile", name, call.body, code, accepted=False)
        return _said(code, msg)

    def _accepted(self, call: Call, request: AddFile, content: str) -> Answer:
        """New, the same again, or the same reqid with other content."""
        record, jobs = self.desk.record, list[int]()
        with record.work() as db:
            same = self.jobs.same(db, request.model_dump(), content)
            if same is None and self.jobs.waiting(db) >= self.config.integer("max_waiting", 1000):
                return REFUSALS["busy"]
            good = same is not False
            code, msg = ("0", "accepted") if good else ("30", "same reqid with other content")
            if same is None:
                delay = self.config.integer("check_delay_ms", 200) / 1000
                jobs.append(self.jobs.add(db, request.model_dump(), content, delay))
            record.note(
                "received", "addFile", request.reqid, call.body, code,
                accepted=good, case=request.fileno, content=content,
            )  # fmt: skip
        self.jobs.wake()
        return Answer({"code": code, "msg": msg, "reqid": request.reqid}, jobs=tuple(jobs))

    def start(self) -> None:
        """Starts examining, also what a killed process left."""
        self.jobs.start()

    def stop(self) -> None:
        """Ends the thread, the bus and the record."""
        self.jobs.stop()
        self.bus.close()
        self.desk.record.close()


def _carried(account: str, line: Mapping[str, object]) -> AddFile:
    """A line of a hand-over sheet as the addFile it stands for: only the address is lacking."""
    return AddFile.model_validate({**line, "appid": account, "url": "http://carrier.invalid/"})


def build(config: Config, log: FilteringBoundLogger) -> Archives:
    """The archive of a configuration."""
    trusted = tuple(load_certificates(wait_for(config.hub_rsa_certificate)).values())
    config.integer("max_waiting", 1000), config.integer("check_delay_ms", 200)
    ground = open_ground(config, FAULTS, SCHEMA)
    bus = Bus.open(config.amqp_url, config.queue_path or config.state / "queue.db", GOV_ARCHIVE)
    tools = Tools(
        ground.record, ground.faults, ground.signer, trusted, bus, config.state, ground.clock, log,
        config.numbers("repeat_seconds", REPEATS), config.integer("idle_seconds", 60, least=1),
        config.integer("patience_seconds", 86400, least=1),
    )  # fmt: skip
    jobs = Jobs(tools)
    desk = ground.desk(MANNERS, jobs)
    archives = Archives(config, desk, jobs, bus, ground.app())
    desk.mount(archives.app, Operation("token", "GET", "/archive/token", archives.token, sealed=False))
    desk.mount(archives.app, Operation("addFile", "POST", "/archive/addFile", archives.add_file))
    valid = partial(_carried, config.account)
    archive_handover.mount(
        archives.app, archive_handover.Counter(ground.record, jobs, ground.trusted, valid)
    )  # fmt: skip
    return archives


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
