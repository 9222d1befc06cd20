"""The canonical form against an independent RFC 8785 library, the closed schema, the commitments."""

import base64
import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.draft import Draft, Position, build, commitment, committed
from ledger.errors import LedgerError
from ledger.leaf import canonical, parse

NAMES = st.text("abcxyzABC_.-0189", min_size=1, max_size=8).map(lambda name: f"n{name}")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(TEXTS | NUMBERS, lambda inner: st.dictionaries(NAMES, inner, max_size=5), max_leaves=12)
PLACE = Position("log.example/1", 7, 1000, 3)
DRAFT = Draft("exchange.sent", "x-1", "city/a", "province/b", "catalog.publish/1")
LEAF = build(DRAFT, PLACE, {})


def fields() -> dict[str, Any]:
    return dict(json.loads(LEAF))


def code(leaf: bytes) -> str:
    with pytest.raises(LedgerError) as caught:
        parse(leaf)
    return caught.value.code


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_the_bytes_are_those_of_rfc_8785(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [1.0, True, None, [], {"a": None}, {"a": 1.5}, {1: "a"}, {"é": 1}, 2**53, -(2**53), "\ud800"]
)
def test_what_has_no_place_in_a_leaf_is_refused(value: object) -> None:
    with pytest.raises(LedgerError, match="leaf_malformed"):
        canonical(value)


def test_a_leaf_holds_what_was_drafted_and_nothing_absent() -> None:
    assert LEAF == (
        b'{"chan_n":3,"from":"city/a","kind":"exchange.sent","log":"log.example/1","seq":7,'
        b'"svc":"catalog.publish/1","to":"province/b","ts":1000,"v":1,"xid":"x-1"}'
    )


def test_a_full_leaf() -> None:
    draft = Draft(
        "exchange.refused",
        "x-2",
        "a",
        "b",
        "s/1",
        "p:1",
        ("open", "shut"),
        "k-1",
        "sm2",
        {},
        "x-1",
        {"code": "E7"},
    )
    place = Position("log", 9, 5, 2, 4, 8)
    numbers = {"v": 1, "log": "log", "seq": 9, "ts": 5, "chan_n": 2, "case_n": 4, "case_prev": 8}
    names = {"kind": "exchange.refused", "xid": "x-2", "from": "a", "to": "b", "svc": "s/1", "case": "p:1"}
    others = {"kid": "k-1", "suite": "sm2", "receipt_of": "x-1"}
    groups = {"state": {"from": "open", "to": "shut"}, "note": {"code": "E7"}}
    assert parse(build(draft, place, {})) == {**numbers, **names, **others, **groups}


def test_a_commitment_is_a_salted_hash() -> None:
    expected = base64.urlsafe_b64encode(hashlib.sha256(b"s" * 16 + b"value").digest()).rstrip(b"=").decode()
    assert commitment(b"s" * 16, b"value") == expected


def test_equal_values_get_different_salts() -> None:
    stream = iter(range(200))
    commitments, salts = committed(
        {"a": b"same", "b": b"same"}, lambda n: bytes(next(stream) for _ in range(n))
    )
    assert len(set(salts.values())) == len(set(commitments.values())) == 2
    assert {len(salt) for salt in salts.values()} == {16}
    assert all(commitment(salts[name], b"same") == commitments[name] for name in salts)


