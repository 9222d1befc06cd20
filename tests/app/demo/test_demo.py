"""The whole demonstration as a person starts it: every process, every system, both queues, a second run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.app.demo.layout import free_port
from exchange.app.rabbit import find_server

ROOT = Path(__file__).resolve().parents[3]
SYSTEMS = {"SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14"}
CASES = 6
SECONDS = 300


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose hub listens on a port of its own."""
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "tongban.toml").write_text(f"http_port = {free_port()}\n")
    return folder


def demo(state: Path, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    return subprocess.run(
        [sys.executable, "-m", "exchange.app.cli", "demo", *words],
        env=kept | {"PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(state)} | environ,
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip


def ran(state: Path, *words: str) -> dict[str, Any]:
    """The figures of a run that held."""
    file = state.parent / "figures.json"
    seen = demo(state, "--once", "--cases", str(CASES), "--json", str(file), *words)
    assert seen.returncode == 0, seen.stdout[-4000:] + seen.stderr[-2000:] + logs(state)
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return told


def logs(state: Path) -> str:
    return "\n".join(f"--- {p.name}\n{p.read_text()[-600:]}" for p in (state / "demo" / "log").glob("*.log"))


def expect_whole(told: dict[str, Any]) -> None:
    assert set(told["systems"]) == SYSTEMS
    for name, counts in told["systems"].items():
        assert counts["sent"] > 0, name
        assert counts["received"] > 0 or counts["receipts"] > 0, name
    assert told["differences"] == 0
    assert told["ledger"]["size"] > 0
    assert told["cases"]["finished"] == CASES
    assert told["messages_per_second"] > 0


def left_over(state: Path) -> list[str]:
    """Processes whose command line names the state folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in command:
            found.append(command)
    return found


def test_the_database_queue_carries_a_run_and_the_next_one_continues(state: Path, tmp_path: Path) -> None:
    first = ran(state, "--no-rabbitmq", "--export", str(tmp_path / "export"))
    expect_whole(first)
    assert first["amqp"] == "database"
    assert (tmp_path / "export" / "checkpoint").is_file()
    assert left_over(state) == []
    second = ran(state, "--no-rabbitmq", "--export", str(tmp_path / "export"))
    expect_whole(second)
    assert second["ledger"]["size"] > first["ledger"]["size"]
    assert second["systems"]["SYS-14"]["sent"] > first["systems"]["SYS-14"]["sent"]


def test_rabbitmq_carries_a_run(state: Path) -> None:
    if find_server() is None:
        pytest.skip("RabbitMQ is not installed")
    told = ran(state)
    expect_whole(told)
    assert told["amqp"] == "rabbitmq"
    assert left_over(state) == []


@pytest.mark.parametrize(
    "words", [["--cases", "0"], ["--cases", "x"], ["--json", "/nowhere/at/all.json"], ["more"]]
)
def test_a_wrong_command_line_is_one_line_and_exit_2(state: Path, words: list[str]) -> None:
    seen = demo(state, *words)
    assert seen.returncode == 2
    assert len(seen.stderr.splitlines()) == 1
    assert seen.stdout == ""
