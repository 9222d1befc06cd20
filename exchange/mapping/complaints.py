"""What pydantic finds wrong, in the codes of docs/wire.md §8 and without the values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from canonical.errors import ValueRefused

Location = tuple[int | str, ...]
KEPT_CODES = frozenset({"missing_field", "unknown_code", "unknown_field"})
PYDANTIC_CODES = {"missing": "missing_field", "extra_forbidden": "unknown_field"}


def complaints(fault: ValidationError) -> Iterator[tuple[Location, str, str]]:
    """(canonical location, code, detail) of each error."""
    for error in fault.errors(include_url=False, include_input=False):
        yield (_location(error), *_code_of(error))


def _location(error: Any) -> tuple[int | str, ...]:
    """Where it is; a rule of a whole model names its field in the first word."""
    loc: tuple[int | str, ...] = error["loc"]
    fault = error.get("ctx", {}).get("error")
    named = isinstance(fault, ValueRefused) and fault.code == "missing_field"
    return (*loc, fault.detail.split()[0]) if named and isinstance(fault, ValueRefused) else loc


def _code_of(error: Any) -> tuple[str, str]:
    fault = error.get("ctx", {}).get("error")
    if isinstance(fault, ValueRefused):
        return fault.code if fault.code in KEPT_CODES else "bad_value", fault.detail
    return PYDANTIC_CODES.get(error["type"], "bad_value"), error["msg"]
