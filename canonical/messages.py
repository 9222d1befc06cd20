"""The messages of the exchange: one frozen pydantic model per kind, versioned by name (`case.accepted.v1`).

The ten process messages follow the process objects 0-9 of the Guangdong provincial hall norm (2013), in
English words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, ClassVar

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from canonical.codes import coded
from canonical.errors import ValueRefused
from canonical.values import (
    CaseNumber,
    CertificateIdentifier,
    CreditCode,
    Digest,
    ImplementationCode,
    MobileNumber,
    Money,
    RegionCode,
    Timestamp,
)

_control = re.compile("[\x00-\x08\x0b-\x1f]").search


def _plain(text: str) -> str:
    if _control(text) or text == "null":
        raise ValueRefused("bad_text", "control character or the literal null")
    return text


class Text(GroupedMetadata):
    """Free text of at most `longest` characters; no control characters, never the literal `null`."""

    def __init__(self, longest: int, shortest: int = 1) -> None:
        self._longest, self._shortest = longest, shortest

    def __iter__(self) -> Iterator[object]:
        yield StringConstraints(min_length=self._shortest, max_length=self._longest)
        yield AfterValidator(_plain)


Name = Annotated[str, Text(100)]
Title = Annotated[str, Text(200)]
Summary = Annotated[str, Text(1000)]
Reason = Annotated[str, Text(500)]
Opinion = Annotated[str, Text(1000)]
Long = Annotated[str, Text(4000)]
Note = Annotated[str, Text(500, 0)]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@._:/\-]{1,64}$")]
StaffNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-]{1,20}$")]
DocumentNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9()（）\-]{1,18}$")]
Count = Annotated[int, Field(ge=0, le=100_000)]
Step = Annotated[int, Field(ge=1, le=1000)]


class Model(BaseModel):
    """Frozen, and closed: an unknown field is refused by its path."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Payload(Model):
    """What one kind of message says; `TYPE` is its versioned name."""

    TYPE: ClassVar[str]


class CasePayload(Payload):
    """A message about one case of one item version."""

    case_no: CaseNumber
    item_code: ImplementationCode
    region: RegionCode
    version: Annotated[int, Field(ge=1, le=9999)] = 1
    business_no: Annotated[str, Text(50)] | None = None
    queue_ticket: Annotated[str, Text(20)] | None = None
    remark: Reason | None = None


class Applicant(Model):
    """申请人 (a natural or legal person)."""

    kind: Annotated[str, coded("applicant_type")]
    name: Name
    document_type: Annotated[str, coded("document_type")]
    document_no: DocumentNumber


class Contact(Model):
    """联系人."""

    name: Name
    mobile: MobileNumber
    document_type: Annotated[str, coded("document_type")] | None = None
    document_no: DocumentNumber | None = None
    email: Annotated[str, Text(100)] | None = None


class Material(Model):
    """One line of a material list."""

    name: Title
    count: Count
    received_as: Annotated[str, coded("material_received_as")]


class Officer(Model):
    """Who acted, for which body."""

    organisation: Title
    organisation_code: CreditCode
    name: Name
    staff_no: StaffNumber | None = None


class LimitSpan(Model):
    """A time limit: count and unit (rules: canonical.timelimit)."""

    count: Annotated[int, Field(ge=0, le=3660)]
    unit: Annotated[str, coded("limit_unit")]


class CaseApplied(CasePayload):
    """Object 0, 申办: the application."""

    TYPE: ClassVar[str] = "case.applied.v1"
    item_name: Title
    applicant: Applicant
    contact: Contact
    summary: Summary
    materials: tuple[Material, ...] = ()
    channel: Annotated[str, coded("apply_channel")]
    receipt_no: Annotated[str, Text(50)] | None = None
    applied_at: Timestamp
    site: RegionCode | None = None
    original_case_no: Annotated[str, Text(50)] | None = None


class CasePreReviewed(CasePayload):
    """Object 1, 预受理: result of the online pre-review."""

    TYPE: ClassVar[str] = "case.pre_reviewed.v1"
    officer: Officer
    result: Annotated[str, coded("pre_review_result")]
    reason: Reason | None = None
    supplement_note: Reason | None = None
    reviewed_at: Timestamp

    @model_validator(mode="after")
    def _says_why(self) -> CasePreReviewed:
        _needs(self.result == "refused", self.reason, "reason")
        _needs(self.result == "supplement", self.supplement_note, "supplement_note")
        return self


