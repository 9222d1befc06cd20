"""Payloads of any message type, derived from its model: what hypothesis says and hears."""

import base64
import hashlib
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints, ValidationError

from canonical.codes import Coded, code_list
from canonical.messages import Payload, Text
from canonical.values import (
    CaseNumber,
    CertificateIdentifier,
    CreditCode,
    Digest,
    ImplementationCode,
    MobileNumber,
    Money,
    RegionCode,
    complete_credit_code,
    make_case_number,
    make_certificate_identifier,
)

BEIJING = timezone(timedelta(hours=8))
NEAR = datetime(2000, 1, 1, tzinfo=BEIJING)  # most draws are near it
BODY = complete_credit_code("11441402007208100")
REGIONS = [RegionCode(code) for code in ("441400000000", "441402000000", "441481000000")]
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), include_characters="\t\n")

VALUES: dict[type, st.SearchStrategy[Any]] = {
    RegionCode: st.sampled_from(REGIONS),
    CreditCode: st.sampled_from([BODY, complete_credit_code("91441499MA5000001")]),
    ImplementationCode: st.integers(0, 999).map(lambda n: ImplementationCode(f"{BODY}444012510{n:03}0")),
    CaseNumber: st.builds(
        make_case_number, st.sampled_from(REGIONS), st.dates(date(2000, 1, 1), date(2099, 12, 31)),
        st.sampled_from("123"), st.integers(0, 999_999),
    ),
    MobileNumber: st.integers(0, 10**9 - 1).map(lambda n: MobileNumber(f"13{n:09}")),
    CertificateIdentifier: st.integers(0, 10**10 - 1).map(
        lambda n: make_certificate_identifier(f"{BODY}001", BODY, f"{n:010}", "001")
    ),
    Digest: st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex())),
    Money: st.one_of(st.integers(0, 10**9).map(Money.from_yuan), st.integers(0, 10**11).map(Money.from_fen)),
    datetime: st.integers(-3_155_000_000, 6_310_000_000).map(lambda count: NEAR + timedelta(seconds=count)),
    date: st.dates(date(1900, 1, 1), date(2999, 12, 31)),
    bool: st.booleans(),
}  # fmt: skip


@cache
def payloads(model: type[Payload]) -> st.SearchStrategy[Payload]:
    """Whole messages of this type; what its own rules forbid is left out."""
    made: st.SearchStrategy[Any] = _content(model).map(lambda content: _valid(model, content))
    return made.filter(lambda payload: payload is not None)


def _valid(model: type[BaseModel], content: dict[str, Any]) -> BaseModel | None:
    if "total" in content and "lines" in content:
        content = {**content, "total": Money(sum((line["amount"] for line in content["lines"]), Decimal(0)))}
    if "content" in content and "digest" in content:
        file = content["content"].encode()
        digest = Digest(hashlib.sha256(file).hexdigest())
        content = {**content, "content": base64.b64encode(file).decode(), "digest": digest}
    try:
        return model.model_validate(content)
    except ValidationError:
        return None


@cache
def _content(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: _of(info.annotation, list(info.metadata)) for name, info in model.model_fields.items()}
    return st.fixed_dictionaries(members)


def _of(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(args[0], metadata + list(args[1:]))
    if origin in (Union, UnionType):
        inner = _of(next(arg for arg in args if arg is not NoneType), metadata)
        return st.one_of(inner, st.none(), inner)
    if origin is tuple:
        least = max((getattr(mark, "min_length", 0) or 0 for mark in _flat(metadata)), default=0)
        return st.lists(_of(args[0], []), min_size=least, max_size=3).map(tuple)
    return _single(annotation, _flat(metadata))


def _flat(metadata: list[Any]) -> list[Any]:
    found: list[Any] = []
    for mark in metadata:
        found += list(mark) if isinstance(mark, Text) else [mark, *getattr(mark, "metadata", ())]
    return found


def _single(kind: Any, marks: list[Any]) -> st.SearchStrategy[Any]:
    coded = next((mark for mark in marks if isinstance(mark, Coded)), None)
    if coded is not None:
        return st.sampled_from(code_list(coded.key).names)
    if issubclass(kind, BaseModel):
        return _content(kind)
    if kind in VALUES:
        return VALUES[kind]
    return _integers(marks) if kind is int else _texts(marks)


def _integers(marks: list[Any]) -> st.SearchStrategy[int]:
    low = next((mark.ge for mark in marks if hasattr(mark, "ge")), 0)
    high = next((mark.le for mark in marks if hasattr(mark, "le")), 10**9)
    return st.integers(low, high)


def _said(text: str) -> bool:
    """The word `null` is heard as a mistake wherever it stands (trap T10)."""
    return text != "null"


def _formed(pattern: str) -> st.SearchStrategy[str]:
    """Texts of a pattern; so many characters of one class are drawn as such, which costs a fraction."""
    simple = re.fullmatch(r"(\[[^\]]+\])\{(\d+)(?:,(\d+))?\}", pattern)
    if simple is None:
        return st.from_regex(pattern, fullmatch=True).filter(_said)
    known = {*map(chr, range(0x80)), *simple[1]}
    allowed = sorted(one for one in known if re.fullmatch(simple[1], one))
    least, most = int(simple[2]), int(simple[3] or simple[2])
    return st.text(st.sampled_from(allowed), min_size=least, max_size=max(least, min(most, 30))).filter(_said)


def _texts(marks: list[Any]) -> st.SearchStrategy[str]:
    rule = next(mark for mark in marks if isinstance(mark, StringConstraints))
    if rule.pattern is not None:
        return _formed(rule.pattern.removeprefix("^").removesuffix("$"))
    return st.text(LETTERS, min_size=rule.min_length or 0, max_size=min(rule.max_length or 30, 30)).filter(
        _said
    )
