"""A running hub: everything built from the settings, its threads, and an orderly end."""

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

import structlog
import uvicorn

from exchange import consuming, drift, inbox, overdue
from exchange.adapterfolder import Adapter, load_adapters
from exchange.app import datakeys, halls, opening
from exchange.app.http import build_app
from exchange.app.line import Line, most_lines
from exchange.app.secretfiles import held
from exchange.app.settings import Settings
from exchange.app.sitesecrets import read_ciphers, read_secrets
from exchange.asking import Asker
from exchange.catalogue.pulling import Puller
from exchange.delivery import Channel
from exchange.dispatch import Dispatchers
from exchange.errors import HubError, Misconfigured
from exchange.housedelivery import HouseDelivery
from exchange.hub import Hub
from exchange.manifest import SoapService
from exchange.notices import Fetcher, NoticeQueue
from exchange.parties import Parties, Party, fingerprint_id
from exchange.pipeline import accept_overdue
from exchange.polling import Pollers, front_database
from exchange.reactions import STANDARD
from exchange.registrations import Registrations
from exchange.routing import Routes
from exchange.seals.xmldsig import in_string
from exchange.store.work import Store, Work
from exchange.transports.amqp import RabbitQueues
from exchange.transports.dbqueue import DatabaseQueues
from exchange.transports.queues import Queues
from exchange.transports.rest import RestClient
from exchange.transports.soap_client import SoapClient
from exchange.transports.soap_seals import DocumentSeal, SoapSeal, WssSeal
from hallservice.reactions import with_hall

log = structlog.get_logger()

T = TypeVar("T")

LOOK = 1.0  # seconds between looks at the registry
CLEAN = 60.0  # seconds between cleanings
GRACE = 5  # seconds open requests are given at the end
# Seconds a thread computes before others get the interpreter. With Python's 5 ms a work list, which gives it
# up at each row it reads, took 70 ms beside a thread that computes; so it takes 20, for 1 % of throughput.
SWITCH = 0.001


@dataclass
class Serving:
    """One hub and its threads."""

    settings: Settings
    hub: Hub
    queues: Queues
    channels: "Channels"
    dispatchers: Dispatchers
    pollers: Pollers
    stop: threading.Event = field(default_factory=threading.Event)
    noticed: threading.Event = field(default_factory=threading.Event)
    consumers: dict[str, threading.Thread] = field(default_factory=dict)
    declared: frozenset[Any] = frozenset()

    @classmethod
    def build(cls, settings: Settings) -> "Serving":
        """Everything, checked; nothing runs yet."""
        hub = build_hub(settings, opening.open_store(settings))
        queues = open_queues(settings)
        channels = Channels(hub, queues)
        house = HouseDelivery(hub, RestClient(10.0))
        dispatchers = Dispatchers(hub, channels.to, house, queues)
        return cls(settings, hub, queues, channels, dispatchers, Pollers(hub))

    def start(self) -> None:
        """Declare queues, take up what a dead process left, start the threads."""
        self.hub.store.write(self.hub.outbox.release_claims)
        self._keep_up()
        puller = Puller(self.hub, self.channels.to)
        threading.Thread(target=self._keep, name="keeper", daemon=True).start()
        threading.Thread(target=puller.run, args=(self.stop,), name="puller", daemon=True).start()
        asker = Asker(self.hub, self.channels.to)
        threading.Thread(target=asker.run, args=(self.stop,), name="asker", daemon=True).start()
        fetcher = Fetcher(self.hub, self.queues, self.channels.to, self.noticed)
        threading.Thread(target=fetcher.run, args=(self.stop.is_set,), name="fetcher", daemon=True).start()

    def end(self) -> None:
        """Stop taking in and giving out; nothing acknowledged is lost."""
        self.stop.set()
        self.dispatchers.stop()
        self.pollers.stop()
        for thread in self.consumers.values():
            thread.join(10)
        self.queues.close()

    def _keep(self) -> None:
        """Follow the registry; let held messages expire; clean up."""
        cleaned = time.monotonic()
        while not self.stop.wait(LOOK):
            try:
                self._keep_up()
                overdue.send_again(self.hub)
                if time.monotonic() - cleaned > CLEAN:
                    cleaned = time.monotonic()
                    self.hub.store.write(partial(_clean, self.hub))
                    drift.watch(self.hub.store, self.hub.name, self.hub.adapters)
            except HubError as fault:
                log.warning("keeper_failed", code=fault.code, detail=fault.detail)

    def _keep_up(self) -> None:
        bindings = [*consuming.house_bindings(self.hub), *consuming.partner_bindings(self.hub)]
        if frozenset(bindings) != self.declared:
            self.queues.declare(bindings)
            self.declared = frozenset(bindings)
        self.dispatchers.keep_up()
        self.pollers.keep_up()
        for queue, handler in consuming.consumers(self.hub, self.queues, self._noticing).items():
            if queue not in self.consumers:
                self._consume(queue, consuming.safely(handler))

    def _noticing(self, queue: consuming.PartnerQueue) -> NoticeQueue:
        return NoticeQueue(queue, self.noticed)

    def _consume(self, queue: str, handler: Callable[[Any], None]) -> None:
        thread = threading.Thread(
            target=self.queues.consume, args=(queue, handler, self.stop.is_set), name=queue, daemon=True
        )
        self.consumers[queue] = thread
        thread.start()


