"""The whole demonstration as a person starts it: every process, every system, both queues, a second run."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exchange.app.rabbit import find_server
from tests.app.demo.running import SECONDS, demo, left_over, logs, own_folder, under_way
from tests.exchange.core.opened import ring_in

SYSTEMS = {"SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14"}
CASES, MORE = 6, 20
KILLS = 10


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return own_folder(tmp_path / "var")


def expect_whole(told: dict[str, Any], cases: int = CASES) -> None:
    assert set(told["systems"]) == SYSTEMS
    for name, counts in told["systems"].items():
        assert counts["sent"] > 0, name
        assert counts["received"] > 0 or counts["receipts"] > 0, name
    assert told["differences"] == 0
    assert told["ledger"]["size"] > 0
    assert told["cases"]["finished"] == cases
    assert told["messages_per_second"] > 0
    whole = max(1, cases // 5)
    assert told["hall"] == {"cases": whole + 6, "finished": whole, "waiting": 6}


@pytest.mark.req("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14")
def test_the_database_queue_carries_a_run_and_the_next_sees_what_was_damaged_since(
    state: Path, tmp_path: Path
) -> None:
    figures, export = tmp_path / "figures.json", tmp_path / "export"
    words = ("--once", "--no-rabbitmq", "--json", str(figures))
    seen = demo(state, *words, "--cases", str(CASES), "--export", str(export))
    assert seen.returncode == 0, seen.stdout[-4000:] + seen.stderr[-2000:] + logs(state)
    first = json.loads(figures.read_text("utf-8"))
    expect_whole(first)
    assert first["amqp"] == "database"
    assert (export / "checkpoint").is_file()
    assert left_over(state) == []
    assert reported(state) == ["0"] * 4, "items of the town and the village, each taken by the province"
    lost, altered = damage(state)
    seen = demo(state, *words, "--cases", "1", COLUMNS="250")
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert f"hub → sms {lost}: sms.requested.v1 is in the hub's record only" in seen.stdout
    assert f"hub → fees {altered}: the bytes differ" in seen.stdout
    second = json.loads(figures.read_text("utf-8"))
    assert (second["ok"], second["differences"], second["ledger"]["verdict"]) == (False, 2, "tampered")
    assert second["cases"]["finished"] == second["cases"]["driven"] == 1
    assert second["ledger"]["size"] > first["ledger"]["size"]
    assert second["systems"]["SYS-14"]["sent"] > first["systems"]["SYS-14"]["sent"]


def reported(state: Path) -> list[str]:
    """The province's answer to every item reported to it."""
    with closing(sqlite3.connect(state / "demo" / "catalogue" / "record.db")) as db:
        batches = [json.loads(rows) for (rows,) in db.execute("SELECT rows FROM batch")]
    return [code for batch in batches for _, code, _ in batch]


def damage(state: Path) -> tuple[str, str]:
    """A message lost at the SMS gateway, one byte altered in the hub's evidence of another, by somebody who
    has the keys; their ids."""
    with closing(sqlite3.connect(state / "demo" / "sms" / "record.db")) as db, db:
        (lost,) = db.execute(
            "SELECT id FROM message WHERE direction = 'received' AND kind = 'sms'"
        ).fetchone()
        db.execute("DELETE FROM message WHERE id = ? AND direction = 'received'", (lost,))
    with closing(sqlite3.connect(state / "hub.db")) as db, db:
        entry, body, canonical = db.execute(
            "SELECT entry, body, canonical FROM document WHERE party = 'fees' AND type = 'fee.requested.v1'"
        ).fetchone()
        ring = ring_in(state)
        other = ring.seal(ring.open(body, b"document.body") + b" ", b"document.body")
        db.execute("UPDATE document SET body = ? WHERE entry = ?", (other, entry))
    return str(lost), str(json.loads(ring.open(canonical, b"document.canonical"))["request_id"])


@pytest.mark.req("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14")
def test_rabbitmq_carries_a_run_whose_processes_are_killed_and_nothing_is_lost_or_doubled(
    state: Path, tmp_path: Path
) -> None:
    if find_server() is None:
        pytest.skip("RabbitMQ is not installed")
    file = tmp_path / "figures.json"
    words = ("--once", "--cases", str(MORE), "--json", str(file))
    with under_way(state, "受理办件", *words) as (running, heard):
        killed = kills(state, running)
        heard += running.stdout or ()
        assert running.wait(SECONDS) == 0, "".join(heard) + logs(state)
    told = json.loads(file.read_text("utf-8"))
    expect_whole(told, MORE)
    assert (told["amqp"], told["ledger"]["verdict"]) == ("rabbitmq", "whole")
    assert told["restarts"].keys() >= {"hub", "sms", "department_a"}
    assert killed >= 4, "the run was over before it was disturbed"
    assert sum(told["restarts"].values()) >= killed - 1
    assert left_over(state) == []


def kills(state: Path, running: "subprocess.Popen[str]") -> int:
    """As in a power cut: the hub and two partners, then whoever comes; how many while it ran."""
    chance = random.Random(7)
    first = ["exchange.app.cli", "mocks.partners.sms", "mocks.partners.department_a"]
    killed = 0
    for word in [*first, *[""] * (KILLS - len(first))]:
        time.sleep(chance.uniform(0.4, 1.0))
        if running.poll() is not None:
            break
        rows = json.loads((state / "demo" / "children.json").read_text())
        alive = [row["pid"] for row in rows if not word or word in row["command"]]
        killed += bool(alive) and kill(chance.choice(alive))
    return killed


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "words", [["--cases", "0"], ["--cases", "x"], ["--json", "/nowhere/at/all.json"], ["more"]]
)
def test_a_wrong_command_line_is_one_line_and_exit_2(state: Path, words: list[str]) -> None:
    seen = demo(state, *words)
    assert seen.returncode == 2
    assert len(seen.stderr.splitlines()) == 1
    assert seen.stdout == ""
