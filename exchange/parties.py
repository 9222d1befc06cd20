"""Who may speak: parties, their exact certificates, and what the hub knows of reaching them."""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from sqlalchemy import Connection, select

from exchange.errors import Misconfigured
from exchange.seals.keys import public_key
from exchange.store.tables import party as party_table
from exchange.store.tables import party_certificate

REFRESH = 1.0  # seconds a change of the registry may take to be seen


def fingerprint_id(digest: bytes) -> str:
    """The key id of a certificate whose SHA-256 is `digest`."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class Party:
    """One counterpart: its adapter, organisation, address and what it may send or is sent."""

    name: str
    adapter: str
    org: str | None
    address: str | None
    account: dict[str, Any]
    sends: tuple[str, ...]
    takes: tuple[str, ...]


@dataclass(frozen=True)
class Registered:
    """A registered certificate and whose it is."""

    party: Party
    certificate: x509.Certificate


@lru_cache(maxsize=4096)
def load_certificate(pem: str) -> x509.Certificate:
    """A certificate a party can be known by: P-256, or RSA of 2048 bits and more."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as fault:
        raise Misconfigured("certificate_unreadable", str(fault)) from fault
    public_key(certificate)
    return certificate


class Parties:
    """The registry as the database has it, read anew at most once a second."""

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect, self._clock = connect, clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._by_name: dict[str, Party] = {}
        self._by_key: dict[str, Registered] = {}

    def named(self, name: str) -> Party | None:
        """The active party called `name`."""
        return self._fresh()[0].get(name)

    def holding(self, key: str) -> Registered | None:
        """The active party whose certificate has this key id."""
        return self._fresh()[1].get(key)

    def certificate(self, key: str) -> x509.Certificate | None:
        """Keyring of the seals: a registered certificate by key id."""
        held = self.holding(key)
        return held.certificate if held else None

    def by_fingerprint(self, digest: bytes) -> x509.Certificate | None:
        """Keyring of the XML seals: a registered certificate by the SHA-256 of its DER bytes."""
        return self.certificate(fingerprint_id(digest))

    def all(self) -> tuple[Party, ...]:
        """Every active party."""
        return tuple(self._fresh()[0].values())

    def of_adapter(self, adapter: str, org: str | None = None) -> Party | None:
        """The party attached by `adapter` (and belonging to `org`, where several departments share one)."""
        found = [p for p in self.all() if p.adapter == adapter and (org is None or p.org == org)]
        return found[0] if found else None

    def forget(self) -> None:
        """Read the registry anew at the next question."""
        self._read_at = float("-inf")

    def _fresh(self) -> tuple[dict[str, Party], dict[str, Registered]]:
        if self._clock() - self._read_at > REFRESH:
            with self._lock, self._connect() as connection:
                self._by_name, self._by_key = read_registry(connection)
                self._read_at = self._clock()
        return self._by_name, self._by_key


def read_registry(connection: Connection) -> tuple[dict[str, Party], dict[str, Registered]]:
    """All active parties by name, and their active certificates by key id."""
    rows = connection.execute(select(party_table).where(party_table.c.active)).mappings()
    names = {row["name"]: _party(dict(row)) for row in rows}
    rows = connection.execute(select(party_certificate).where(party_certificate.c.active)).mappings()
    keys = {
        row["key_id"]: Registered(names[row["party"]], load_certificate(row["pem"]))
        for row in rows
        if row["party"] in names
    }
    return names, keys


def _party(row: dict[str, Any]) -> Party:
    return Party(
        row["name"],
        row["adapter"],
        row["org"],
        row["address"],
        row["account"],
        tuple(row["sends"]),
        tuple(row["takes"]),
    )
