"""The ten process messages: objects 0-9 of the Guangdong provincial hall norm (2013); and the evaluation."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from canonical.codes import coded
from canonical.errors import ValueRefused
from canonical.messages.parts import (
    Applicant,
    CasePayload,
    Contact,
    DocumentNumber,
    LimitSpan,
    Material,
    Name,
    Officer,
    Opinion,
    Reason,
    Reference,
    StaffNumber,
    Step,
    Summary,
    Text,
    Title,
    needs,
)
from canonical.values import Digest, Money, RegionCode, Timestamp


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
        needs(self.result == "refused", self.reason, "reason")
        needs(self.result == "supplement", self.supplement_note, "supplement_note")
        return self


class CaseAccepted(CasePayload):
    """Object 2, 受理: the acceptance decision (accepted or refused).

    `deemed_basis` names the law by which silence accepted (视为受理): nobody decided, and `decided_at` is the
    day from which the application counts as accepted.
    """

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
    deemed_basis: Annotated[str, Text(200)] | None = None

    @model_validator(mode="after")
    def _says_why(self) -> CaseAccepted:
        needs(self.result == "refused", self.reason, "reason")
        needs(self.result == "accepted", self.promised_limit, "promised_limit")
        if self.result != "accepted" and self.deemed_basis is not None:
            raise ValueRefused("bad_value", "silence never refuses")
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
        needs(self.result == "certificate_issued", self.certificate_no, "certificate_no")
        needs(self.result not in {"certificate_issued", "concluded"}, self.reason, "reason")
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


class CaseAttached(CasePayload):
    """附件: one file handed in for a material; `content` is base64, `digest` the SHA-256 of the file."""

    TYPE: ClassVar[str] = "case.attached.v1"
    material: Title
    file_name: Annotated[str, Text(200)]
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+\-]{1,80}$")]
    digest: Digest
    content: Annotated[str, StringConstraints(min_length=1, max_length=4_000_000)]
    attached_at: Timestamp

    @model_validator(mode="after")
    def _is_the_file(self) -> CaseAttached:
        try:
            body = base64.b64decode(self.content, validate=True)
        except ValueError:
            raise ValueRefused("bad_value", "content is not base64") from None
        if hashlib.sha256(body).hexdigest() != self.digest:
            raise ValueRefused("bad_value", "digest is not the SHA-256 of the content")
        return self


class CaseEvaluated(CasePayload):
    """评价: one rating of one service of a case (GB/T 39046 table 9), bound to its window (S3-50)."""

    TYPE: ClassVar[str] = "case.evaluated.v1"
    satisfaction: Annotated[str, coded("satisfaction")]
    channel: Annotated[str, coded("evaluation_channel")]
    tags: tuple[Annotated[str, Text(20)], ...] = ()
    comment: Summary | None = None
    service_number: Step = 1
    window: Reference | None = None
    staff_no: StaffNumber | None = None
    evaluated_at: Timestamp


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
