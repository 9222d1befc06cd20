"""How far the run is: read from the hub's own database, only what is new since the last look."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from exchange.adapterfolder import Adapter
from exchange.app.demo.comparing import GOOD, RECEIPT
from exchange.store.engine import reading
from exchange.store.tables import case_record, document, item, item_content, outbox, party
from ledger.tables import head

OPEN = ("pending", "claimed")


@dataclass(frozen=True)
class Progress:
    """One look at the hub."""

    documents: int = 0  # in and out, this run
    sent: Mapping[str, int] = field(default_factory=dict)  # by party, this run
    received: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0
    open: int = 0  # deliveries still to be made
    unanswered: int = 0  # delivered, the promised receipt is not there yet
    ledger: int = 0
    cases: Mapping[str, int] = field(default_factory=dict)  # by state

    @property
    def quiet(self) -> bool:
        """Nothing is under way between the hub and anybody."""
        return not self.open and not self.unanswered


class Watcher:
    """Counts documents from the ledger position where the run began."""

    def __init__(self, engine: Engine, adapters: Mapping[str, Adapter], begun: int) -> None:
        """`begun`: entries the ledger had then."""
        self._engine, self._next = engine, begun
        self._receipting = {
            name for name, one in adapters.items() if any(c.answered_by for c in one.outbound)
        }
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._documents = self._refused = 0

    def look(self) -> Progress:
        """The state now."""
        with reading(self._engine) as connection:
            self._take_new(connection)
            return Progress(
                self._documents,
                dict(self._sent),
                dict(self._received),
                self._refused,
                _open(connection),
                _unanswered(connection, self._receipting),
                ledger_size(connection),
                _cases(connection),
            )

    def _take_new(self, connection: Connection) -> None:
        new = document.c.entry >= self._next
        counted = document.c.direction.in_(("in", "out"))
        query = select(
            document.c.entry, document.c.party, document.c.direction, document.c.type, document.c.state
        ).where(new & counted)
        for row in connection.execute(query):
            self._next = max(self._next, row.entry + 1)
            self._count(row.party, row.direction, row.type, row.state)

    def _count(self, name: str, direction: str, kind: str, state: str) -> None:
        self._documents += 1
        if state not in GOOD:
            self._refused += 1
        elif kind != RECEIPT:
            (self._sent if direction == "out" else self._received)[name] += 1


def ledger_size(connection: Connection) -> int:
    """Entries of the ledger, 0 before the first."""
    return connection.execute(select(func.max(head.c.size))).scalar() or 0


def _open(connection: Connection) -> int:
    query = select(func.count()).select_from(outbox).where(outbox.c.state.in_(OPEN))
    return connection.execute(query).scalar_one()


def _unanswered(connection: Connection, adapters: set[str]) -> int:
    """Deliveries to parties whose contract answers each by a receipt, which is not there yet."""
    answering = select(party.c.name).where(party.c.adapter.in_(adapters))
    waiting = (outbox.c.state == "sent") & outbox.c.receipt_code.is_(None) & outbox.c.party.in_(answering)
    query = select(func.count()).select_from(outbox).where(waiting)
    return connection.execute(query).scalar_one()


def _cases(connection: Connection) -> dict[str, int]:
    query = select(case_record.c.state, func.count()).group_by(case_record.c.state)
    return {state: number for state, number in connection.execute(query)}


def items_in_force(connection: Connection, org: str | None = None) -> list[dict[str, object]]:
    """The current items as the province published them, of one organisation or all."""
    query = (
        select(item_content.c.data)
        .join(item, item.c.content == item_content.c.id)
        .where(item.c.current, item.c.state == "in_use")
        .order_by(item.c.code)
    )
    if org is not None:
        query = query.where(item.c.org == org)
    return [dict(json.loads(row.data)) for row in connection.execute(query)]


def count_in_force(connection: Connection) -> int:
    """How many items a case can be opened for."""
    query = select(func.count()).select_from(item).where(item.c.current, item.c.state == "in_use")
    return connection.execute(query).scalar_one()
