"""Fees: notice, payment, confirmation, reversal, reconciliation with the bank, and the basis of a fee."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from canonical.codes import coded
from canonical.errors import ValueRefused
from canonical.messages.parts import (
    Count,
    Model,
    Name,
    Payload,
    Reason,
    Reference,
    Summary,
    Text,
    Title,
    needs,
)
from canonical.values import CaseNumber, ImplementationCode, Money, RegionCode, Timestamp


class FeeLine(Model):
    """One line of a payment notice; `amount` is the line total, less the `reduction`.

    `measure` is the quantity it was computed from where `quantity` cannot say it (12.5 m², 3,000,000 yuan).
    """

    code: Reference
    name: Title
    standard: Summary
    quantity: Annotated[int, Field(ge=1, le=100_000)]
    amount: Money
    measure: Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,6})?$")] | None = None
    reduction: Money | None = None
    reduction_basis: Reason | None = None

    @model_validator(mode="after")
    def _reduced_by_law(self) -> FeeLine:
        needs(self.reduction is not None, self.reduction_basis, "reduction_basis")
        return self


class FeeRequested(Payload):
    """缴费通知: ask the fee system for a payment notice (price already verified, S3-42)."""

    TYPE: ClassVar[str] = "fee.requested.v1"
    request_id: Reference
    case_no: CaseNumber
    unit_no: Annotated[str, Text(20)]
    unit_name: Title
    lines: Annotated[tuple[FeeLine, ...], Field(min_length=1)]
    payer: Name
    total: Money
    due_on: date
    verified_by: Name

    @model_validator(mode="after")
    def _adds_up(self) -> FeeRequested:
        if sum(line.amount for line in self.lines) != self.total:
            raise ValueRefused("bad_value", "total is not the sum of the lines")
        return self


class FeeNoticed(Payload):
    """The fee system's answer: number of the payment notice."""

    TYPE: ClassVar[str] = "fee.noticed.v1"
    request_id: Reference
    case_no: CaseNumber
    notice_no: Reference
    check_no: Reference
    book_check_no: Reference


class FeePaid(Payload):
    """The bank's callback."""

    TYPE: ClassVar[str] = "fee.paid.v1"
    notice_no: Reference
    serial: Reference
    amount: Money
    overdue_amount: Money
    paid_at: Timestamp
    bank: Reference
    voucher_no: Reference


class FeeConfirmed(Payload):
    """The window confirms the payment (a separate act, S3-43)."""

    TYPE: ClassVar[str] = "fee.confirmed.v1"
    request_id: Reference
    case_no: CaseNumber
    notice_no: Reference
    window: Reference
    clerk: Name
    confirmed_at: Timestamp


class FeeReversed(Payload):
    """冲正: the bank takes a payment back the same day."""

    TYPE: ClassVar[str] = "fee.reversed.v1"
    notice_no: Reference
    serial: Reference
    original_serial: Reference
    amount: Money
    reversed_at: Timestamp
    bank: Reference
    reason: Reason | None = None


class ReconciledLine(Model):
    """One payment or reversal of the bank's day."""

    notice_no: Reference
    serial: Reference
    kind: Annotated[str, coded("payment_kind")]
    amount: Money
    overdue_amount: Money
    paid_at: Timestamp
    bank: Reference


class FeeReconciled(Payload):
    """The bank's file of one day (T+1); `count` and `balance` (yuan) are its first line."""

    TYPE: ClassVar[str] = "fee.reconciled.v1"
    region: RegionCode
    day: date
    count: Count
    balance: Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]{0,13})\.[0-9]{2}$")]
    lines: tuple[ReconciledLine, ...] = ()


class FeeBasisRequested(Payload):
    """Ask the revenue system for the basis of a fee (SYS-09, S3-71)."""

    TYPE: ClassVar[str] = "fee.basis_requested.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    item_code: ImplementationCode | None = None
    fee_code: Reference


class FeeBasis(Payload):
    """The revenue system's own record of a fee."""

    TYPE: ClassVar[str] = "fee.basis.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    fee_code: Reference
    standard: Summary
    amount: Money
    legal_basis: Annotated[str, Text(2000)]
