"""Messages between partners and hub: RabbitMQ or the database queue of docs/wire.md, one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mocks.partners.common.config import ConfigError

PREFETCH = 20
LARGEST = 4 << 20  # bytes of a body worth sending


class Route(NamedTuple):
    """A durable queue bound to a topic exchange; what is rejected in it goes to the dead-letter exchange."""

    queue: str
    exchange: str
    pattern: str
    dead_letter_exchange: str | None = None


def gov_case(uscc: str) -> tuple[Route, ...]:
    """The topology of a department with the credit code `uscc`."""
    dead = "gov.case.dlx"
    return (
        Route(f"dept.{uscc}.in", "gov.case", f"case.push.{uscc}.*", dead),
        Route("hub.case.feedback", "gov.case", "case.feedback.#", dead),
        Route("hub.case.receipt", "gov.case", "case.receipt.hub.#", dead),
        Route(f"dept.{uscc}.receipt", "gov.case", f"case.receipt.{uscc}", dead),
        Route("gov.case.dead", dead, "#"),
    )


PROV_HALL = (
    Route("prov.report", "prov.hall", "report.#"),
    Route("prov.receipt.441400", "prov.hall", "receipt.441400"),
    Route("prov.audit.441400", "prov.hall", "audit.441400"),
)
GOV_ARCHIVE = (Route("hub.archive.result", "gov.archive", "result.#"),)


class Reject(Exception):
    """Raised by a handler: the message is dead, with this code in header x-code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class BusError(Exception):
    """A message was not taken over: it may or may not have arrived; send it again later."""


class Unroutable(BusError):
    """No queue is bound for the key."""


@dataclass(frozen=True)
class Delivery:
    """One message out of a queue; `timestamp` (Unix seconds) is None where the sender left it out."""

    queue: str
    exchange: str
    routing_key: str
    message_id: str | None
    correlation_id: str | None
    content_type: str | None
    headers: Mapping[str, str]
    body: bytes
    timestamp: float | None = None


Handler = Callable[[Delivery], None]
"""Returns when its work is kept, which acknowledges. Reject: dead. Anything else raised: again later."""
Tell = Callable[[str], None]
"""Hears the name of an event for the log: never a body, never an address."""


Taking = Callable[[], bool]


def always() -> bool:
    """A consumer that takes what comes."""
    return True


class Bus(ABC):
    """One partner's connection to the exchange of messages; safe to use from any thread."""

    @staticmethod
    def open(
        amqp_url: str, queue_path: Path | None, topology: Iterable[Route], *,
        consumer: str = "", tell: Tell = lambda event: None, patience: float = 30.0,
    ) -> Bus:  # fmt: skip
        """RabbitMQ if an address is given, else the queue file; declares the topology.

        `consumer`: a stable name, by which a restarted program takes back at once what it had claimed.
        `patience`: seconds to wait for the broker before ConfigError.
        """
        routes = tuple(Route(*route) for route in topology)
        if amqp_url:
            from mocks.partners.common.busrabbit import RabbitBus  # pika is loaded only where it is used

            return RabbitBus(amqp_url, routes, tell, patience)
        if queue_path is None:
            raise ConfigError("amqp_url or queue_path is needed")
        from mocks.partners.common.busqueue import QueueBus  # the drivers import this module

        return QueueBus(queue_path, routes, consumer, tell)

    @abstractmethod
    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str,
        correlation_id: str | None = None, content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Persistent, mandatory, confirmed; Unroutable or BusError otherwise."""

    @abstractmethod
    def consume(self, queue: str, handler: Handler, taking: Taking = always) -> None:
        """Starts a thread that hands over what comes, one message at a time, acknowledged afterwards.

        `taking` is asked now and then; while it says no, messages stay in the queue.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends threads and connections within 2 s; what was not acknowledged stays in its queue."""
