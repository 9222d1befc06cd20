"""Rows of a list that a mapping hears one by one: a broken one does not take the others with it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.mapping.refusal import FieldError


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """One row that could not be read: every complaint, what was understood of it, and what it was."""

    errors: Sequence[FieldError]
    heard: Mapping[str, Any]
    digest: bytes  # SHA-256 of the wire tree


def broken_row(entry: Any, heard: Mapping[str, Any], errors: Sequence[FieldError]) -> BrokenRow:
    """The row of this wire tree."""
    tree = json.dumps(entry, ensure_ascii=False, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return BrokenRow(tuple(errors), heard, hashlib.sha256(tree).digest())
