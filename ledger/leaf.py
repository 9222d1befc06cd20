"""The leaf: canonical JSON (RFC 8785 without floats, booleans, null and arrays) over a closed schema.

No personal data enters a leaf: values appear as salted commitments only, the salts and values live elsewhere.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ledger.errors import LedgerError

VERSION = 1
MAX_LEAF = 65_535
"""Bytes; the length prefix of an entry bundle has 16 bits."""

MAX_INTEGER = 2**53 - 1

REQUIRED: Mapping[str, type] = {
    "v": int, "log": str, "seq": int, "ts": int, "kind": str, "xid": str, "from": str, "to": str, "svc": str,
    "chan_n": int,
}  # fmt: skip
OPTIONAL: Mapping[str, type] = {
    "case": str, "case_n": int, "case_prev": int, "state": dict, "kid": str, "suite": str, "c": dict,
    "receipt_of": str, "note": dict,
}  # fmt: skip
SCHEMA: Mapping[str, type] = {**REQUIRED, **OPTIONAL}

_COMMITMENT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


def bad(message: str) -> LedgerError:
    return LedgerError("leaf_malformed", message)


_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of texts, whole numbers below 2^53 and dicts of them with ASCII names; nothing else."""
    _admit(value)
    return encoded(value)


def encoded(value: object) -> bytes:
    """The standard encoder writes RFC 8785 for admitted values: no floats, ASCII names only."""
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        raise bad("a text holds half a surrogate pair") from error


def _admit(value: object) -> None:
    if type(value) is dict:
        for name, item in value.items():
            if type(name) is not str or not name.isascii():
                raise bad("a field name is not ASCII")
            _admit(item)
    elif type(value) is int:
        if abs(value) > MAX_INTEGER:
            raise bad("a number is not below 2^53")
    elif type(value) is not str:
        raise bad(f"a value of type {type(value).__name__} has no place in a leaf")


def schema_problem(fields: Mapping[str, Any]) -> str | None:
    """What is wrong with the fields of a leaf, None if nothing."""
    for name, value in fields.items():
        if type(value) is not SCHEMA.get(name):
            return f"field {name[:40]!r} is unknown or of the wrong type"
        if (type(value) is str and not (value and value.isprintable())) or (
            type(value) is int and not 0 <= value <= MAX_INTEGER
        ):
            return f"field {name!r} is empty, not printable, negative or not below 2^53"
    if not fields.keys() >= REQUIRED.keys():
        return f"fields are missing: {', '.join(sorted(REQUIRED.keys() - fields.keys()))}"
    if fields["v"] != VERSION:
        return f"leaf version {fields['v']} is not known"
    return _case_problem(fields) or _group_problem(fields)


def _case_problem(fields: Mapping[str, Any]) -> str | None:
    if "case" in fields:
        if "case_n" not in fields or ("case_prev" in fields) is not (fields["case_n"] > 1):
            return "a case has case_n, and case_prev from its second entry on"
    elif "case_n" in fields or "case_prev" in fields or "state" in fields:
        return "case_n, case_prev or state without a case"
    return None


def _group_problem(fields: Mapping[str, Any]) -> str | None:
    state, commitments, note = fields.get("state"), fields.get("c"), fields.get("note")
    if state is not None and not is_state(state):
        return "a state has a printable to and perhaps a from"
    if commitments is not None and not are_commitments(commitments):
        return "c holds named commitments of 43 base64url characters"
    if note is not None and not is_note(note):
        return "a note holds named texts and whole numbers"
    return None


def is_state(state: Mapping[Any, Any]) -> bool:
    texts = all(type(value) is str and value and value.isprintable() for value in state.values())
    return texts and (state.keys() == {"to"} or state.keys() == {"from", "to"})


def _named(values: Iterable[object]) -> bool:
    return all(type(name) is str and FIELD_NAME.fullmatch(name) for name in values)


def are_commitments(values: Mapping[Any, Any]) -> bool:
    return (
        bool(values)
        and _named(values)
        and all(type(c) is str and _COMMITMENT.fullmatch(c) for c in values.values())
    )


def is_note(values: Mapping[Any, Any]) -> bool:
    return bool(values) and _named(values) and all(map(is_note_value, values.values()))


def is_note_value(value: object) -> bool:
    return type(value) is str or (type(value) is int and abs(value) <= MAX_INTEGER)


def _refuse(number: str) -> Any:
    raise bad(f"{number[:20]} is not a whole number")


_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def parse(leaf: bytes) -> dict[str, Any]:
    """The fields of a leaf; refuses every other spelling and all that is outside the schema."""
    if len(leaf) > MAX_LEAF:
        raise LedgerError("leaf_too_long", f"the leaf has {len(leaf)} bytes, the limit is {MAX_LEAF}")
    try:
        fields = _DECODER.decode(leaf.decode())
    except (ValueError, RecursionError) as error:
        raise bad("the leaf is not JSON in UTF-8") from error
    if type(fields) is not dict:
        raise bad("the leaf is not an object")
    if problem := schema_problem(fields):
        raise bad(problem)
    if encoded(fields) != leaf:
        raise LedgerError("leaf_not_canonical", "the leaf is not spelled in its canonical form")
    return fields
