"""The whole demonstration as a person starts it: every process, every system, both queues, a second run."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
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


def environment(state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    return kept | {"PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(state)}


def demo(state: Path, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "exchange.app.cli", "demo", *words],
        env=environment(state) | environ,
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


@pytest.mark.req("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14")
def test_the_database_queue_carries_a_run_the_next_continues_and_damage_is_seen(
    state: Path, tmp_path: Path
) -> None:
    first = ran(state, "--no-rabbitmq", "--export", str(tmp_path / "export"))
    expect_whole(first)
    assert first["amqp"] == "database"
    assert (tmp_path / "export" / "checkpoint").is_file()
    assert left_over(state) == []
    second = ran(state, "--no-rabbitmq", "--export", str(tmp_path / "export"))
    expect_whole(second)
    assert second["ledger"]["size"] > first["ledger"]["size"]
    assert second["systems"]["SYS-14"]["sent"] > first["systems"]["SYS-14"]["sent"]
    lost, altered = damage(state)
    file = tmp_path / "third.json"
    seen = demo(state, "--once", "--cases", "1", "--no-rabbitmq", "--json", str(file), COLUMNS="250")
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert f"hub → sms {lost}: sms.requested.v1 is in the hub's record only" in seen.stdout
    assert f"hub → fees {altered}: the bytes differ" in seen.stdout
    told = json.loads(file.read_text("utf-8"))
    assert (told["ok"], told["differences"], told["ledger"]["verdict"]) == (False, 2, "tampered")


def damage(state: Path) -> tuple[str, str]:
    """A message lost at the SMS gateway, one byte altered in the hub's evidence of another; their ids."""
    with closing(sqlite3.connect(state / "demo" / "sms" / "record.db")) as db, db:
        (lost,) = db.execute(
            "SELECT id FROM message WHERE direction = 'received' AND kind = 'sms'"
        ).fetchone()
        db.execute("DELETE FROM message WHERE id = ? AND direction = 'received'", (lost,))
    with closing(sqlite3.connect(state / "hub.db")) as db, db:
        entry, body, canonical = db.execute(
            "SELECT entry, body, canonical FROM document WHERE party = 'fees' AND type = 'fee.requested.v1'"
        ).fetchone()
        db.execute("UPDATE document SET body = ? WHERE entry = ?", (body + b" ", entry))
    return str(lost), str(json.loads(canonical)["request_id"])


@pytest.mark.req("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-05", "SYS-06", "SYS-14")
def test_rabbitmq_carries_a_run_in_which_hub_and_partners_are_killed(state: Path, tmp_path: Path) -> None:
    if find_server() is None:
        pytest.skip("RabbitMQ is not installed")
    file = tmp_path / "figures.json"
    words = [sys.executable, "-m", "exchange.app.cli", "demo", "--once", "--cases", "24", "--json", str(file)]
    running = subprocess.Popen(words, env=environment(state), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        heard = []
        for line in running.stdout:
            heard.append(line)
            if "受理办件" in line:
                break
        for name in ("exchange.app.cli", "mocks.partners.sms", "mocks.partners.department_a"):
            time.sleep(1.0)
            kill(state, name)
        heard += running.stdout.readlines()
        assert running.wait(SECONDS) == 0, "".join(heard) + logs(state)
    finally:
        running.stdout.close()
        running.terminate()
        running.wait(60)
    told = json.loads(file.read_text("utf-8"))
    expect_whole(told, 24)
    assert told["amqp"] == "rabbitmq"
    assert told["restarts"].keys() >= {"hub", "sms", "department_a"}
    assert left_over(state) == []


def kill(state: Path, word: str) -> None:
    """As in a power cut."""
    rows = json.loads((state / "demo" / "children.json").read_text())
    os.kill(next(row["pid"] for row in rows if word in row["command"]), signal.SIGKILL)


def test_without_once_everything_stays_up_until_it_is_told_to_end(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    words = [
        sys.executable,
        "-m",
        "exchange.app.cli",
        "demo",
        "--cases",
        "1",
        "--no-rabbitmq",
        "--json",
        str(file),
    ]
    running = subprocess.Popen(words, env=environment(state), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        said = iter(running.stdout)
        assert any("Ctrl-C" in line for line in said)
        told = json.loads(file.read_text("utf-8"))
        urls = told["urls"]
        for account in told["accounts"]:
            assert sees_the_hall(urls["hall"], account)
        assert {one["role"] for one in told["accounts"]} >= {
            "clerk", "approver", "supervisor", "administrator", "auditor",
        }  # fmt: skip
        assert httpx2.get(urls["hub"] + "/health", trust_env=False).json() == {"ready": True}
        assert httpx2.get(urls["sms"] + "/admin/health", trust_env=False).json() == {"ready": True}
        second = demo(state, "--once", "--cases", "1")
        assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
        assert "demo_runs" in second.stderr
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
        assert running.wait(60) == 0
    finally:
        running.stdout.close()
        running.terminate()
        running.wait(60)
    assert left_over(state) == []
    assert not (state / "demo" / "children.json").exists()


def sees_the_hall(url: str, account: dict[str, str]) -> bool:
    """Signs in as a browser without scripts would; whether the name then stands on the page."""
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        page = browser.get(f"{url}/sign-in").text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form = {**hidden, "login": account["login"], "password": account["password"]}
        answer = browser.post(f"{url}/sign-in", data=form, headers={"Origin": url.removesuffix("/hall")})
        return answer.status_code == 200 and account["name"] in answer.text


@pytest.mark.parametrize(
    "words", [["--cases", "0"], ["--cases", "x"], ["--json", "/nowhere/at/all.json"], ["more"]]
)
def test_a_wrong_command_line_is_one_line_and_exit_2(state: Path, words: list[str]) -> None:
    seen = demo(state, *words)
    assert seen.returncode == 2
    assert len(seen.stderr.splitlines()) == 1
    assert seen.stdout == ""
