"""SYS-02, the approval system of department C, from adapters/department_c/contract: encrypted XML over REST.

Own keys: uscc, department_name, cipher_key (32 hex digits), staff, step_seconds (0.2), special_every (5),
refuse_every (7), extend_every (0), repeat_seconds (1, 5, 30, 300, 1800, 7200).
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson, tokens
from mocks.partners.common.assemble import Ground, open_ground
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.endpoint import LARGEST, Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS
from mocks.partners.common.server import main
from mocks.partners.department_c_post import REPEATS, Mail, Post
from mocks.partners.department_c_post import SCHEMA as SENDING
from mocks.partners.department_c_rules import (
    BASIC,
    FILE,
    KINDS,
    NOTICE,
    PROC,
    Known,
    Refused,
    identity,
    judge,
    place,
    unfitting,
)
from mocks.partners.department_c_spoil import DONE_FAULTS, SEND_FAULTS
from mocks.partners.department_c_steps import ROUTES, Habits, Scene, body, next_step
from mocks.partners.department_c_xml import BadDocument, Document, Unreadable, decrypt, read, write
from mocks.partners.department_steps import Department

SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
  name TEXT NOT NULL, version INTEGER NOT NULL, case_no TEXT NOT NULL, place TEXT NOT NULL,
  sha256 TEXT NOT NULL, members TEXT NOT NULL, materials TEXT NOT NULL,
  PRIMARY KEY (name, version)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_case ON held (case_no);
"""
RECEIVES: Final = {
    "receiveBasicInfo": BASIC,
    "receiveProcInfo": PROC,
    "receiveNoticeInfo": NOTICE,
    "receiveAttachment": FILE,
}
LARGEST_ATTACHMENT: Final = 20 << 20  # bytes
FAULTS: Final = {
    "token": ANSWER_FAULTS,
    **{name: ANSWER_FAULTS | {"token_expired"} for name in RECEIVES},
    "receiveProcInfo": ANSWER_FAULTS | {"token_expired", "callback_before_reply"},
    "receiveNoticeInfo": ANSWER_FAULTS | {"token_expired", "callback_before_reply"},
    "hubReceiveProcInfo": SEND_FAULTS,
    "hubReceiveSuspendInfo": SEND_FAULTS,
    "hubReceiveDoneInfo": DONE_FAULTS,
}
TOKEN_QUERY: Final = {"appid", "time", "digest"}


def said(
    status: str, msg: str = "", data: Mapping[str, str] | None = None, jobs: tuple[int, ...] = ()
) -> Answer:
    """An answer of the contract: HTTP 200, whatever is wrong."""
    return Answer({"status": status, "msg": msg, "data": dict(data or {})}, jobs=jobs)


REFUSALS: Final = {
    "seal": said("403", "X-Gov-Signature"),
    "media_type": said("500", "application/json is needed"),
    "too_large": said("500", "too large"),
    "busy": said("503", "busy"),
}
MANNERS: Final = Manners(
    REFUSALS.__getitem__, {"error": "系统异常"}, maintenance=said("503", "系统维护中"), always_sealed=True
)


