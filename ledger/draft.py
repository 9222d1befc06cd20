"""From an act to the bytes of its leaf: drafts, salted commitments, and the writer of the canonical form.

The writer puts the fields down in their canonical order at once, which halves its cost; that it writes what
`leaf.canonical` writes is a property of the tests, and `leaf.parse` refuses anything else.
"""

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import NamedTuple

from ledger.errors import LedgerError
from ledger.leaf import FIELD_NAME, MAX_INTEGER, MAX_LEAF, bad, encoded, is_note

SALT_SIZE = 16

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Draft:
    """An act to be logged, before the ledger numbers it; all names are opaque to the ledger.

    `state` is (state before or None, state after) of `case`; `values` are committed to, never stored;
    `note` holds a few values that name no person, such as a refusal code.
    """

    kind: str
    xid: str
    sender: str
    receiver: str
    service: str
    case: str | None = None
    state: tuple[str | None, str] | None = None
    kid: str | None = None
    suite: str | None = None
    values: Mapping[str, bytes] = field(default_factory=dict)
    receipt_of: str | None = None
    note: Mapping[str, str | int] | None = None


class Position(NamedTuple):
    """What the ledger adds to a draft: its place in the log, in its channel and in its case; `ts` in ms."""

    log: str
    seq: int
    ts: int
    chan_n: int
    case_n: int | None = None
    case_prev: int | None = None


def commitment(salt: bytes, value: bytes) -> str:
    """base64url(SHA-256(salt || value)) without padding."""
    digest = sha256(salt + value).digest()
    return b2a_base64(digest, newline=False)[:43].translate(_URL_SAFE).decode()


def committed(
    values: Mapping[str, bytes], random: Callable[[int], bytes]
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Commitments and their fresh salts, by the name of the value."""
    drawn = random(SALT_SIZE * len(values))
    salts = {name: drawn[at * SALT_SIZE : (at + 1) * SALT_SIZE] for at, name in enumerate(values)}
    return {name: commitment(salts[name], value) for name, value in values.items()}, salts


def build(draft: Draft, place: Position, commitments: Mapping[str, str]) -> bytes:
    """The leaf bytes of a numbered draft; refuses what the schema does not allow."""
    text = (
        f"{{{_commitments(commitments)}{_case(draft, place)}"
        f'"chan_n":{place.chan_n},"from":{_text(draft.sender)},{_optional("kid", draft.kid)}'
        f'"kind":{_text(draft.kind)},"log":{_text(place.log)},'
        f"{_note(draft.note)}{_optional('receipt_of', draft.receipt_of)}"
        f'"seq":{place.seq},{_state(draft)}{_optional("suite", draft.suite)}"svc":{_text(draft.service)},'
        f'"to":{_text(draft.receiver)},"ts":{_number(place.ts)},"v":1,"xid":{_text(draft.xid)}}}'
    )
    leaf = text.encode()
    if len(leaf) > MAX_LEAF:
        raise LedgerError("leaf_too_long", f"the leaf has {len(leaf)} bytes, the limit is {MAX_LEAF}")
    return leaf


def _text(value: str) -> str:
    if type(value) is str and value and value.isprintable():
        return quote(value)
    raise bad("a name is empty, not printable or no text")


def _number(value: int) -> int:
    if 0 <= value <= MAX_INTEGER:
        return value
    raise bad("a number is negative or not below 2^53")


def _optional(name: str, value: str | None) -> str:
    return "" if value is None else f'"{name}":{_text(value)},'


def _case(draft: Draft, place: Position) -> str:
    if draft.case is None:
        return ""
    previous = "" if place.case_prev is None else f'"case_prev":{place.case_prev},'
    return f'"case":{_text(draft.case)},"case_n":{place.case_n},{previous}'


def _state(draft: Draft) -> str:
    if draft.state is None:
        return ""
    if draft.case is None:
        raise bad("a state without a case")
    before, after = draft.state
    return f'"state":{{{_optional("from", before)}"to":{_text(after)}}},'


def _commitments(commitments: Mapping[str, str]) -> str:
    if not commitments:
        return ""
    if not all(map(FIELD_NAME.fullmatch, commitments)):
        raise bad("the name of a value has letters, digits, _ . - only")
    pairs = [f'"{name}":"{commitments[name]}"' for name in sorted(commitments)]
    return f'"c":{{{",".join(pairs)}}},'


def _note(note: Mapping[str, str | int] | None) -> str:
    if not note:
        return ""
    fields = dict(note)
    if not is_note(fields):
        raise bad("a note holds named texts and whole numbers below 2^53")
    return f'"note":{encoded(fields).decode()},'
