"""Attacks on the tables, each noticed and located; the numbers are those of the tamper matrix."""

import json
from typing import Any

import pytest

from ledger.erasure import KIND, erasure_note
from ledger.leaf import canonical
from ledger.log import Draft, forget
from ledger.tree import frontier_of, leaf_hash, root_of

BATCHES = (4, 10, 1, 25)  # checkpoints at 4, 14, 15, 40

LEAF_FLIP = (
    "UPDATE ledger_entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'x-0', 'y-0') AS BLOB) WHERE seq = 9"
)

ATTACKS: dict[str, tuple[str, tuple[str, int | str]]] = {
    "2 leaf altered": (LEAF_FLIP, ("entry", 9)),
    "2 leaf emptied": ("UPDATE ledger_entry SET leaf = x'' WHERE seq = 9", ("entry", 9)),
    "2 leaf of another type": ("UPDATE ledger_entry SET leaf = 'text' WHERE seq = 9", ("entry", 9)),
    "5 stored hash altered": (
        "UPDATE ledger_entry SET leaf_hash = zeroblob(32) WHERE seq = 9",
        ("leaf_hash", 9),
    ),
    "5 stored hash short": ("UPDATE ledger_entry SET leaf_hash = x'00' WHERE seq = 9", ("leaf_hash", 9)),
    "6 head size": ("UPDATE ledger_head SET size = 39", ("head", "ledger_head")),
    "6 head root": ("UPDATE ledger_head SET root = zeroblob(32)", ("head", "ledger_head")),
    "6 head frontier": ("UPDATE ledger_head SET frontier = zeroblob(64)", ("head", "ledger_head")),
    "6 head time": ("UPDATE ledger_head SET ts = 5", ("head", "ledger_head")),
    "6 head log": ("UPDATE ledger_head SET log = 'x'", ("head", "ledger_head")),
    "6 head deleted": ("DELETE FROM ledger_head", ("head", "ledger_head")),
    "7 salt altered": (
        "UPDATE ledger_disclosure SET salt = zeroblob(16) WHERE seq = 9 AND name = 'sig'",
        ("commitment", 9),
    ),
    "7 salt short": ("UPDATE ledger_disclosure SET salt = x'00' WHERE seq = 9", ("disclosure", 9)),
    "7 salt deleted": ("DELETE FROM ledger_disclosure WHERE seq = 9", ("value_missing", 9)),
    "7 salt nobody committed to": (
        "INSERT INTO ledger_disclosure VALUES (9, 'x', zeroblob(16))",
        ("disclosure", 9),
    ),
    "7 salt of no entry": (
        "INSERT INTO ledger_disclosure VALUES (99, 'x', zeroblob(16))",
        ("disclosure", 99),
    ),
    "12 rows swapped": (
        "UPDATE ledger_entry SET seq = CASE seq WHEN 8 THEN -9 ELSE -8 END WHERE seq IN (8, 9);"
        "UPDATE ledger_entry SET seq = -seq WHERE seq < 0",
        ("seq", 8),
    ),
    "13 middle row deleted": ("DELETE FROM ledger_entry WHERE seq = 9", ("entry_missing", 9)),
    "15 tail deleted": ("DELETE FROM ledger_entry WHERE seq > 37", ("entry_missing", 38)),
    "15 everything deleted": ("DELETE FROM ledger_entry", ("entry_missing", 0)),
    "18 entry repeated at the end": (
        "INSERT INTO ledger_entry SELECT 40, leaf, leaf_hash FROM ledger_entry WHERE seq = 39",
        ("unsigned_tail", 40),
    ),
    "14 tail and its checkpoint deleted": (
        "DELETE FROM ledger_entry WHERE seq > 14; DELETE FROM ledger_checkpoint WHERE size > 15",
        ("head", "ledger_head"),
    ),
    "19 counter altered": (
        "UPDATE ledger_counter SET n = n + 1 WHERE kind = 'case' AND key = 'p:3'",
        ("counter", "case p:3"),
    ),
    "19 counter deleted": (
        "DELETE FROM ledger_counter WHERE key LIKE 'city/1%'",
        ("counter", "chan city/1 to province/hall"),
    ),
    "19 counter invented": ("INSERT INTO ledger_counter VALUES ('case', 'q', 1, 0)", ("counter", "case q")),
    "2 checkpoint altered": (
        "UPDATE ledger_checkpoint SET note = replace(note, '14', '13') WHERE size = 14",
        ("signature", "checkpoint 14"),
    ),
    "2 checkpoint moved": (
        "UPDATE ledger_checkpoint SET size = 16 WHERE size = 15",
        ("checkpoint", "checkpoint 16"),
    ),
    "2 checkpoint garbage": (
        "UPDATE ledger_checkpoint SET note = x'ff00' WHERE size = 15",
        ("checkpoint", "checkpoint 15"),
    ),
    "2 note is no text": (
        "UPDATE ledger_checkpoint SET note = CAST(x'ff' AS TEXT) WHERE size = 15",
        ("unreadable", "ledger_checkpoint"),
    ),
    "a table is gone": ("DROP TABLE ledger_counter", ("unreadable", "ledger_counter")),
    "a row before the first": (
        "INSERT INTO ledger_entry SELECT -5, leaf, leaf_hash FROM ledger_entry WHERE seq = 0",
        ("seq", -5),
    ),
    "a row far away": (
        "INSERT INTO ledger_entry SELECT 1 << 61, leaf, leaf_hash FROM ledger_entry WHERE seq = 0",
        ("entry_missing", 40),
    ),
}