class CaseAccepted(CasePayload):
    """Object 2, 受理: the acceptance decision (accepted or refused)."""

    TYPE: ClassVar[str] = "case.accepted.v1"
    officer: Officer
    result: Annotated[str, coded("acceptance_result")]
    reason: Reason | None = None
    notice_no: Annotated[str, Text(50)] | None = None
    decided_at: Timestamp
    query_password: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    statutory_limit: LimitSpan | None = None
    promised_limit: LimitSpan | None = None
    materials: tuple[Material, ...] = ()
    channel: Annotated[str, coded("apply_channel")] | None = None

    @model_validator(mode="after")
    def _says_why(self) -> CaseAccepted:
        _needs(self.result == "refused", self.reason, "reason")
        _needs(self.result == "accepted", self.promised_limit, "promised_limit")
        return self


class CaseStep(CasePayload):
    """Object 3, 审批: one approval step passed, returned or refused."""

    TYPE: ClassVar[str] = "case.step.v1"
    step: Annotated[str, coded("approval_step")]
    step_name: Title
    step_no: Step
    officer: Officer
    opinion: Opinion
    action: Annotated[str, coded("step_action")]
    decided_at: Timestamp

    @model_validator(mode="after")
    def _refusal_is_a_decision(self) -> CaseStep:
        if self.action == "refuse" and self.step != "approve":
            raise ValueRefused("bad_value", "only the approving step refuses")
        return self


class CaseConcluded(CasePayload):
    """Object 4, 办结: the conclusion and its result."""

    TYPE: ClassVar[str] = "case.concluded.v1"
    officer: Officer
    result: Annotated[str, coded("conclusion_result")]
    result_text: Summary | None = None
    reason: Reason | None = None
    certificate_name: Title | None = None
    certificate_no: Annotated[str, Text(128)] | None = None
    certificate_valid_to: date | None = None
    fee_amount: Money | None = None
    concluded_at: Timestamp

    @model_validator(mode="after")
    def _is_whole(self) -> CaseConcluded:
        _needs(self.result == "certificate_issued", self.certificate_no, "certificate_no")
        _needs(self.result not in {"certificate_issued", "concluded"}, self.reason, "reason")
        return self


class CaseSpecialStarted(CasePayload):
    """Object 5, 特别程序申请: extension (A) or a procedure that stops the clock (B)."""

    TYPE: ClassVar[str] = "case.special_started.v1"
    number: Step
    kind: Annotated[str, coded("special_kind")]
    name: Title
    started_at: Timestamp
    approver: Name
    reason: Reason
    content: Summary | None = None
    limit: LimitSpan | None = None


class CaseSpecialFinished(CasePayload):
    """Object 6, 特别程序结果."""

    TYPE: ClassVar[str] = "case.special_finished.v1"
    number: Step
    result: Annotated[str, coded("special_result")]
    finished_at: Timestamp


class CaseSupplementNoticed(CasePayload):
    """Object 7, 补交告知: what is missing."""

    TYPE: ClassVar[str] = "case.supplement_noticed.v1"
    sent_by: Name
    reason: Reason
    materials: Annotated[tuple[Material, ...], Field(min_length=1)]
    noticed_at: Timestamp


class CaseSupplemented(CasePayload):
    """Object 8, 补交受理: the missing materials have come."""

    TYPE: ClassVar[str] = "case.supplemented.v1"
    received_by: Name
    materials: Annotated[tuple[Material, ...], Field(min_length=1)]
    received_at: Timestamp


class CaseDelivered(CasePayload):
    """Object 9, 领取登记: the result was collected."""

    TYPE: ClassVar[str] = "case.delivered.v1"
    collector: Name
    document_type: Annotated[str, coded("document_type")]
    document_no: DocumentNumber
    mode: Annotated[str, coded("delivery_mode")]
    collected_at: Timestamp


