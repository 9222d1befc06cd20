"""Who takes part in the demonstration: port, folder and configuration of each, under `<state>/demo`."""

import json
import os
import socket
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from exchange.adapterfolder import Adapter
from exchange.app.opening import coded
from exchange.app.settings import FILE_NAME, Settings
from exchange.errors import Misconfigured
from exchange.routing import HOUSE

HOST = "127.0.0.1"
HUB = "hub"
ACCOUNT = "tongban-meizhou"  # how the hub names itself at every partner
DEPARTMENT_ORG = "11441400XX0031309Q"  # invented: a market supervision bureau of Meizhou (441400)
DEPARTMENT = "梅州市市场监督管理局"
HALL = "hall.meijiang"
REGION = "441400000000"  # what the hub asks the province's catalogue for
HALL_TAKES = (
    "case.step.v1", "fee.noticed.v1", "fee.paid.v1", "certificate.issued.v1", "case.concluded.v1",
    "archive.result.v1",
)  # fmt: skip
MARK = "# Written by `tongban demo` because the usual port was taken; yours to change.\n"


@dataclass(frozen=True)
class Partner:
    """One program of mocks/partners; `name` is that of its module, folder and configuration."""

    name: str
    party: str
    adapter: str
    system: str  # id of docs/requirements.csv, "" for the hall
    title: str
    english: str
    protocol: str
    org: str | None = None
    takes: tuple[str, ...] = ()
    account: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def by_queue(self) -> bool:
        """Whether it sends or receives through the queue."""
        return "AMQP" in self.protocol


# name (of the party too), adapter, English, protocol, organisation; title and system are the adapter's own.
_PARTNERS = (
    ("catalogue", "provincial_catalogue", "provincial catalogue", "SOAP", None),
    ("department_a", "department_a", "department A", "AMQP", DEPARTMENT_ORG),
    ("sms", "sms", "SMS gateway", "REST", None),
    ("certificates", "certificates", "certificate library", "REST", None),
    ("fees", "fees", "fees and bank", "SOAP GBK", None),
    ("archives", "archives", "archives", "REST, AMQP", None),
    ("province", "provincial_reporting", "provincial reporting", "AMQP", None),
)
_COUNTER = Partner(
    "counter", HALL, HOUSE, "", "梅江区政务服务大厅窗口", "hall counter", "REST", takes=HALL_TAKES
)


def partners(adapters: Mapping[str, Adapter]) -> tuple[Partner, ...]:
    """The eight programs; Misconfigured when the folder of an adapter is missing."""
    return (*(_partner(adapters, *line) for line in _PARTNERS), _COUNTER)


def _partner(
    adapters: Mapping[str, Adapter], name: str, adapter: str, english: str, protocol: str, org: str | None
) -> Partner:
    if adapter not in adapters:
        raise Misconfigured("unknown_adapter", "the demonstration needs this adapter", adapter)
    about = adapters[adapter]
    account = {"account": ACCOUNT} | ({"region": REGION} if name == "catalogue" else {})
    return Partner(name, name, adapter, about.system, about.title, english, protocol, org, account=account)


@dataclass(frozen=True)
class Layout:
    """Folders and ports of one demonstration."""

    settings: Settings
    ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def root(self) -> Path:
        """Everything the demonstration keeps besides the hub's own state."""
        return self.settings.state / "demo"

    def folder(self, name: str) -> Path:
        """State, key and certificate of one partner."""
        return self.root / name

    def key(self, name: str) -> Path:
        """The partner's private key, made by the partner."""
        return self.folder(name) / "key.pem"

    def certificate(self, name: str) -> Path:
        """The partner's certificate, made by the partner."""
        return self.folder(name) / "certificate.pem"

    def config(self, name: str) -> Path:
        """The partner's configuration file."""
        return self.folder(name) / "config.toml"

    def output(self, name: str) -> Path:
        """What a process writes to standard output and error."""
        return self.root / "log" / f"{name}.log"

    @property
    def items(self) -> Path:
        """The items the counter applies for."""
        return self.folder("counter") / "items.json"

    def url(self, name: str) -> str:
        """Where a process listens."""
        return self.settings.public_url if name == HUB else f"http://{HOST}:{self.ports[name]}"


