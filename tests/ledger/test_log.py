"""Appending: numbers, group commit with rewind, several writers in turn, and every refusal to sign."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.erasure import KIND, erasure_note
from ledger.errors import LedgerError
from ledger.log import Draft, Log, forget
from ledger.note import open_checkpoint
from ledger.tree import EMPTY_ROOT, leaf_hash, root_of


def fields(city: Any) -> list[dict[str, Any]]:
    return [json.loads(leaf) for leaf in city.leaves()]


def refusal(city: Any) -> str:
    with pytest.raises(LedgerError) as caught, city.engine.begin() as connection:
        city.log.begin(connection, city.now)
    return caught.value.code


def test_entries_are_numbered_in_the_log_the_channel_and_the_case(city: Any) -> None:
    city.append(4, 5)
    rows = fields(city)
    assert [row["seq"] for row in rows] == list(range(9))
    assert [row["chan_n"] for row in rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [row["case_n"] for row in rows] == [1, 2, 3] * 3
    assert [row.get("case_prev") for row in rows] == [None, 0, 1, None, 3, 4, None, 6, 7]


def test_one_signed_checkpoint_covers_each_batch(city: Any) -> None:
    closed = city.append(1, 10, 3)
    hashes = [leaf_hash(leaf) for leaf in city.leaves()]
    notes = city.sql("SELECT size, note FROM ledger_checkpoint ORDER BY size")
    heads = [open_checkpoint(note.encode(), city.signer.verifier) for _, note in notes]
    assert [size for size, _ in notes] == [head.size for head in heads] == [1, 11, 14]
    assert [head.root for head in heads] == [root_of(hashes[: head.size]) for head in heads]
    assert closed == (14, heads[-1].root, notes[-1][1])


def test_an_empty_batch_gives_the_present_checkpoint_and_writes_nothing(city: Any) -> None:
    first = city.append(0)
    assert (first.size, first.root) == (0, EMPTY_ROOT)
    assert open_checkpoint(first.text.encode(), city.signer.verifier).size == 0
    assert city.sql("SELECT count(*) FROM ledger_head") == [(0,)]
    later = city.append(3)
    assert city.append(0) == later
    assert city.sql("SELECT count(*) FROM ledger_checkpoint") == [(1,)]


def test_time_never_goes_back(city: Any) -> None:
    city.append(1)
    city.now -= 10_000
    city.append(1)
    city.now += 20_000
    city.append(1)
    times = [row["ts"] for row in fields(city)]
    assert times[0] == times[1] < times[2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(plan=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=8))
def test_a_rewound_message_leaves_no_trace(make: Any, plan: list[tuple[int, bool]]) -> None:
    city, kept = make(seed=len(plan)), []
    city.sql("DELETE FROM ledger_entry")
    for table in ("ledger_head", "ledger_checkpoint", "ledger_counter", "ledger_disclosure"):
        city.sql(f"DELETE FROM {table}")  # noqa: S608 (table names of this list)
    city.log = Log(city.signer.name, city.signer)
    with city.engine.begin() as connection:
        batch = city.log.begin(connection, city.now)
        for size, keep in plan:
            mark, number = batch.mark(), len(kept)
            drafts = [city.draft(number + at) for at in range(size)]
            for draft in drafts:
                city.add(batch, draft)
            if keep:
                kept += drafts
            else:
                batch.rewind(mark)
        assert batch.close().size == len(kept)
    assert [row["xid"] for row in fields(city)] == [draft.xid for draft in kept]
    assert city.verify().status == "whole"


def test_a_refused_draft_leaves_the_batch_as_it_was(city: Any) -> None:
    with city.engine.begin() as connection:
        batch = city.log.begin(connection, city.now)
        city.add(batch, city.draft(0))
        for bad in (
            Draft("", "x", "city/0", "b", "s"),
            Draft("k", "x", "a", "b", "s", note={"n": "x" * 66_000}),
        ):
            with pytest.raises(LedgerError):
                batch.append(bad)
        batch.close()
    assert city.verify().findings == () and len(city.leaves()) == 1


def test_a_closed_batch_takes_nothing_more(city: Any) -> None:
    with city.engine.begin() as connection:
        batch = city.log.begin(connection, city.now)
        mark = batch.mark()
        batch.append(city.draft(0))
        beyond = batch.mark()
        batch.rewind(mark)
        with pytest.raises(LedgerError, match="mark_unknown"):
            batch.rewind(beyond)
        batch.close()
        for act in (lambda: batch.append(city.draft(0)), batch.close, lambda: batch.rewind(mark)):
            with pytest.raises(LedgerError, match="batch_closed"):
                act()


def test_a_rolled_back_batch_did_not_happen(city: Any) -> None:
    city.append(3)
    with city.engine.connect() as connection:
        batch = city.log.begin(connection, city.now)
        for number in range(3, 8):
            batch.append(city.draft(number))
        batch.close()
        connection.rollback()
    city.append(4)
    assert city.verify().findings == () and len(city.leaves()) == 7


def test_an_abandoned_batch_did_not_happen(city: Any) -> None:
    city.append(3)
    with city.engine.connect() as connection:
        city.log.begin(connection, city.now).append(city.draft(3))
    city.append(2)
    assert city.verify().findings == ()


def test_writers_in_turn_see_each_other(city: Any) -> None:
    other, mine = Log(city.signer.name, city.signer), city.log
    for at in range(6):
        city.log = other if at % 2 else mine
        city.append(2, 1)
    assert city.verify().findings == ()


@pytest.mark.parametrize("first", [0, 2])
def test_two_writers_at_once_cannot_both_commit(city: Any, first: int) -> None:
    city.append(first)
    with city.engine.begin() as connection:
        one = city.log.begin(connection, city.now)
        two = Log(city.signer.name, city.signer).begin(connection, city.now)
        city.add(one, city.draft(first))
        one.close()
        two.append(city.draft(first))
        with pytest.raises(LedgerError, match="second_writer"):
            two.close()


def test_prepare_changes_nothing_but_the_number_of_queries(city: Any) -> None:
    city.append(5)
    drafts = [city.draft(number) for number in range(5, 1300)]
    with city.engine.begin() as connection:
        batch = Log(city.signer.name, city.signer).begin(connection, city.now)
        batch.prepare(drafts)
        for draft in drafts:
            city.add(batch, draft)
        batch.close()
    assert city.verify().findings == ()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("UPDATE ledger_head SET size = size + 1", "head_disagrees"),
        ("DELETE FROM ledger_entry WHERE seq = 6", "head_disagrees"),
        ("DELETE FROM ledger_entry", "head_disagrees"),
        ("DELETE FROM ledger_head", "head_missing"),
        ("DELETE FROM ledger_checkpoint WHERE size = 7", "head_disagrees"),
        ("UPDATE ledger_head SET root = zeroblob(32)", "head_damaged"),
        ("UPDATE ledger_head SET frontier = zeroblob(96)", "head_damaged"),
        ("UPDATE ledger_head SET frontier = substr(frontier, 1, 64)", "head_damaged"),
        ("UPDATE ledger_head SET frontier = 'text'", "head_damaged"),
        ("UPDATE ledger_head SET size = 'many'", "head_damaged"),
        ("UPDATE ledger_head SET log = 'other'", "other_log"),
        ("INSERT INTO ledger_head SELECT 'x' || log, size, frontier, root, ts FROM ledger_head", "other_log"),
        ("INSERT INTO ledger_entry VALUES (7, x'00', zeroblob(32))", "head_disagrees"),
    ],
)
def test_a_store_that_disagrees_with_itself_is_not_signed(city: Any, damage: str, code: str) -> None:
    city.append(3, 4)
    city.sql(damage)
    assert refusal(city) == code


@pytest.mark.parametrize(
    "change",
    [
        "leaf_hash = zeroblob(32)",
        "leaf = CAST(replace(CAST(leaf AS TEXT), 'x-00', 'y-00') AS BLOB)",
        "seq = seq + 100",
    ],
)
def test_what_the_store_gives_back_changed_is_never_signed(city: Any, change: str) -> None:
    """Attack 5: a bit that flips between computing and signing would stay in the log for ever."""
    city.append(2)
    act = f"UPDATE ledger_entry SET {change} WHERE seq = new.seq"  # noqa: S608 (the changes listed above)
    city.sql(f"CREATE TRIGGER flip AFTER INSERT ON ledger_entry WHEN new.seq = 4 BEGIN {act}; END")
    with pytest.raises(LedgerError, match="read_back"):
        city.append(4)
    assert city.sql("SELECT max(size) FROM ledger_checkpoint") == [(2,)]


def test_a_restored_backup_may_not_sign(city: Any, make: Any) -> None:
    notes = [city.append(2).text.encode(), city.append(3).text.encode()]
    behind, forked = make(), make(seed=3)
    for other in (behind, forked):
        other.signer, other.log = city.signer, Log(city.signer.name, city.signer)
    behind.append(0)
    forked.append(4, 1)
    for other, code in ((behind, "store_older"), (forked, "store_forked")):
        with other.engine.connect() as connection, pytest.raises(LedgerError, match=code):
            other.log.refuse_if_older_than(connection, notes[1])
    with city.engine.connect() as connection:
        for note in notes:
            city.log.refuse_if_older_than(connection, note)
        with pytest.raises(LedgerError, match="note_unsigned"):
            make(seed=4).log.refuse_if_older_than(connection, notes[0])


def test_a_key_of_another_origin_is_refused(city: Any) -> None:
    with pytest.raises(LedgerError, match="other_log"):
        Log("ledger.other.example/1", city.signer)


def test_no_value_and_no_plain_digest_of_it_is_in_the_store(city: Any) -> None:
    city.write(Draft("k", "x", "a", "b", "s", values={"subject": b"441499190001010015"}))
    dump = b"".join(city.leaves()) + (city.folder / "store-1.db").read_bytes()
    assert b"441499190001010015" not in dump


def test_erasure_removes_the_salts_and_says_so(city: Any) -> None:
    city.append(5)
    with city.engine.begin() as connection:
        forget(connection, [1, 2], ["payload"])
        batch = city.log.begin(connection, city.now)
        note = erasure_note([1, 2], ["payload"], order="2026-17", basis="PIPL art. 47")
        batch.append(Draft(KIND, "e-1", "city/archive", "city/archive", "erasure/1", note=note))
        batch.close()
    for seq in (1, 2):
        del city.values[seq, "payload"]
    assert city.verify().status == "whole"
    assert city.sql("SELECT name FROM ledger_disclosure WHERE seq = 1") == [("sig",)]


@pytest.mark.parametrize(
    ("seqs", "text"), [([3], "3"), ([1, 2, 3], "1-3"), ([9, 1, 2, 5, 1], "1-2,5,9"), (range(500), "0-499")]
)
def test_erased_entries_are_named_as_ranges(seqs: list[int], text: str) -> None:
    assert erasure_note(seqs)["seqs"] == text


def test_an_erasure_names_something() -> None:
    with pytest.raises(LedgerError, match="erasure_malformed"):
        erasure_note([])
