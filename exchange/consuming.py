"""Messages that come by queue: opened, received on the one path, answered by queue, or set aside as dead
letters with a code."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from exchange import faces
from exchange.answers import partner_answer
from exchange.envelope import Envelope, Sealed
from exchange.errors import Tampered, TryLater
from exchange.hub import Hub
from exchange.pipeline import receive
from exchange.receipts import Receipt
from exchange.routing import HOUSE
from exchange.seals import jws
from exchange.transports.queues import Binding, Delivery, Post, Queues

log = structlog.get_logger()

EXCHANGE, IN_QUEUE = "tongban", "tongban.in"
DEAD_EXCHANGE, DEAD_QUEUE = "tongban.dlx", "tongban.dead"
DEAD_CODES = frozenset(
    {
        "bad_request",
        "too_large",
        "seal_missing",
        "seal_invalid",
        "seal_scope",
        "unknown_party",
        "certificate_invalid",
        "not_allowed",
    }
)
"""Refusals of what cannot be attributed or read: set aside, because there is nobody to answer."""

UNREADABLE = frozenset({"bad_request", "too_large"})
"""What a known house party is told by receipt, and is set aside all the same."""


def house_bindings(hub: Hub) -> list[Binding]:
    """The hub's own queues, and one pair for each house party."""
    parties = [party.name for party in hub.parties.all() if party.adapter == HOUSE]
    return [
        Binding(IN_QUEUE, EXCHANGE, "in.#"),
        Binding(DEAD_QUEUE, DEAD_EXCHANGE, "#"),
        *(Binding(f"tongban.receipt.{name}", EXCHANGE, f"receipt.{name}") for name in parties),
        *(Binding(f"tongban.out.{name}", EXCHANGE, f"out.{name}.#") for name in parties),
    ]


def partner_bindings(hub: Hub) -> list[Binding]:
    """The queues the partners' contracts name."""
    found = {}
    for party in hub.parties.all():
        adapter = hub.adapters.get(party.adapter)
        for queue in adapter.queues if adapter else ():
            names = (
                {"org": party.org or "", "region6": "441400", **adapter.parameters, **party.account}
                if adapter
                else {}
            )
            one = Binding(
                queue.name.format_map(names),
                queue.exchange,
                queue.routing_key.format_map(names),
                queue.dead_letter,
            )
            found[(one.queue, one.pattern)] = one
    return list(found.values())


def key_names(text: str, org: str | None) -> str:
    """A queue's name with the organisation filled in."""
    return text.format_map({"org": org or "", "region6": "441400"})


@dataclass(frozen=True)
class HouseQueue:
    """The hub's own inbound queue."""

    hub: Hub
    queues: Queues

    def __call__(self, delivery: Delivery) -> None:
        """Receive one message; the receipt goes to its sender's queue."""
        envelope = envelope_of(delivery)
        receipt = receive(self.hub, envelope, self._open, self._read)
        sender = receipt.facts.get("sender") or _sender(receipt)
        if not receipt.body or not sender:
            self.queues.publish([dead_letter(delivery, receipt.code, DEAD_EXCHANGE)])
            return
        dead = [dead_letter(delivery, receipt.code, DEAD_EXCHANGE)] if receipt.code in UNREADABLE else []
        self.queues.publish([*dead, self._receipt(delivery, receipt, sender)])

    def _open(self, envelope: Envelope) -> Sealed:
        sealed = faces.house_only(self.hub, faces.open_post(self.hub, envelope))
        if envelope.bound["routing_key"] != f"in.{sealed.party.name}":
            raise Tampered("not_allowed", "the routing key names another party", "routing_key")
        return sealed

    def _read(self, sealed: Any, envelope: Envelope) -> Any:
        return faces.read_json(self.hub, sealed, envelope)

    def _receipt(self, delivery: Delivery, receipt: Receipt, sender: str) -> Post:
        return sealed_post(
            self.hub, EXCHANGE, f"receipt.{sender}", receipt.body, correlation_id=delivery.message_id
        )


