"""The demonstration as a process with a state folder of its own, and what its programs say afterwards."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2

from exchange.app.demo.layout import free_port
from exchange.store.sealed import Ring
from tests.exchange.core.opened import opened, ring_in
from tests.hallservice.web.webrig import until

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = [sys.executable, "-m", "exchange.app.cli"]
SECONDS = 300


@dataclass(frozen=True)
class Running:
    """`told`: what the demonstration wrote with --json."""

    state: Path
    told: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.told["urls"]["hall"])

    @property
    def password(self) -> str:
        return str(self.told["accounts"][0]["password"])

    def rows(self, sql: str, *values: str) -> list[dict[str, Any]]:
        """From the hub's store, read only."""
        with closing(sqlite3.connect(f"file:{self.state / 'hub.db'}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            found = [dict(row) for row in db.execute(sql, values)]
        return [{name: opened(self.ring, name, value) for name, value in row.items()} for row in found]

    @cached_property
    def ring(self) -> Ring:
        """The keys of its sealed columns."""
        return ring_in(self.state)

    def stands(self, case_no: str) -> tuple[str, str]:
        """State and stage of a case."""
        (row,) = self.rows("SELECT state, stage FROM hall_case WHERE case_no = ?", case_no)
        return row["state"], row["stage"]

    def comes(self, case_no: str, *state: str) -> None:
        """A partner's answer brings the case there."""
        until(lambda: self.stands(case_no) == state, 60)

    def record(self, partner: str) -> list[dict[str, Any]]:
        """What a partner's stand-in noted itself."""
        answer = httpx2.get(f"{self.told['urls'][partner]}/admin/record", trust_env=False, timeout=30)
        found: list[dict[str, Any]] = answer.json()
        return found

    def tongban(self, *words: str) -> str:
        """A command of the program on the same state folder."""
        done = subprocess.run(
            [*PROGRAM, *words], env=environment(self.state), capture_output=True, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


def environment(state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    return kept | {"PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(state)}


def own_folder(folder: Path) -> Path:
    """A state folder in there whose hub listens on a port of its own."""
    folder.mkdir(parents=True)
    (folder / "tongban.toml").write_text(f"http_port = {free_port()}\n")
    return folder


def demo(state: Path, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """To its end."""
    return subprocess.run(
        [*PROGRAM, "demo", *words], env=environment(state) | environ, capture_output=True, text=True,
        check=False, timeout=SECONDS,
    )  # fmt: skip


def logs(state: Path) -> str:
    return "\n".join(f"--- {p.name}\n{p.read_text()[-600:]}" for p in (state / "demo" / "log").glob("*.log"))


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


@contextmanager
def under_way(state: Path, mark: str, *words: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A run whose output has come to that mark, and the lines before; told to end when the block is over."""
    command = [*PROGRAM, "demo", *words]
    running = subprocess.Popen(command, env=environment(state), stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        heard = []
        for line in running.stdout:
            heard.append(line)
            if mark in line:
                break
        yield running, heard
    finally:
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
        running.stdout.close()
        running.wait(60)


@contextmanager
def demonstration(folder: Path) -> Iterator[Running]:
    """With one case of the other systems and one of the hall behind it; it stays up until it is told to end,
    and then leaves nothing behind."""
    state, file = own_folder(folder / "var"), folder / "figures.json"
    words = ("--cases", "1", "--hall", "1", "--no-rabbitmq", "--json", str(file))
    with under_way(state, "Ctrl-C", *words) as (running, heard):
        assert file.is_file(), "".join(heard)
        yield Running(state, json.loads(file.read_text("utf-8")))
    assert (running.returncode, left_over(state)) == (0, [])
    assert not (state / "demo" / "children.json").exists()
