"""Partner programs forked from one interpreter that has imported them all: a start costs milliseconds.

Each is a process of its own with its own pid, signals, exit code and standard output, as if started by `-m`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 1 << 17  # bytes of an order
_starting = threading.Lock()
_channels: list[socket.socket] = []


def _channel() -> socket.socket:
    """The way to the interpreter that forks, one for each process of the tests, started when first needed."""
    with _starting:
        if not _channels:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                forker = subprocess.Popen(
                    [sys.executable, "-m", "tests.mocks.forking", str(theirs.fileno())],
                    cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": str(ROOT)},
                )  # fmt: skip
            atexit.register(_end, ours, forker)
            _channels.append(ours)
        return _channels[0]


def _end(ours: socket.socket, forker: "subprocess.Popen[bytes]") -> None:
    ours.close()
    forker.wait(10)


class Forked:
    """A partner at work: as much of `subprocess.Popen` as tests need."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.module, self.returncode = module, None
        said, output = os.pipe()
        told, status = os.pipe()
        order = {"module": module, "arguments": arguments, "environment": dict(environment or os.environ)}
        socket.send_fds(_channel(), [json.dumps(order).encode()], [output, status])
        os.close(output)
        os.close(status)
        self.stdout = os.fdopen(said, encoding="utf-8")
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())

    returncode: int | None

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, the negative signal if one ended it; TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.module, timeout or 0)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _import_all() -> None:
    partners = importlib.import_module("mocks.partners")
    for one in pkgutil.walk_packages(partners.__path__, "mocks.partners."):
        importlib.import_module(one.name)
    gc.freeze()


def _ordered(channel: socket.socket) -> dict[str, Any]:
    """Forks for every order; returns its content in the child alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's care
    while True:
        order, files, _, _ = socket.recv_fds(channel, LARGEST, 2)
        if not order:
            os._exit(0)
        if os.fork() == 0:
            channel.close()
            _kept(*files)
            found: dict[str, Any] = json.loads(order)
            return found
        for file in files:
            os.close(file)


def _kept(output: int, status: int) -> None:
    """Returns in a child that says what it says to `output`; its keeper tells pid and exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(status)
        os.dup2(output, 1)
        os.close(output)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(output)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{child}\n".encode())
        os.write(status, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    os._exit(0)


def _run(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    random.seed()
    sys.modules.pop(order["module"])  # run once more, as __main__
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _import_all()
    _run(_ordered(socket.socket(fileno=int(sys.argv[1]))))