@pytest.mark.parametrize(
    "leaf",
    [
        LEAF.replace(b'"x-1"', b'"x\\u002d1"'),
        LEAF.replace(b'"seq":7', b'"seq":7,"seq":7'),
        LEAF.replace(b":7", b": 7"),
        LEAF + b"\n",
        LEAF.replace(b'{"chan_n":3,', b"{").replace(b"}", b',"chan_n":3}'),
    ],
)
def test_a_second_spelling_of_the_same_meaning_is_refused(leaf: bytes) -> None:
    assert json.loads(leaf) == fields()
    assert code(leaf) == "leaf_not_canonical"


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"[]",
        b'"x"',
        b"nul",
        b"\xff",
        LEAF[:-1],
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b"9" * 60_000,
        LEAF.replace(b":7", b":7.0"),
        LEAF.replace(b":7", b":1e1"),
        LEAF.replace(b":7", b":NaN"),
        LEAF.replace(b":7", b":-1"),
        LEAF.replace(b":7", b":9007199254740992"),
        LEAF.replace(b":7", b":true"),
        LEAF.replace(b'"x-1"', b'""'),
        LEAF.replace(b'"x-1"', b'"\\ud800"'),
        LEAF.replace(b'"x-1"', b'"\\u0007"'),
        LEAF.replace(b'"v":1', b'"v":2'),
        LEAF.replace(b'"v":1', b'"v":1,"w":1'),
        LEAF.replace(b',"xid":"x-1"', b""),
        LEAF.replace(b'{"ch', b'{"case":"p","ch'),
        LEAF.replace(b'{"ch', b'{"case_n":1,"ch'),
        LEAF.replace(b'{"ch', b'{"case":"p","case_n":1,"case_prev":1,"ch'),
        LEAF.replace(b'{"ch', b'{"case":"p","case_n":2,"ch'),
        LEAF.replace(b'"svc"', b'"state":{"to":"a"},"svc"'),
        LEAF.replace(b'{"ch', b'{"c":{},"ch'),
        LEAF.replace(b'{"ch', b'{"c":{"payload":"short"},"ch'),
        LEAF.replace(b'"seq"', b'"note":{"a":{"b":1}},"seq"'),
    ],
)
def test_malformed_leaves_are_refused(leaf: bytes) -> None:
    assert code(leaf) == "leaf_malformed"


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_coded_error(leaf: bytes) -> None:
    assert code(leaf).startswith("leaf_")


PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
MAYBE = st.none() | PRINTABLE
STATES = st.tuples(MAYBE, PRINTABLE)


@given(
    texts=st.tuples(PRINTABLE, PRINTABLE, PRINTABLE, PRINTABLE, PRINTABLE),
    case=st.none() | st.tuples(PRINTABLE, st.none() | STATES),
    others=st.tuples(MAYBE, MAYBE, MAYBE),
    values=st.dictionaries(NAMES, st.binary(max_size=9), max_size=4),
    note=st.dictionaries(NAMES, TEXTS | NUMBERS, max_size=4),
    numbers=st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), st.integers(2, 9)),
)
def test_every_draft_is_written_in_canonical_form(
    texts: Any, case: Any, others: Any, values: Any, note: Any, numbers: Any
) -> None:
    seq, ts, case_n = numbers
    name, state = case or (None, None)
    kid, suite, receipt = others
    draft = Draft(*texts, name, state, kid, suite, values, receipt, note)
    commitments, _ = committed(values, bytes)
    place = Position("日志.example/1", seq, ts, 4, *((case_n, 1) if case else ()))
    leaf = build(draft, place, commitments)
    fields = parse(leaf)
    assert leaf == rfc8785.dumps(fields)
    assert (fields["kind"], fields["xid"], fields["from"], fields["to"], fields["svc"]) == texts
    assert [fields.get(key) for key in ("case", "kid", "suite", "receipt_of")] == [name, kid, suite, receipt]
    assert fields.get("note", {}) == note and fields.get("c", {}) == commitments
    assert fields.get("state", {}) == {k: v for k, v in zip(("from", "to"), state or (), strict=False) if v}


@pytest.mark.parametrize(
    "draft",
    [
        Draft("", "x", "a", "b", "s"),
        Draft("k", "x", "a\tb", "b", "s"),
        Draft("k", "x", "a", "b", "s", state=(None, "open")),
        Draft("k", "x", "a", "b", "s", case="p", state=(None, "")),
        Draft("k", "x", "a", "b", "s", note={"bad name": 1}),
        Draft("k", "x", "a", "b", "s", note={"n": 2**60}),
    ],
)
def test_drafts_outside_the_schema_are_refused(draft: Draft) -> None:
    case_n = None if draft.case is None else 1
    with pytest.raises(LedgerError, match="leaf_malformed"):
        build(draft, Position("log", 0, 0, 1, case_n), {})


def test_the_length_limit_is_that_of_a_bundle() -> None:
    room = 65_535 - len(build(Draft("k", "x", "a", "b", "s", note={"n": "x"}), PLACE, {})) + 1
    assert len(build(Draft("k", "x", "a", "b", "s", note={"n": "x" * room}), PLACE, {})) == 65_535
    with pytest.raises(LedgerError, match="leaf_too_long"):
        build(Draft("k", "x", "a", "b", "s", note={"n": "x" * (room + 1)}), PLACE, {})
    with pytest.raises(LedgerError, match="leaf_too_long"):
        parse(b"x" * 65_536)
