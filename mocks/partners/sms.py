"""SYS-03, the SMS gateway, from adapters/sms/contract/contract.md: delivery and replies.

Own keys: report_delay_ms (300), share_undeliv, share_expired, share_rejectd, share_ma0006, lost_share (0.01:
never reported; also share_never), share_twice, share_without_id, share_before_reply, blacklist, sensitive,
sign, templates, balance_segments, max_per_second (0 = no limit), repeat_seconds (1, 5, 30), ext_code ("01");
of replies reply_share (0), reply_odd_share (0.1), reply_delay_ms (1000), rating_words, mo_repeat_seconds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI
from pydantic import ValidationError
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Answer, Call, Desk, Manners, Operation
from mocks.partners.common.faults import ANSWER_FAULTS, PUSH_FAULTS
from mocks.partners.common.pace import Pace
from mocks.partners.common.server import main
from mocks.partners.sms_messages import BadTemplate, Rules, Sms, Submission, mac, made, segments, templates_of
from mocks.partners.sms_replies import REPEATS, Habits, Replies, judge
from mocks.partners.sms_replies import SCHEMA as REPLIES
from mocks.partners.sms_reports import Behaviour, behaviour, report, rounds

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS sms (
  client_msg_id TEXT PRIMARY KEY, content TEXT NOT NULL, msg_group TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (one INTEGER PRIMARY KEY CHECK (one = 1), segments INTEGER NOT NULL);
"""
    + REPLIES
)
FAULTS = {
    "submit": ANSWER_FAULTS | {"callback_before_reply", "partial_accept", "batch_limit"},
    "balance": ANSWER_FAULTS,
    "report": PUSH_FAULTS,
    "mo": PUSH_FAULTS,
}


def _said(code: int, msg: str, status: int = 200) -> Answer:
    return Answer({"code": code, "msg": msg}, status)


REFUSALS = {
    "seal": _said(401, "signature", 401),
    "media_type": _said(1, "content type", 415),
    "too_large": _said(1, "too large", 413),
    "busy": _said(429, "too fast", 429),
}
MANNERS = Manners(REFUSALS.__getitem__, {"code": 500, "msg": "system error"})


@dataclass(frozen=True)
class Verdict:
    """What becomes of one message; code "" = to be sent, "known" = sent before, else why it is rejected."""

    message: Sms
    content: str
    code: str
    group: str = ""

    @property
    def good(self) -> bool:
        """Whether the message counts as accepted."""
        return self.code in ("", "known")


def answer_data(verdicts: Sequence[Verdict], group: str) -> dict[str, object]:
    """`data` of the submit answer."""
    rejected = [
        {"clientMsgId": verdict.message.clientMsgId, "code": verdict.code}
        for verdict in verdicts
        if not verdict.good
    ]
    return {"msgGroup": group, "accepted": len(verdicts) - len(rejected), "rejected": rejected}


