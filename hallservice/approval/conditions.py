"""What a choice asks of a case's facts: comparisons joined by and / or, typed, without calls or loops.

A fact that is missing, or is not of its field's type, makes its comparison false: the choice then falls
through to its default branch, it never fails. `feel` writes the same in OMG DMN's expression language.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from canonical.amounts import Money
from canonical.errors import ValueRefused

Fact = bool | int | str
Facts = Mapping[str, Fact]
FieldType = Literal["text", "integer", "boolean", "money", "date"]
Operator = Literal["eq", "ne", "lt", "le", "gt", "ge"]

FORBID = ConfigDict(extra="forbid")
LARGEST = 2**53 - 1
SIGNS: Mapping[Operator, str] = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_APPLY = {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}
_UNORDERED = ("text", "boolean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """One fact against one literal; money is decimal text in yuan, a date is YYYY-MM-DD."""

    __pydantic_config__ = FORBID
    field: Annotated[str, Field(max_length=64)]
    op: Operator
    value: Annotated[
        bool | Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | Annotated[str, Field(max_length=200)],
        Field(union_mode="left_to_right"),
    ]
    test: Literal["compare"] = "compare"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    __pydantic_config__ = FORBID
    of: "Annotated[tuple[Condition, ...], Field(max_length=50)]"
    test: Literal["and"] = "and"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    __pydantic_config__ = FORBID
    of: "Annotated[tuple[Condition, ...], Field(max_length=50)]"
    test: Literal["or"] = "or"


Condition = Annotated[Compare | AllOf | AnyOf, Field(discriminator="test")]


def comparisons(condition: Condition) -> Iterator[Compare]:
    """Every comparison in it, from the left."""
    if isinstance(condition, Compare):
        yield condition
    else:
        for part in condition.of:
            yield from comparisons(part)


def holds(condition: Condition, facts: Facts, types: Mapping[str, FieldType]) -> bool:
    """Whether the facts meet it; an empty `and` or `or` is never met."""
    if isinstance(condition, Compare):
        return _compared(condition, facts, types)
    met = [holds(part, facts, types) for part in condition.of]
    return bool(met) and (all(met) if isinstance(condition, AllOf) else any(met))


def _compared(test: Compare, facts: Facts, types: Mapping[str, FieldType]) -> bool:
    if test.field not in facts or test.field not in types:
        return False
    left, right = (typed(value, types[test.field]) for value in (facts[test.field], test.value))
    return left is not None and right is not None and bool(_APPLY[test.op](left, right))


def typed(value: Fact, as_type: FieldType) -> Any:
    """The value as its field's type compares; None if it is not of that type."""
    if as_type == "boolean":
        return value if isinstance(value, bool) else None
    if as_type == "integer":
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    return value if as_type == "text" else _money(value) if as_type == "money" else _date(value)


def _money(text: str) -> Decimal | None:
    try:
        return Money(text)
    except ValueRefused:
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def orderable(op: Operator, as_type: FieldType) -> bool:
    """Whether the operator means something for the type: text and booleans have no order here."""
    return op in ("eq", "ne") or as_type not in _UNORDERED


def feel(condition: Condition, types: Mapping[str, FieldType]) -> str:
    """The condition in FEEL (OMG DMN 1.3, clause 10), parts in brackets."""
    if isinstance(condition, Compare):
        return f"{condition.field} {SIGNS[condition.op]} {_literal(condition.value, types[condition.field])}"
    word = " and " if isinstance(condition, AllOf) else " or "
    return f"({word.join(feel(part, types) for part in condition.of)})"


def _literal(value: Fact, as_type: FieldType) -> str:
    if as_type == "boolean":
        return "true" if value else "false"
    if as_type in ("integer", "money"):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return f"date({text})" if as_type == "date" else text


_WORDS = {"eq": "等于", "ne": "不等于", "lt": "小于", "le": "不超过", "gt": "大于", "ge": "不少于"}


def sentence(condition: Condition, labels: Mapping[str, str]) -> str:
    """The condition as a clerk reads it: 投资额（元）不少于 5000000 且 …"""
    if isinstance(condition, Compare):
        said = (
            {True: "是", False: "否"}[condition.value]
            if isinstance(condition.value, bool)
            else condition.value
        )
        return f"{labels.get(condition.field, condition.field)}{_WORDS[condition.op]}{said}"
    word = " 且 " if isinstance(condition, AllOf) else " 或 "
    return f"（{word.join(sentence(part, labels) for part in condition.of)}）"
