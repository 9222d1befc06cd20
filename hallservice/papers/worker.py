"""One typst process and the pool of them: started when first needed, replaced when dead, hung or old."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

from exchange.errors import HubError
from hallservice.papers.refusals import later, misconfigured, refused

SCRIPT = Path(__file__).with_name("typesetter.py")
HEAD = struct.Struct(">I")
MOST_DATA = 8 << 20
LARGE_JOB = 128 << 10  # bytes; typst keeps what it has laid out, so its process is not used again
START_SECONDS = 30.0
_COSTLY = {-signal.SIGXCPU, -signal.SIGABRT}  # out of processor time; out of memory


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Limits of the typst processes; seconds are wall-clock, `cpu_seconds` processor time of one job."""

    processes: int = 1
    seconds: float = 20.0
    wait_seconds: float = 20.0
    cpu_seconds: int = 10
    memory_bytes: int = 1 << 30
    jobs: int = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """What a template is to set; `timestamp` is seconds of UNIX time."""

    template: str
    data: Any
    standards: tuple[str, ...]
    timestamp: int

    def encoded(self) -> bytes:
        """Refuses paper_too_large."""
        members = {
            "template": self.template,
            "data": self.data,
            "standards": self.standards,
            "timestamp": self.timestamp,
        }
        body = json.dumps(members, ensure_ascii=False).encode()
        if len(body) > MOST_DATA:
            raise refused("paper_too_large")
        return body


class Worker:
    """A process and the socket to it; used by one thread at a time."""

    def __init__(self, settings: WorkerSettings, folders: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self._process = _start(theirs)
        self.jobs_left = settings.jobs
        first = {"memory": settings.memory_bytes, "cpu": settings.cpu_seconds, "folders": folders}
        self._greet(json.dumps(first).encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    def _greet(self, settings: bytes) -> None:
        try:
            ready = self._exchange(settings, START_SECONDS)
        except HubError:
            self.end()
            raise misconfigured("worker_not_started") from None
        if ready != b"R":
            self.end()
            raise misconfigured("worker_not_started")

    def typeset(self, job: bytes, seconds: float) -> bytes:
        """The PDF; HubError when typst refuses, or the process dies or hangs (then it is of no more use)."""
        self.jobs_left = 0 if len(job) > LARGE_JOB else self.jobs_left - 1
        answer = self._exchange(job, seconds)
        if answer[:1] == b"P":
            return answer[1:]
        raise told(answer[1:].decode(errors="replace"))

    def usable(self) -> bool:
        return self.jobs_left > 0 and self._process.poll() is None

    def end(self) -> None:
        """Kills it; whoever waits for its answer is told that it died."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _exchange(self, body: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        try:
            self._send(body, deadline)
            return self._receive(HEAD.unpack(self._receive(HEAD.size, deadline))[0], deadline)
        except TimeoutError:
            self.end()
            raise later("paper_timeout") from None
        except OSError:
            raise self._death() from None

    def _send(self, body: bytes, deadline: float) -> None:
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(HEAD.pack(len(body)) + body)

    def _receive(self, size: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        while size:
            self._socket.settimeout(_left(deadline))
            part = self._socket.recv(min(size, 1 << 16))
            if not part:
                raise ConnectionError("closed")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _death(self) -> HubError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        self.end()
        return refused("paper_too_costly") if code in _COSTLY else later("paper_worker_died")


def told(message: str) -> HubError:
    """What typst's message means: our own panic names a field, anything else is a defect of the template."""
    found = message.partition("overlay_overflow ")[2]
    if found:
        return refused("overlay_overflow", found.strip().strip('"'))
    return misconfigured("bad_template", None, f"（{message[:300]}）")


class Pool:
    """At most `processes` workers; slots are taken last in, first out, so that idle ones stay idle."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._slots: LifoQueue[Worker | None] = LifoQueue()
        for _ in range(settings.processes):
            self._slots.put(None)
        self._closed = False

    def typeset(self, job: Job, folders: tuple[str, ...], seconds: float | None = None) -> bytes:
        """The PDF, by a worker of our own for that long."""
        body = job.encoded()
        with self._worker(folders) as worker:
            return worker.typeset(body, self._settings.seconds if seconds is None else seconds)

    def pids(self) -> tuple[int, ...]:
        """Of the idle workers."""
        return tuple(worker.pid for worker in list(self._slots.queue) if worker)

    def close(self) -> None:
        """Ends every worker; those at work are waited for."""
        self._closed = True
        patience = self._settings.seconds + START_SECONDS
        with contextlib.suppress(Empty):  # whoever is at work still ends with us, when its socket closes
            for _ in range(self._settings.processes):
                if worker := self._slots.get(timeout=patience):
                    worker.end()
        for _ in range(self._settings.processes):
            self._slots.put(None)

    @contextlib.contextmanager
    def _worker(self, folders: tuple[str, ...]) -> Iterator[Worker]:
        held = self._slot()
        try:
            held = self._sound(held, folders)
            yield held
        finally:
            self._slots.put(held)

    def _slot(self) -> Worker | None:
        try:
            held = self._slots.get(timeout=self._settings.wait_seconds)
        except Empty:
            raise later("paper_busy") from None
        if self._closed:
            self._slots.put(held)
            raise later("papers_closed")
        return held

    def _sound(self, held: Worker | None, folders: tuple[str, ...]) -> Worker:
        if held and held.usable():
            return held
        if held:
            held.end()
        return Worker(self._settings, folders)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _start(stdin: socket.socket) -> subprocess.Popen[bytes]:
    """Isolated: no environment of ours, no user site, no current folder; one thread for typst."""
    environment = {"RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PATH": os.defpath}
    return subprocess.Popen(  # noqa: S603 the interpreter we run under and our own script, nothing from data
        [sys.executable, "-I", str(SCRIPT)],
        stdin=stdin.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
    )
