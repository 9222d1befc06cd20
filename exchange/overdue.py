"""What was sent and never answered: after the time of the contract its fate is unknown, which a person must
see."""

from sqlalchemy import Row, select, update

from exchange import references
from exchange.hub import Hub
from exchange.records import add_finding
from exchange.store.tables import outbox
from exchange.store.work import Work

UNKNOWN, REPORTED = "UNKNOWN", "reported"
BATCH = 500  # deliveries looked at in one commit


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
