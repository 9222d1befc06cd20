"""Messages nobody wrote: a sample's content varied field by field, seeded, and always valid by its model."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from canonical.amounts import BEIJING, Money
from canonical.errors import ValueRefused
from canonical.messages import Payload
from canonical.values import (
    CaseNumber,
    CreditCode,
    Digest,
    MobileNumber,
    RegionCode,
    complete_credit_code,
    make_case_number,
)
from exchange.mapping.fields import Canon, canon_of

REGIONS = ("441400000000", "441402000000", "441402004000", "441481000000")
LETTERS = "政务办件审批测试甲乙丙丁㙓𠮷鿫ABCabc019 ,.;*()<>&\"'【】￥—\\/|^~=+-_"
EPOCH = datetime(1970, 1, 1, tzinfo=BEIJING)
TRIES = 12
Draw = Callable[[random.Random], Any]

VALUES: Mapping[type, Draw] = {
    RegionCode: lambda draw: draw.choice(REGIONS),
    CreditCode: lambda draw: complete_credit_code(f"91441499MA5{draw.randrange(10**6):06d}"),
    CaseNumber: lambda draw: make_case_number(
        RegionCode(draw.choice(REGIONS)), date(2026, 1, 1) + timedelta(days=draw.randrange(3000)),
        draw.choice("123"), draw.randrange(10**6),
    ),
    MobileNumber: lambda draw: f"13{draw.randrange(10**9):09d}",
    Digest: lambda draw: f"{draw.getrandbits(256):064x}",
    Money: lambda draw: f"{draw.randrange(10**7)}.{draw.randrange(100):02d}",
    datetime: lambda draw: (EPOCH + timedelta(seconds=draw.randrange(4_000_000_000))).isoformat(),
    date: lambda draw: (date(1950, 1, 1) + timedelta(days=draw.randrange(60_000))).isoformat(),
    bool: lambda draw: draw.random() < 0.5,
    int: lambda draw: draw.choice((0, 1, 2, draw.randrange(1000))),
}  # fmt: skip


def messages(
    model: type[Payload], samples: Sequence[Mapping[str, Any]], count: int, draw: random.Random
) -> Iterator[Payload]:  # fmt: skip
    """At most `count` valid messages; a variation the model forbids is left out and another tried."""
    for _ in range(count):
        for _ in range(TRIES):
            content = _varied(
                model, copy.deepcopy(dict(draw.choice(samples))), draw, draw.choice((0.15, 0.4, 0.8))
            )
            if (found := _valid(model, content)) is not None:
                yield found
                break


def _valid(model: type[Payload], content: dict[str, Any]) -> Payload | None:
    try:
        return model.model_validate(content)
    except (ValidationError, ValueRefused):
        return None


def _varied(
    model: type[BaseModel], content: dict[str, Any], draw: random.Random, share: float
) -> dict[str, Any]:
    for name in model.model_fields:
        canon = canon_of(model, (name,))
        if canon is None or draw.random() > share:
            continue
        value = _value(canon, content.get(name), draw, share)
        if value is None:
            content.pop(name, None)
        else:
            content[name] = value
    return content


def _value(canon: Canon, old: Any, draw: random.Random, share: float) -> Any:
    """Another value of this field; None leaves it out."""
    if not canon.required and draw.random() < 0.25:
        return None
    if canon.repeated:
        return _many(canon, old, draw, share)
    if canon.model is not None:
        return _varied(canon.model, dict(old), draw, share) if isinstance(old, dict) else old
    return _single(canon, old, draw)


def _many(canon: Canon, old: Any, draw: random.Random, share: float) -> Any:
    if not isinstance(old, list) or not old:
        return old
    entries = [copy.deepcopy(draw.choice(old)) for _ in range(draw.randint(1, 3))]
    if canon.model is None:
        return [_single(canon, one, draw) for one in entries]
    model = canon.model
    return [_varied(model, one, draw, share) if isinstance(one, dict) else one for one in entries]


def _single(canon: Canon, old: Any, draw: random.Random) -> Any:
    if canon.codes is not None:
        return draw.choice(canon.codes.names)
    for kind, make in VALUES.items():
        if canon.base is kind:
            return make(draw)
    return _text(old, draw) if canon.base is str else old


def _text(old: Any, draw: random.Random) -> Any:
    """Of the length of the old text or shorter: what the model limits stays within it."""
    if not isinstance(old, str) or not old:
        return old
    found = "".join(draw.choice(LETTERS) for _ in range(draw.randint(1, max(1, len(old)))))
    return found.strip() or old
