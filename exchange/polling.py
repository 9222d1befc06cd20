"""Fetching what partners leave at their own place: one thread for each party with polled tables or files."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from exchange.adapterfolder import Adapter
from exchange.errors import HubError, Misconfigured
from exchange.filepolling import FileRound
from exchange.flagpolling import FlagRound
from exchange.hub import Hub
from exchange.manifest import FileDoor, Inbound
from exchange.parties import Party
from exchange.polleddoor import PolledDoor
from exchange.rowpolling import RowRound
from exchange.transports.drop import DropFolder
from exchange.transports.droptext import as_json
from exchange.transports.sqldoor import open_partner
from exchange.transports.tables import FrontDatabase

log = structlog.get_logger()

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds after failures in a row; the last one repeats
LOOK = 0.5  # seconds between looks at what is due


class Round(Protocol):
    """One look at one place."""

    def run(self) -> bool:
        """Whether more waits there."""

    def close(self) -> None:
        """Give back what it holds open."""


def front_database(hub: Hub, party: Party, adapter: Adapter) -> FrontDatabase:
    """The database of a party; Misconfigured without an address or [database]."""
    if adapter.database is None or adapter.script is None or not party.address:
        raise Misconfigured(
            "no_database", "the party has no address, or its adapter no [database]", party.name
        )
    limits = adapter.limits
    engine = open_partner(party.address, hub.secrets.get(party.name, ""), limits.timeout)
    return FrontDatabase(engine, adapter.database, adapter.script, limits.max_bytes, limits.timeout)


def rounds_of(hub: Hub, party: Party, adapter: Adapter) -> list[tuple[float, Round]]:
    """What is polled at a party, in the order of the manifest, with the seconds between looks."""
    polled: list[tuple[float, Round]] = []
    ours = adapter.database.ours if adapter.database else None
    tables = ours is not None or any(one.table for one in adapter.inbound)
    front = front_database(hub, party, adapter) if tables else None
    for entry in adapter.inbound:
        if entry.table is not None and front is not None:
            door = PolledDoor(adapter, entry, party.name)
            polled.append((entry.table.every, RowRound(hub, door, entry.table, front)))
        elif entry.file is not None:
            polled.append((entry.file.every, _files(hub, party, adapter, entry, entry.file)))
    if ours is not None and front is not None:
        polled.append((ours.every, FlagRound(hub, party.name, ours, front)))
    return polled


def _files(hub: Hub, party: Party, adapter: Adapter, entry: Inbound, file: FileDoor) -> FileRound:
    folder = party.account.get("drop_folder")
    if not folder:
        raise Misconfigured("missing_field", "its account names no drop_folder", party.name)
    door = PolledDoor(adapter, entry, party.name, lambda body: as_json(file, body))
    return FileRound(hub, door, DropFolder(Path(folder), file, file.max_bytes))


def is_polled(adapter: Adapter | None) -> bool:
    """Whether the hub fetches anything of this partner."""
    if adapter is None:
        return False
    ours = adapter.database is not None and adapter.database.ours is not None
    return ours or any(one.table or one.file for one in adapter.inbound)


@dataclass
class Poller:
    """Everything polled at one party, in turn; a failure holds up this party alone."""

    hub: Hub
    party: str
    clock: Callable[[], float] = time.monotonic
    _known: Party | None = None
    _rounds: list[tuple[float, Round]] = field(default_factory=list)
    _due: list[float] = field(default_factory=list)
    _failures: int = 0

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        pause = 0.0
        while not stop.wait(pause):
            pause = self.turn()
        self.close()

    def close(self) -> None:
        """Give back what is held open; a further turn begins anew."""
        for _, polled in self._rounds:
            polled.close()
        self._rounds, self._due, self._known = [], [], None

    def turn(self) -> float:
        """One look at everything that is due; the seconds until the next."""
        try:
            self._keep_up()
            for at, (every, polled) in enumerate(self._rounds):
                if self._due[at] <= self.clock():
                    self._due[at] = self.clock() + (0.0 if polled.run() else every)
        except HubError as fault:
            return self._failed(fault.code, fault.detail)
        except (
            Exception
        ) as fault:  # the thread's boundary: without it nothing more would be fetched of this party
            log.exception("polling_defect", party=self.party)
            return self._failed("defect", type(fault).__name__)
        self._failures = 0
        return self._until_due()

    def _until_due(self) -> float:
        return min([LOOK, *(max(0.0, due - self.clock()) for due in self._due)])

    def _failed(self, code: str, detail: str) -> float:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        log.warning("polling_failed", party=self.party, code=code, detail=detail, seconds=pause)
        return pause

    def _keep_up(self) -> None:
        """Follow the registry: another address or account begins anew, a removed party is left alone."""
        party = self.hub.parties.named(self.party)
        if party == self._known:
            return
        self.close()
        adapter = self.hub.adapters.get(party.adapter) if party else None
        self._rounds = rounds_of(self.hub, party, adapter) if party and adapter else []
        self._due, self._known = [self.clock()] * len(self._rounds), party


@dataclass
class Pollers:
    """One thread per party."""

    hub: Hub
    threads: dict[str, threading.Thread] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def keep_up(self) -> None:
        """Start a thread for each polled party that has none."""
        for party in self.hub.parties.all():
            if party.name not in self.threads and is_polled(self.hub.adapters.get(party.adapter)):
                worker = Poller(self.hub, party.name)
                thread = threading.Thread(
                    target=worker.run, args=(self._stop,), name=f"from-{party.name}", daemon=True
                )
                self.threads[party.name] = thread
                thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End all threads; what was read and not marked is read again at the next start."""
        self._stop.set()
        for thread in self.threads.values():
            thread.join(seconds)
