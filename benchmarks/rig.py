"""What every benchmark stands on: a private hub, processes that end with it, meters, the results file."""

import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from documents import ITEM, ORG, RECEIVER, SENDER
from sqlalchemy import insert, update

from exchange.app import opening
from exchange.app.settings import Settings, load_settings
from exchange.housedelivery import QUEUE
from exchange.registry import PartyFacts, add_certificate, add_party
from exchange.seals.keys import PrivateKey
from exchange.store import tables
from exchange.store.work import Work

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
STATE = ROOT / "var" / "bench"
RESULTS = STATE / "results.json"
TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS, END_SECONDS = 30.0, 20.0
SERVE = (
    "import argparse, sys; from exchange.app.commands import serve; sys.exit(serve.run(argparse.Namespace()))"
)


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder on the disk of the project, gone afterwards."""
    STATE.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=STATE))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def environment(state: Path, **more: str) -> dict[str, str]:
    """The environment of a hub whose state lies there; nothing of the caller's own hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    return {**kept, "PYTHONPATH": str(ROOT), "TONGBAN_STATE": str(state), **more}


class Program:
    """A process of the benchmark; its output goes to a file, it ends with the `with` block."""

    def __init__(
        self, name: str, command: Sequence[str], output: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.output = name, output
        self._file = output.open("wb")
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._file,
            env=dict(env or os.environ),
            cwd=ROOT,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ask(self, **job: Any) -> dict[str, Any]:
        """One job as a line of JSON, its result likewise; RuntimeError when it failed."""
        to, back = self._pipes()
        to.write(json.dumps(job).encode() + b"\n")
        to.flush()
        line = back.readline()
        result: dict[str, Any] = (
            json.loads(line) if line else {"error": f"{self.name} ended: {self.last_words()}"}
        )
        if "error" in result:
            raise RuntimeError(f"{self.name}: {result['error']}")
        return result

    def cpu_ms(self) -> float:
        """User and system time of the process and its descendants (/proc/PID/stat)."""
        return sum(cpu_ms(pid) for pid in family(self.pid))

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        return self.output.read_text("utf-8", errors="replace")[-2000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        to, back = self.process.stdin, self.process.stdout
        assert to is not None and back is not None
        return to, back


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = _stat(path)
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _stat(path: Path) -> list[str]:
    """The fields after the command's name, which may hold anything: state, parent, ..."""
    return path.read_text("utf-8", errors="replace").rpartition(")")[2].split()


def cpu_ms(pid: int) -> float:
    try:
        fields = _stat(Path(f"/proc/{pid}/stat"))
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK * 1e3


def machine_busy_ms() -> float:
    """CPU time the whole machine has spent on anything but idling."""
    fields = [int(part) for part in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK * 1e3


class Memory:
    """The most memory (PSS, /proc/PID/smaps_rollup) a program's processes had together, sampled."""

    def __init__(self, program: Program, every: float = 0.5) -> None:
        self.peak_mib = 0.0
        self._program, self._every = program, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, family(self._program.pid))))


def _pss_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


@dataclass(frozen=True)
class Party:
    """One registered house party of the private hub."""

    name: str
    address: str | None = None
    takes: tuple[str, ...] = ()


