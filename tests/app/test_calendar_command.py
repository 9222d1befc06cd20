"""`tongban calendar`: a published year makes provisional due dates final, and the ledger shows both acts."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from exchange import clocks
from exchange.app import opening
from exchange.app.settings import Settings
from exchange.records import pseudonym
from exchange.store.tables import act, case_record
from exchange.store.work import Store, Work
from ledger import tables
from ledger.leaf import parse

Tongban = Callable[..., Any]
NEXT_YEAR = """
year = 2027
version = 1
source = "invented for this test"
published = 2026-11-10
rest = [{ reason = "元旦", from = 2027-01-01, to = 2027-01-03 }]
work = [{ reason = "元旦调休上班", day = 2027-01-09 }]
"""
WAITING, FINAL, FAR = "C-2027", "C-2026", "C-2028"


def case(number: str, accepted: str, days: int) -> dict[str, Any]:
    clock = {
        "accepted": accepted, "statutory": [days, "working_day"], "promised": None, "suspensions": [],
        "extension": 0,
    }  # fmt: skip
    return {
        "case_no": number, "state": "accepted", "facts": {}, "item_code": "x", "item_version": 1, "org": "x",
        "region": "x", "has_fee": False, "origin": "bureau-a", "application": {}, "clock": clock,
        "opened_at": 0.0, "changed_at": 0.0,
    }  # fmt: skip


def put(work: Work, row: dict[str, Any]) -> None:
    whole = clocks.recomputed(work, row)
    whole.pop("touched", None)
    work.connection.execute(insert(case_record), whole)


@pytest.fixture
def store(settings: Settings) -> Store:
    """Three cases: due in 2027, due in 2026, and due in 2028, of which nothing is published either way."""
    store = opening.open_store(settings)
    for number, accepted, days in (
        (WAITING, "2026-12-21", 10),
        (FINAL, "2026-11-02", 5),
        (FAR, "2026-12-21", 300),
    ):
        store.write(partial(put, row=case(number, accepted, days)))
    return store


def due(store: Store, number: str) -> tuple[str, bool]:
    columns = (case_record.c.statutory_due, case_record.c.provisional)
    with store.read() as connection:
        row = connection.execute(select(*columns).where(case_record.c.case_no == number)).one()
    return row[0], row[1]


def leaves(store: Store) -> list[dict[str, Any]]:
    with store.read() as connection:
        found = connection.execute(select(tables.entry.c.leaf).order_by(tables.entry.c.seq)).scalars()
        return [parse(leaf) for leaf in found]


def load(tongban: Tongban, tmp_path: Path, text: str, *more: str) -> Any:
    (tmp_path / "year.toml").write_text(text, "utf-8")
    return tongban("calendar", "load", str(tmp_path / "year.toml"), *more)


def test_a_published_year_makes_due_dates_final(
    store: Store, settings: Settings, tongban: Tongban, tmp_path: Path
) -> None:
    # Working days after 21 December 2026: 8 to the 31st, then 1 January until it is known as a holiday.
    assert due(store, WAITING) == ("2027-01-04", True)
    before = due(store, FINAL)
    far = due(store, FAR)[0]
    said = load(tongban, tmp_path, NEXT_YEAR, "--source", "a letter")
    assert (said.code, said.err) == (0, "")
    assert due(store, WAITING) == ("2027-01-05", False)
    assert due(store, FINAL) == before == ("2026-11-09", False)
    assert due(store, FAR)[1] is True  # its year is still unknown, but 2027 moved it
    changed = [WAITING] + ([FAR] if due(store, FAR)[0] != far else [])
    assert said.out == f"2027 version 1 loaded; due dates of {len(changed)} provisional cases changed\n"
    loaded, *recomputed = leaves(store)
    assert (loaded["kind"], loaded["note"]) == ("calendar.loaded", {"year": 2027, "version": 1})
    key = opening.pseudonym_key(settings)
    assert [one["kind"] for one in recomputed] == ["case.due_recomputed"] * len(changed)
    assert {one["case"] for one in recomputed} == {pseudonym(key, number) for number in changed}
    assert all(one["xid"] == "calendar-2027-1" for one in recomputed)
    assert tongban("ledger", "verify").code == 0


def test_what_the_acts_committed_to(store: Store, tongban: Tongban, tmp_path: Path) -> None:
    load(tongban, tmp_path, NEXT_YEAR)
    with store.read() as connection:
        bodies = list(connection.execute(select(act.c.body).order_by(act.c.entry)).scalars())
    assert bodies[0].decode() == NEXT_YEAR
    (waiting,) = [value for value in map(json.loads, bodies[1:]) if value["case_no"] == WAITING]
    assert waiting == {
        "case_no": WAITING, "statutory_due": "2027-01-05", "promised_due": None, "provisional": False,
    }  # fmt: skip


def test_the_same_version_is_refused_and_a_higher_one_is_not(
    store: Store, tongban: Tongban, tmp_path: Path
) -> None:
    load(tongban, tmp_path, NEXT_YEAR)
    entries = len(leaves(store))
    again = load(tongban, tmp_path, NEXT_YEAR)
    assert (again.code, again.out, again.err.count("\n")) == (1, "", 1)
    assert again.err.startswith("tongban: conflict: ")
    assert len(leaves(store)) == entries
    assert load(tongban, tmp_path, NEXT_YEAR.replace("version = 1", "version = 2")).code == 0
    assert due(store, WAITING) == ("2027-01-05", False)


def test_list(tongban: Tongban, store: Store, tmp_path: Path) -> None:
    load(tongban, tmp_path, NEXT_YEAR, "--source", "a letter")
    found = json.loads(tongban("calendar", "list", "--json").out)
    assert found[-1] == {
        "year": 2027,
        "version": 1,
        "published": "2026-11-10",
        "entry": 0,
        "source": "a letter",
    }
    assert {"year": 2026, "entry": None}.items() <= found[-2].items()
    assert "2027" in tongban("calendar", "list").out


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff", "bad_calendar"),
        (b"", "bad_calendar"),
        (b"year = 2027", "bad_calendar"),
        (b"#" * 1_000_000, "bad_calendar"),
        (NEXT_YEAR.replace("2027-01-09", "2027-01-08").encode(), "bad_calendar"),
    ],
)
def test_a_bad_file_is_one_coded_line(tongban: Tongban, tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "year.toml").write_bytes(data)
    for file in (tmp_path / "year.toml", tmp_path / "none.toml"):
        said = tongban("calendar", "load", str(file))
        assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
        assert said.err.startswith(f"tongban: {code if file.exists() else 'file_unusable'}: ")


@pytest.mark.parametrize("words", [[], ["load"], ["list", "x"], ["load", "a", "b"]])
def test_wrong_calls_exit_2(tongban: Tongban, words: list[str]) -> None:
    said = tongban("calendar", *words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
