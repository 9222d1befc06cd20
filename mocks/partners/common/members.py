"""The members of plain JSON contracts, and reading a body by them; neither null nor its word is a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mocks.partners.common import strictjson
from mocks.partners.common.clock import BEIJING, is_date, parse_compact

STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
DASHED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
IDENTITY = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)


class BadMember(Exception):
    """The body is outside the contract; the text names the member (`params.taskCode`, `rows[2].score`)."""


def _moment(text: str) -> str:
    parse_compact(text)
    return text


def dashed(seconds: float) -> str:
    """yyyy-MM-dd HH:mm:ss in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _dashed(text: str) -> str:
    if not DASHED.fullmatch(text):
        raise ValueError("yyyy-MM-dd HH:mm:ss is needed")
    datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    return text


def _day(text: str) -> str:
    if not is_date(text):
        raise ValueError("yyyyMMdd is needed")
    return text


def is_identity(text: str) -> bool:
    """Whether a text is a citizen's number with the right check digit and a birth date that exists."""
    if not IDENTITY.fullmatch(text) or not is_date(text[6:14]):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], ID_WEIGHTS, strict=True))
    return text[17] == "10X98765432"[total % 11]


Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._:/\-]{1,64}$")]
CaseNo = Annotated[str, Field(pattern=r"^[1-9][0-9]{26}[0-9A-Z]$")]
ItemCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{18}[0-9][0-9A-Z]{12}$")]
Region = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
Mobile = Annotated[str, Field(pattern=r"^1[3-9][0-9]{9}$")]
Text100 = Annotated[str, Field(min_length=1, max_length=100)]
Text200 = Annotated[str, Field(min_length=1, max_length=200)]
Moment = Annotated[str, AfterValidator(_moment)]  # yyyyMMddHHmmss
DashedMoment = Annotated[str, AfterValidator(_dashed)]  # yyyy-MM-dd HH:mm:ss
Day = Annotated[str, AfterValidator(_day)]  # yyyyMMdd


def _path(parts: Sequence[int | str]) -> str:
    words = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts]
    return "".join(words).lstrip(".") or "body"


def where(error: ValidationError) -> str:
    """The first member a model refuses; "body" for one that concerns several."""
    return _path(error.errors()[0]["loc"])


def _null(value: object, path: tuple[int | str, ...] = ()) -> tuple[int | str, ...] | None:
    """Where the value says null, if it does: as a word too, as senders write it that know no better."""
    if value is None or value == "null":
        return path
    inside: Sequence[tuple[int | str, object]] = ()
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = (_null(one, (*path, name)) for name, one in inside)
    return next((one for one in found if one is not None), None)


Model = TypeVar("Model", bound=BaseModel)


def read_members(body: bytes) -> dict[str, object]:
    """The JSON object of a body; BadMember otherwise."""
    try:
        return strictjson.read_object(body)
    except strictjson.BadJson as error:
        raise BadMember(f"body: {error}") from error


def checked(model: type[Model], value: object) -> Model:
    """The value by its model; BadMember names the first member that is missing, unknown, wrong or null."""
    if (nothing := _null(value)) is not None:
        raise BadMember(_path(nothing))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise BadMember(where(error)) from error


def named(value: Mapping[str, object], name: str, pattern: str = r"[A-Za-z0-9@._:/\-]{1,64}") -> str:
    """A member that names the message, "" if there is none of that form: a refusal is kept under it."""
    given = value.get(name)
    good = isinstance(given, str) and given != "null" and re.fullmatch(pattern, given, re.ASCII)
    return str(given) if good else ""


def digest_without(value: Mapping[str, object], *names: str) -> str:
    """The digest of all members but the named ones: what "same content" means in a contract."""
    return strictjson.digest({name: one for name, one in value.items() if name not in names})
