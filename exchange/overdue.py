"""What was sent and never answered: after the time of the contract its fate is unknown, which a person must
see."""

from typing import Any

from sqlalchemy import Connection, Integer, Row, literal_column, select, update

from exchange import references
from exchange.hub import Hub
from exchange.parties import Party
from exchange.records import add_finding
from exchange.store.tables import outbox
from exchange.store.work import Work

UNKNOWN, REPORTED = "UNKNOWN", "reported"
BATCH = 500  # deliveries looked at in one commit
PAUSE = 20.0  # seconds a promised receipt may take before the message is sent again; doubled each time
MOST_TIMES = 10  # about three hours; what is still unanswered at the contract's time is a finding

_DOUBLED = literal_column("(1 << (outbox.attempts - 1))", Integer)


def note_unanswered(hub: Hub, work: Work) -> int:
    """One finding for each delivery whose receipt or report did not come in time; how many."""
    found = 0
    for party in hub.parties.all():
        adapter = hub.adapters.get(party.adapter)
        after = adapter.limits.unknown_after if adapter else None
        if after is not None:
            found += sum(_noted(work, row) for row in _waiting(work, party.name, work.now - after))
    return found


def _waiting(work: Work, party: str, before: float) -> list[Row[tuple[object, ...]]]:
    late = (outbox.c.state == "sent") & outbox.c.receipt_code.is_(None) & (outbox.c.sent_at < before)
    return list(work.connection.execute(select(outbox).where(outbox.c.party == party, late).limit(BATCH)))


def _noted(work: Work, row: Row[tuple[object, ...]]) -> bool:
    """Whether it is unknown; a short message is answered by its delivery report."""
    request = row.payload.get("request_id", "")
    told = references.data_of(work, "sms", request) if row.type == "sms.requested.v1" else None
    known = told is not None and told.get("status") not in (None, "requested")
    mark = update(outbox).where(outbox.c.id == row.id).values(receipt_code=REPORTED if known else UNKNOWN)
    work.connection.execute(mark)
    if not known:
        detail = f"{row.party} {row.type} {row.message_id}: no answer in the time agreed"
        add_finding(work, row.case_no, ("procedure", "answer_unknown", detail), row.entry)
    return not known


def send_again(hub: Hub) -> int:
    """What a partner promised to receipt and did not goes out again under the same id, each time after twice
    the pause: a receipt may have been lost on its way. How many; nothing is written where nothing is late."""
    promised = {party.name: calls for party in hub.parties.all() if (calls := _receipted(hub, party))}
    with hub.store.read() as connection:
        late = [
            row
            for name, calls in promised.items()
            for row in _late(connection, name, calls, hub.store.clock())
        ]
    if late:
        hub.store.write(lambda work: _pending(hub, work, late))
    return len(late)


def _receipted(hub: Hub, party: Party) -> list[str]:
    adapter = hub.adapters.get(party.adapter)
    return [call.name for call in adapter.outbound if call.answered_by] if adapter else []


def _late(connection: Connection, party: str, calls: list[str], now: float) -> list[Row[Any]]:
    query = select(outbox.c.id, outbox.c.party).where(
        outbox.c.party == party,
        outbox.c.document.in_(calls),
        outbox.c.state == "sent",
        outbox.c.receipt_code.is_(None),
        outbox.c.attempts <= MOST_TIMES,
        outbox.c.sent_at < now - PAUSE * _DOUBLED,
    )
    return list(connection.execute(query.limit(BATCH)))


def _pending(hub: Hub, work: Work, late: list[Row[Any]]) -> None:
    """Unless the receipt came meanwhile."""
    ids = [row.id for row in late]
    still = (outbox.c.state == "sent") & outbox.c.receipt_code.is_(None) & outbox.c.id.in_(ids)
    work.connection.execute(update(outbox).where(still).values(state="pending", next_at=work.now))
    for name in {row.party for row in late}:
        work.after_commit(hub.outbox.bell(name).set)
