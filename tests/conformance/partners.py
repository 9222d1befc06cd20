"""Mock partners as processes of their own, and a bench of the kit in front of them."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509

from mocks.conformance.bench import Bench, Partner
from mocks.conformance.clocks import by_day
from mocks.conformance.identity import Keys, prepare
from mocks.conformance.listener import Listener
from mocks.conformance.model import Report
from mocks.conformance.plan import lines, open_bench, plan
from mocks.conformance.run import chosen, run
from tests.mocks.forking import ROOT, Forked
from tests.mocks.jsonparty import XML, key_file, rsa_key

PATIENCE = 280.0  # seconds of a run: other tests run beside it
ORG = "114414020072081005"
SECRET, ACCOUNT = "invented-secret", "tongban-hub"
CIPHER = "00112233445566778899aabbccddeeff"
OWN: dict[str, dict[str, Any]] = {
    "sms": {
        "report_delay_ms": 30, "share_undeliv": 0, "share_expired": 0,
        "share_rejectd": 0, "share_ma0006": 0, "share_never": 0, "share_twice": 0, "share_without_id": 0,
        "share_before_reply": 0, "balance_segments": 100_000_000, "sensitive": ["中奖"],
    },
    "certificates": {"pending_share": 1, "seal_delay_ms": 30},
    "fees": {"auto_pay": True, "pay_delay_ms": 400},
    "department_a": {
        "uscc": ORG, "department_name": "示范局", "staff": ["林一", "陈二", "黄三"], "suspend_every": 0,
        "extend_every": 0, "refuse_every": 0, "resend_seconds": 1,
    },
    "department_d": {"uscc": ORG, "department_name": "示范局", "special_every": 0, "refuse_every": 0,
                     "correct_every": 0, "step_seconds": 0.02, "poll_seconds": 0.02},
    "catalogue": {},
    "logistics": {"step_seconds": 0.5},
    "performance": {},
    "sharing": {},
    "revenue": {},
    "department_b": {"uscc": ORG, "department_name": "示范局", "special_every": 0, "refuse_every": 0,
                     "step_seconds": 0.05},
    "department_c": {"uscc": ORG, "department_name": "示范局", "special_every": 1, "refuse_every": 0,
                     "cipher_key": CIPHER, "step_seconds": 0.05},
}  # fmt: skip
NEVER_CALL = frozenset({"department_a", "catalogue"})
ADAPTER = {"catalogue": "provincial_catalogue"}


@cache
def kit_keys() -> tuple[Keys, dict[str, bytes]]:
    """The kit's side of every test here and the files it lies in: RSA keys take long to make."""
    with TemporaryDirectory() as folder:
        keys = prepare(Path(folder))
        return keys, {one.name: one.read_bytes() for one in Path(folder).iterdir()}


@dataclass
class Mock:
    """One partner program, started on a free port of the loopback."""

    module: str
    folder: Path
    wrap: Callable[["Mock"], str] | None = None  # what it is told the hub's address is
    queue: str = "queue.db"  # the queue file of the kit's side
    scale: float = 0.02  # its repeat times, by the contract's
    own: dict[str, Any] = field(default_factory=dict)  # further keys of its configuration
    broker: str = ""  # a RabbitMQ; none: the database queue
    database: str = ""  # the front-end database of a partner that has one; none: a file of its own
    keys: Keys = field(init=False)
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        if self.module in XML:
            key_file(rsa_key("partner"), self.folder / "keys" / "key.pem")
        self.keys, files = kit_keys()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        self.listener = Listener(self.keys.ec)
        values = {
            "name": self.module, "port": 0, "state": "state", "key": "keys/key.pem",
            "certificate": "keys/cert.pem", "hub_ec_certificate": "hub-ec.pem",
            "hub_rsa_certificate": "hub-rsa.pem", "secret": SECRET, "account": ACCOUNT,
            "amqp_url": self.broker, "queue_path": "queue.db", "seed": 7,
            "hub_url": self.wrap(self) if self.wrap else self.listener.url,
        } | OWN[self.module] | self.own  # fmt: skip
        if self.module not in NEVER_CALL:
            values["repeat_seconds"] = [gap * self.scale for gap in (1, 5, 30)]
        if self.module == "department_d":
            self.database = values["database_url"] = self.database or f"sqlite:///{self.folder}/front.db"
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
        file = self.folder / "partner.toml"
        file.write_text("".join(lines), "utf-8")
        self.process = Forked(f"mocks.partners.{self.module}", "--config", str(file))
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], words
        self.url = words[2]
        self.certificate = x509.load_pem_x509_certificate((self.folder / "keys" / "cert.pem").read_bytes())

    @property
    def adapter(self) -> Path:
        return ROOT / "adapters" / ADAPTER.get(self.module, self.module)

    def partner(self, url: str = "", **more: Any) -> Partner:
        values = {
            "url": url or self.database or self.url,
            "certificate": self.certificate,
            "secret": SECRET,
            "account": ACCOUNT,
            "org": ORG,
            "values": {"region": "441400000000"},
            "queue": self.folder / self.queue,
            "amqp": self.broker or None,
            "cipher": bytes.fromhex(CIPHER),
            "scale": self.scale,
            "clock": f"{self.url}/admin/clock",
        }
        return Partner(**(values | more))  # type: ignore[arg-type]

    def bench(self, url: str = "", *, connect: bool = True, **more: Any) -> Bench:
        seed = secrets.randbits(48)
        partner = self.partner(url, **more)
        return open_bench(self.adapter, self.keys, partner, self.listener, seed, connect=connect)

    def report(
        self,
        only: Collection[str] = (),
        url: str = "",
        timeout: float | None = None,
        tries: int | None = None,
    ) -> Report:
        """A run of the kit, of these checks or of all; with `tries` one that is to find a defect soon."""
        bench = self.bench(url, connect=False, **({"slack": 0.5} if tries else {}))
        if timeout is not None:
            limits = bench.adapter.limits.model_copy(update={"timeout": timeout})
            bench.adapter = bench.adapter.model_copy(update={"limits": limits})
        bench.lines = lines(bench)
        if tries is not None:
            less = {"tries": tries, "repeats": (1.0,)}
            rules = {name: one.model_copy(update=less) for name, one in bench.facts.callback.items()}
            bench.facts = bench.facts.model_copy(update={"callback": rules})
        try:
            about = (self.module, self.module, "1.0")
            with by_day(bench):
                return run(chosen(plan(bench), only), about, url or self.url, budget=PATIENCE)
        finally:
            bench.close()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process.stdout.close()
        self.listener.close()


@contextmanager
def own_folder() -> Iterator[Path]:
    """In memory where there is such a place: every message is synced."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@contextmanager
def running(module: str, **more: Any) -> Iterator[Mock]:
    """A mock in a folder of its own."""
    with own_folder() as folder:
        mock = Mock(module, folder, **more)
        try:
            yield mock
        finally:
            mock.close()


def alarms(report: Report) -> list[tuple[str, str]]:
    """What failed, and why."""
    return [(one.check.id, one.verdict.why) for one in report.findings if one.verdict.result == "failed"]