@dataclass(frozen=True)
class Gateway:
    """The gateway's work; every effect of a submission is one transaction."""

    config: Config
    desk: Desk
    callbacks: Callbacks
    rules: Rules
    templates: Mapping[str, str]
    replies: Replies
    plan: Behaviour
    pace: Pace
    app: FastAPI = field(repr=False)

    def balance(self, call: Call) -> Answer:
        """Segments left."""
        with self.desk.record.work() as db:
            return Answer({"code": 0, "data": {"segments": self._left(db)}})

    def submit(self, call: Call) -> Answer:
        """Judges a submission, then each message of it."""
        try:
            submission = Submission.model_validate(strictjson.read_object(call.body))
        except (strictjson.BadJson, ValidationError):
            return self._refused(call, 1, "bad parameter")
        if submission.ecName != self.config.account or not self._mac_holds(submission):
            return self._refused(call, 2, "mac")
        if submission.sign != self.rules.sign:
            return self._refused(call, 1, "bad parameter: sign")
        limit = self.desk.faults.take("submit", "batch_limit")
        if limit is not None and len(submission.messages) > limit.number(1):
            return self._refused(call, 1, "bad parameter: messages")
        if self.pace.too_fast(self.desk.clock()):
            return REFUSALS["busy"]
        try:
            messages = self._made(submission)
        except BadTemplate as error:
            return self._refused(call, 1, f"bad parameter: {error}")
        with self.desk.record.work() as db:
            return self._send(db, call, self._judge(db, messages))

    def _made(self, submission: Submission) -> list[Sms]:
        number, sign = submission.extCode, self.rules.sign
        return [made(one, number, sign, self.templates) for one in submission.messages]

    def _mac_holds(self, submission: Submission) -> bool:
        return hmac.compare_digest(mac(submission, self.config.secret).encode(), submission.mac.encode())

    def _refused(self, call: Call, code: int, msg: str) -> Answer:
        name = hashlib.sha256(call.body).hexdigest()
        self.desk.record.note("received", "submission", name, call.body, str(code), accepted=False)
        return _said(code, msg)

    def _left(self, db: sqlite3.Connection) -> int:
        row = db.execute("SELECT segments FROM account").fetchone()
        return int(row[0]) if row else self.config.integer("balance_segments", 100_000)

    def _judge(self, db: sqlite3.Connection, messages: Sequence[Sms]) -> list[Verdict]:
        """One verdict per clientMsgId and content: a message repeated inside a submission counts once."""
        verdicts: dict[str, Verdict] = {}
        clashes: list[Verdict] = []
        for message in messages:
            content = strictjson.digest([message.mobile, message.content])
            earlier = verdicts.get(message.clientMsgId)
            if earlier is None:
                verdicts[message.clientMsgId] = self._verdict(db, message, content)
            elif earlier.content != content:
                clashes.append(Verdict(message, content, "CONFLICT"))
        return [*verdicts.values(), *clashes]

    def _verdict(self, db: sqlite3.Connection, message: Sms, content: str) -> Verdict:
        row = db.execute("SELECT * FROM sms WHERE client_msg_id = ?", (message.clientMsgId,)).fetchone()
        if row is not None:
            code = "known" if row["content"] == content else "CONFLICT"
            return Verdict(message, content, code, row["msg_group"])
        code = self.rules.rejection(message)
        if not code and self.desk.faults.take("submit", "partial_accept"):
            code = "SENSITIVE"
        return Verdict(message, content, code)

    def _send(self, db: sqlite3.Connection, call: Call, verdicts: Sequence[Verdict]) -> Answer:
        fresh = [verdict for verdict in verdicts if not verdict.code]
        left = self._left(db) - sum(segments(verdict.message.content) for verdict in fresh)
        if left < 0:
            return _said(3, "balance")
        known = [verdict.group for verdict in verdicts if verdict.code == "known"]
        group = known[0] if known else f"{compact(self.desk.clock())}{secrets.token_hex(6)}"
        db.execute("INSERT OR REPLACE INTO account VALUES (1, ?)", (left,))
        rows = [(verdict.message.clientMsgId, verdict.content, group) for verdict in fresh]
        db.executemany("INSERT INTO sms VALUES (?, ?, ?)", rows)
        self._note(call, verdicts)
        self.replies.remember(db, [verdict.message for verdict in fresh])
        jobs = self._schedule(db, group, {verdict.message.clientMsgId: verdict.message for verdict in fresh})
        first = fresh[0].message.clientMsgId if jobs else ""
        early = bool(jobs) and self.plan.chance("before_reply", self.plan.before_reply, first)
        said = {"code": 0, "msg": "success", "data": answer_data(verdicts, group)}
        return Answer(said, jobs=jobs[:1], push_first=early)

    def _note(self, call: Call, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            code = "0" if verdict.good else verdict.code
            name = verdict.message.clientMsgId
            self.desk.record.note(
                "received", "sms", name, call.body, code, accepted=verdict.good, content=verdict.content
            )

    def _schedule(self, db: sqlite3.Connection, group: str, sent: dict[str, Sms]) -> tuple[int, ...]:
        """The reports of a group, those reported twice in a call of their own; the numbers of the calls."""
        now, jobs = self.desk.clock(), []
        for number, names in enumerate(rounds(self.plan, list(sent)), start=1):
            if not names:
                continue
            reports = [report(self.plan, group, sent[name].mobile, name, now) for name in names]
            notes = [Note("report", name) for name in names]
            body, delay = strictjson.write(reports), number * self.plan.delay
            jobs.append(self.callbacks.schedule(db, "report", "/sms/report", body, notes, delay))
        return tuple(jobs)

    def start(self) -> None:
        """Starts sending reports, also those a killed process left."""
        self.callbacks.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self.callbacks.stop()
        self.desk.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Gateway:
    """The gateway of a configuration."""
    sign = config.text("sign", "【梅州政务】")
    rules = Rules(sign, frozenset(config.texts("blacklist")), config.texts("sensitive"))
    plan, pace = behaviour(config), Pace(config.integer("max_per_second", 0))
    habits, templates = Habits.read(config), templates_of(config)
    config.integer("balance_segments", 100_000)
    ground = open_ground(config, FAULTS, SCHEMA)
    apart = {"mo": config.numbers("mo_repeat_seconds", REPEATS)}
    callbacks = ground.callbacks(judge=judge, apart=apart, unmissed=("report",))
    replies = Replies(callbacks, habits, plan, ground.clock, config.text("ext_code", "01"))
    desk = ground.desk(MANNERS, callbacks)
    gateway = Gateway(config, desk, callbacks, rules, templates, replies, plan, pace, ground.app())
    replies.mount(gateway.app)
    desk.mount(gateway.app, Operation("submit", "POST", "/sms/v1/submit", gateway.submit))
    desk.mount(gateway.app, Operation("balance", "GET", "/sms/v1/balance", gateway.balance))
    return gateway


if __name__ == "__main__":
    sys.exit(main(build, xml=False))
