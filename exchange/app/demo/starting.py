"""Everything up: broker, partners, parties, hub, catalogue; watched while the run lasts, ended in order."""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

import exchange
from exchange import items
from exchange.adapterfolder import Adapter
from exchange.app.demo.asking import Asking
from exchange.app.demo.broker import Broker, open_broker
from exchange.app.demo.children import Children, Program, end_stale, last_words
from exchange.app.demo.database import FrontBase, open_database
from exchange.app.demo.layout import HUB, Layout, Partner, Shared, lay_out, settled_port, write_config
from exchange.app.demo.parties import register, secrets_of, wait_for_certificates
from exchange.app.demo.screen import Screen
from exchange.app.demo.watching import count_in_force, ledger_size
from exchange.app.opening import coded, ensure_keys, open_reader, open_store
from exchange.app.settings import STATE_VARIABLE, Settings, load_settings
from exchange.errors import Misconfigured, TryLater
from exchange.store.engine import reading

AMQP_VARIABLE = "TONGBAN_AMQP_URL"
READY_SECONDS = 90.0
ITEMS_WANTED = 200
TICK = 0.1


def _over() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Cast:
    """The processes of one demonstration."""

    settings: Settings
    screen: Screen
    members: Sequence[Partner]
    layout: Layout
    children: Children
    broker: Broker = field(default_factory=lambda: Broker(""))
    database: FrontBase = field(default_factory=lambda: FrontBase("sqlite://"))
    scene_over: threading.Event = field(default_factory=_over)
    begun: int = 0  # entries the ledger had before the hub started

    def tend(self) -> None:
        """Restart what died, and say so."""
        for name in self.children.tend():
            self.screen.warn(f"{name} ended and was restarted")
        if self.broker.tend():
            self.screen.warn("RabbitMQ ended and was restarted")
        if self.database.tend():
            self.screen.warn("PostgreSQL ended and was restarted")

    @property
    def restarts(self) -> dict[str, int]:
        """By name, those that were restarted."""
        own = {"rabbitmq": self.broker.restarts, "postgresql": self.database.restarts}
        return self.children.restarts | {name: count for name, count in own.items() if count}

    @property
    def urls(self) -> dict[str, str]:
        """Where each listens, the hub first."""
        return {name: self.layout.url(name) for name in (HUB, *(one.name for one in self.members))}

    def stop(self) -> None:
        """The counter first, then the hub, then the partners and the broker."""
        self.children.stop(("counter", HUB))
        self.broker.stop()
        self.database.stop()


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """One demonstration at a time on one state folder."""
    with coded():
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise Misconfigured(
                "demo_runs", "a demonstration runs on this state folder", str(root)
            ) from fault
        yield
    finally:
        os.close(descriptor)


def prepare(settings: Settings, screen: Screen, members: Sequence[Partner]) -> Cast:
    """End what an earlier run left, choose ports; nothing is started yet."""
    record = settings.state / "demo" / "children.json"
    if stale := end_stale(record):
        screen.warn(f"ended {len(stale)} processes an earlier demonstration had left")
    port = settled_port(settings)
    settings = load_settings() if port != settings.http_port else settings
    ensure_keys(settings)
    layout = lay_out(settings, [one.name for one in members])
    return Cast(settings, screen, members, layout, Children(record))


def start(cast: Cast, asking: Asking, adapters: Mapping[str, Adapter], *, rabbit: bool) -> None:
    """All processes ready, all parties registered, the catalogue in the hub."""
    screen = cast.screen
    screen.step("对方系统", f"partners: {len(cast.members)} independent processes, each with its own key")
    _open_database(cast)
    secrets = secrets_of(cast.layout, cast.members, cast.database)
    _start_partners(cast, secrets, [one for one in cast.members if not one.by_queue])
    screen.step("消息队列", "queue: a private RabbitMQ node where RabbitMQ is installed")
    cast.broker = open_broker(cast.settings, rabbit)
    if not cast.broker.rabbit:
        reason = "RabbitMQ is not installed" if rabbit else "as asked"
        screen.warn(f"{reason}: messages go through the database queue {cast.settings.queue_path.name}")
    _start_partners(cast, secrets, [one for one in cast.members if one.by_queue])
    screen.step("登记参与方", "parties: each with its certificate and address goes to the registry")
    _register(cast, adapters)
    screen.step("交换中心", f"hub: tongban serve at {cast.settings.public_url}")
    cast.children.start(hub_program(cast))
    _until(cast, lambda: _all_ready(cast, asking), lambda: _not_ready(cast, asking))
    screen.step("事项目录", "catalogue: the province's items are pulled")
    _until_catalogue(cast)


