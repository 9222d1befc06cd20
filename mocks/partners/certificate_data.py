"""What the operations of the certificate library take, member by member."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mocks.partners.certificate_types import is_type_code
from mocks.partners.common.clock import is_date, parse_compact
from mocks.partners.common.codes import is_credit_code

STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")


def _wanted(holds: bool, text: str) -> str:
    if not holds:
        raise ValueError("not of the form asked for")
    return text


def _moment(text: str) -> str:
    parse_compact(text)
    return text


Text = Annotated[str, Field(min_length=1, max_length=200)]
Day = Annotated[str, AfterValidator(lambda text: _wanted(is_date(text), text))]
Moment = Annotated[str, AfterValidator(_moment)]
Purpose = Annotated[str, Field(min_length=5, max_length=200)]  # what a certificate is used for
RequestId = Annotated[str, Field(min_length=1, max_length=64)]
CreditCode = Annotated[str, AfterValidator(lambda text: _wanted(is_credit_code(text), text))]
TypeCode = Annotated[str, AfterValidator(lambda text: _wanted(is_type_code(text), text))]


class Head(BaseModel):
    """Who asks, with which token, when."""

    model_config = STRICT
    accessId: str
    accessToken: str
    time: Moment


class Envelope(BaseModel):
    """Every request."""

    model_config = STRICT
    head: Head
    data: dict[str, Any]


class TokenRequest(BaseModel):
    """/auth/token."""

    model_config = STRICT
    digest: str


class Nothing(BaseModel):
    """/cert/schema: the type code is in the path."""

    model_config = STRICT


class Identified(BaseModel):
    """/cert/metadata and /cert/verify."""

    model_config = STRICT
    certificateIdentifier: Text


class Search(BaseModel):
    """/cert/search: itemCode, caseNo and useCause say what the certificates are looked up for."""

    model_config = STRICT
    holderCode: Text
    holderTypeCode: Text
    certTypeCode: TypeCode | None = None
    certNo: Text | None = None
    itemCode: Text | None = None
    caseNo: Text | None = None
    useCause: Purpose


class FileWanted(BaseModel):
    """/cert/file."""

    model_config = STRICT
    certificateIdentifier: Text
    format: Literal["pdf", "ofd"]
    caseNo: Text | None = None
    useCause: Purpose


class Change(BaseModel):
    """/cert/change, /cert/annual-inspection, /cert/suspend and /cert/cancel."""

    model_config = STRICT
    requestId: RequestId
    caseNo: Text
    certificateIdentifier: Text
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    validTo: Day | None = None
    fields: dict[str, Any] | None = None


class Issuer(BaseModel):
    """The issuing body."""

    model_config = STRICT
    name: Text
    code: CreditCode


class Holder(BaseModel):
    """One holder."""

    model_config = STRICT
    name: Text
    code: Text
    typeCode: Text


class Issue(BaseModel):
    """/cert/issue."""

    model_config = STRICT
    requestId: RequestId
    caseNo: Text
    itemCode: Text
    typeCode: TypeCode
    certificateName: Text
    issuer: Issuer
    areaCode: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    holders: list[Holder] = Field(min_length=1, max_length=100)
    issueDate: Day
    validFrom: Day
    validTo: Day | None = None
    fields: dict[str, Any]
    seal: bool

    @model_validator(mode="after")
    def _in_order(self) -> Issue:
        _wanted(self.validTo is None or self.validFrom <= self.validTo, "")
        return self


Data = TypeVar("Data", bound=BaseModel)


def parsed(model: type[Data], raw: object) -> Data:
    """The model, an absent member never given as null; ValidationError otherwise."""
    if isinstance(raw, dict) and None in raw.values():
        raw = {name: 0 if value is None else value for name, value in raw.items()}  # 0 fits no text: refused
    return model.model_validate(raw)
