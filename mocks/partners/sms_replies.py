"""Replies of people to the SMS gateway's messages: told by admin, or made up for a share of those that ask.

POST /admin/mo {"mobile", "content", "extCode"?, "moId"?} sends one.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import draw
from mocks.partners.common.callback import Callbacks, Heard, Note
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.config import Config
from mocks.partners.sms_messages import STRICT, Sms
from mocks.partners.sms_reports import Behaviour

SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
  client_msg_id TEXT PRIMARY KEY, mobile TEXT NOT NULL, ext_code TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sent_to ON sent (mobile, at);
"""
LAST = """
SELECT client_msg_id, ext_code FROM sent WHERE mobile = ? AND at > ? AND (? = '' OR ext_code = ?)
ORDER BY at DESC, rowid DESC LIMIT 1
"""
REPEATS = (1.0, 5.0, 30.0, 300.0, 1800.0)  # seconds
REMEMBERED = 72 * 3600.0  # seconds in which a reply is taken for one to a message
ODD = (" 5", "５", "满意", "5分", "")  # what people write who were asked for a digit


class Reply(BaseModel):
    """What POST /admin/mo takes."""

    model_config = STRICT
    mobile: Annotated[str, Field(pattern=r"^1[3-9][0-9]{9}$")]
    content: Annotated[str, Field(max_length=500)]
    extCode: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    moId: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{8,50}$")] | None = None


def judge(headers: Mapping[str, str], body: bytes) -> Heard:
    """HTTP 200 is final; it was taken only with code 0."""
    try:
        code = strictjson.read_object(body).get("code")
    except strictjson.BadJson:
        return Heard("no JSON", final=True)
    return Heard(str(code), accepted=code == 0 and code is not False, final=True)


@dataclass(frozen=True)
class Habits:
    """How many of those who are asked for a rating answer, when, and how many not by a bare digit."""

    seed: int
    share: float
    odd: float
    delay: float
    words: tuple[str, ...]

    @staticmethod
    def read(config: Config) -> Habits:
        """Own keys reply_share (0), reply_odd_share (0.1), reply_delay_ms (1000), rating_words."""
        words = config.texts("rating_words") or ("评价", "满意度")
        share, odd = config.share("reply_share", 0.0), config.share("reply_odd_share", 0.1)
        return Habits(config.seed, share, odd, config.integer("reply_delay_ms", 1000) / 1000, words)

    def answer(self, message: Sms) -> str | None:
        """What the person writes; None: nothing, or was not asked."""
        name = message.clientMsgId
        asked = any(word in message.content for word in self.words)
        if not asked or draw(self.seed, "reply", name) >= self.share:
            return None
        point = draw(self.seed, "written", name)
        if draw(self.seed, "odd", name) < self.odd:
            return ODD[int(point * len(ODD))]
        return str(1 + int(point * 5))


@dataclass(frozen=True)
class Replies:
    """Reads and writes inside the caller's transaction."""

    callbacks: Callbacks
    habits: Habits
    plan: Behaviour
    clock: Clock
    extension: str  # the access number of people to whom nothing was sent

    def remember(self, db: sqlite3.Connection, messages: Sequence[Sms]) -> None:
        """Which message a reply will belong to, and the replies that come by themselves."""
        now = self.clock()
        db.execute("DELETE FROM sent WHERE at < ?", (now - 2 * REMEMBERED,))
        rows = [(one.clientMsgId, one.mobile, one.extCode, now) for one in messages]
        db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", rows)
        for one in messages:
            content = self.habits.answer(one)
            if content is not None and self.plan.status(one.clientMsgId) == "DELIVRD":
                reply = Reply(mobile=one.mobile, content=content, extCode=one.extCode)
                self.push(db, reply, self.plan.delay + self.habits.delay)

    def push(self, db: sqlite3.Connection, reply: Reply, delay: float) -> dict[str, str]:
        """Keeps the call that tells the hub."""
        now, number = self.clock(), reply.extCode or ""
        last = db.execute(LAST, (reply.mobile, now - REMEMBERED, number, number)).fetchone()
        said = {
            "moId": reply.moId or f"MO{compact(now)}{secrets.token_hex(8)}", "mobile": reply.mobile,
            "content": reply.content, "extCode": number or (last["ext_code"] if last else self.extension),
            "moTime": compact(now + delay),
        }  # fmt: skip
        if last is not None:
            said["clientMsgId"] = last["client_msg_id"]
        body = strictjson.write(said)
        note = Note("mo", said["moId"], content=strictjson.digest(said))
        self.callbacks.schedule(db, "mo", "/sms/mo", body, [note], delay)
        return said

    def mount(self, app: FastAPI) -> None:
        """POST /admin/mo."""

        async def mo(request: Request) -> JSONResponse:
            try:
                reply = Reply.model_validate(strictjson.read(await request.body()))
            except (strictjson.BadJson, ValueError) as error:
                return JSONResponse({"detail": str(error)}, 422)
            with self.callbacks.record.work() as db:
                said = self.push(db, reply, 0.0)
            self.callbacks.wake()
            return JSONResponse(said)

        app.add_api_route("/admin/mo", mo, methods=["POST"])
