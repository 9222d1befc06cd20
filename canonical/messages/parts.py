"""What messages are made of: bounded texts, the frozen closed model, people, bodies, materials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from canonical.codes import coded
from canonical.errors import ValueRefused
from canonical.values import CaseNumber, CreditCode, ImplementationCode, MobileNumber, RegionCode

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


class Holder(Model):
    """证照持有主体."""

    name: Name
    document_type: Annotated[str, coded("document_type")]
    document_no: DocumentNumber


class NamedValue(Model):
    """One named value whose meaning another system defines (opaque to the hub)."""

    name: Reference
    value: Summary


def needs(condition: bool, value: object, field: str) -> None:
    """ValueRefused missing_field when the condition holds and there is no value."""
    if condition and value is None:
        raise ValueRefused("missing_field", f"{field} is required here")
