"""Around a case: service records, parcels, verifications, complaints, performance."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from canonical.codes import coded
from canonical.messages.parts import (
    Applicant,
    CasePayload,
    Count,
    Holder,
    LimitSpan,
    Model,
    Name,
    NamedValue,
    Opinion,
    Payload,
    Reason,
    Reference,
    Step,
    Text,
    Title,
)
from canonical.values import CaseNumber, CreditCode, MobileNumber, RegionCode, Timestamp

Score = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,2})?$")]


class ServiceRecorded(CasePayload):
    """One service rendered, which may then be rated (SYS-16): the n-th of its case."""

    TYPE: ClassVar[str] = "service.recorded.v1"
    item_name: Title
    organisation: Title
    organisation_code: CreditCode
    stage: Annotated[str, coded("service_stage")]
    service_name: Title
    service_number: Step
    applicant: Applicant
    mobile: MobileNumber
    channel: Annotated[str, coded("apply_channel")]
    case_kind: Annotated[str, coded("case_kind")]
    served_at: Timestamp
    accepted_at: Timestamp | None = None
    concluded_at: Timestamp | None = None
    statutory_limit: LimitSpan | None = None
    promised_limit: LimitSpan | None = None
    window: Reference | None = None


class ParcelEnd(Model):
    """寄件人或收件人."""

    name: Name
    mobile: MobileNumber
    region: RegionCode
    address: Annotated[str, Text(200)]


class ParcelRequested(Payload):
    """Ask the courier to carry a result (or materials) of a case (S3-48)."""

    TYPE: ClassVar[str] = "parcel.requested.v1"
    request_id: Reference
    case_no: CaseNumber
    sender: ParcelEnd
    receiver: ParcelEnd
    contents: Title
    requested_at: Timestamp


class ParcelBooked(Payload):
    """The courier's waybill number."""

    TYPE: ClassVar[str] = "parcel.booked.v1"
    request_id: Reference
    case_no: CaseNumber
    waybill_no: Reference
    booked_at: Timestamp


class ParcelTracked(Payload):
    """One event of a parcel's way."""

    TYPE: ClassVar[str] = "parcel.tracked.v1"
    waybill_no: Reference
    status: Annotated[str, coded("parcel_status")]
    place: Annotated[str, Text(200)] | None = None
    signed_by: Name | None = None
    occurred_at: Timestamp


class VerificationRequested(Payload):
    """Ask the data-sharing platform whether what an applicant says is so (SYS-15)."""

    TYPE: ClassVar[str] = "verification.requested.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    subject: Annotated[str, coded("verification_subject")]
    holder: Holder
    purpose: Annotated[str, Text(200)]


class VerificationAnswered(Payload):
    """What the authority that holds the data says."""

    TYPE: ClassVar[str] = "verification.answered.v1"
    request_id: Reference
    case_no: CaseNumber | None = None
    result: Annotated[str, coded("verification_result")]
    source: Title
    verified_at: Timestamp
    details: tuple[NamedValue, ...] = ()


class ComplaintRegistered(Payload):
    """投诉登记: from portal, telephone or visit (S3-79)."""

    TYPE: ClassVar[str] = "complaint.registered.v1"
    complaint_no: Reference
    source: Annotated[str, coded("complaint_source")]
    case_no: CaseNumber | None = None
    region: RegionCode
    organisation_code: CreditCode | None = None
    title: Title
    content: Annotated[str, Text(4000)]
    complainant: Name
    mobile: MobileNumber
    registered_at: Timestamp


class ComplaintResolved(Payload):
    """The result of a complaint, pushed to the portal it came from (S3-81)."""

    TYPE: ClassVar[str] = "complaint.resolved.v1"
    complaint_no: Reference
    result: Annotated[str, coded("complaint_result")]
    organisation: Title
    reply: Opinion
    resolved_at: Timestamp


class PerformanceRow(Model):
    """One score of one indicator of one department, window or person."""

    subject_kind: Annotated[str, coded("assessed_kind")]
    subject_code: Reference
    subject_name: Title
    indicator: Reference
    indicator_name: Title
    cases: Count
    score: Score


class PerformanceReported(Payload):
    """Efficiency data of a period, for the higher platform (S3-89) and the portal of the level (S3-84)."""

    TYPE: ClassVar[str] = "performance.reported.v1"
    report_id: Reference
    region: RegionCode
    period_from: date
    period_to: date
    rows: Annotated[tuple[PerformanceRow, ...], Field(min_length=1, max_length=500)]
    reported_at: Timestamp


class PerformanceReceived(Payload):
    """The higher platform's answer: how many rows it took."""

    TYPE: ClassVar[str] = "performance.received.v1"
    report_id: Reference
    accepted: Count
    reason: Reason | None = None
