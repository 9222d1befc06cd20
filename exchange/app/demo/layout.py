"""Who takes part in the demonstration: port, folder and configuration of each, under `<state>/demo`."""

import json
import os
import socket
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.app.opening import coded
from exchange.app.settings import FILE_NAME, Settings
from exchange.errors import Misconfigured
from exchange.routing import HOUSE

HOST = "127.0.0.1"
HUB = "hub"
READER = "publication"  # in place of an adapter: who only reads what is published, and is no party
ACCOUNT = "tongban-meizhou"  # how the hub names itself at every partner
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
    own: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))  # of its configuration
    needs: frozenset[str] = frozenset()  # cipher, database, drop_folder, items

    @property
    def by_queue(self) -> bool:
        """Whether it sends or receives through the queue."""
        return "AMQP" in self.protocol


def partners(adapters: Mapping[str, Adapter], *, everybody: bool = False) -> tuple[Partner, ...]:
    """The programs of the run, the hall's counter last; Misconfigured when the folder of an adapter is
    missing."""
    lines = tomllib.loads((files(__package__) / "cast.toml").read_text("utf-8"))["partner"]
    taking_part = [line for line in lines if everybody or line.get("always", False)]
    return tuple(_partner(adapters, _with_everybody(line) if everybody else line) for line in taking_part)


def _with_everybody(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a partner is told and takes besides when all are there."""
    own = {**line.get("own", {}), **line.get("own_everybody", {})}
    return {**line, "own": own, "takes": [*line.get("takes", ()), *line.get("takes_everybody", ())]}


def _partner(adapters: Mapping[str, Adapter], line: Mapping[str, Any]) -> Partner:
    name, adapter = line["name"], line["adapter"]
    if adapter not in (HOUSE, READER) and adapter not in adapters:
        raise Misconfigured("unknown_adapter", "the demonstration needs this adapter", adapter)
    about = adapters.get(adapter)
    account = {"account": ACCOUNT, **line.get("account", {})} if about else {}
    return Partner(
        name,
        line.get("party", name),
        adapter,
        about.system if about else line.get("system", ""),
        about.title if about else line["title"],
        line["english"],
        line["protocol"],
        line.get("org"),
        tuple(line.get("takes", ())),
        account,
        line.get("own", {}),
        frozenset(line.get("needs", ())),
    )


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

    def drop(self, name: str) -> Path:
        """Where a partner drops its files for the hub."""
        return self.folder(name) / "drop"

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


@dataclass(frozen=True)
class Shared:
    """What one partner and the hub know beside the wire; empty where the contract asks for none."""

    secret: str = "-"  # noqa: S105 - no secret: stands where the contract asks for none, as the key must
    cipher: str = ""  # hex
    database: str = ""  # address with its password


def partner_config(layout: Layout, partner: Partner, shared: Shared, amqp_url: str) -> dict[str, object]:
    """The configuration of one partner, common keys and its own."""
    name, settings = partner.name, layout.settings
    common = {
        "name": name, "port": layout.ports[name], "state": str(layout.folder(name)),
        "key": str(layout.key(name)), "certificate": str(layout.certificate(name)),
        "hub_ec_certificate": str(settings.ec_certificate),
        "hub_rsa_certificate": str(settings.rsa_certificate),
        "hub_url": settings.public_url, "secret": shared.secret, "account": ACCOUNT,
        "amqp_url": amqp_url, "queue_path": str(settings.queue_path), "seed": 2026,
    }  # fmt: skip
    return common | own_keys(layout, partner, shared)


def own_keys(layout: Layout, partner: Partner, shared: Shared) -> dict[str, object]:
    """What only this partner is told: the roster's own values, and what it shares with the hub."""
    places: dict[str, tuple[str, object]] = {
        "items": ("items_file", str(layout.items)),
        "drop_folder": ("drop_folder", str(layout.drop(partner.name))),
        "cipher": ("cipher_key", shared.cipher),
        "database": ("database_url", shared.database),
    }
    told = dict(place for need, place in places.items() if need in partner.needs)
    return {**partner.own, **told, **({"party": partner.party} if partner.adapter == HOUSE else {})}


def toml(values: Mapping[str, object]) -> str:
    """Flat TOML: texts, numbers, truth values and lists of them, written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def write_config(layout: Layout, partner: Partner, shared: Shared, amqp_url: str) -> None:
    """The configuration file, readable by its owner alone: it holds the shared secret."""
    with coded():
        write_file(layout.config(partner.name), toml(partner_config(layout, partner, shared, amqp_url)))
        if "drop_folder" in partner.needs:
            layout.drop(partner.name).mkdir(exist_ok=True, mode=0o700)


def ensure_secrets(path: Path, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The file's tables ([secrets], [ciphers]) by party; what it lacks of `wanted` is written to it."""
    with coded():
        try:
            given = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        except ValueError as fault:
            raise Misconfigured("secrets_unreadable", str(fault), str(path)) from fault
        tables = {name: dict(values) for name, values in given.items() if isinstance(values, dict)}
        whole = {name: {**new, **tables.get(name, {})} for name, new in wanted.items()}
        if any(whole[name] != tables.get(name, {}) for name in whole):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, "".join(_table(name, values) for name, values in {**tables, **whole}.items()))
    return {name: {key: str(value) for key, value in values.items()} for name, values in whole.items()}


def _table(name: str, values: Mapping[str, object]) -> str:
    lines = "".join(f"{json.dumps(key)} = {json.dumps(str(value))}\n" for key, value in values.items())
    return f"[{name}]\n{lines}"


def write_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
