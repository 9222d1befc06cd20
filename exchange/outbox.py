"""What has to go out: planned in the commit that caused it, claimed, delivered, and settled in one commit."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Float, Row, and_, bindparam, exists, insert, or_, select, update

from exchange.routing import Plan
from exchange.store.tables import outbox
from exchange.store.work import Work

CLAIM = 60.0  # seconds a claim holds; a dead worker's rows are taken up again after it
BATCH = 20

GIVE_UP = 20  # attempts, about a day and a half
PATIENCE = 3600.0  # seconds a case's next message waits for the receipt of the one before
RESEND = 30.0  # seconds before a message the receiver could not take is sent again

_INSERT = insert(outbox)
_OF_ID = select(outbox).where(outbox.c.party == bindparam("of"), outbox.c.message_id == bindparam("ident"))
_earlier = outbox.alias("earlier")
_NOW = bindparam("now", type_=Float)


def _claimable(table: Any) -> Any:
    waiting = and_(table.c.state == "pending", table.c.next_at <= _NOW)
    return waiting | and_(table.c.state == "claimed", table.c.claimed_until <= _NOW)


_UNDER_WAY = _earlier.c.state.in_(("pending", "claimed"))
# A receiver that answers by receipt gets the next of a case when it has taken the one before: it checks their
# order, and what overtakes is refused for good.
_UNANSWERED = and_(
    outbox.c.awaits,
    or_(
        _UNDER_WAY,
        and_(
            _earlier.c.state == "sent",
            _earlier.c.awaits,
            _earlier.c.receipt_code.is_(None),
            _earlier.c.sent_at > _NOW - PATIENCE,
        ),
    ),
)
_BLOCKED = exists().where(
    _earlier.c.party == bindparam("of"),
    _earlier.c.case_no == outbox.c.case_no,
    _earlier.c.id < outbox.c.id,
    or_(and_(_UNDER_WAY, ~_claimable(_earlier)), _UNANSWERED),
)
_OPEN = select(outbox.c.id).where(outbox.c.party == bindparam("of"), _claimable(outbox), ~_BLOCKED)
_READY = _OPEN.limit(1)
_CLAIM = (
    update(outbox)
    .where(outbox.c.id.in_(_OPEN.order_by(outbox.c.id).limit(BATCH).scalar_subquery()))
    .values(state="claimed", claimed_until=bindparam("until"), attempts=outbox.c.attempts + 1)
    .returning(outbox)
)
_SETTLE = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"), outbox.c.state == "claimed")  # a receipt may have come first
    .values(
        state=bindparam("to"),
        code=bindparam("told"),
        claimed_until=None,
        next_at=bindparam("at"),
        sent_at=bindparam("done"),
    )
)


class Outbox:
    """The table, and the bells that wake each party's dispatcher."""

    def __init__(self) -> None:
        self._bells: dict[str, threading.Event] = {}

    def bell(self, party: str) -> threading.Event:
        """Rung when something for this party has been committed."""
        return self._bells.setdefault(party, threading.Event())

    def add(self, work: Work, plans: Sequence[Plan], entry: int) -> None:
        """Plan deliveries; each refers to the ledger line that caused it."""
        if not plans:
            return
        for plan in plans:
            work.later(_INSERT, _row(plan, entry, work.now))
        names = {plan.party for plan in plans}
        work.after_commit(lambda: self._ring(names))

    def _ring(self, parties: Iterable[str]) -> None:
        for party in parties:
            self.bell(party).set()

    def ready(self, connection: Connection, party: str, now: float) -> bool:
        """Whether there is anything to claim; asked before a writing transaction is opened for it."""
        return connection.execute(_READY, {"of": party, "now": now}).first() is not None

    def claim(self, work: Work, party: str) -> Sequence[Row[Any]]:
        """The next deliveries of a party, oldest first; none whose case still has an earlier one waiting
        its retry."""
        rows = work.connection.execute(
            _CLAIM, {"of": party, "now": work.now, "until": work.now + CLAIM}
        ).all()
        return sorted(rows, key=lambda row: int(row.id))

    def give_back(self, work: Work, ids: Sequence[int]) -> None:
        """Undo a claim that was not used."""
        if ids:
            undo = {"state": "pending", "claimed_until": None, "attempts": outbox.c.attempts - 1}
            work.connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(undo))

    def settle(self, work: Work, row: int, state: str, code: str, *, retry_at: float | None = None) -> None:
        """sent, refused, dead, or pending again at `retry_at`."""
        values = {
            "to": state,
            "told": code,
            "at": retry_at or work.now,
            "done": work.now if state == "sent" else None,
        }
        work.connection.execute(_SETTLE, {"row": row, **values})

    def sent(self, work: Work, party: str, message_id: str) -> Row[Any] | None:
        """The delivery of this id to this party."""
        return work.connection.execute(_OF_ID, {"of": party, "ident": message_id}).first()

    def receipted(self, work: Work, row: Row[Any], code: str, verdict: str) -> None:
        """Note the receiver's business receipt: done, refused for good, or to be sent again later, when its
        receipt is awaited anew."""
        values: dict[str, Any] = {"receipt_code": code}
        if verdict == "try_later" and row.attempts < GIVE_UP:
            values = {"receipt_code": None, "code": code, "state": "pending", "next_at": work.now + RESEND}
        elif verdict != "ok":
            values |= {"state": "refused", "code": code}
        work.connection.execute(update(outbox).where(outbox.c.id == row.id).values(values))
        work.after_commit(self.bell(row.party).set)

    def release_claims(self, work: Work) -> int:
        """At start-up: what a dead process had claimed is pending again."""
        undo = update(outbox).where(outbox.c.state == "claimed").values(state="pending", claimed_until=None)
        return work.connection.execute(undo).rowcount


def _row(plan: Plan, entry: int, now: float) -> dict[str, Any]:
    return {
        "party": plan.party,
        "message_id": plan.message_id,
        "document": plan.document,
        "type": plan.type,
        "case_no": plan.case_no,
        "payload": dict(plan.payload),
        "context": dict(plan.context),
        "awaits": plan.awaits,
        "state": "pending",
        "attempts": 0,
        "next_at": now,
        "created_at": now,
        "entry": entry,
    }
