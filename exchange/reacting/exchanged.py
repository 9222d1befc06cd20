"""What partners say of our own messages: business receipts now, audits the morning after."""

from collections.abc import Iterator

from canonical.messages import ExchangeAudited, ExchangeReceipted, Payload
from exchange.errors import Refused
from exchange.reacting.occasion import Occasion


def note_receipt(occasion: Occasion) -> Iterator[Payload]:
    """A business receipt closes the delivery it names, as the partner's contract reads its code; one for
    nothing we sent is refused."""
    payload, party = occasion.message.payload, occasion.message.sender
    if isinstance(payload, ExchangeReceipted):
        row = occasion.hub.outbox.sent(occasion.work, party, payload.message_id)
        if row is None:
            raise Refused("unknown_message", "nothing of this id was sent to this party", "message_id")
        verdict = occasion.hub.judge(party, row.document, payload.code)
        occasion.hub.outbox.receipted(occasion.work, row, payload.code, verdict)
        if verdict in ("refused", "poison"):
            detail = f"{party} {payload.code}: {payload.detail or ''}"
            occasion.note("procedure", "receipt_refused", detail, row.case_no)
        for error in payload.row_errors:
            detail = f"{party} {row.type} {error.field}: {error.message}"
            occasion.note("content", "row_error", detail, row.case_no)
    yield from ()


def note_audit(occasion: Occasion) -> Iterator[Payload]:
    """Each abnormal row is a finding about the case of the message it names."""
    payload, party = occasion.message.payload, occasion.message.sender
    for row in payload.rows if isinstance(payload, ExchangeAudited) else ():
        sent = occasion.hub.outbox.sent(occasion.work, party, row.message_id)
        where = " ".join(part for part in (row.table, row.field) if part)
        known = sent.type if sent else "a message that was never sent"
        detail = f"{party} {row.message_id} ({known}) {row.error_type} {where}: {row.message}"
        occasion.note("content", "audit_abnormal", detail, row.case_no or (sent.case_no if sent else None))
    yield from ()