def places(report: Any) -> set[tuple[str, int | str]]:
    return {(finding.rule, finding.where) for finding in report.findings}


@pytest.fixture
def store(city: Any) -> Any:
    city.append(*BATCHES)
    assert city.verify().findings == ()
    return city


@pytest.mark.parametrize("attack", ATTACKS)
def test_damage_is_noticed_and_located(store: Any, attack: str) -> None:
    statements, expected = ATTACKS[attack]
    for statement in statements.split(";"):
        store.sql(statement)
    report = store.verify()
    assert expected in places(report)
    assert report.exit_code == (2 if expected[0] == "value_missing" else 1)


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name[0] in "567"] + ["2 leaf altered"])
def test_nothing_else_is_blamed(store: Any, attack: str) -> None:
    statement, expected = ATTACKS[attack]
    store.sql(statement)
    assert places(store.verify()) == {expected}


def test_a_leaf_and_its_hash_altered_together(store: Any) -> None:
    """Located by the checkpoints around it: 5 to 14 were signed together."""
    store.sql(LEAF_FLIP)
    altered = store.leaves()[9]
    store.sql("UPDATE ledger_entry SET leaf_hash = :hash WHERE seq = 9", hash=leaf_hash(altered))
    report = store.verify()
    assert ("root", 4) in places(report)
    assert "entries 4 to 13" in str(report.findings[0])


def test_7_a_value_altered_or_lost(store: Any) -> None:
    store.values[3, "payload"] = b"other"
    del store.values[20, "sig"]
    report = store.verify()
    assert places(report) == {("commitment", 3), ("value_missing", 20)}
    assert report.status == "tampered"


def test_values_swapped_between_two_entries(store: Any) -> None:
    one, two = (3, "payload"), (4, "payload")
    store.values[one], store.values[two] = store.values[two], store.values[one]
    assert places(store.verify()) == {("commitment", 3), ("commitment", 4)}


def resign(city: Any, change: Any) -> None:
    """An operator with the key writes history anew, every checkpoint, hash, head and counter included."""
    leaves = change(city.leaves())
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for table in ("ledger_entry", "ledger_checkpoint"):
        city.sql(f"DELETE FROM {table}")  # noqa: S608 (the two names above)
    for seq, leaf in enumerate(leaves):
        city.sql("INSERT INTO ledger_entry VALUES (:s, :l, :h)", s=seq, l=leaf, h=hashes[seq])
    for size in (*(size for size in (4, 14, 15) if size < len(leaves)), len(leaves)):
        note = city.sign(leaves[:size]).decode()
        city.sql("INSERT INTO ledger_checkpoint VALUES (:s, :n)", s=size, n=note)
    front = b"".join(frontier_of(hashes))
    city.sql(
        "UPDATE ledger_head SET size = :s, root = :r, frontier = :f",
        s=len(leaves),
        r=root_of(hashes),
        f=front,
    )


def renamed(leaf: bytes) -> bytes:
    return canonical({**json.loads(leaf), "xid": "other"})


@pytest.mark.parametrize(
    ("attack", "change", "rule", "where"),
    [
        ("17 rewritten", lambda e: [*e[:7], renamed(e[7]), *e[8:]], "rewritten", 4),
        ("14 cut off", lambda e: e[:39], "rollback", "checkpoint"),
        ("26 two views", lambda e: [*e[:39], renamed(e[39])], "split_view", "checkpoint"),
    ],
)
def test_a_saved_checkpoint_convicts_a_perfect_rewriting(
    city: Any, attack: str, change: Any, rule: str, where: int | str
) -> None:
    saved = tuple(city.append(size).text.encode() for size in BATCHES)
    resign(city, change)
    assert not {"root", "entry", "signature", "head"} & {finding.rule for finding in city.verify().findings}
    assert (rule, where) in places(city.verify(saved)), attack


def erase(city: Any, erased: list[int], note: dict[str, Any]) -> None:
    with city.engine.begin() as connection:
        forget(connection, erased)
        batch = city.log.begin(connection, city.now)
        batch.append(Draft(KIND, "e", "city/archive", "city/archive", "erasure/1", note=note))
        batch.close()


def test_47_erasures(store: Any) -> None:
    erase(store, [3, 4, 5], erasure_note([3, 4, 5], order="2026-17"))
    for key in [(seq, name) for seq in (3, 4, 5) for name in ("payload", "sig")]:
        del store.values[key]
    assert store.verify().status == "whole"
    erase(store, [7], erasure_note([8], order="2026-18"))
    assert places(store.verify()) == {("value_missing", 7), ("salt_kept", 8)}
    erase(store, [], {"seqs": "everything"})
    assert ("erasure", 42) in places(store.verify())


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257])
def test_51_edge_sizes(city: Any, size: int) -> None:
    city.append(size)
    report = city.verify()
    assert (report.status, report.size, report.entries) == ("whole", size, size)


def test_35_another_key_signed_nothing_here(store: Any, make: Any) -> None:
    other = make(seed=9)
    other.engine.dispose()
    other.engine = store.engine
    found = {where for rule, where in places(other.verify()) if rule == "signature"}
    assert found == {"checkpoint 4", "checkpoint 14", "checkpoint 15", "checkpoint 40"}