def build_hub(settings: Settings, store: Store) -> Hub:
    """The hub of these settings on this store."""
    return Hub(
        name=settings.hub,
        public_url=settings.public_url,
        store=store,
        parties=Parties(store.read),
        adapters=load_adapters(settings.adapters),
        routes=Routes.shipped(),
        reactions=with_hall(STANDARD),
        ec_key=opening.ec_key(settings),
        rsa_key=opening.rsa_key(settings),
        pseudonym_key=opening.pseudonym_key(settings),
        secrets=read_secrets(settings),
        ciphers=read_ciphers(settings),
    )


def open_queues(settings: Settings) -> Queues:
    """RabbitMQ where it is configured, else the database queue."""
    return RabbitQueues(settings.amqp_url) if settings.amqp_url else DatabaseQueues(settings.queue_path)


class Channels:
    """How each party is reached; built at first use, again when its registration changes."""

    def __init__(self, hub: Hub, queues: Queues) -> None:
        self._hub, self._queues = hub, queues
        self._lock = threading.Lock()
        self._known: dict[str, Channel] = {}

    def to(self, name: str) -> Channel | None:
        """The channel to a party, None when it is not registered."""
        party = self._hub.parties.named(name)
        if party is None or party.adapter not in self._hub.adapters:
            return None
        with self._lock:
            known = self._known.get(name)
            if known is None or known.party != party:
                self._known[name] = known = self._build(party)
            return known

    def _build(self, party: Party) -> Channel:
        adapter = self._hub.adapters[party.adapter]
        return Channel(
            party,
            adapter,
            self._hub.secrets.get(party.name, ""),
            self._hub.ec_key,
            partial(self._certificate, party.name),
            RestClient(adapter.limits.timeout),
            _Once(partial(self._soap, party, adapter)),
            self._queues,
            Registrations(self._hub.store, party.name),
            self._hub.ciphers.get(party.name),
            front=_Once(partial(front_database, self._hub, party, adapter)),
        )

    def _certificate(self, name: str, key: str) -> Any:
        held = self._hub.parties.holding(key)
        return held.certificate if held and held.party.name == name else None

    def _by_fingerprint(self, name: str, digest: bytes) -> Any:
        held = self._hub.parties.holding(fingerprint_id(digest))
        return held.certificate if held and held.party.name == name else None

    def _soap(self, party: Party, adapter: Adapter) -> SoapClient:
        if adapter.soap is None or party.address is None:
            raise Misconfigured("no_soap_service", "the adapter names no SOAP service", adapter.name)
        return SoapClient(
            adapter.folder / adapter.soap.wsdl,
            party.address.rstrip("/") + adapter.soap.path,
            self._seal(party, adapter, adapter.soap),
            read_timeout=adapter.limits.timeout,
        )

    def _seal(self, party: Party, adapter: Adapter, service: SoapService) -> SoapSeal:
        keyring, profile = partial(self._by_fingerprint, party.name), in_string(adapter.signatures)
        if service.call_header is None:
            return DocumentSeal(self._hub.rsa_key, keyring, _now, profile, service.charset)
        charset = "gb18030" if service.charset == "gbk" else service.charset
        header, member = f"{{{service.namespace}}}{service.call_header[0]}", service.call_header[1]
        return WssSeal(self._hub.rsa_key, keyring, _now, header, member, charset, profile.algorithms)


class _Once(Generic[T]):
    """Built at the first call, by one thread."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def _now() -> datetime:
    return datetime.now(UTC)


def _clean(hub: Hub, work: Work) -> None:
    accept_overdue(hub, work)
    overdue.note_unanswered(hub, work)
    inbox.forget_nonces(work)


class _Server(uvicorn.Server):
    """uvicorn without its habit of killing the process by the signal it was ended with: our threads end in
    order first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are ours."""
        yield


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    with listening(settings) as line, held(datakeys.running(settings), alone=False):
        _serve(settings, line)


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The hub's own address, taken before anything is taken up: a second hub there does nothing at all."""
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        line = socket.create_server((settings.http_host, settings.http_port), family=family, backlog=2048)
    except OSError as fault:
        why = os.strerror(fault.errno) if fault.errno else str(fault)
        said = f"cannot listen on {settings.http_host}:{settings.http_port}: {why}"
        raise Misconfigured("not_listening", said, "http_port") from fault
    with line:
        yield line


def _serve(settings: Settings, line: socket.socket) -> None:
    serving = Serving.build(settings)
    hall = halls.open_hall(settings, serving.hub)
    app = build_app(serving.hub, partial(halls.progress, hall))
    halls.mount(app, settings, hall)
    serving.start()
    halls.watch(hall, serving.stop)
    gc.collect()
    sys.setswitchinterval(SWITCH)
    gc.freeze()  # what is here now stays: collections need not look at it again
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http=Line,
        limit_concurrency=most_lines(),
        forwarded_allow_ips=settings.http_proxies,
        loop="uvloop",
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        date_header=False,
    )
    server = _Server(config)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, server.handle_exit)
    try:
        server.run([line])
    finally:
        serving.end()