def free(port: int) -> bool:
    """Whether something could listen on a loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return port > 0


def free_port(taken: Collection[int] = ()) -> int:
    """A free loopback port that is none of `taken`."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def choose_ports(
    names: Iterable[str], earlier: Mapping[str, int], taken: Collection[int] = ()
) -> dict[str, int]:
    """A port for each name: that of the run before where it is free, so that addresses stay."""
    chosen: dict[str, int] = {}
    for name in names:
        port = earlier.get(name, 0)
        used = {*taken, *chosen.values()}
        chosen[name] = port if port not in used and free(port) else free_port({*used, *earlier.values()})
    return chosen


def kept_ports(root: Path) -> dict[str, int]:
    """The ports of the run before, as far as they can be read."""
    try:
        kept = json.loads((root / "ports.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    pairs = kept.items() if isinstance(kept, dict) else ()
    return {name: port for name, port in pairs if isinstance(port, int) and 0 < port < 65536}


def settled_port(settings: Settings) -> int:
    """A free port for the hub: its own, else another, written to tongban.toml unless that is a person's."""
    file = settings.state / FILE_NAME
    if free(settings.http_port):
        return settings.http_port
    if file.exists() and not file.read_text("utf-8").startswith(MARK):
        raise Misconfigured(
            "port_taken", f"port {settings.http_port} is taken; set another http_port", str(file)
        )
    port = free_port()
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(file, f"{MARK}http_port = {port}\n", 0o644)
    return port


def lay_out(settings: Settings, names: Iterable[str]) -> Layout:
    """Folders made, ports chosen and kept; the hub's port is already settled in `settings`."""
    layout = Layout(settings)
    with coded():
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        ports = choose_ports(names, kept_ports(layout.root), {settings.http_port})
        for name in ports:
            layout.folder(name).mkdir(exist_ok=True, mode=0o700)
        layout.output(HUB).parent.mkdir(exist_ok=True)
        write_file(layout.root / "ports.json", json.dumps(ports, indent=1) + "\n")
    return Layout(settings, MappingProxyType(ports))


def partner_config(layout: Layout, partner: Partner, secret: str, amqp_url: str) -> dict[str, object]:
    """The configuration of one partner, common keys and its own."""
    name, settings = partner.name, layout.settings
    common = {
        "name": name, "port": layout.ports[name], "state": str(layout.folder(name)),
        "key": str(layout.key(name)), "certificate": str(layout.certificate(name)),
        "hub_ec_certificate": str(settings.ec_certificate),
        "hub_rsa_certificate": str(settings.rsa_certificate),
        "hub_url": settings.public_url, "secret": secret, "account": ACCOUNT,
        "amqp_url": amqp_url, "queue_path": str(settings.queue_path), "seed": 2026,
    }  # fmt: skip
    return common | own_keys(layout, name)


def own_keys(layout: Layout, name: str) -> dict[str, object]:
    """What only this partner is told; the department is the one whose items are applied for."""
    own: dict[str, dict[str, object]] = {
        "catalogue": {"department_uscc": DEPARTMENT_ORG},
        "department_a": {
            "uscc": DEPARTMENT_ORG,
            "department_name": DEPARTMENT,
            "items_file": str(layout.items),
        },
        "counter": {"party": HALL, "items_file": str(layout.items)},
    }
    return own.get(name, {})


def toml(values: Mapping[str, object]) -> str:
    """Flat TOML: texts, numbers, truth values and lists of them, written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def write_config(layout: Layout, partner: Partner, secret: str, amqp_url: str) -> None:
    """The configuration file, readable by its owner alone: it holds the shared secret."""
    with coded():
        write_file(layout.config(partner.name), toml(partner_config(layout, partner, secret, amqp_url)))


def ensure_secrets(path: Path, names: Iterable[str], new: Mapping[str, str]) -> dict[str, str]:
    """The shared secrets by party; those of `new` fill what the file lacks and are written to it."""
    given: dict[str, object] = {}
    with coded():
        try:
            given = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        except ValueError as fault:
            raise Misconfigured("secrets_unreadable", str(fault), str(path)) from fault
        known = given.get("secrets", {})
        table = {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}
        if lacking := [name for name in names if name not in table]:
            table |= {name: new[name] for name in lacking}
            lines = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in table.items())
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, f"[secrets]\n{lines}")
    return table


def write_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
