"""The bus over RabbitMQ: one publishing connection behind a lock, one per consuming thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPChannelError, AMQPError, NackError, UnroutableError

from mocks.partners.common.bus import (
    PREFETCH,
    Bus,
    BusError,
    Delivery,
    Handler,
    Reject,
    Route,
    Taking,
    Tell,
    Unroutable,
    always,
)  # fmt: skip
from mocks.partners.common.config import ConfigError

LOST = (AMQPError, OSError)  # pika raises both when a broker goes away
HEARTBEAT = 30  # seconds
IDLE = 0.2  # seconds between looks at the stop flag
AGAIN = 1.0  # seconds until a message whose handler failed is offered again
PERSISTENT = 2


def _parameters(url: str) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, IndexError) as error:
        raise ConfigError("amqp_url: cannot be read") from error
    parameters.heartbeat, parameters.blocked_connection_timeout = HEARTBEAT, 10
    parameters.socket_timeout, parameters.stack_timeout = 5, 10
    parameters.connection_attempts = 1
    return parameters


def declare(channel: BlockingChannel, routes: tuple[Route, ...]) -> None:
    """Durable topic exchanges and durable classic queues; saying it again changes nothing."""
    named = {route.exchange for route in routes} | {route.dead_letter_exchange for route in routes}
    for exchange in sorted(name for name in named if name is not None):
        channel.exchange_declare(exchange, "topic", durable=True)
    for route in routes:
        dead = route.dead_letter_exchange
        arguments = {} if dead is None else {"x-dead-letter-exchange": dead}
        channel.queue_declare(route.queue, durable=True, arguments=arguments)
        channel.queue_bind(route.queue, route.exchange, route.pattern)


def _delivery(
    queue: str, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
) -> Delivery:  # fmt: skip
    headers = {str(name): str(value) for name, value in (properties.headers or {}).items()}
    return Delivery(
        queue, method.exchange, method.routing_key, properties.message_id, properties.correlation_id,
        properties.content_type, headers, body, properties.timestamp,
    )  # fmt: skip


class RabbitBus(Bus):
    """Goes on by itself after a restart of the broker."""

    def __init__(self, url: str, routes: tuple[Route, ...], tell: Tell, patience: float) -> None:
        self._parameters, self._routes, self._tell = _parameters(url), routes, tell
        self._dead = {route.queue: route.dead_letter_exchange for route in routes}
        self._stop, self._threads = threading.Event(), list[threading.Thread]()
        self._lock = threading.Lock()
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._first(patience)

    def _first(self, patience: float) -> None:
        end = time.monotonic() + patience
        while True:
            try:
                with self._lock:
                    self._publishing()
                return
            except AMQPChannelError as error:
                self._drop()
                raise ConfigError("amqp_url: the broker holds other queues of these names") from error
            except LOST as error:
                self._drop()
                if time.monotonic() > end:
                    raise ConfigError("amqp_url: no broker answers") from error
                time.sleep(0.3)

    def _publishing(self) -> BlockingChannel:
        """The confirmed channel, opened anew after it was lost; the lock is held."""
        if self._channel is None or not self._channel.is_open:
            self._drop()
            self._connection = BlockingConnection(self._parameters)
            channel = self._connection.channel()
            declare(channel, self._routes)
            channel.confirm_delivery()
            self._channel = channel
        return self._channel

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        _close(connection)

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str,
        correlation_id: str | None = None, content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        properties = pika.BasicProperties(
            message_id=message_id, correlation_id=correlation_id, content_type=content_type,
            headers=dict(headers or {}), delivery_mode=PERSISTENT, timestamp=int(time.time()),
        )  # fmt: skip
        with self._lock:
            for last in (False, True):  # the broker may have given up an idle connection: once more
                try:
                    return self._send(exchange, routing_key, body, properties)
                except LOST as error:
                    self._drop()
                    if last:
                        raise BusError(type(error).__name__) from error

    def _send(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        try:
            self._publishing().basic_publish(exchange, key, body, properties, mandatory=True)
        except UnroutableError as error:
            raise Unroutable(key) from error
        except (NackError, AMQPChannelError) as error:
            self._drop()
            raise BusError(type(error).__name__) from error

    def consume(self, queue: str, handler: Handler, taking: Taking = always) -> None:
        thread = threading.Thread(target=self._run, args=(queue, handler, taking), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(1.5)
        if self._lock.acquire(timeout=1):
            self._drop()
            self._lock.release()

    def _run(self, queue: str, handler: Handler, taking: Taking) -> None:
        while not self._stop.is_set():
            connection = None
            if not taking():
                self._stop.wait(IDLE)
                continue
            try:
                connection = BlockingConnection(self._parameters)
                self._serve(connection.channel(), queue, handler, taking)
            except LOST as error:
                self._tell(f"broker_lost {type(error).__name__}")
                self._stop.wait(AGAIN / 2)
            finally:
                _close(connection)

    def _serve(self, channel: BlockingChannel, queue: str, handler: Handler, taking: Taking) -> None:
        """Until stopped, or until nothing is taken: what was not acknowledged goes back as it ends."""
        declare(channel, self._routes)
        channel.basic_qos(prefetch_count=PREFETCH)
        for method, properties, body in channel.consume(queue, inactivity_timeout=IDLE):
            if self._stop.is_set() or not taking():
                return
            if method is not None and properties is not None and body is not None:
                self._one(channel, method.delivery_tag, _delivery(queue, method, properties, body), handler)

    def _one(self, channel: BlockingChannel, tag: int, delivery: Delivery, handler: Handler) -> None:
        try:
            self._handled(delivery, handler)
        except Exception as error:  # noqa: BLE001  # the thread's boundary: the message is kept, and offered again
            self._tell(f"handler_failed {type(error).__name__}")
            self._stop.wait(AGAIN)
            channel.basic_nack(tag, requeue=True)
        else:
            channel.basic_ack(tag)

    def _handled(self, delivery: Delivery, handler: Handler) -> None:
        try:
            handler(delivery)
        except Reject as reject:
            self._bury(delivery, reject.code)

    def _bury(self, delivery: Delivery, code: str) -> None:
        """To the dead-letter exchange by a publication of our own: the broker's adds no header."""
        exchange = self._dead.get(delivery.queue)
        self._tell(f"rejected {code}")
        if exchange is None:
            return
        self.publish(
            exchange, delivery.routing_key, delivery.body, message_id=delivery.message_id or "",
            correlation_id=delivery.correlation_id, content_type=delivery.content_type or "",
            headers={**delivery.headers, "x-code": code},
        )  # fmt: skip


def _close(connection: BlockingConnection | None) -> None:
    if connection is None or not connection.is_open:
        return
    try:
        connection.close()
    except LOST:
        return  # it was gone already
