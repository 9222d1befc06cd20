"""What the hub tells the portal (contract, part 2), as models; what the schema cannot say is checked here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from mocks.partners.common.members import (
    STRICT,
    BadMember,
    CaseNo,
    ItemCode,
    Reference,
    Text100,
    Text200,
    checked,
    read_members,
)
from mocks.partners.counter_people import case_check

SLASHED = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}", re.ASCII)


def _day(text: str) -> str:
    if not SLASHED.fullmatch(text):
        raise ValueError("yyyy/MM/dd is needed")
    datetime.strptime(text, "%Y/%m/%d")  # noqa: DTZ007  # a day has no zone
    return text


def _case_no(text: str) -> str:
    if case_check(text[:27]) != text[27]:
        raise ValueError("the check character is wrong")
    return text


Day = Annotated[str, AfterValidator(_day)]
ApplyNo = Annotated[CaseNo, AfterValidator(_case_no)]
Area = Annotated[str, Field(pattern=r"^[0-9]{9}$")]
Millis = Annotated[int, Field(ge=0, lt=10**13)]
Text500 = Annotated[str, Field(min_length=1, max_length=500)]
Text1000 = Annotated[str, Field(min_length=1, max_length=1000)]
Positive = Annotated[int, Field(ge=1)]
QueryCode = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class Part(BaseModel):
    """An object of the contract: nothing unknown, nothing converted."""

    model_config = STRICT


class Material(Part):
    """材料."""

    name: Text200
    copies: int = Field(ge=0, le=100_000)
    form: Literal["E", "L", "P"]


class Limit(Part):
    """时限."""

    num: int = Field(ge=0, le=3660)
    unit: Literal["WD", "D", "M", "Y"]


class PreReviewed(Part):
    """预受理."""

    orgName: Text200
    result: Literal["OK", "NO", "MORE"]
    reason: Text500 | None = None
    note: Text500 | None = None


class Accepted(Part):
    """受理."""

    orgName: Text200
    handler: Text100
    result: Literal["OK", "NO"]
    reason: Text500 | None = None
    noticeNo: str | None = Field(None, min_length=1, max_length=50)
    queryCode: QueryCode | None = None
    promised: Limit | None = None
    statutory: Limit | None = None
    materials: list[Material] = []


class Supplement(Part):
    """补交告知."""

    handler: Text100
    reason: Text500
    materials: list[Material] = Field(min_length=1)


class Supplied(Part):
    """补交受理."""

    handler: Text100
    materials: list[Material] = Field(min_length=1)


class Step(Part):
    """审批."""

    stepName: Text200
    step: Literal["U", "R", "A"]
    stepNo: Positive
    orgName: Text200
    result: Literal["PASS", "BACK", "DENY"]


class Paused(Part):
    """特别程序申请."""

    no: Positive
    kind: Literal["EXT", "OTHER"]
    name: Text200
    reason: Text500
    limit: Limit | None = None


class Resumed(Part):
    """特别程序结果."""

    no: Positive
    result: Literal["DONE", "NO"]


class Concluded(Part):
    """办结."""

    orgName: Text200
    result: Literal["CERT", "RETURNED", "VOID", "DELETED", "FORWARDED", "EXPIRED", "DONE"]
    resultText: Text1000 | None = None
    reason: Text500 | None = None
    certName: Text200 | None = None
    certNo: str | None = Field(None, min_length=1, max_length=128)
    certValidTo: Day | None = None
    fee: int | None = Field(None, ge=0)


class Delivered(Part):
    """领取登记."""

    mode: Literal["WINDOW", "POST", "ONLINE"]
    collector: Text100


DETAILS: Mapping[str, type[Part]] = {
    "PRE_REVIEWED": PreReviewed, "ACCEPTED": Accepted, "SUPPLEMENT": Supplement, "SUPPLIED": Supplied,
    "STEP": Step, "PAUSED": Paused, "RESUMED": Resumed, "CONCLUDED": Concluded, "DELIVERED": Delivered,
}  # fmt: skip
CONDITIONS = (  # event, results, the member they require
    ("PRE_REVIEWED", ("NO",), "reason"),
    ("PRE_REVIEWED", ("MORE",), "note"),
    ("ACCEPTED", ("NO",), "reason"),
    ("ACCEPTED", ("OK",), "promised"),
    ("CONCLUDED", ("CERT",), "certNo"),
    ("CONCLUDED", ("RETURNED", "VOID", "DELETED", "FORWARDED", "EXPIRED"), "reason"),
)


class Event(Part):
    """POST /openapi/v1/progress; `detail` is checked by its event."""

    eventId: Reference
    applyNo: ApplyNo
    itemCode: ItemCode
    areaCode: Area
    seq: int = Field(ge=1, le=9999)
    event: str
    time: Millis
    detail: dict[str, object]


class ComplaintResult(Part):
    """POST /openapi/v1/complaint/result."""

    eventId: Reference
    complaintNo: Reference
    conclusion: Literal["Y", "P", "N"]
    orgName: Text200
    reply: Text1000
    replyTime: Millis


class Fee(Part):
    """POST /openapi/v1/fee."""

    eventId: Reference
    applyNo: ApplyNo
    noticeNo: Reference
    checkNo: Reference
    bookCheckNo: Reference


class PerformanceRow(Part):
    """One score."""

    type: Literal["DEPT", "WINDOW", "PERSON"]
    code: Reference
    name: Text200
    indexCode: Reference
    indexName: Text200
    caseCount: int = Field(ge=0)
    score: str = Field(pattern=r"^-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,2})?$")


class Performance(Part):
    """POST /openapi/v1/performance."""

    eventId: Reference
    reportNo: Reference
    areaCode: Area
    first: Day = Field(alias="from")
    to: Day
    rows: list[PerformanceRow] = Field(min_length=1, max_length=500)
    publishTime: Millis


def read_body(body: bytes) -> dict[str, object]:
    """The members of a push, none of which says null; BadMember otherwise."""
    value = read_members(body)
    if (wrong := _says_null(value)) is not None:
        raise BadMember(wrong or "body")
    return value


def _says_null(value: object, path: str = "") -> str | None:
    """Where the text null stands for no value."""
    if value == "null":
        return path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_says_null(one, f"{path}.{name}".lstrip(".")) for name, one in inside)
    return next((one for one in found if one is not None), None)


def read_event(value: Mapping[str, object]) -> Event:
    """An event of a case with its detail; BadMember names the first member that is wrong."""
    event = checked(Event, value)
    if event.event not in DETAILS:
        raise BadMember("event")
    try:
        checked(DETAILS[event.event], event.detail)
    except BadMember as error:
        raise BadMember(f"detail.{error}") from error
    for name, results, needed in CONDITIONS:
        if name == event.event and event.detail.get("result") in results and needed not in event.detail:
            raise BadMember(f"detail.{needed}")
    return event
