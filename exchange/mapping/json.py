"""Strict JSON: UTF-8 without a mark, no duplicate names, no NaN, no half characters, bounded depth."""

import json
import re
from typing import Any

from exchange.errors import Refused

DEPTH = 32
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def loads(body: bytes | str) -> Any:
    """The document as dicts, lists, str, int, bool; Refused bad_request or too_large."""
    text = _text(body)
    _check_depth(text)
    try:
        tree = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
        if _HALF.search(text):
            json.dumps(tree, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as fault:
        raise Refused("bad_request", "not well-formed JSON, or a name occurs twice") from fault
    return tree


def dumps(tree: Any) -> bytes:
    """Compact UTF-8, members in the order given."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def _text(body: bytes | str) -> str:
    if not body:
        raise Refused("bad_request", "the body is empty")
    try:
        text = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError as fault:
        raise Refused("bad_request", "not UTF-8") from fault
    if text.startswith("\ufeff"):
        raise Refused("bad_request", "a byte order mark")
    return text


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        sign = found[0]
        depth += 1 if sign in "{[" else -1 if sign in "}]" else 0
        if depth > DEPTH:
            raise Refused("too_large", f"nested deeper than {DEPTH}")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate name")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)
