"""Short messages of cards: sent, sent again until delivered or acknowledged, within limits.

Prompts of one person go out together; a red card is always a message of its own. At night they wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from canonical.instants import SHANGHAI
from canonical.messages import SmsRequested
from exchange.pipeline import submit
from exchange.records import add_finding
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people.tables import user
from hallservice.supervision import roster
from hallservice.supervision.raising import OPEN
from hallservice.supervision.tables import call, card
from hallservice.supervision.tables import clock as clock_table
from hallservice.supervision.words import COLOURS, clock_name, day_name, several, texts
from ledger.prepared import run

BATCH = 100  # calls of one commit
OPENS, CLOSES = time(8, 0), time(21, 0)  # in between staff are sent short messages, Beijing time
PAUSES = (600.0, 1800.0, 7200.0, 21600.0, 86400.0)  # seconds from one sending of a red card to the next
PROMPT_PAUSES = (1800.0,)  # of the others
NAMED = 3  # case numbers named in a message about several


@dataclass(frozen=True, slots=True)
class Sendable:
    """A call that is due, with what its message says."""

    call: str
    card: str
    role: str
    user: str
    attempts: int
    colour: str
    case_no: str
    clock: str
    due: str
    item_name: str
    over: bool  # the matter is concluded: a prompt has no sense any more
    entry: int


_COLUMNS = (
    call.c.id, call.c.card, call.c.role, call.c.user, call.c.attempts, card.c.colour, card.c.case_no,
    card.c.clock, card.c.due, card.c.item_name, clock_table.c.concluded.is_not(None).label("over"),
    card.c.entry,
)  # fmt: skip
_SAME = (clock_table.c.case_no == card.c.case_no) & (clock_table.c.clock == card.c.clock)
_CALLS = (
    select(*_COLUMNS)
    .join(card, card.c.id == call.c.card)
    .join(clock_table, _SAME)
    .where(call.c.state.in_(OPEN), call.c.next_at <= bindparam("now"))
)
_SENT = update(call).where(call.c.id == bindparam("of"))
_WAIT = update(call).where(call.c.id == bindparam("of")).values(next_at=bindparam("at"))


def ready(work: Work, cards: Sequence[str]) -> list[SmsRequested]:
    """The messages of these cards that may go now; they are marked as sent."""
    if not cards:
        return []
    return _messages(work, _sendable(work, _CALLS.where(call.c.card.in_(cards))))


def round_(hall: Hall) -> int:
    """One commit of what is due to be sent; how many messages went out."""
    return hall.write(lambda work: _round(hall, work))


def _round(hall: Hall, work: Work) -> int:
    messages = _messages(work, _sendable(work, _CALLS.order_by(call.c.next_at, call.c.id).limit(BATCH)))
    for message in messages:
        submit(hall.hub, work, message, cause=None)
    return len(messages)


def waits(connection: Connection, now: float) -> bool:
    """Whether something is to be sent."""
    due = select(call.c.id).where(call.c.state.in_(OPEN), call.c.next_at <= now).limit(1)
    return connection.execute(due).first() is not None


def _sendable(work: Work, query: Select[Any]) -> list[Sendable]:
    rows: list[Any] = list(work.connection.execute(query, {"now": work.now}))
    return [Sendable(*row) for row in rows]


def _messages(work: Work, rows: Sequence[Sendable]) -> list[SmsRequested]:
    if (opens := next_opening(work.now)) is not None:
        for row in rows:
            run(work.connection, _WAIT, {"of": row.call, "at": opens})
        return []
    found = [_message(work, rows) for rows in _grouped(work, rows)]
    return [message for message in found if message is not None]


def _grouped(work: Work, rows: Iterable[Sendable]) -> list[list[Sendable]]:
    """A red card alone; prompts of one colour to one person together; what has no sense any more is left."""
    single, prompts = [], []
    for row in rows:
        if row.colour == "red":
            single.append([row])
        elif row.over:
            _settle(work, row.call, "moot")
        else:
            prompts.append(row)
    prompts.sort(key=_together)
    return [*single, *(list(group) for _, group in groupby(prompts, _together))]


def _together(row: Sendable) -> tuple[str, str]:
    return row.user, row.colour


def _message(work: Work, rows: Sequence[Sendable]) -> SmsRequested | None:
    """One message for these calls; None where the person has no number, or enough were sent."""
    mobile = roster.mobile_of(work.connection, rows[0].user)
    if mobile is None:
        _give_up(work, rows, "missing", "没有登记手机号码")
        return None
    pauses = PAUSES if rows[0].colour == "red" else PROMPT_PAUSES
    live = [row for row in rows if row.attempts <= len(pauses)]
    _give_up(work, [row for row in rows if row.attempts > len(pauses)], "given_up", "短信多次未送达")
    if not live:
        return None
    ident = _request_id(live)
    for row in live:
        pause = pauses[row.attempts] if row.attempts < len(pauses) else pauses[-1]
        sent = {"state": "sent", "attempts": row.attempts + 1, "request": ident, "sent_at": work.now}
        run(work.connection, _SENT, {"of": row.call, **sent, "next_at": work.now + pause})
    content = _content(live)
    case_no = live[0].case_no if len(live) == 1 else None
    template = f"card_{live[0].colour}"
    return SmsRequested(request_id=ident, case_no=case_no, template=template, mobile=mobile, content=content)


def _request_id(rows: Sequence[Sendable]) -> str:
    said = "/".join(f"{row.call}:{row.attempts}" for row in rows)
    return str(uuid5(NAMESPACE_OID, f"hall.card/{said}"))


def _content(rows: Sequence[Sendable]) -> str:
    first = rows[0]
    values = {
        "case_no": first.case_no,
        "item_name": first.item_name[:60],
        "clock": clock_name(first.clock),
        "due": day_name(date.fromisoformat(first.due)),
        "role": first.role,
    }
    if len(rows) == 1:
        return texts()[first.colour].format_map(values)
    numbers = "、".join(row.case_no for row in rows[:NAMED])
    about = {"colour": COLOURS[first.colour], "what": several(first.colour)}
    return texts()["several"].format_map({**about, "count": len(rows), "numbers": numbers})


def _give_up(work: Work, rows: Sequence[Sendable], state: str, why: str) -> None:
    for row in rows:
        _settle(work, row.call, state)
        said = f"{COLOURS[row.colour]}未能送达{row.role}：{why}"
        add_finding(work, row.case_no, ("procedure", "card_undelivered", said), row.entry)


def _settle(work: Work, ident: str, state: str) -> None:
    work.connection.execute(update(call).where(call.c.id == ident).values(state=state, next_at=None))


def reported(work: Work, request: str | None, mobile: str | None, status: str) -> None:
    """The gateway's word on a message; one that names no request is of the oldest to that number."""
    rows = _of_request(work, request) if request else _of_mobile(work, mobile)
    if status == "delivered":
        for row in rows:
            done = {"state": "delivered", "next_at": None, "delivered_at": work.now}
            work.connection.execute(update(call).where(call.c.id == row.id).values(**done))
    elif status != "accepted":  # taken by the network: wait
        for row in rows:
            work.connection.execute(update(call).where(call.c.id == row.id).values(state="failed"))


def _of_request(work: Work, request: str) -> list[Row[Any]]:
    mine = (call.c.request == request) & (call.c.state == "sent")
    return list(work.connection.execute(select(call.c.id).where(mine)))


def _of_mobile(work: Work, mobile: str | None) -> list[Row[Any]]:
    people = select(user.c.id).where(user.c.mobile == mobile)
    oldest = (
        select(call.c.request)
        .where(call.c.user.in_(people), call.c.state == "sent")
        .order_by(call.c.sent_at)
        .limit(1)
    )
    request = work.connection.execute(oldest).scalar()
    return _of_request(work, request) if request else []


def next_opening(now: float) -> float | None:
    """When messages may be sent again; None: now."""
    here = datetime.fromtimestamp(now, UTC).astimezone(SHANGHAI)
    if OPENS <= here.time() < CLOSES:
        return None
    day = here.date() if here.time() < OPENS else here.date() + timedelta(days=1)
    return datetime.combine(day, OPENS, SHANGHAI).timestamp()


def shown_moment(at: float) -> str:
    """2026-03-02 09:30, Beijing time."""
    return datetime.fromtimestamp(at, UTC).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
