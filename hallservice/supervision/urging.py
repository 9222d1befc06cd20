"""Urging by short message: whoever a step waits for hears of it, by day, and again until it has arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

from canonical.messages import SmsRequested
from exchange.pipeline import submit
from exchange.records import add_finding
from exchange.store.work import Work
from hallservice.approval.events import Urged
from hallservice.flows.tables import task
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.tables import user
from hallservice.supervision import roster
from hallservice.supervision.sending import next_opening
from hallservice.supervision.tables import urge
from hallservice.supervision.words import texts
from ledger.prepared import run

BATCH = 100  # messages of one commit
PAUSES = (1800.0, 7200.0)  # seconds before the second sending, and the third
QUIET = 1800.0  # seconds in which a person hears once of a step, however often it is urged
SHOWN = 100  # characters of what was said that go into the message
OPEN = ("waiting", "sent", "failed")

_WAITED_FOR = select(task.c.person, task.c.org, task.c.post).where(
    task.c.case_no == bindparam("of"), task.c.step == bindparam("named"), task.c.wanted != "answer"
)
_HEARD = select(urge.c.user).where(
    urge.c.case_no == bindparam("of"),
    urge.c.step == bindparam("named"),
    urge.c.user.is_not(None),
    or_(urge.c.at > bindparam("since"), urge.c.state == "waiting"),
)
_NEW = insert(urge)
_STILL = and_(task.c.case_no == urge.c.case_no, task.c.step == urge.c.step, task.c.urge_at.is_not(None))
_NAME = select(func.max(task.c.name)).where(_STILL).correlate(urge).scalar_subquery()
_CALLS = select(urge, _NAME.label("name")).where(urge.c.state.in_(OPEN), urge.c.next_at <= bindparam("now"))
_CHANGE = update(urge).where(urge.c.id == bindparam("row"))


@dataclass(frozen=True, slots=True)
class Notice:
    """One person told, or not told; `state` as words.STATES names it."""

    name: str
    step: str
    at: float
    state: str
    attempts: int
    delivered_at: float | None


def call(hall: Hall, work: Work, case_no: str, event: Urged, entry: int) -> None:
    """Everybody the step waits for is told, now or when the day begins; nobody there is a finding. Whoever
    was told a short while ago reads the new words above the to-do alone."""
    told = {"case_no": case_no, "step": event.step, "by_name": event.by.name, "said": event.opinion}
    row = {**told, "at": work.now, "entry": entry, "attempts": 0}
    people = _awaited(work.connection, case_no, event)
    asked = {"of": case_no, "named": event.step, "since": work.now - QUIET}
    heard = {row.user for row in run(work.connection, _HEARD, asked)}
    for one in [each for each in people if each not in heard]:
        waiting = {"user": one, "state": "waiting", "next_at": work.now}
        run(work.connection, _NEW, {**row, **waiting, "id": new_id(work.now)})
    if not people:
        missing = {"user": None, "state": "missing", "next_at": None}
        run(work.connection, _NEW, {**row, **missing, "id": new_id(work.now)})
        _note(work, case_no, "没有人在办，催办无人接收", entry)
    _send(hall, work, _due(work, case_no))


def _awaited(connection: Connection, case_no: str, event: Urged) -> list[str]:
    """Users; not the one who urges."""
    waits = run(connection, _WAITED_FOR, {"of": case_no, "named": event.step}).all()
    found = dict.fromkeys(one.id for row in waits for one in _people(connection, row))
    own = {one.id for one in roster.named(connection, event.by.id)}
    return [ident for ident in found if ident not in own]


def _people(connection: Connection, row: Any) -> list[roster.Person]:
    if row.person:
        return roster.named(connection, row.person)
    return roster.at_post(connection, row.org, row.post)


def _due(work: Work, case_no: str | None = None) -> Sequence[Any]:
    query = _CALLS if case_no is None else _CALLS.where(urge.c.case_no == case_no)
    ordered = query.order_by(urge.c.next_at, urge.c.id).limit(BATCH)
    return work.connection.execute(ordered, {"now": work.now}).all()


def waits(connection: Connection, now: float) -> bool:
    """Whether something is to be sent."""
    return connection.execute(_CALLS.limit(1), {"now": now}).first() is not None


def round_(hall: Hall) -> None:
    """One commit of what is due to be sent."""
    hall.write(lambda work: _send(hall, work, _due(work)))


def _send(hall: Hall, work: Work, rows: Sequence[Any]) -> None:
    opens = next_opening(work.now)
    for row in rows:
        if row.name is None:
            _set(work, row, state="moot", next_at=None)  # answered, or done
        elif opens is not None:
            _set(work, row, next_at=opens)
        elif (message := _message(work, row)) is not None:
            submit(hall.hub, work, message, cause=None)


def _message(work: Work, row: Any) -> SmsRequested | None:
    """The next sending; None where there is no number, or enough were sent."""
    mobile = roster.mobile_of(work.connection, row.user)
    if mobile is None or row.attempts > len(PAUSES):
        _set(work, row, state="missing" if mobile is None else "given_up", next_at=None)
        why = "没有登记手机号码" if mobile is None else "短信多次未送达"
        _note(work, row.case_no, f"催办未能送达：{why}", row.entry)
        return None
    ident = str(uuid5(NAMESPACE_OID, f"hall.urge/{row.id}:{row.attempts}"))
    pause = PAUSES[min(row.attempts, len(PAUSES) - 1)]
    _set(work, row, state="sent", attempts=row.attempts + 1, request=ident, next_at=work.now + pause)
    said = " ".join(row.said.split())
    shown = said if len(said) <= SHOWN else said[: SHOWN - 1] + "…"
    values = {"case_no": row.case_no, "step": row.name, "by": row.by_name, "said": shown}
    content = texts()["urged"].format_map(values)
    return SmsRequested(
        request_id=ident, case_no=row.case_no, template="urged", mobile=mobile, content=content
    )


def reported(work: Work, request: str | None, status: str) -> None:
    """The gateway's word on a message that names its request."""
    if request is None or status == "accepted":  # taken by the network: wait
        return
    arrived = status == "delivered"
    done: dict[str, Any] = {"state": "delivered", "next_at": None, "delivered_at": work.now}
    mine = (urge.c.request == request) & (urge.c.state == "sent")
    work.connection.execute(update(urge).where(mine).values(done if arrived else {"state": "failed"}))


def of_case(connection: Connection, case_no: str) -> list[Notice]:
    """Who was told that a step of the case is urged, newest first."""
    columns = (urge.c.step, urge.c.at, urge.c.state, urge.c.attempts, urge.c.delivered_at, user.c.name)
    query = select(*columns).outerjoin(user, user.c.id == urge.c.user).where(urge.c.case_no == case_no)
    rows = connection.execute(query.order_by(urge.c.at.desc(), urge.c.id))
    return [Notice(r.name or "", r.step, r.at, r.state, r.attempts, r.delivered_at) for r in rows]


def _set(work: Work, row: Any, **values: Any) -> None:
    run(work.connection, _CHANGE, {"row": row.id, **values})


def _note(work: Work, case_no: str, said: str, entry: int) -> None:
    add_finding(work, case_no, ("procedure", "urge_undelivered", said), entry)