class ItemMaterial(Model):
    """材料 of an implementation item; `review_point` is what the window checks."""

    name: Title
    necessity: Annotated[str, coded("material_necessity")]
    kind: Annotated[str, coded("material_type")]
    format: Annotated[str, coded("material_format")]
    copies: Count
    source: Annotated[str, coded("material_source")]
    review_point: Annotated[str, Text(2000)] | None = None
    order: Count


class ItemFee(Model):
    """收费项目."""

    code: Reference
    name: Title
    standard: Summary
    amount: Money
    legal_basis: Annotated[str, Text(2000)]
    reducible: bool


class ServiceItem(Model):
    """实施清单项, one version of one implementation item."""

    row_id: Reference
    catalog_code: Annotated[str, Text(12)]
    code: ImplementationCode
    name: Summary
    kind: Annotated[str, coded("item_type")]
    version: Annotated[int, Field(ge=1)]
    state: Annotated[str, coded("item_state")]
    legal_basis: Annotated[str, Text(4000)]
    level: Annotated[str, coded("service_level")]
    region: RegionCode
    organisation: Title
    organisation_code: CreditCode
    organisation_nature: Annotated[str, coded("subject_nature")]
    case_kind: Annotated[str, coded("case_kind")]
    statutory_limit: LimitSpan
    promised_limit: LimitSpan
    served: tuple[Annotated[str, coded("service_object")], ...]
    conditions: Annotated[str, Text(4000)] | None = None
    flow: Annotated[str, Text(4000)] | None = None
    handling_forms: tuple[Annotated[str, coded("handling_form")], ...] = ()
    visits: Count | None = None
    has_fee: bool
    fee_basis: Annotated[str, Text(4000)] | None = None
    address: Summary | None = None
    opening_hours: Summary | None = None
    contact: Summary | None = None
    supervision: Summary | None = None
    online: bool
    by_appointment: bool | None = None
    result_kind: Annotated[str, coded("result_type")]
    result_name: Title | None = None
    certificate_type: Annotated[str, Text(21)] | None = None
    town: RegionCode | None = None
    village: RegionCode | None = None
    effective_on: date | None = None
    cancelled_on: date | None = None
    changed_at: Timestamp
    materials: tuple[ItemMaterial, ...] = ()
    fees: tuple[ItemFee, ...] = ()


class ItemWithdrawn(Model):
    """A deleted row of the catalogue."""

    row_id: Reference
    code: ImplementationCode
    version: Annotated[int, Field(ge=1)]


class CatalogueIncrement(Payload):
    """One page of changes of the provincial catalogue."""

    TYPE: ClassVar[str] = "catalogue.increment.v1"
    since: Annotated[int, Field(ge=0)]
    to_version: Annotated[int, Field(ge=0)]
    total: Count
    next_cursor: Annotated[str, Text(200)] | None = None
    changed: tuple[ServiceItem, ...] = ()
    withdrawn: tuple[ItemWithdrawn, ...] = ()


class SmsRequested(Payload):
    """A short message to send."""

    TYPE: ClassVar[str] = "sms.requested.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    template: Reference
    mobile: MobileNumber
    content: Annotated[str, Text(500)]


class SmsRejection(Model):
    """One message the gateway would not send."""

    request_id: Reference
    code: Reference


class SmsSubmitted(Payload):
    """The gateway's answer to a submission."""

    TYPE: ClassVar[str] = "sms.submitted.v1"
    group_id: Reference
    accepted: Count
    rejected: tuple[SmsRejection, ...] = ()


class SmsReport(Model):
    """Delivery report of one message; `request_id` may be missing."""

    group_id: Reference
    mobile: MobileNumber
    request_id: Reference | None = None
    status: Annotated[str, coded("sms_status")]
    submitted_at: Timestamp
    received_at: Timestamp


class SmsReported(Payload):
    """Delivery reports pushed by the gateway."""

    TYPE: ClassVar[str] = "sms.reported.v1"
    reports: Annotated[tuple[SmsReport, ...], Field(min_length=1, max_length=500)]


class Holder(Model):
    """证照持有主体."""

    name: Name
    document_type: Annotated[str, coded("document_type")]
    document_no: DocumentNumber


