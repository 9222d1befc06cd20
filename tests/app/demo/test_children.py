"""Supervision with real processes: killed ones come back, foreign ones are left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.app.demo.children import GIVE_UP, Children, Program, Seen, end_stale, look
from exchange.errors import TryLater

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def until(reached: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def program(folder: Path, name: str = "sleeper", command: tuple[str, ...] = SLEEP) -> Program:
    return Program(name, command, dict(os.environ), folder / f"{name}.log")


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    made = Children(tmp_path / "children.json")
    yield made
    made.stop()


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is none of ours."""
    process = subprocess.Popen(SLEEP)
    until(lambda: (seen := look(process.pid)) and seen.command == SLEEP)
    yield process
    process.kill()
    process.wait()


def recorded(path: Path) -> list[Seen]:
    rows = json.loads(path.read_text())
    return [Seen(row["pid"], row["started"], tuple(row["command"])) for row in rows]


def written(path: Path, *seen: Seen) -> Path:
    rows = [{"pid": one.pid, "started": one.started, "command": one.command} for one in seen]
    path.write_text(json.dumps(rows))
    return path


def test_a_killed_child_is_restarted_after_its_pause(children: Children, tmp_path: Path) -> None:
    children.start(program(tmp_path))
    first = children.children["sleeper"].process
    first.kill()
    first.wait()
    assert children.tend() == []  # it died just now: the pause begins
    until(lambda: children.tend() == ["sleeper"])
    second = children.children["sleeper"].process
    assert second.pid != first.pid
    assert look(second.pid) is not None
    assert children.restarts == {"sleeper": 1}
    assert recorded(children.record) == [look(second.pid)]


def test_pauses_grow_and_a_child_that_never_lives_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    now = [0.0]
    children = Children(tmp_path / "children.json", lambda: now[0])
    dying = (sys.executable, "-c", "import sys; sys.exit('port taken')")
    children.start(program(tmp_path, "dying", dying))
    waits = []
    with pytest.raises(TryLater, match=f"dying ended {GIVE_UP} times: port taken"):
        for _ in range(100):
            children.children["dying"].process.wait(20)
            since = now[0]
            children.tend()
            while not children.tend():
                now[0] += 0.1
            waits.append(now[0] - since)
    assert waits[0] < waits[2] < waits[4]
    children.stop()


def test_a_long_life_forgives_earlier_deaths(tmp_path: Path) -> None:
    now = [0.0]
    children = Children(tmp_path / "children.json", lambda: now[0])
    children.start(program(tmp_path))
    for _ in range(GIVE_UP + 2):
        now[0] += 3600.0
        children.children["sleeper"].process.kill()
        children.children["sleeper"].process.wait()
        children.tend()
        now[0] += 1.0
        assert children.tend() == ["sleeper"]
    children.stop()


def test_stopping_ends_even_a_process_that_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.app.demo.children.END_SECONDS", 0.3)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " print(1, flush=True); time.sleep(600)"
    )
    children = Children(tmp_path / "children.json")
    children.start(program(tmp_path, "deaf", (sys.executable, "-c", deaf)))
    until(lambda: (tmp_path / "deaf.log").read_text() == "1\n")
    pid = children.children["deaf"].process.pid
    children.stop()
    assert look(pid) is None
    assert not children.record.exists()


def test_what_a_killed_run_left_is_ended(tmp_path: Path, stranger: "subprocess.Popen[bytes]") -> None:
    seen = look(stranger.pid)
    assert seen is not None
    path = written(tmp_path / "children.json", seen)
    assert end_stale(path, 5.0) == [stranger.pid]
    assert stranger.wait(5) == -signal.SIGTERM
    assert not path.exists()


@pytest.mark.parametrize("other", ["started", "command"])
def test_an_id_that_belongs_to_another_process_by_now_is_left_alone(
    tmp_path: Path, stranger: "subprocess.Popen[bytes]", other: str
) -> None:
    seen = look(stranger.pid)
    assert seen is not None
    was = {
        "started": Seen(seen.pid, seen.started - 1, seen.command),
        "command": Seen(seen.pid, seen.started, ("another", "program")),
    }[other]
    assert end_stale(written(tmp_path / "children.json", was), 0.2) == []
    assert stranger.poll() is None


@pytest.mark.parametrize(
    "text", ["", "[", "{}", '[{"pid": 1}]', '[{"pid": "x", "started": 0, "command": []}]']
)
def test_a_damaged_record_ends_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "children.json"
    path.write_text(text)
    assert end_stale(path) == []
    assert end_stale(tmp_path / "none.json") == []


PARENT = """
import os, sys, time
from pathlib import Path
from exchange.app.demo.children import Children, Program
folder = Path(sys.argv[1])
children = Children(folder / "children.json")
command = (sys.executable, "-c", "import time; time.sleep(600)")
children.start(Program("orphan", command, dict(os.environ), folder / "orphan.log"))
print(children.children["orphan"].process.pid, flush=True)
time.sleep(600)
"""


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE, env=dict(os.environ) | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert parent.stdout is not None
    with parent.stdout as said:
        pid = int(said.readline())
    assert look(pid) is not None
    parent.kill()
    parent.wait()
    until(lambda: look(pid) is None, 5.0)


def test_a_process_is_known_by_id_start_and_command(stranger: "subprocess.Popen[bytes]") -> None:
    seen = look(stranger.pid)
    assert seen == look(stranger.pid)
    assert seen is not None and seen.command == SLEEP
    stranger.kill()
    until(lambda: look(stranger.pid) is None)  # not even before it is waited for
