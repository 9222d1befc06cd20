"""What carries queued messages, as a party sees it: RabbitMQ by pika, and the tables of the queue file."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import pika
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.wire.rig import SEAL, Hub, Identity, application, decode, to_json

WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Got:
    """A message as it arrived."""

    body: bytes
    headers: dict[str, Any]
    routing_key: str


class Side(Protocol):
    """Either carrier."""

    hub: Hub

    def put(self, key: str, body: bytes, headers: dict[str, Any], ident: str | None) -> None:
        """Publish to the hub's exchange."""

    def take(self, queue: str, mine: Callable[[str | None, str | None], bool]) -> Got | None:
        """One message of the queue whose (message id, correlation id) is meant, removed from it."""


class DatabaseSide:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def connected(self) -> Any:
        return closing(sqlite3.connect(self.hub.state / "queue.db", timeout=30, isolation_level=None))

    def put(self, key: str, body: Any, headers: Any, ident: str | None) -> None:
        text = headers if isinstance(headers, str) else json.dumps(headers)
        with self.connected() as connection:
            connection.execute(
                "INSERT INTO message (queue, exchange, routing_key, message_id, content_type, headers, body,"
                " published_at) VALUES ('tongban.in', 'tongban', ?, ?, 'application/json', ?, ?, ?)",
                (key, ident, text, body, time.time()),
            )

    def take(self, queue: str, mine: Callable[[str | None, str | None], bool]) -> Got | None:
        with self.connected() as connection:
            columns = "id, message_id, correlation_id, body, headers, routing_key"
            query = f"SELECT {columns} FROM message WHERE queue = ?"  # noqa: S608 - named above
            for number, ident, correlation, body, headers, key in connection.execute(
                query, (queue,)
            ).fetchall():
                if mine(ident, correlation):
                    connection.execute("DELETE FROM message WHERE id = ?", (number,))
                    return Got(body, json.loads(headers), key)
        return None


class RabbitSide:
    def __init__(self, hub: Hub, url: str) -> None:
        self.hub, self._parameters = hub, pika.URLParameters(url)

    def put(self, key: str, body: bytes, headers: dict[str, Any], ident: str | None) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            about = pika.BasicProperties(
                "application/json", headers=headers, message_id=ident, delivery_mode=2
            )
            channel.basic_publish("tongban", key, body, about, mandatory=True)

    def take(self, queue: str, mine: Callable[[str | None, str | None], bool]) -> Got | None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            while True:  # what is not meant comes back when the connection closes
                method, about, body = channel.basic_get(queue)
                if method is None:
                    return None
                if mine(about.message_id, about.correlation_id):
                    channel.basic_ack(method.delivery_tag)
                    return Got(body, about.headers, method.routing_key)


def awaited(side: Side, queue: str, mine: Callable[[str | None, str | None], bool]) -> Got:
    """As take, within ten seconds."""
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        if found := side.take(queue, mine):
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing in {queue} within {WITHIN} s: {side.hub.log()[-2000:]}")


def receipt(side: Side, who: Identity, ident: str) -> Got:
    return awaited(side, f"tongban.receipt.{who.name}", lambda _, correlation: correlation == ident)


def dead(side: Side, ident: str) -> Got:
    return awaited(side, "tongban.dead", lambda message_id, _: message_id == ident)


def put_sealed(side: Side, who: Identity, body: bytes, ident: str, **changed: Any) -> None:
    key = f"in.{who.name}"
    side.put(key, body, {SEAL: who.amqp(body, key, **changed)}, ident)


def good(side: Side, who: Identity) -> None:
    value = application(who.name)
    put_sealed(side, who, to_json(value), value["message_id"])
    assert checked(side, receipt(side, who, value["message_id"]), who)["status"] == "accepted"


def checked(side: Side, got: Got, who: Identity) -> dict[str, Any]:
    """The members of a receipt the hub has sealed for this queue."""
    protected, _, signature = got.headers[SEAL].partition("..")
    header, raw = json.loads(decode(protected)), decode(signature)
    assert (header["exchange"], header["routing_key"]) == ("tongban", f"receipt.{who.name}")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = side.hub.hub_certificate("ec").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(der, protected.encode() + b"." + got.body, ec.ECDSA(SHA256()))
    members: dict[str, Any] = json.loads(got.body)
    return members
