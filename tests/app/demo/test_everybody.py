"""Every external system of the list at once: twenty partners, their records against the hub's."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.app.postgres import find_server
from tests.app.demo.running import demo, left_over, logs, own_folder

DEPARTMENTS = {f"department_{name}" for name in ("a", "a_pull", "b", "c", "d")}
ASKED = {"SYS-08"}  # keeps no record of questions, only of what it answered
READS = {"SYS-17"}  # says nothing
CASES = 15


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of one run of `--scenario all`."""
    folder = tmp_path_factory.mktemp("everybody")
    state, file = own_folder(folder / "var"), folder / "figures.json"
    words = ("--once", "--cases", str(CASES), "--scenario", "all", "--no-rabbitmq", "--json", str(file))
    seen = demo(state, *words, COLUMNS="250")
    assert seen.returncode == 0, seen.stdout[-6000:] + seen.stderr[-2000:] + logs(state)
    assert left_over(state) == []
    figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
    figures["said"] = seen.stdout
    return figures


@pytest.mark.req("SYS-07", "SYS-08", "SYS-09", "SYS-10", "SYS-11", "SYS-15", "SYS-16", "SYS-17")
def test_every_system_sends_and_receives(told: dict[str, Any]) -> None:
    expected = {f"SYS-{number:02}" for number in (*range(1, 12), 14, 15, 16, 17)}
    assert set(told["systems"]) == expected
    for name, counts in told["systems"].items():
        assert counts["sent"] > 0 or name in ASKED, name
        assert counts["received"] + counts["receipts"] > 0 or name in READS, name


def test_every_kind_of_department_works_its_cases_to_the_end(told: dict[str, Any]) -> None:
    assert set(told["partners"]) >= DEPARTMENTS
    for name in DEPARTMENTS:
        assert told["partners"][name]["sent"] > 0 and told["partners"][name]["received"] > 0, name
    assert told["cases"]["finished"] == told["cases"]["driven"] == CASES


def test_both_sides_agree_and_the_ledger_is_whole(told: dict[str, Any]) -> None:
    assert (told["ok"], told["differences"], told["ledger"]["verdict"]) == (True, 0, "whole")


def test_the_run_says_where_the_front_end_database_is(told: dict[str, Any]) -> None:
    on_a_file = "works on an SQLite file" in told["said"]
    assert on_a_file is (find_server() is None)


def test_a_scenario_nobody_knows_is_named_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    seen = demo(tmp_path / "var", "--once", "--scenario", "no_such")
    assert seen.returncode == 1
    assert "unknown_scenario" in seen.stderr and "department_c_night" in seen.stderr
