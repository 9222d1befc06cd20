"""Queues as the hub uses them and as an attacker does; receipts, feedback and dead letters are collected."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.errors import HubError, Misconfigured
from exchange.manifest import AmqpDoor, Inbound
from exchange.mapping import json as strict
from exchange.seals import jws
from exchange.transports.amqp import RabbitQueues
from exchange.transports.dbqueue import DatabaseQueues
from exchange.transports.queues import Binding, Delivery, Post, Queues
from mocks.conformance.bench import Partner, Shot, new_nonce
from mocks.conformance.forgejws import GOOD, Forged, forge
from mocks.conformance.identity import Keys
from mocks.conformance.reply import Reply

ENDS = 30  # seconds within which a reader ends; one that went on would take what comes for the next run


@dataclass(frozen=True)
class Got:
    """One message the partner sent."""

    delivery: Delivery
    at: float
    seal: str  # "" when it holds
    tree: Any

    @property
    def key(self) -> str:
        """Its routing key."""
        return self.delivery.routing_key


class QueueLine:
    """Publishes as the hub and reads every queue the hub reads, and the dead letters."""

    kind = "amqp"

    def __init__(self, adapter: Adapter, partner: Partner, keys: Keys) -> None:
        if partner.queue is None and partner.amqp is None:
            raise Misconfigured("no_queue", "a queue partner needs --queue FILE or --amqp URL", adapter.name)
        self._adapter, self._partner, self._keys = adapter, partner, keys
        self.queues: Queues = RabbitQueues(partner.amqp) if partner.amqp else DatabaseQueues(_file(partner))
        self.org = partner.org or ""
        self.queues.declare([self._binding(one) for one in adapter.queues])
        self._changed = threading.Condition()
        self.got: dict[str, list[Got]] = {}
        self._stop = threading.Event()
        self._threads = [self._reader(name) for name in self._read_by_hub()]

    def send(self, shot: Shot) -> Reply:
        """Publishes, and waits for the business receipt or the dead letter of this message."""
        exchange, key = self.target(shot)
        forged = shot.forged or self.forge(shot)
        ident = str(shot.headers.get("message_id", shot.specimen.context["message_id"]))
        seal = {jws.HEADER_NAME: forged.values[0]} if forged.values else {}
        amqp = shot.specimen.call.amqp
        named = {
            name: value.format_map(shot.specimen.context)
            for name, value in (amqp.headers if amqp else {}).items()
        }
        named |= {
            name: value
            for name, value in shot.headers.items()
            if name not in ("message_id", "correlation_id")
        }
        told = shot.headers.get("correlation_id", str(shot.specimen.context["case_no"]))
        kind = shot.content_type or "application/json"
        before = self._marks()
        self.queues.publish([Post(exchange, key, forged.body, ident, told, kind, headers=named | seal)])
        recipe = shot.seal or GOOD
        how = f"{exchange} {key}  [{recipe.zh} / {recipe.en}] {shot.note}".rstrip()
        return self._answered(shot, ident, before, Reply(forged.body, how))

    def forge(self, shot: Shot) -> Forged:
        """Seal and body of a shot."""
        exchange, key = self.target(shot)
        body = shot.raw if shot.raw is not None else strict.dumps(shot.wire)
        bound = {"exchange": exchange, "routing_key": key}
        return forge(shot.seal or GOOD, body, bound, self._keys, time.time(), shot.nonce or new_nonce())

    def target(self, shot: Shot) -> tuple[str, str]:
        """Exchange and routing key."""
        amqp = shot.specimen.call.amqp
        assert amqp is not None  # noqa: S101 - Bench.line chose by it
        context = shot.specimen.context
        return amqp.exchange.format_map(context), shot.path or amqp.routing_key.format_map(context)

    def receipt(self, entry: Inbound, ident: str, code: str = "0", msg: str = "") -> None:
        """The hub's business receipt for a message of the partner."""
        answer = entry.answer
        if answer is None or answer.routing_key is None:
            return
        values = {"message_id": ident, "code": code, "detail": msg, "org": self.org}
        template = answer.ok if code == "0" else answer.refused
        body = strict.dumps({name: str(value).format_map(values) for name, value in template.items()})
        exchange, key = str(answer.exchange), answer.routing_key.format_map(values)
        seal = jws.sign_amqp(
            body, self._keys.ec, exchange=exchange, routing_key=key, now=datetime.now(UTC), nonce=new_nonce()
        )  # fmt: skip
        self.queues.publish([Post(exchange, key, body, new_nonce(), headers={jws.HEADER_NAME: seal})])

    def wait(self, queue: str, wanted: Callable[[list[Got]], Any], seconds: float) -> Any:
        """The first true value of `wanted` over what came into a queue, or its last one when time is up."""
        end = time.monotonic() + seconds
        with self._changed:
            while not (found := wanted(list(self.got.get(queue, ())))):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return found

    def queue_of(self, door: AmqpDoor) -> str:
        """The name of the queue a door reads."""
        return door.queue.format_map({"org": self.org, **self._adapter.parameters})

    def close(self) -> None:
        """Ends the readers."""
        self._stop.set()
        for thread in self._threads:
            thread.join(ENDS)
        self.queues.close()

    def _answered(self, shot: Shot, ident: str, before: Mapping[str, int], start: Reply) -> Reply:
        began = time.monotonic()
        name = next(
            (one for one in self._adapter.inbound if one.name == shot.specimen.call.answered_by), None
        )
        queue = self.queue_of(name.amqp) if name and name.amqp else ""
        dead = self._dead()
        seconds = shot.timeout or self._adapter.limits.timeout
        while time.monotonic() - began < seconds:
            if found := self._receipt_of(queue, ident, before):
                return self._read(shot, found, start, time.monotonic() - began)
            if found := self._dead_letter(dead, start.sent, before):
                return Reply(
                    start.sent, start.how, status=400, body=f"dead letter {dead}".encode(),
                    seconds=time.monotonic() - began, outcome=shot.specimen.call.outcome,
                )  # fmt: skip
            with self._changed:
                self._changed.wait(0.2)
        return Reply(start.sent, start.how, problem="没有业务回执 / no business receipt", seconds=seconds)

    def _receipt_of(self, queue: str, ident: str, before: Mapping[str, int]) -> Got | None:
        later = self.got.get(queue, [])[before.get(queue, 0) :]
        return next(
            (one for one in later if isinstance(one.tree, dict) and one.tree.get("message_id") == ident), None
        )

    def _dead_letter(self, queue: str, body: bytes, before: Mapping[str, int]) -> Got | None:
        later = self.got.get(queue, [])[before.get(queue, 0) :]
        return next((one for one in later if one.delivery.body == body), None)

    def _read(self, shot: Shot, found: Got, start: Reply, seconds: float) -> Reply:
        headers = {"content-type": found.delivery.content_type or "", **found.delivery.headers}
        return Reply(
            start.sent, start.how, None, found.delivery.body, headers, found.tree, "", found.seal,
            seconds=seconds, outcome=shot.specimen.call.outcome,
        )  # fmt: skip

    def _marks(self) -> dict[str, int]:
        with self._changed:
            return {name: len(found) for name, found in self.got.items()}

    def _binding(self, queue: Any) -> Binding:
        values = {"org": self.org, **self._adapter.parameters}
        name, key = queue.name.format_map(values), queue.routing_key.format_map(values)
        return Binding(name, queue.exchange, key, queue.dead_letter)

    def _read_by_hub(self) -> set[str]:
        doors = {self.queue_of(one.amqp) for one in self._adapter.inbound if one.amqp}
        return doors | ({self._dead()} if self._dead() else set())

    def _dead(self) -> str:
        values = {"org": self.org, **self._adapter.parameters}
        letters = {one.dead_letter for one in self._adapter.queues if one.dead_letter}
        return next(
            (one.name.format_map(values) for one in self._adapter.queues if one.exchange in letters), ""
        )

    def _reader(self, queue: str) -> threading.Thread:
        def take(delivery: Delivery) -> None:
            self._take(queue, delivery)

        thread = threading.Thread(
            target=self.queues.consume, args=(queue, take, self._stop.is_set), daemon=True
        )
        thread.start()
        return thread

    def _take(self, queue: str, delivery: Delivery) -> None:
        try:
            tree = strict.loads(delivery.body)
        except HubError:
            tree = None
        got = Got(delivery, time.time(), self._seal_of(delivery), tree)
        with self._changed:
            self.got.setdefault(queue, []).append(got)
            self._changed.notify_all()

    def _seal_of(self, delivery: Delivery) -> str:
        try:
            jws.verify_amqp(
                delivery.headers.get(jws.HEADER_NAME), delivery.body, self._partner.by_kid,
                exchange=delivery.exchange, routing_key=delivery.routing_key, now=datetime.now(UTC),
            )  # fmt: skip
        except HubError as fault:
            return f"{fault.code}: {fault.detail}"
        return ""


def _file(partner: Partner) -> Any:
    assert partner.queue is not None  # noqa: S101 - the constructor looked
    return partner.queue


def values_of(door: AmqpDoor, key: str) -> dict[str, str]:
    """{org} and {object} of a routing key."""
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^.]+)", re.escape(door.routing_key))
    found = re.fullmatch(pattern, key)
    return found.groupdict() if found else {}
