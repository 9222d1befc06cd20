"""A house party that asked for what a partner then refuses is told so, as a receipt for its own message."""

import re
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from canonical.messages import PAYLOADS, ExchangeReceipted
from exchange.delivery import Sent
from exchange.routing import HOUSE, Plan
from exchange.store.tables import document
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.hub import Hub

TYPE = ExchangeReceipted.TYPE
NAMED = re.compile(r"[A-Za-z0-9@._:/-]{1,64}", re.ASCII)  # what a code may be made of
LONGEST = 500  # characters of the explanation
_SPACE = uuid.UUID("f5a0f6b2-3a52-4a0c-8f6c-3a4c7e0e5b10")


def tell(hub: "Hub", work: Work, row: Row[Any], sent: Sent, entry: int) -> None:
    """Plans the receipt, where the refused delivery is a request (it has a `request_id`) of a house party
    that takes receipts; `entry`: the ledger entry of the refusal."""
    if "request_id" not in PAYLOADS[row.type].model_fields:
        return
    work.flush()
    asked = work.connection.execute(
        select(document.c.party, document.c.message_id, document.c.type).where(
            document.c.entry == row.entry, document.c.direction == "in"
        )
    ).first()
    party = hub.parties.named(asked.party) if asked is not None and asked.type == row.type else None
    if asked is not None and party is not None and party.adapter == HOUSE and TYPE in party.takes:
        said = _receipt(asked.message_id, row.case_no, sent)
        ident = str(uuid.uuid5(_SPACE, row.message_id))
        hub.outbox.add(work, [Plan(party.name, ident, HOUSE, TYPE, row.case_no, said, {})], entry)


def _receipt(message_id: str, case_no: str | None, sent: Sent) -> dict[str, Any]:
    detail = "".join(sign for sign in sent.detail or "" if sign.isprintable())[:LONGEST]
    code = sent.code if NAMED.fullmatch(sent.code) else "refused"
    said = {"message_id": message_id, "case_no": case_no, "code": code, "detail": detail or None}
    return ExchangeReceipted.model_validate(said).model_dump(mode="json", exclude_none=True)