class CertificateField(Model):
    """One content field by the schema of the certificate type (opaque to the hub: S3-98)."""

    name: Reference
    value: Summary


class CertificateRequested(Payload):
    """Ask the certificate library to issue."""

    TYPE: ClassVar[str] = "certificate.requested.v1"
    request_id: Reference
    case_no: CaseNumber
    item_code: ImplementationCode
    type_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{21}$")]
    name: Title
    issuer: Title
    issuer_code: CreditCode
    region: RegionCode
    holders: Annotated[tuple[Holder, ...], Field(min_length=1)]
    issued_on: date
    valid_from: date
    valid_to: date | None = None
    fields: tuple[CertificateField, ...] = ()


class CertificateIssued(Payload):
    """The library's answer; `pending_seal` is followed by `issued`."""

    TYPE: ClassVar[str] = "certificate.issued.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    identifier: CertificateIdentifier
    number: Annotated[str, Text(128)]
    state: Annotated[str, coded("issue_state")]


class FeeLine(Model):
    """One line of a payment notice; `amount` is the line total."""

    code: Reference
    name: Title
    standard: Summary
    quantity: Annotated[int, Field(ge=1, le=100_000)]
    amount: Money


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


class ArchiveSubmitted(Payload):
    """A package offered to the archives by expiring URL."""

    TYPE: ClassVar[str] = "archive.submitted.v1"
    request_id: Reference
    case_no: CaseNumber
    library: Reference
    fonds: Reference
    title: Title
    retention: Annotated[str, coded("retention")]
    year: Annotated[int, Field(ge=2000, le=2999)]
    url: Annotated[str, Text(500)]
    size: Annotated[int, Field(ge=1)]
    digest: Digest


class DetectionItem(Model):
    """One failed check, by its number in DA/T 70."""

    item: Reference
    message: Annotated[str, Text(500, 0)]


class ArchiveResult(Payload):
    """The archives' verdict on a package."""

    TYPE: ClassVar[str] = "archive.result.v1"
    request_id: Reference
    fonds: Reference
    case_no: CaseNumber
    code: Reference
    description: Reason | None = None
    archive_no: Annotated[str, Text(100)] | None = None
    authenticity: tuple[DetectionItem, ...] = ()
    integrity: tuple[DetectionItem, ...] = ()
    usability: tuple[DetectionItem, ...] = ()
    security: tuple[DetectionItem, ...] = ()


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


def _needs(condition: bool, value: object, field: str) -> None:
    if condition and value is None:
        raise ValueRefused("missing_field", f"{field} is required here")


PAYLOADS: dict[str, type[Payload]] = {
    kind.TYPE: kind
    for kind in (
        CaseApplied,
        CasePreReviewed,
        CaseAccepted,
        CaseStep,
        CaseConcluded,
        CaseSpecialStarted,
        CaseSpecialFinished,
        CaseSupplementNoticed,
        CaseSupplemented,
        CaseDelivered,
        CatalogueIncrement,
        SmsRequested,
        SmsSubmitted,
        SmsReported,
        CertificateRequested,
        CertificateIssued,
        FeeRequested,
        FeeNoticed,
        FeePaid,
        FeeConfirmed,
        ArchiveSubmitted,
        ArchiveResult,
        ExchangeReceipted,
    )
}

PROCESS_OBJECTS: dict[str, str] = {
    "case.applied.v1": "0",
    "case.pre_reviewed.v1": "1",
    "case.accepted.v1": "2",
    "case.step.v1": "3",
    "case.concluded.v1": "4",
    "case.special_started.v1": "5",
    "case.special_finished.v1": "6",
    "case.supplement_noticed.v1": "7",
    "case.supplemented.v1": "8",
    "case.delivered.v1": "9",
}


class Message(Model):
    """One document of the exchange: who says what, when, and the payload of its type."""

    message_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._\-]{8,64}$")]
    type: str
    sender: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._\-]{1,39}$")]
    sent_at: Timestamp
    causation_id: Annotated[str, Text(64)] | None = None
    payload: Any

    @property
    def case_no(self) -> str | None:
        """The case this message is about, if any."""
        return getattr(self.payload, "case_no", None)