@dataclass(frozen=True)
class PartnerQueue:
    """One queue of a partner's contract."""

    hub: Hub
    queues: Queues
    door: faces.Door

    def __call__(self, delivery: Delivery) -> None:
        """Receive one message and answer as the contract says."""
        envelope = envelope_of(delivery)
        receipt = receive(
            self.hub,
            envelope,
            lambda e: self.door.open(self.hub, e),
            lambda s, e: self.door.read(self.hub, s, e),
        )
        self.answer(delivery, receipt)

    def answer(self, delivery: Delivery, receipt: Receipt) -> None:
        """The contract's answer, and the dead letter where there is nobody to answer."""
        posts = [
            post
            for post in (self._dead(delivery, receipt), self._answer(delivery, receipt))
            if post is not None
        ]
        if posts:
            self.queues.publish(posts)

    def _dead(self, delivery: Delivery, receipt: Receipt) -> Post | None:
        if receipt.status != "refused" or (receipt.body and receipt.code not in DEAD_CODES):
            return None
        return dead_letter(delivery, receipt.code, self._dead_exchange(delivery))

    def _dead_exchange(self, delivery: Delivery) -> str:
        named = [
            queue.dead_letter
            for queue in self.door.adapter.queues
            if queue.exchange == delivery.exchange and queue.dead_letter
        ]
        return named[0] if named else DEAD_EXCHANGE

    def _answer(self, delivery: Delivery, receipt: Receipt) -> Post | None:
        answer = self.door.entry.answer
        if answer is None or answer.routing_key is None or answer.exchange is None or not receipt.body:
            return None
        party = self.hub.parties.named(str(receipt.facts.get("sender") or _sender(receipt)))
        own = {"org": party.org} if party and party.org else {}  # not whoever the routing key names
        values = {"message_id": delivery.message_id or "", **self._key_values(delivery), **own}
        body, _ = partner_answer(answer, receipt, values)
        key = answer.routing_key.format_map({**self.door.adapter.parameters, **values})
        return sealed_post(self.hub, answer.exchange, key, body, correlation_id=delivery.correlation_id)

    def _key_values(self, delivery: Delivery) -> dict[str, str]:
        door = self.door.entry.amqp
        return dict(faces.key_values(door, delivery.routing_key)) if door else {}


def envelope_of(delivery: Delivery) -> Envelope:
    """The message as it arrived, bound to its exchange and key."""
    properties = {
        "message_id": delivery.message_id or "",
        "correlation_id": delivery.correlation_id or "",
        "type": delivery.type or "",
        **{name: value for name, value in delivery.headers.items() if name != jws.HEADER_NAME},
    }
    bound = {"exchange": delivery.exchange, "routing_key": delivery.routing_key}
    return Envelope(
        "amqp",
        delivery.body,
        delivery.content_type or "",
        time.time(),
        delivery.headers.get(jws.HEADER_NAME),
        bound,
        properties,
    )


def sealed_post(hub: Hub, exchange: str, key: str, body: bytes, *, correlation_id: str | None) -> Post:
    """A message of the hub, sealed for its exchange and key."""
    seal = jws.sign_amqp(
        body,
        hub.ec_key,
        exchange=exchange,
        routing_key=key,
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    return Post(exchange, key, body, secrets.token_hex(16), correlation_id, headers={jws.HEADER_NAME: seal})


def dead_letter(delivery: Delivery, code: str, exchange: str) -> Post:
    """The bytes as they came, set aside with the reason."""
    log.warning("dead_letter", code=code, exchange=delivery.exchange)
    headers = {**delivery.headers, "x-tongban-code": code}
    return Post(
        exchange,
        delivery.routing_key,
        delivery.body,
        delivery.message_id or secrets.token_hex(16),
        delivery.correlation_id,
        delivery.content_type or "application/octet-stream",
        delivery.type,
        headers,
    )


Noticed = Callable[[PartnerQueue], Callable[[Delivery], None]]


def consumers(hub: Hub, queues: Queues, noticed: Noticed) -> dict[str, Callable[[Delivery], None]]:
    """Every queue the hub reads, and who handles it; `noticed` handles those whose messages only name their
    document."""
    handlers: dict[str, Callable[[Delivery], None]] = {IN_QUEUE: HouseQueue(hub, queues)}
    for party in hub.parties.all():
        adapter = hub.adapters.get(party.adapter)
        for entry in adapter.inbound if adapter else ():
            if entry.amqp is not None and adapter is not None:
                name = key_names(entry.amqp.queue, party.org)
                queue = PartnerQueue(hub, queues, faces.Door(adapter, entry))
                handlers[name] = noticed(queue) if entry.pull else queue
    return handlers


def safely(handler: Callable[[Delivery], None]) -> Callable[[Delivery], None]:
    """A defect while handling one message must not end the consumer: the message is given back and the
    defect logged."""

    def handle(delivery: Delivery) -> None:
        try:
            handler(delivery)
        except TryLater:
            raise
        except Exception as fault:
            log.exception("consumer_failed", exchange=delivery.exchange)
            raise TryLater("busy", type(fault).__name__) from fault

    return handle


def _sender(receipt: Receipt) -> str:
    found = json.loads(receipt.body).get("sender", "") if receipt.body else ""
    return str(found)
