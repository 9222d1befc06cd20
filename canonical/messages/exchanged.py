"""What partners say about messages themselves: business receipts and audits of the day after."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from canonical.messages.parts import Model, Payload, Reference, Text
from canonical.values import CaseNumber, RegionCode


class RowError(Model):
    """A field the receiver complains of."""

    field: Annotated[str, Text(100)]
    message: Annotated[str, Text(500, 0)]


class ExchangeReceipted(Payload):
    """A partner's business receipt for a message it was sent (provincial receipt, department receipt)."""

    TYPE: ClassVar[str] = "exchange.receipted.v1"
    message_id: Reference
    case_no: CaseNumber | None = None
    code: Reference
    detail: Annotated[str, Text(500, 0)] | None = None
    row_errors: tuple[RowError, ...] = ()


class AuditedMessage(Model):
    """One reported row the receiver's nightly audit finds abnormal."""

    message_id: Reference
    case_no: CaseNumber | None = None
    error_type: Reference
    table: Reference | None = None
    field: Annotated[str, Text(100)] | None = None
    message: Annotated[str, Text(500, 0)]


class ExchangeAudited(Payload):
    """Abnormal rows of one day, returned the next morning."""

    TYPE: ClassVar[str] = "exchange.audited.v1"
    batch_id: Reference
    region: RegionCode
    audited_on: date
    rows: tuple[AuditedMessage, ...] = ()
