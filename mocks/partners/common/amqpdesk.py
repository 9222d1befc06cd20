"""A sealed message over AMQP: what is checked before its content, and how an answer leaves."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from structlog.types import FilteringBoundLogger

from mocks.partners.common import jws
from mocks.partners.common.assemble import Ground
from mocks.partners.common.bus import Bus, Delivery, Route
from mocks.partners.common.clock import Clock
from mocks.partners.common.distort import distorted
from mocks.partners.common.faults import Faults, Flaws
from mocks.partners.common.keys import Certificates
from mocks.partners.common.processobjects import Finding

SPACED = re.compile(r"(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)
BASIC = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})", re.ASCII)
SEND_FAULTS = frozenset({
    "delay_ms", "drop_before_reply", "sig_bad", "sig_expired", "duplicate_push", "truncate_800b", "null_text",
    "bom", "wrong_charset_label", "bad_date_pattern", "gbk_body", "schema_new_field", "clock_skew_s",
})  # fmt: skip
"""Faults of a sealed message on its way out; drop_before_reply: it is never sent."""
LATER_FAULTS = SEND_FAULTS | {"reorder", "maintenance"}
"""Faults of messages that wait in a table (Outgoing): they can be held back too."""
TAKE_FAULTS = frozenset({"delay_ms", "half_open", "maintenance", "clock_skew_s"})
"""Faults of taking messages: in a maintenance none is taken; half_open leaves one unanswered for a second."""


def is_uuid(text: str | None) -> bool:
    """Whether a text is a UUID in its usual spelling."""
    try:
        return text is not None and str(UUID(text)) == text.lower()
    except ValueError:
        return False


@dataclass(frozen=True)
class Checked:
    """A seal that verifies; `fresh`: its time lies inside the window."""

    nonce: str
    fresh: bool


class Withheld(Exception):
    """The message is taken and not answered (fault half_open)."""


@dataclass(frozen=True)
class Ear:
    """What a consumer is told by the faults of its operation."""

    faults: Faults
    operation: str
    stop: threading.Event

    def open(self) -> bool:
        """Whether messages are taken now."""
        return self.faults.take(self.operation, "maintenance") is None

    def hear(self) -> float:
        """Before a message is read: waits, or raises Withheld; the skew of the clock it is judged by."""
        if fault := self.faults.take(self.operation, "delay_ms"):
            self.stop.wait(fault.number(1000) / 1000)
        if self.faults.take(self.operation, "half_open"):
            raise Withheld
        return self.faults.skew(self.operation)


def verified(delivery: Delivery, trusted: Certificates, now: float) -> Checked:
    """BadSeal unless the seal verifies over exchange, routing key and body.

    Its age is told apart: what was answered once is answered again however late it is delivered again.
    """
    value = delivery.headers.get(jws.HEADER)
    claimed = jws.protected(value or "").get("iat")
    near = claimed if isinstance(claimed, int) and not isinstance(claimed, bool) else now
    bound = {"exchange": delivery.exchange, "routing_key": delivery.routing_key}
    seal = jws.verify(value, delivery.body, trusted, now=near, bound=bound)
    return Checked(seal.nonce, abs(now - seal.iat) <= jws.WINDOW)


def property_findings(delivery: Delivery, body: Mapping[str, object]) -> list[Finding]:
    """Properties that are missing or contradict the body."""
    wanted = {
        "correlation_id": (delivery.correlation_id, body.get("SBLSH")),
        "content_type": (delivery.content_type, "application/json"),
        "x-ver": (delivery.headers.get("x-ver"), str(body.get("SJBBH"))),
    }
    found = [Finding(name, "differs") for name, (given, want) in wanted.items() if given != want]
    return found if delivery.timestamp is not None else [*found, Finding("timestamp", "missing")]


def other_dates(body: bytes) -> bytes:
    """Every time of the contracts in the pattern of the other contract."""
    text = SPACED.sub(r"\1\2\3T\4\5\6", body.decode())
    return BASIC.sub(r"\1-\2-\3 \4:\5:\6", body.decode()).encode() if text.encode() == body else text.encode()


@dataclass(frozen=True)
class Parcel:
    """One message to send."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Mouth:
    """Seals and publishes, with the faults of the operation it is told."""

    bus: Bus
    signer: jws.Signer
    faults: Faults
    clock: Clock
    stop: threading.Event

    def ear(self, operation: str) -> Ear:
        """Takes messages with the faults of an operation."""
        return Ear(self.faults, operation, self.stop)

    def say(self, operation: str, parcel: Parcel) -> bool:
        """True if a fault spoilt what was sent; BusError if it was not taken over."""
        if fault := self.faults.take(operation, "delay_ms"):
            self.stop.wait(fault.number(1000) / 1000)
        if self.faults.take(operation, "drop_before_reply"):
            return True
        body = parcel.body
        if self.faults.take(operation, "bad_date_pattern"):
            body = other_dates(body)
        body, content_type = distorted(body, "application/json", self.faults, operation)
        flaws = self.faults.flaws(operation)
        copies = self.faults.take(operation, "duplicate_push")
        for _ in range(1 + (max(1, int(copies.number(1))) if copies else 0)):
            self._one(parcel, body, content_type, flaws)
        return body != parcel.body or content_type != "application/json" or flaws != Flaws()

    def _one(self, parcel: Parcel, body: bytes, content_type: str, flaws: Flaws) -> None:
        bound = {"exchange": parcel.exchange, "routing_key": parcel.routing_key}
        seal = self.signer.sign(body, bound, age=flaws.age, spoil=flaws.spoil)
        self.bus.publish(
            parcel.exchange, parcel.routing_key, body, message_id=parcel.message_id,
            correlation_id=parcel.correlation_id, content_type=content_type,
            headers={**parcel.headers, jws.HEADER: seal},
        )  # fmt: skip


def open_mouth(ground: Ground, routes: Iterable[Route], log: FilteringBoundLogger) -> Mouth:
    """The bus a configuration names; pika's own log would speak on standard error."""
    logging.disable(logging.CRITICAL)

    def tell(event: str) -> None:
        log.info("bus", about=event)

    config = ground.config
    bus = Bus.open(config.amqp_url, config.queue_path, routes, consumer=config.name, tell=tell)
    return Mouth(bus, ground.signer, ground.faults, ground.clock, threading.Event())


def headers_text(headers: Mapping[str, str]) -> str:
    """Headers as kept in a table."""
    return json.dumps(dict(headers), sort_keys=True)
