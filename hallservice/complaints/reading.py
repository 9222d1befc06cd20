"""One complaint: what was said, its course, and the complainant in full where somebody has to know."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from exchange.store.tables import document, outbox
from exchange.store.work import Work
from hallservice.complaints.places import HANDLE, REGISTER, VIEW, look, said
from hallservice.counter.form import Check
from hallservice.counter.materials import label
from hallservice.counter.standing import PARTNERS, name_in
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

UNMASKING = (HANDLE, REGISTER)  # who answers has to know whom, and who took it down has been told
SENT = {
    "pending": "等待发送", "claimed": "正在发送", "sent": "对方已接收", "refused": "对方不接受",
    "dead": "没有送到，已停止重发",
}  # fmt: skip
_ENTRY = select(document.c.at, document.c.body).where(document.c.entry == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Whole:
    """The row with what its messages say; texts are empty where a message is no longer kept."""

    row: Row[Any]
    content: str
    reply: str
    answered_by: str  # the organisation


@dataclass(frozen=True, slots=True)
class Step:
    """One line of its course: when (Unix seconds), what, by whom, what came of it."""

    at: float
    what: str
    who: str
    result: str


@dataclass(frozen=True, slots=True)
class Person:
    """The complainant in full."""

    name: str
    mobile: str


def whole(connection: Connection, clerk: Clerk, complaint: str) -> Whole:
    """HallRefused not_allowed, unknown_complaint."""
    row = look(connection, clerk, complaint, VIEW)
    asked, answered = said(connection, row.entry), said(connection, row.resolved_entry)
    told = (asked.get("content"), answered.get("reply"), answered.get("organisation"))
    return Whole(row, *(str(one or "") for one in told))


def course(connection: Connection, row: Row[Any]) -> tuple[Step, ...]:
    """Taken down or told, answered, and told back, as the messages have it."""
    source = label("complaint_source", row.source)
    steps = [_step(connection, row.entry, "登记", source)]
    if row.resolved_entry is not None:
        steps.append(_step(connection, row.resolved_entry, "答复", label("complaint_result", row.result)))
        ask = select(outbox).where(outbox.c.entry == row.resolved_entry).order_by(outbox.c.id)
        steps += [
            Step(one.sent_at or one.created_at, "反馈结果", one.party, SENT.get(one.state, one.state))
            for one in connection.execute(ask)
        ]
    return tuple(one for one in steps if one is not None)


def _step(connection: Connection, entry: int, what: str, result: str) -> Step | None:
    kept = connection.execute(_ENTRY, {"of": entry}).first()
    return Step(kept.at, what, name_in(kept.body) or PARTNERS, result) if kept else None


def may_unmask(clerk: Clerk, row: Row[Any]) -> bool:
    """Never the people complained of, whatever else they may unmask."""
    return row.staff_no == clerk.staff_no or (row.path is not None and clerk.may(HANDLE, row.path))


def unmask(hall: Hall, clerk: Clerk, complaint: str, reason: str) -> Person:
    """The complainant's name and number; an act in the ledger (S3-93). FormRefused; HallRefused."""
    check = Check()
    why = check.text("reason", reason, "查看理由", 200)
    check.done()

    def act(work: Work) -> Person:
        row = look(work.connection, clerk, complaint, VIEW)
        if not may_unmask(clerk, row):
            raise HallRefused("not_allowed", "投诉人信息只供答复人员和登记人查看", HANDLE)
        hall.record(work, clerk, "hall.unmasked", row.number, {"reason": why}, row.case_no)
        told = said(work.connection, row.entry)
        return Person(str(told.get("complainant", "")), str(told.get("mobile", "")))

    return hall.write(act)