@dataclass(frozen=True)
class Office:
    """The department at work; what a document changes is one transaction, written before its answer."""

    config: Config
    ground: Ground
    department: Department
    habits: Habits
    key: bytes = field(repr=False)
    step_seconds: float
    app: FastAPI = field(repr=False)
    post: Post = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ground, repeats = self.ground, self.config.numbers("repeat_seconds", REPEATS)
        mail = Mail(self.config.hub_url, ground.signer, ground.trusted, self.key, repeats)
        post = Post(ground.record, ground.faults, ground.clock.base, mail, self.advance)
        object.__setattr__(self, "post", post)

    def token(self, call: Call) -> Answer:
        """Two hours for the right digest."""
        query, config, now = dict(call.query), self.config, self.ground.signer.clock()
        if query.keys() != TOKEN_QUERY or len(call.query) != len(TOKEN_QUERY) or call.body:
            return said("500", "appid, time and digest are needed")
        appid, digest = query["appid"], query["digest"]
        known = appid == config.account
        if not tokens.digest_holds(appid, query["time"], config.secret, digest, now) or not known:
            return said("403", "appid or digest")
        token, expires = tokens.issue(self.ground.record, appid, now)
        return said("200", "", {"token": token, "expires": compact(expires)})

    def receiver(self, root: str) -> Callable[[Call], Answer]:
        """What answers the calls that bring the object `root`."""

        def handler(call: Call) -> Answer:
            if not self._token_holds(call):
                return said("401", "token")
            try:
                plain = self._opened(call)
                document = read(plain)
                judge(document, root)
            except Unreadable:
                return self._refused(call, root, "403", "xmlStr cannot be read")
            except (BadDocument, Refused) as error:
                return self._refused(call, root, "500", str(error))
            return self._take(call, plain, document)

        return handler

    def _token_holds(self, call: Call) -> bool:
        if self.ground.faults.take(call.operation, "token_expired"):
            return False
        token, now = call.headers.get("token", ""), self.ground.signer.clock()
        return tokens.holds(self.ground.record, token, self.config.account, now)

    def _opened(self, call: Call) -> bytes:
        try:
            sent = strictjson.read_object(call.body)
        except strictjson.BadJson as error:
            raise Refused(str(error)) from error
        text = sent.get("xmlStr")
        if sent.keys() != {"xmlStr"} or not isinstance(text, str):
            raise Refused("xmlStr alone is needed")
        return decrypt(text, self.key)

    def _refused(self, call: Call, root: str, status: str, msg: str) -> Answer:
        """Writes down what could not be read, under the digest of its bytes."""
        name = hashlib.sha256(call.body).hexdigest()
        self.ground.record.note("received", root, name, call.body, status, accepted=False)
        return said(status, msg)

    def _take(self, call: Call, plain: bytes, document: Document) -> Answer:
        case = document.members["ORGBUSNO"][2:]
        name, version = identity(document.root, document.members)
        sha = hashlib.sha256(plain).hexdigest()
        with self.ground.record.work() as db:
            status, msg = self._keep(db, case, name, version, sha, document)
            self.ground.record.note(
                "received", document.root, f"{name}-{version}", call.body, status,
                accepted=status == "200", case=case, content=sha,
            )  # fmt: skip
            jobs = self._plan(db, case) if status == "200" else ()
        self.post.wake()
        return said(status, msg, jobs=jobs)

    def _keep(
        self, db: sqlite3.Connection, case: str, name: str, version: int, sha: str, document: Document
    ) -> tuple[str, str]:  # fmt: skip
        """Status and msg for a document that is good by itself; keeps it if it may come now."""
        rows = {row["version"]: row for row in db.execute("SELECT * FROM held WHERE name = ?", (name,))}
        if version in rows:
            same = rows[version]["sha256"] == sha
            return ("200", "") if same else ("409", "the identity was used for another document")
        if rows and version != max(rows) + 1:
            return "500", f"DATAVER: {max(rows) + 1} is next"
        known, materials = self._known(db, case), self._materials(db, case)
        if msg := unfitting(document.root, document.members, known, materials):
            return "500", msg
        members = {one: value for one, value in document.members.items() if one != "CONTENT"}
        where = place(document.root, document.members)
        lists = json.dumps([one["MNAME"] for one in document.materials or ()])
        db.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, version, case, where, sha, json.dumps(members), lists),
        )
        return "200", ""

    def _known(self, db: sqlite3.Connection, case: str) -> Known:
        rows = db.execute("SELECT place, members FROM held WHERE case_no = ? ORDER BY version", (case,))
        return {row["place"]: json.loads(row["members"]) for row in rows}

    def _materials(self, db: sqlite3.Connection, case: str) -> frozenset[str]:
        rows = db.execute("SELECT materials FROM held WHERE case_no = ?", (case,))
        return frozenset(name for row in rows for name in json.loads(row["materials"]))

    def _plan(self, db: sqlite3.Connection, case: str) -> tuple[int, ...]:
        """Puts the next document of a case into the post, if one is due; its number."""
        rows = self.post.steps(db, case)
        sent = {step: row["state"] in ("done", "lost") or bool(row["late"]) for step, row in rows.items()}
        now = self.ground.clock() + self.step_seconds
        scene = Scene(case, self._known(db, case), self.department, self.habits, now)
        step = next_step(scene, sent)
        if step is None:
            return ()
        plain = write(ROUTES[step[0]][0], body(step, scene, 1))
        return (self.post.add(db, case, step, plain, self.step_seconds),)

    def advance(self, case: str) -> None:
        """Plans what may follow now."""
        with self.ground.record.work() as db:
            self._plan(db, case)
        self.post.wake()

    def cases(self) -> JSONResponse:
        """What became of each case: its steps with their state, status and the hub's msg."""
        with self.ground.record.work() as db:
            names = [row[0] for row in db.execute("SELECT DISTINCT case_no FROM held ORDER BY 1")]
            found = {name: self.post.steps(db, name) for name in names}
        return JSONResponse({
            name: {step: {one: row[one] for one in ("state", "code", "msg")} for step, row in steps.items()}
            for name, steps in found.items()
        })  # fmt: skip

    def start(self) -> None:
        """Goes on with every case, also those a killed process left."""
        with self.ground.record.work() as db:
            for (case,) in db.execute("SELECT case_no FROM held WHERE place = ?", (PROC,)).fetchall():
                self._plan(db, case)
        self.post.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self.post.stop()
        self.ground.record.close()


def _key(config: Config) -> bytes:
    text = config.text("cipher_key", "")
    if not re.fullmatch("[0-9A-Fa-f]{32}", text):
        raise ConfigError("cipher_key: 32 hex digits are needed")
    return bytes.fromhex(text)


def _department(config: Config) -> Department:
    uscc = config.text("uscc", "")
    if not KINDS["credit"](uscc):
        raise ConfigError("uscc: a credit code of 18 characters is needed")
    staff = config.texts("staff") or ("林示范", "陈样例", "黄虚构")
    return Department(uscc, config.text("department_name", "梅州市示范局"), staff)


def build(config: Config, log: FilteringBoundLogger) -> Office:
    """The department of a configuration."""
    department, key = _department(config), _key(config)
    every = config.integer
    habits = Habits(every("special_every", 5), every("refuse_every", 7), every("extend_every", 0))
    step_seconds = config.seconds("step_seconds", 0.2)
    ground = open_ground(config, FAULTS, SCHEMA + SENDING)
    office = Office(config, ground, department, habits, key, step_seconds, ground.app())
    desk: Desk = ground.desk(MANNERS, office.post)
    desk.mount(office.app, Operation("token", "GET", "/token", office.token))
    for name, root in RECEIVES.items():
        largest = LARGEST_ATTACHMENT if root == FILE else LARGEST
        desk.mount(office.app, Operation(name, "POST", f"/{name}", office.receiver(root), largest=largest))
    office.app.add_api_route("/admin/cases", office.cases, methods=["GET"])
    return office


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
