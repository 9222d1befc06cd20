"""Envelope, service record and rating of the evaluation system, member by member."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from mocks.partners.common import strictjson
from mocks.partners.common.assemble import draw
from mocks.partners.common.callback import Heard, Sealer
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.members import STRICT, DashedMoment, ItemCode, Mobile, Moment, Text100, Text200
from mocks.partners.common.strictjson import BadJson

DONE, STRANGER, WRONG, OTHER, UNRECORDED, RATED, BUSY = (
    "000000", "100001", "100002", "100003", "100004", "100005", "100009",
)  # fmt: skip
DESC, CODE, MSG = "C-Response-Desc", "C-Response-Code", "C-Response-Msg"
PROVINCE: Final = "44"


Days = Annotated[int, Field(ge=0)] | None  # None: absent
DayType = Literal["1", "2", "3", "4"] | None  # 1 natural, 2 working days


def _empty(value: dict[str, Any]) -> dict[str, Any]:
    if value:
        raise ValueError("an empty object is needed")
    return value


class Content(BaseModel):
    """txnBodyCom; the sign is compared, not formed."""

    model_config = STRICT
    sign: str
    params: dict[str, Any]
    time: Moment
    appMark: str


class Envelope(BaseModel):
    """Every body."""

    model_config = STRICT
    txnBodyCom: Content
    txnCommCom: Annotated[dict[str, Any], AfterValidator(_empty)]


class Service(BaseModel):
    """The params of a service record."""

    model_config = STRICT
    taskCode: ItemCode
    taskName: Text200
    areaCode: str = Field(pattern=r"^[0-9]{6}000000$")
    projectNo: str = Field(pattern=r"^44[1-9][0-9]{26}[0-9A-Z]$")
    serviceNumber: int = Field(ge=1)
    proStatus: Literal["1", "2", "3"]
    orgcode: str = Field(pattern=r"^441400000000_[0-9A-HJ-NPQRTUWXY]{18}$")
    orgName: Text200
    acceptDate: DashedMoment = ""
    resultDate: DashedMoment = ""
    serviceTime: DashedMoment
    serviceName: Text200
    userProp: Literal["1", "2", "3", "4", "5", "6", "9"]
    userName: Text100
    userPageType: Literal["111", "414", "511", "516", "553", "554", "001"]
    certKey: str = Field(min_length=1, max_length=18)
    mobile: Mobile
    projectType: Literal["1", "2", "9"]
    proChannel: Literal["wt", "ck", "db"]
    promiseDay: Days = None
    promiseDayType: DayType = None
    anticipateDay: Days = None
    anticipateDayType: DayType = None

    def incomplete(self) -> str:
        """A member the others ask for, "" if none is missing."""
        wanted = {
            "resultDate": self.proStatus == "3" and not self.resultDate,
            "acceptDate": self.proStatus == "2" and not self.acceptDate,
            "promiseDayType": (self.promiseDay is None) != (self.promiseDayType is None),
            "anticipateDayType": (self.anticipateDay is None) != (self.anticipateDayType is None),
        }
        return next((name for name, missing in wanted.items() if missing), "")


class Wish(BaseModel):
    """POST /admin/rate: without a case the next service concluded."""

    model_config = STRICT
    caseNo: str = Field(default="", pattern=r"^[1-9][0-9]{26}[0-9A-Z]$")
    serviceNumber: int = Field(default=1, ge=1)
    satisfaction: Literal["5", "4", "3", "2", "1"]
    pf: Literal["pc", "app", "ewm", "pad", "zd", "12345", "sms"] = "zd"
    evalDetail: str = Field(default="", pattern=r"^[0-9]{3}(,[0-9]{3})*$")
    writingEvaluation: str = Field(default="", max_length=1000)
    afterMs: int = Field(default=1000, ge=0, le=600_000)

    @model_validator(mode="after")
    def _case_and_service(self) -> Wish:
        if "serviceNumber" in self.model_fields_set and not self.caseNo:
            raise ValueError("serviceNumber goes with caseNo")
        return self


def sign(app: str, time: str, params: Mapping[str, object], secret: str) -> str:
    """Lower-case hex MD5 as the contract orders it."""
    text = f"{app}{time}{params.get('projectNo', '')}{params.get('serviceNumber', '')}{secret}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def signed(app: str, time: str, params: Mapping[str, object], secret: str) -> dict[str, object]:
    """An envelope."""
    content = {"sign": sign(app, time, params, secret), "params": params, "time": time, "appMark": app}
    return {"txnBodyCom": content, "txnCommCom": {}}


def sign_holds(content: Content, secret: str) -> bool:
    """Whether the sign is that of the envelope."""
    wanted = sign(content.appMark, content.time, content.params, secret)
    return hmac.compare_digest(wanted.encode(), content.sign.encode())


def answer_value(code: str, msg: str = "") -> dict[str, object]:
    """The body of an answer."""
    return {DESC: "success" if code == DONE else "fail", CODE: code, MSG: msg}


def judge(headers: Mapping[str, str], body: bytes) -> Heard:
    """What the hub says of a rating; busy, and a header that differs from the body, are no last word."""
    try:
        value = strictjson.read_object(body)
    except BadJson:
        return Heard("no answer of the contract")
    code, desc = str(value.get(CODE, "")), str(value.get(DESC, ""))
    if headers.get(DESC) != desc or desc != ("success" if code == DONE else "fail"):
        return Heard(f"{code}, header differs")
    return Heard(code, accepted=code == DONE, final=code not in ("", BUSY))


@dataclass(frozen=True)
class EnvelopeSealer:
    """Every try in an envelope of its own time, under a fresh seal; what a fault distorted stays so."""

    inner: Sealer
    clock: Clock
    secret: str
    seed: int
    time_off: float  # share (0 to 1) of ratings whose envelopes are minutes off

    def seal(self, operation: str, path: str, body: bytes) -> tuple[bytes, Mapping[str, str], str]:
        return self.inner.seal(operation, path, self._anew(body))

    def holds(self, sealed: str, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        return self.inner.holds(sealed, status, headers, body)

    def _anew(self, body: bytes) -> bytes:
        try:
            content = Envelope.model_validate(strictjson.read_object(body)).txnBodyCom
        except (BadJson, ValueError):
            return body
        if not sign_holds(content, self.secret):
            return body
        time = compact(self.clock() + self._offset(strictjson.digest(content.params)))
        return strictjson.write(signed(content.appMark, time, content.params, self.secret))

    def _offset(self, key: str) -> float:
        """Seconds, a bit less than five minutes at most."""
        return (
            560 * draw(self.seed, "off", key) - 280 if draw(self.seed, "late", key) < self.time_off else 0.0
        )
