"""JSON as the wire rules it: UTF-8 without BOM, one object, no duplicate keys, no NaN, no lone surrogates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence


class BadJson(Exception):
    """The bytes are not the JSON object asked for; the text says why."""


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadJson("duplicate key")
    return result


def _no_constant(name: str) -> object:
    raise BadJson(f"{name} is not JSON")


def read(data: bytes) -> object:
    """Any JSON value; BadJson for everything else."""
    try:
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
        write(value)
    except (ValueError, RecursionError) as error:
        raise BadJson("not JSON in UTF-8") from error
    return value


def read_object(data: bytes) -> dict[str, object]:
    """One JSON object; BadJson for everything else."""
    value = read(data)
    if not isinstance(value, dict):
        raise BadJson("not an object")
    return value


def write(value: object) -> bytes:
    """Compact UTF-8 bytes; ValueError for what UTF-8 or JSON cannot say."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def digest(value: object) -> str:
    """Hex SHA-256 of the value with sorted keys: the same content, however it was spaced or ordered."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
