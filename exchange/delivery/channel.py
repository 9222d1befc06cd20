"""How the hub talks to one partner, and what comes of one call."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from canonical.messages import Payload
from exchange.adapterfolder import Adapter
from exchange.errors import Misconfigured
from exchange.mapping.rows import BrokenRow
from exchange.parties import Party
from exchange.receipts import BEIJING
from exchange.registrations import Registrations
from exchange.seals.keys import SigningKey
from exchange.transports.queues import Post, Queues
from exchange.transports.rest import RestClient
from exchange.transports.soap_client import SoapClient
from exchange.transports.tables import FrontDatabase

EARLY = 60.0  # seconds before its end at which a token is renewed


Reply = tuple[str, Payload]
"""The message an answer brought: its type and what it says."""


@dataclass(frozen=True)
class Lot:
    """Several messages for one call, whose entries of the list `wire` stand in one document."""

    payloads: tuple[Payload, ...]
    wire: str


@dataclass(frozen=True)
class Part:
    """The place of one message in a call that carried several, and that call as it went and was answered."""

    whole: "Sent"
    at: int


@dataclass(frozen=True)
class Sent:
    """What went out and what came back. Of one message of several in a call, `body` is its own share."""

    protocol: str
    body: bytes
    code: str
    verdict: str  # ok, refused, try_later, token, poison
    media_type: str = "application/json"
    seal: bytes | None = None
    bound: Mapping[str, Any] | None = None
    answer: bytes | None = None
    detail: str | None = None
    reply: Reply | None = None
    broken: tuple[BrokenRow, ...] = ()  # rows of the reply that could not be read
    doubt: str | None = None  # what a good answer says beyond the contract
    tree: Any = None  # the answer as read, of a pull
    post: Post | None = None  # still to be published
    part: Part | None = None


class TokenBook:
    """The account's token at one partner, renewed before it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None

    def current(self, lifetime: float, fetch: Callable[[], str]) -> str:
        """A valid token, fetched when there is none; `lifetime` in seconds."""
        with self._lock:
            if self._token is None or self._token[1] <= time.monotonic():
                self._token = (fetch(), time.monotonic() + lifetime - EARLY)
            return self._token[0]

    def drop(self) -> None:
        """The partner no longer takes it."""
        self._token = None


@dataclass(frozen=True)
class Channel:
    """How the hub talks to one partner."""

    party: Party
    adapter: Adapter
    secret: str
    ec_key: SigningKey
    certificate: Callable[[str], Any]  # key id -> certificate, this party's only
    rest: RestClient
    soap: Callable[[], SoapClient]
    queues: Queues | None
    registrations: Registrations | None = None
    cipher: bytes | None = None  # the key agreed for encrypted bodies
    front: Callable[[], FrontDatabase] | None = None  # the partner's front-end database
    tokens: TokenBook = field(default_factory=TokenBook)

    def context(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What templates and mappings may be filled with."""
        now = datetime.now(UTC).astimezone(BEIJING)
        context: dict[str, Any] = {
            "secret": self.secret,
            "time14": now.strftime("%Y%m%d%H%M%S"),
            "call_id": str(uuid4()),
            "region6": "441400",
            **self.adapter.parameters,
            **self.party.account,
            **facts,
        }
        if self.party.org:
            context.setdefault("org", self.party.org)
        for rule in self.adapter.digests:
            context[rule.name] = _digest(rule.algorithm, fill(rule.text, context))
        return context


def fill(template: str, context: Mapping[str, Any]) -> str:
    try:
        return template.format_map(context)
    except KeyError as fault:
        raise Misconfigured("template_value_missing", f"nothing fills {fault}", template) from fault


def _digest(algorithm: str, text: str) -> str:
    """The partner's own shared-secret digest; the seal is what protects the message."""
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()
