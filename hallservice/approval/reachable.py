"""Which cases of a choice no facts can reach: their condition contradicts itself, or an earlier one holds
wherever it does. Facts are tried at, between and beside all values that the conditions name, so the answer is
exact; a choice with too many of them is left undecided."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

from hallservice.approval.conditions import Compare, Fact, FieldType, comparisons, holds, typed
from hallservice.approval.definition import Choice

MOST = 20_000  # combinations tried for one choice
CENT = Decimal("0.01")
OTHER = "\x00"  # a text that no condition names


def never_taken(choice: Choice, types: Mapping[str, FieldType]) -> list[int]:
    """Numbers of its cases, from 0."""
    tests = [test for branch in choice.branches for test in comparisons(branch.when)]
    names = sorted({test.field for test in tests})
    values = [_values(types[name], [test for test in tests if test.field == name]) for name in names]
    combinations = 1
    for column in values:
        combinations *= len(column)
    if combinations > MOST:
        return []
    taken = {_taken(choice, dict(zip(names, row, strict=True)), types) for row in product(*values)}
    return [at for at in range(len(choice.branches)) if at not in taken]


def _taken(choice: Choice, facts: Mapping[str, Fact | None], types: Mapping[str, FieldType]) -> int | None:
    known = {name: value for name, value in facts.items() if value is not None}
    return next((at for at, one in enumerate(choice.branches) if holds(one.when, known, types)), None)


def _values(kind: FieldType, tests: Sequence[Compare]) -> list[Fact | None]:
    """What is worth trying for one field; None: it is not known."""
    found: dict[Fact | None, None] = {None: None}
    for test in tests:
        found.update(dict.fromkeys(_around(kind, test.value)))
    return list(found)


def _around(kind: FieldType, value: Fact) -> Iterator[Fact]:
    at = typed(value, kind)
    if kind == "boolean":
        yield from (True, False)
    elif kind == "text":
        yield from (value, OTHER)
    elif kind == "integer" and isinstance(value, int):
        yield from (value - 1, value, value + 1)
    elif kind == "money" and isinstance(at, Decimal):
        yield from (f"{one:.2f}" for one in (at - CENT, at, at + CENT) if one >= 0)
    elif kind == "date" and isinstance(at, date):
        yield from ((at + timedelta(days=more)).isoformat() for more in (-1, 0, 1))
