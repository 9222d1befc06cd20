"""The processes of a demonstration: they end with it, are restarted when they die, are found after a kill."""

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from exchange.app.demo.layout import write_file
from exchange.errors import TryLater

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before a restart; the last one repeats
SETTLED = 30.0  # seconds alive after which earlier deaths no longer count
GIVE_UP = 8  # deaths in a row, none of them settled
END_SECONDS = 12.0  # what a process is given between SIGTERM and SIGKILL
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """What is run, with which environment, and the file its output goes to."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    output: Path


@dataclass(frozen=True)
class Seen:
    """A process as /proc knows it: an id alone may belong to another by now."""

    pid: int
    started: int  # clock ticks after boot
    command: tuple[str, ...]


def look(pid: int) -> Seen | None:
    """The process of that id, None when there is none (or only its unburied remains)."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    state, *rest = raw.rpartition(")")[2].split()
    words = command.decode("utf-8", errors="replace").rstrip("\0").split("\0")
    return None if state in "ZX" else Seen(pid, int(rest[18]), tuple(words))


def end_stale(path: Path, seconds: float = END_SECONDS) -> list[int]:
    """Ends what a killed demonstration left: the recorded processes, where they are still the same ones."""
    found = [seen for seen in _recorded(path) if look(seen.pid) == seen]
    _end_all(found, seconds)
    path.unlink(missing_ok=True)
    return [seen.pid for seen in found]


def _end_all(found: Sequence[Seen], seconds: float) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for seen in found:
            if look(seen.pid) == seen:
                with suppress(ProcessLookupError):
                    os.kill(seen.pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(look(seen.pid) == seen for seen in found):
            time.sleep(0.05)


def _recorded(path: Path) -> list[Seen]:
    try:
        rows = json.loads(path.read_text("utf-8"))
        return [Seen(int(row["pid"]), int(row["started"]), tuple(row["command"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return []


@dataclass
class Child:
    """One supervised program."""

    program: Program
    process: "subprocess.Popen[bytes]"
    since: float
    restarts: int = 0
    deaths: int = 0  # in a row
    again_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process.poll() is None


@dataclass
class Children:
    """Every process of one demonstration; one thread starts them, for the death signal follows the thread."""

    record: Path
    clock: Callable[[], float] = time.monotonic
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, program: Program) -> None:
        """Run a program under supervision."""
        self.children[program.name] = Child(program, _run(program), self.clock())
        self._write()

    def tend(self) -> list[str]:
        """Restart what died, each after its pause; TryLater when one dies again and again."""
        now, again = self.clock(), []
        for name, child in self.children.items():
            if child.running:
                continue
            if child.again_at is None:
                self._died(child, now)
            elif now >= child.again_at:
                child.process, child.since, child.again_at = _run(child.program), now, None
                child.restarts += 1
                again.append(name)
        if again:
            self._write()
        return again

    def _died(self, child: Child, now: float) -> None:
        child.deaths = 1 if now - child.since > SETTLED else child.deaths + 1
        if child.deaths >= GIVE_UP:
            words = last_words(child.program.output)
            raise TryLater("child_dies", f"{child.program.name} ended {child.deaths} times: {words}")
        child.again_at = now + PAUSES[min(child.deaths, len(PAUSES)) - 1]

    @property
    def restarts(self) -> dict[str, int]:
        """How often each was restarted, those that were."""
        return {name: child.restarts for name, child in self.children.items() if child.restarts}

    def stop(self, order: Sequence[str] = ()) -> None:
        """End everything: first `order` one after the other, then the rest together."""
        for names in (*([name] for name in order), list(self.children)):
            living = [self.children[name].process for name in names if name in self.children]
            _stop_processes([process for process in living if process.poll() is None])
        self.record.unlink(missing_ok=True)

    def _write(self) -> None:
        seen = [look(child.process.pid) for child in self.children.values()]
        rows = [{"pid": one.pid, "started": one.started, "command": one.command} for one in seen if one]
        write_file(self.record, json.dumps(rows, indent=1) + "\n")


def last_words(path: Path) -> str:
    """The last line a process wrote."""
    with suppress(OSError):
        lines = path.read_text("utf-8", errors="replace").splitlines()
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")
    return "it said nothing"


def _run(program: Program) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    with program.output.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(program.environ),
            start_new_session=True,  # a Ctrl-C is for the demonstration, which then ends its children
            preexec_fn=lambda: _die_with(parent),
        )
    _wait_for_exec(process, program.command)
    return process


def _die_with(parent: int) -> None:
    """Between fork and exec: SIGTERM when the starting thread ends, at once when it already has."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _wait_for_exec(process: "subprocess.Popen[bytes]", command: Sequence[str]) -> None:
    """Popen returns once exec has happened; a process that already ended has no command line to read."""
    for _ in range(100):
        seen = look(process.pid)
        if seen is None or seen.command == tuple(command):
            return
        time.sleep(0.005)


def _stop_processes(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.01, deadline - time.monotonic()))
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
