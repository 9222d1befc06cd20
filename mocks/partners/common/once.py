"""A plain JSON operation that decides once per message id: account, repeats, other content, the record."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mocks.partners.common.endpoint import Answer, Call, Desk
from mocks.partners.common.firsts import First, first_answer, keep_answer
from mocks.partners.common.members import BadMember, digest_without, named, read_members

FOR_EVER: Final = float("inf")
CASE: Final = r"[1-9][0-9]{26}[0-9A-Z]"
Body = Mapping[str, object]


@dataclass(frozen=True)
class Said:
    """An answer before its seal: code of the contract and body; whether the message counts as taken.

    `kept`: repeats get the same; `answer`: how it leaves, if not as HTTP 200 under a seal.
    """

    code: str
    value: Body
    accepted: bool = False
    kept: bool = True
    answer: Answer | None = None
    jobs: tuple[int, ...] = ()

    def leaving(self) -> Answer:
        """The answer for the desk; callbacks in it are tried first."""
        return self.answer or Answer(self.value, jobs=self.jobs, push_first=bool(self.jobs))


@dataclass(frozen=True)
class Habits:
    """How a contract names account and identity, and its codes for what is not business."""

    kind: str
    account: str
    id: str
    say: Callable[[str, str], Body]  # code, message
    stranger: str
    wrong: str
    other: str  # same identity with other content
    apart: tuple[str, ...] = ()  # members that are no content
    head: str = ""  # the member that holds account and identity
    keep_seconds: float = FOR_EVER
    repeats: bool = True  # False: asked again it is looked at again

    def said(self, code: str, message: str = "", *, kept: bool = True) -> Said:
        """A refusal in the contract's words."""
        return Said(code, self.say(code, message), kept=kept)

    def top(self, value: Body) -> Body:
        """The members with account and identity."""
        head = value.get(self.head) if self.head else value
        return head if isinstance(head, Mapping) else {}


Decide = Callable[[sqlite3.Connection, Body], Said]
"""The business: an answer, or BadMember."""


@dataclass(frozen=True)
class Once:
    """All of one message is one transaction, written down before it is answered."""

    desk: Desk
    account: str
    habits: Habits

    def serve(self, call: Call, decide: Decide) -> Answer:
        """The answer of the first time, or what `decide` says now."""
        try:
            value = read_members(call.body)
        except BadMember as error:
            said = self.habits.said(self.habits.wrong, str(error))
            self._note(call, said, "", "", "")
            return said.leaving()
        id, content = named(self.habits.top(value), self.habits.id), digest_without(value, *self.habits.apart)
        with self.desk.record.work() as db:
            said = self._said(db, value, id, content, decide)
            self._note(call, said, id, named(value, "caseNo", CASE), content)
        return said.leaving()

    def _said(
        self, db: sqlite3.Connection, value: Body, id: str, content: str, decide: Decide
    ) -> Said:  # fmt: skip
        account = self.habits.top(value).get(self.habits.account)
        if isinstance(account, str) and account != self.account:
            return self.habits.said(self.habits.stranger, self.habits.account, kept=False)
        now = self.desk.clock()
        once = bool(id) and self.habits.repeats
        first = first_answer(db, id, now - self.habits.keep_seconds) if once else None
        if first is not None:
            return self._again(first, content)
        try:
            said = decide(db, value)
        except BadMember as error:
            said = self.habits.said(self.habits.wrong, str(error))
        if once and said.kept:
            keep_answer(db, id, First(content, said.code, said.accepted, said.value), now)
        return said

    def _again(self, first: First, content: str) -> Said:
        if first.content != content:
            return self.habits.said(self.habits.other, "same number with other content", kept=False)
        return Said(first.code, first.value, first.accepted, kept=False)

    def _note(self, call: Call, said: Said, id: str, case: str, content: str) -> None:
        name = id or hashlib.sha256(call.body).hexdigest()
        self.desk.record.note(
            "received", self.habits.kind, name, call.body, said.code,
            accepted=said.accepted, case=case, content=content,
        )  # fmt: skip
