"""A demonstration whose processes are killed at random goes on; both sides still agree on every message."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from exchange.app.demo.layout import free_port

KILLS = 10
CASES = 20
SECONDS = 240.0


def started(state: Path, report: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "exchange.app.cli", "demo", "--once", "--no-rabbitmq"]
    with (state.parent / "console").open("wb") as console:
        return subprocess.Popen(
            [*command, "--cases", str(CASES), "--json", str(report)],
            env={**os.environ, "TONGBAN_STATE": str(state)},
            stdout=console,
            stderr=console,
        )


def children(state: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads((state / "demo" / "children.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(found.values()) if isinstance(found, dict) else list(found)


def opened(console: Path) -> bool:
    return f"cases: {CASES} are opened" in console.read_text("utf-8", errors="replace")


def test_ten_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    state, report, console = tmp_path / "var", tmp_path / "report.json", tmp_path / "console"
    state.mkdir()
    (state / "tongban.toml").write_text(f"http_port = {free_port()}\n")
    demo, chance = started(state, report), random.Random(7)
    deadline, killed = time.monotonic() + SECONDS, 0
    try:
        while demo.poll() is None and not opened(console) and time.monotonic() < deadline:
            time.sleep(0.1)
        while demo.poll() is None and killed < KILLS and time.monotonic() < deadline:
            time.sleep(chance.uniform(0.2, 0.8))
            running = children(state)
            if running:
                killed += kill(chance.choice(running)["pid"])
        code = demo.wait(deadline - time.monotonic())
    finally:
        demo.terminate()
        demo.wait(30)
    said = console.read_text("utf-8", errors="replace")
    assert code == 0, said[-4000:]
    result = json.loads(report.read_text("utf-8"))
    assert killed >= 4, "the run was over before it was disturbed"
    assert sum(result["restarts"].values()) >= killed - 1
    assert result["differences"] == 0
    assert result["ledger"]["verdict"] == "whole"


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