def write_keys(where: Path, name: str) -> None:
    """`ec` and `rsa`, each a key and a self-signed certificate."""
    where.mkdir(parents=True, exist_ok=True)
    made: dict[str, PrivateKey] = {
        "ec": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(65537, 2048),
    }  # fmt: skip
    for kind, key in made.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (where / f"{kind}.key").write_bytes(pem)
        certificate = opening.self_signed(key, name, datetime.now(UTC))
        (where / f"{kind}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


@dataclass
class Site:
    """A private hub's folder with parties, their keys and one item in force; `serve` runs the hub itself."""

    root: Path
    port: int = field(default_factory=free_port)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The hub's state."""
        return self.root / "hub"

    def keys(self, party: str) -> Path:
        """Where a party's keys lie."""
        return self.root / "parties" / party

    def prepare(self, parties: Sequence[Party]) -> None:
        """Writes the settings, registers the parties, puts the item in force."""
        self.state.mkdir(parents=True)
        (self.state / "tongban.toml").write_text(f"http_port = {self.port}\n", "utf-8")
        for party in parties:
            write_keys(self.keys(party.name), party.name)
        settings = load_settings(environ={"TONGBAN_STATE": str(self.state), **self.environ})
        store = opening.open_store(settings)
        store.write(lambda work: self._register(work, settings, parties))
        store.engine.dispose()

    def _register(self, work: Work, settings: Settings, parties: Sequence[Party]) -> None:
        for party in parties:
            first, second = (
                (self.keys(party.name) / f"{kind}.pem").read_text("ascii") for kind in ("ec", "rsa")
            )
            url = party.address if party.address != QUEUE else None
            facts = PartyFacts(party.name, org=ORG, address=url, takes=party.takes)
            add_party(work, settings.hub, facts, first, {})
            add_certificate(work, settings.hub, party.name, second)
            # The registry takes URLs alone; a party that reads its queue has this word in its row.
            of = update(tables.party).where(tables.party.c.name == party.name)
            work.connection.execute(of.values(address=party.address))
        row = {
            "code": ITEM,
            "version": 1,
            "state": "in_use",
            "row_id": "1",
            "org": ORG,
            "name": "食品经营许可（新办）",
        }
        work.connection.execute(insert(tables.item), {**row, "has_fee": False, "current": True})

    @contextlib.contextmanager
    def serve(self) -> Iterator[Program]:
        """`tongban serve` as its own process."""
        env = environment(self.state, **self.environ)
        with Program("hub", [sys.executable, "-c", SERVE], self.root / "hub.log", env) as hub:
            wait_for(f"http://127.0.0.1:{self.port}/health", hub)
            yield hub

    @contextlib.contextmanager
    def sender(self, party: str = SENDER) -> Iterator[Program]:
        """A sending party as its own process."""
        config = self.root / f"{party}.json"
        config.write_text(
            json.dumps({"keys": str(self.keys(party)), "hub_keys": str(self.state / "keys")}), "utf-8"
        )
        command = [sys.executable, str(HERE / "senders.py"), str(config)]
        with Program("sender", command, self.root / f"{party}.log", environment(self.state)) as sender:
            yield sender


def two_parties(address: str | None = None) -> list[Party]:
    """The sender, and a receiver that is told every step when it has an address."""
    receiver = [Party(RECEIVER, address, ("case.step.v1", "*"))] if address else []
    return [Party(SENDER), *receiver]


def wait_for(url: str, program: Program) -> None:
    """Returns when something answers there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and program.process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{program.name} did not start: {program.last_words()}")


@dataclass(frozen=True)
class Slice:
    """One stretch of round trips against one program."""

    count: int
    seconds: float
    latencies_ms: list[float]
    program_cpu_ms: float  # per message
    sender_cpu_ms: float  # per message
    load: float  # load average of the last minute
    others: float  # CPUs that other work of the machine used meanwhile

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.count / self.seconds


def measured(program: Program, work: Callable[[], dict[str, Any]]) -> Slice:
    """What a sender's job cost both sides."""
    begun, busy, used = time.perf_counter(), machine_busy_ms(), program.cpu_ms()
    result = work()
    used, busy, took = program.cpu_ms() - used, machine_busy_ms() - busy, time.perf_counter() - begun
    count = max(1, int(result["count"]))
    others = max(0.0, busy - used - result["cpu_ms"]) / took / 1e3
    return Slice(
        count,
        result["seconds"],
        result["latencies_ms"],
        used / count,
        result["cpu_ms"] / count,
        os.getloadavg()[0],
        others,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def summary(slices: Sequence[Slice]) -> dict[str, float]:
    """Medians over slices; latencies over all of them together."""
    together = [value for one in slices for value in one.latencies_ms]
    figures = {
        "per_second": statistics.median(one.rate for one in slices),
        "best_per_second": max(one.rate for one in slices),
        "p50_ms": percentile(together, 0.5), "p99_ms": percentile(together, 0.99),
        "cpu_ms": statistics.median(one.program_cpu_ms for one in slices),
        "sender_cpu_ms": statistics.median(one.sender_cpu_ms for one in slices),
        "load": statistics.median(one.load for one in slices),
        "others_cpus": statistics.median(one.others for one in slices),
        "messages": float(sum(one.count for one in slices)),
    }  # fmt: skip
    return {name: round(value, 3) for name, value in figures.items()}


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "cpus": os.cpu_count(),
        "system": platform.platform(), "python": platform.python_version(), "load": os.getloadavg()[0],
    }  # fmt: skip


def keep(path: Path, bench: str, figures: Mapping[str, Any]) -> None:
    """Adds one benchmark's figures to the results file; those of others stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[bench] = {"machine": machine(), **figures}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)
