"""RabbitMQ by pika: one connection per consuming thread, one for publishing; the only home of pika."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from exchange.errors import TryLater
from exchange.transports.queues import Binding, Delivery, Handler, Post

PREFETCH = 20
TICK = 0.2  # seconds between looks at `stopping`
HEARTBEAT = 30


class RabbitQueues:
    """Queues of one RabbitMQ virtual host."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = HEARTBEAT
        self._parameters.blocked_connection_timeout = 30
        self._parameters.socket_timeout = 5
        self._lock = threading.Lock()
        self._publisher: tuple[pika.BlockingConnection, BlockingChannel] | None = None

    def declare(self, bindings: Sequence[Binding]) -> None:
        """As Queues.declare: durable topic exchanges and classic durable queues."""
        with _faults(), self._connected() as channel:
            for one in bindings:
                for exchange in {one.exchange, one.dead_letter} - {None}:
                    channel.exchange_declare(str(exchange), "topic", durable=True)
                arguments = {"x-dead-letter-exchange": one.dead_letter} if one.dead_letter else None
                channel.queue_declare(one.queue, durable=True, arguments=arguments)
                channel.queue_bind(one.queue, one.exchange, one.pattern)

    def publish(self, posts: Sequence[Post]) -> None:
        """As Queues.publish; each is confirmed by the broker."""
        with self._lock:
            try:
                with _faults():
                    channel = self._open_publisher()
                    for post in posts:
                        _publish(channel, post)
            except TryLater:
                self._drop_publisher()
                raise

    def consume(self, queue: str, handler: Handler, stopping: Callable[[], bool]) -> None:
        """As Queues.consume."""
        while not stopping():
            try:
                with _faults(), self._connected() as channel:
                    self._read(channel, queue, handler, stopping)
            except TryLater:
                threading.Event().wait(1.0)

    def close(self) -> None:
        """Close the publishing connection."""
        with self._lock:
            self._drop_publisher()

    def _read(
        self, channel: BlockingChannel, queue: str, handler: Handler, stopping: Callable[[], bool]
    ) -> None:
        channel.basic_qos(prefetch_count=PREFETCH)
        for method, properties, body in channel.consume(queue, inactivity_timeout=TICK):
            if method is not None:
                _hand_over(channel, method, properties, body, handler)
            if stopping():
                channel.cancel()
                return

    @contextmanager
    def _connected(self) -> Iterator[BlockingChannel]:
        connection = pika.BlockingConnection(self._parameters)
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def _open_publisher(self) -> BlockingChannel:
        if self._publisher is not None and self._publisher[0].is_open:
            self._publisher[0].process_data_events(0)  # answer heartbeats that came while nothing was sent
        if self._publisher is None or not self._publisher[0].is_open or not self._publisher[1].is_open:
            connection = pika.BlockingConnection(self._parameters)
            channel = connection.channel()
            channel.confirm_delivery()
            self._publisher = (connection, channel)
        return self._publisher[1]

    def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None and publisher[0].is_open:
            with _faults():
                publisher[0].close()


@contextmanager
def _faults() -> Iterator[None]:
    """pika's errors as ours."""
    try:
        yield
    except UnroutableError as fault:
        raise TryLater("unroutable", "no queue is bound for this key") from fault
    except (AMQPError, NackError, OSError) as fault:
        raise TryLater("broker_away", type(fault).__name__) from fault


def _publish(channel: BlockingChannel, post: Post) -> None:
    properties = pika.BasicProperties(
        message_id=post.message_id,
        correlation_id=post.correlation_id,
        content_type=post.content_type,
        type=post.type,
        headers=dict(post.headers),
        delivery_mode=2,
        timestamp=int(time.time()),
    )
    channel.basic_publish(post.exchange, post.routing_key, post.body, properties, mandatory=True)


def _hand_over(channel: BlockingChannel, method: Any, properties: Any, body: bytes, handler: Handler) -> None:
    delivery = Delivery(
        method.exchange,
        method.routing_key,
        body,
        properties.message_id,
        properties.correlation_id,
        properties.content_type,
        properties.type,
        {str(k): str(v) for k, v in (properties.headers or {}).items()},
        method.redelivered,
    )
    try:
        handler(delivery)
    except TryLater:
        channel.connection.sleep(0.5)
        channel.basic_nack(method.delivery_tag, requeue=True)
        return
    channel.basic_ack(method.delivery_tag)