def _open_database(cast: Cast) -> None:
    """Only where a department of the run works on a front-end database."""
    titles = [one.title for one in cast.members if "database" in one.needs]
    if titles:
        cast.database = open_database(cast.settings, cast.layout.root)
        if cast.database.node is None:
            cast.screen.warn(f"PostgreSQL is not installed: {titles[0]} works on an SQLite file")


def _start_partners(cast: Cast, secrets: Mapping[str, Shared], members: Sequence[Partner]) -> None:
    for one in members:
        write_config(cast.layout, one, secrets.get(one.party, Shared()), cast.broker.url)
        cast.children.start(partner_program(cast, one))


def _register(cast: Cast, adapters: Mapping[str, Adapter]) -> None:
    wait_for_certificates(cast.layout, cast.members, cast.tend)
    store = open_store(cast.settings)
    try:
        register(store, cast.layout, cast.members, adapters, cast.database)
        with store.read() as connection:
            cast.begun = ledger_size(connection)
    finally:
        store.engine.dispose()


def environment(**more: str) -> dict[str, str]:
    """Ours, with the folder our packages were imported from, and without the broker's address."""
    source = str(Path(exchange.__file__).resolve().parents[1])
    path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH", "")])])
    kept = {name: value for name, value in os.environ.items() if name != AMQP_VARIABLE}
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | more


def partner_program(cast: Cast, one: Partner) -> Program:
    """One partner's own program."""
    command = (
        sys.executable,
        "-m",
        f"mocks.partners.{one.name}",
        "--config",
        str(cast.layout.config(one.name)),
    )
    return Program(one.name, command, environment(), cast.layout.output(one.name))


def hub_program(cast: Cast) -> Program:
    """`tongban serve` on the demonstration's state."""
    own = {STATE_VARIABLE: str(cast.settings.state)}
    if cast.broker.url:
        own[AMQP_VARIABLE] = cast.broker.url
    command = (sys.executable, "-m", "exchange.app.cli", "serve")
    return Program(HUB, command, environment(**own), cast.layout.output(HUB))


def _all_ready(cast: Cast, asking: Asking) -> bool:
    return all(asking.ready(name) for name in cast.urls)


def _not_ready(cast: Cast, asking: Asking) -> str:
    names = [name for name in cast.urls if not asking.ready(name)]
    words = (f"{name} ({last_words(cast.layout.output(name))})" for name in names)
    return f"not ready after {READY_SECONDS:.0f} s: {', '.join(words)}"


def _until(cast: Cast, reached: Callable[[], bool], lacking: Callable[[], str]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            raise TryLater("not_ready", lacking())
        cast.tend()
        time.sleep(TICK)


def _until_catalogue(cast: Cast) -> None:
    """The last page has been read, and enough items are in force."""
    party = next(one.party for one in cast.members if one.name == "catalogue")
    said = f"fewer than {ITEMS_WANTED} items came from the catalogue in {READY_SECONDS:.0f} s"
    engine = open_reader(cast.settings)
    try:
        _until(cast, lambda: _catalogue_read(engine, party), lambda: said + _hub_again(cast))
    finally:
        engine.dispose()


def _hub_again(cast: Cast) -> str:
    """What the hub said where it did not stay up."""
    times = cast.children.restarts.get(HUB, 0)
    return f"; the hub ended {times} times: {last_words(cast.layout.output(HUB))}" if times else ""


def _catalogue_read(engine: Engine, party: str) -> bool:
    with reading(engine) as connection:
        return items.position(connection, party) > 0 and count_in_force(connection) >= ITEMS_WANTED
