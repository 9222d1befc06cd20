"""Short messages: asked for, submitted, reported, replied to."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from canonical.codes import coded
from canonical.messages.parts import Count, Model, Payload, Reference, Text
from canonical.values import CaseNumber, MobileNumber, Timestamp


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


class SmsReplied(Payload):
    """What a person wrote back; one digit 1 to 5 is a rating of the case asked about."""

    TYPE: ClassVar[str] = "sms.replied.v1"
    mobile: MobileNumber
    content: Annotated[str, Text(500, 0)]
    extension: Reference | None = None
    request_id: Reference | None = None
    received_at: Timestamp
