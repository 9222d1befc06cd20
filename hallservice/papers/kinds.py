"""Every kind of paper as data. `paper_from` reads any of them from JSON and refuses by code and field."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from canonical.errors import ValueRefused
from canonical.values import CaseNumber, Money, Timestamp
from hallservice.papers.parts import (
    FeeLine,
    Finding,
    Limit,
    Material,
    PaperRef,
    Part,
    Remedy,
    Slot,
    WantedMaterial,
    Window,
)
from hallservice.papers.refusals import first_complaint, refused
from hallservice.papers.text import Line, Maybe, MaybeText, Short, Text

MOST_ROWS = 1000
Rows = Field(min_length=1, max_length=MOST_ROWS)
LARGEST_JSON = 1 << 20


class Issued(Part):
    """What every paper says; `issued_at` is the date on the paper and the creation time of the PDF."""

    doc_no: Short
    department: Line
    issued_at: Timestamp


class CasePaper(Issued):
    """A paper of one case, handed to its applicant."""

    case_no: CaseNumber
    item: Line
    applicant: Line
    window: Window


class Acceptance(CasePaper):
    """受理通知书 (S3-29)."""

    kind: Literal["acceptance"] = "acceptance"
    accepted_at: Timestamp
    promised: Limit
    materials: Annotated[tuple[Material, ...], Rows]
    delivery: Line


class Refusal(CasePaper):
    """不予受理通知书 (S3-30); `received_at` is printed as 受理时间: when the window took the application."""

    kind: Literal["refusal"] = "refusal"
    received_at: Timestamp
    reason: Text
    remedy: Remedy


class Supplement(CasePaper):
    """补齐补正通知书 (S3-32): everything to complete, told once."""

    kind: Literal["supplement"] = "supplement"
    received_at: Timestamp
    promised: Limit
    reason: MaybeText = ""
    materials: Annotated[tuple[WantedMaterial, ...], Rows]


class SpecialProcedure(CasePaper):
    """特别程序告知书: time that does not count (行政许可法 art. 45). `basis` is empty where the law was not
    named, `lasts` where nobody can say how long it takes."""

    kind: Literal["special"] = "special"
    procedure: Short
    reason: Text
    basis: Maybe = ""
    starts_on: date
    lasts: Limit | None = None


class Extension(CasePaper):
    """延期通知书: more time, approved, and why (行政许可法 art. 42)."""

    kind: Literal["extension"] = "extension"
    reason: Text
    approver: Line
    by: Limit
    due_before: date
    due_now: date


class Payment(CasePaper):
    """缴费通知单 (S3-43): paid at the bank's window, then confirmed at ours."""

    kind: Literal["payment"] = "payment"
    unit_code: Short
    payer: Line
    fees: Annotated[tuple[FeeLine, ...], Rows]
    reduction: Money = Money("0")
    reduction_basis: Maybe = ""
    total: Money
    pay_code: Maybe = ""
    bank: Line
    pay_by: date | None = None
    verified_by: Short

    @field_validator("total")
    @classmethod
    def _adds_up(cls, total: Money, info: ValidationInfo) -> Money:
        fees, reduction = info.data.get("fees"), info.data.get("reduction")
        if fees and reduction is not None and sum(f.amount.fen for f in fees) - reduction.fen != total.fen:
            raise ValueRefused("wrong_total", "total is the sum of the fees less the reduction")
        return total


class Decision(CasePaper):
    """准予／不予行政许可决定书; of an item that is no licence (行政给付, 公共服务 …) 办理决定书."""

    kind: Literal["decision"] = "decision"
    granted: bool
    licence: bool = True
    applied_on: date
    reason: Annotated[MaybeText, Field(validate_default=True)] = ""
    basis: Line
    certificate: PaperRef | None = None
    valid: Maybe = ""
    remedy: Remedy

    @field_validator("reason")
    @classmethod
    def _refused_with_reason(cls, reason: str, info: ValidationInfo) -> str:
        if info.data.get("granted") is False and not reason.strip():
            raise ValueRefused("missing", "a refusal says why (行政许可法 art. 38)")
        return reason


class Conclusion(CasePaper):
    """办结通知书."""

    kind: Literal["conclusion"] = "conclusion"
    concluded_at: Timestamp
    result: Line
    papers: Annotated[tuple[PaperRef, ...], Field(max_length=MOST_ROWS)] = ()
    delivery: Line


class Collection(CasePaper):
    """领取通知书."""

    kind: Literal["collection"] = "collection"
    papers: Annotated[tuple[PaperRef, ...], Rows]
    place: Line
    hours: Line
    bring: Line
    until: date | None = None


class DeliveryReceipt(CasePaper):
    """送达回执: signed by hand by who receives."""

    kind: Literal["delivery_receipt"] = "delivery_receipt"
    papers: Annotated[tuple[PaperRef, ...], Rows]
    method: Line
    place: Maybe = ""
    servers: Annotated[tuple[Short, ...], Field(min_length=1, max_length=5)]


class Receiving(CasePaper):
    """收件回执: what was handed in, and how to follow the case; the password is left out of the digest."""

    kind: Literal["receiving"] = "receiving"
    received_at: Timestamp
    materials: Annotated[tuple[Material, ...], Rows]
    query_password: Short
    query_address: Line


class UrgeOrder(Issued):
    """督办单, to a unit or a person; `department` is the supervising body."""

    kind: Literal["urge_order"] = "urge_order"
    target: Line
    content: Text
    findings: Annotated[tuple[Finding, ...], Field(max_length=MOST_ROWS)] = ()
    reply_by: date
    contact: Line


class QueueSlip(Issued):
    """排队／预约凭条, 80 mm wide."""

    kind: Literal["slip"] = "slip"
    ticket: Short
    service: Line
    area: Maybe = ""
    waiting: Annotated[int, Field(ge=0, le=9999)] | None = None
    slot: Slot | None = None
    place: Maybe = ""
    note: Maybe = ""


Paper = (
    Acceptance
    | Refusal
    | Supplement
    | SpecialProcedure
    | Extension
    | Payment
    | Decision
    | Conclusion
    | Collection
    | DeliveryReceipt
    | Receiving
    | UrgeOrder
    | QueueSlip
)
_PAPER: TypeAdapter[Paper] = TypeAdapter(Annotated[Paper, Field(discriminator="kind")])
KINDS: Mapping[str, type[Issued]] = {
    model.model_fields["kind"].default: model
    for model in (
        Acceptance, Refusal, Supplement, SpecialProcedure, Extension, Payment, Decision, Conclusion,
        Collection, DeliveryReceipt, Receiving, UrgeOrder, QueueSlip,
    )
}  # fmt: skip


def paper_from(data: Mapping[str, Any] | bytes) -> Paper:
    """A paper from JSON (bytes or parsed); Refused names the field, `materials.3.name`."""
    try:
        if not isinstance(data, bytes):
            return _PAPER.validate_python(dict(data))
        if len(data) > LARGEST_JSON:
            raise refused("paper_too_large")
        return _PAPER.validate_json(data)
    except ValidationError as fault:
        raise first_complaint(fault, below=1) from None  # below the name of the kind
