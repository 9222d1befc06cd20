"""Both ends of a relay over RabbitMQ, a process of its own: signs and publishes steps, reads what comes out.

Run by the benchmarks: python benchmarks/bus.py CONFIG.json; jobs as senders.py takes them. Publishing
is confirmed and mandatory; every receipt and message that came out is verified after the clock has stopped.
"""

import json
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
from documents import RECEIVER, SENDER, Document, as_json
from senders import SHARES, Book, Keys, cpu

from exchange.seals import jws

EXCHANGE = "tongban"
KEYS = {
    f"tongban.receipt.{SENDER}": f"receipt.{SENDER}",
    f"tongban.out.{RECEIVER}": f"out.{RECEIVER}.case.step.v1",
}
PATIENCE = 60.0  # seconds for the last message to come out


@dataclass
class Reader:
    """Reads one queue until `wanted` messages have come."""

    queue: str
    wanted: int
    found: list[tuple[bytes, str]] = field(default_factory=list)  # body and seal
    last: float = 0.0

    def __call__(self, url: str) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=100)
        begun = time.monotonic()
        for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.5):
            if method is not None:
                self.found.append((body, str(properties.headers[jws.HEADER_NAME])))
                self.last = time.time()
                channel.basic_ack(method.delivery_tag)
            if len(self.found) == self.wanted or time.monotonic() - begun > PATIENCE:
                break
        channel.cancel()
        connection.close()

    def verify(self, keys: Keys) -> None:
        """All came, and each is sealed by the hub for this queue."""
        if len(self.found) != self.wanted:
            raise RuntimeError(f"{len(self.found)} of {self.wanted} came out of {self.queue}")
        now = datetime.now(UTC)
        for body, seal in self.found:
            jws.verify_amqp(seal, body, keys.by_id, exchange=EXCHANGE, routing_key=KEYS[self.queue], now=now)
            if json.loads(body).get("status", "accepted") != "accepted":
                raise RuntimeError(f"not accepted: {body.decode()[:1000]}")


@dataclass
class Bus:
    """Does the jobs it is given."""

    keys: Keys
    url: str
    book: Book = field(default_factory=Book)

    def open(self, cases: int) -> dict[str, Any]:
        """The cases are open already; their numbers are taken in the same order."""
        self.book.open(cases)
        return {"opened": cases}

    def run(self, connections: int, messages: int) -> dict[str, Any]:
        """Publishes so many over several connections; the result when everything has come out."""
        each = messages // connections
        readers = [Reader(queue, each * connections) for queue in KEYS]
        begun, used = time.time(), cpu()
        threads = [threading.Thread(target=reader, args=(self.url,)) for reader in readers]
        threads += [
            threading.Thread(target=self._publish, args=(share, each)) for share in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        used = cpu() - used
        for reader in readers:
            reader.verify(self.keys)
        done = {reader.queue: reader.last - begun for reader in readers}
        took = done[f"tongban.out.{RECEIVER}"]
        return {
            "count": each * connections,
            "seconds": took,
            "cpu_ms": used,
            "latencies_ms": [],
            "done": done,
        }

    def _publish(self, share: int, count: int) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        channel.confirm_delivery()
        documents = self.book.documents("step", share % SHARES)
        for _ in range(count):
            self._send(channel, next(documents))
        connection.close()

    def _send(self, channel: Any, document: Document) -> None:
        body, key = as_json(document), f"in.{SENDER}"
        seal = jws.sign_amqp(
            body,
            self.keys.ec,
            exchange=EXCHANGE,
            routing_key=key,
            now=datetime.now(UTC),
            nonce=secrets.token_urlsafe(24),
        )
        properties = pika.BasicProperties(
            message_id=document["message_id"], content_type="application/json", delivery_mode=2,
            headers={jws.HEADER_NAME: seal},
        )  # fmt: skip
        channel.basic_publish(EXCHANGE, key, body, properties, mandatory=True)


def main(words: Sequence[str]) -> None:
    """Jobs until the input ends."""
    config = json.loads(Path(words[1]).read_text("utf-8"))
    bus = Bus(Keys.read(Path(config["keys"]), Path(config["hub_keys"])), config["url"])
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(getattr(bus, job.pop("do"))(**job)), flush=True)


if __name__ == "__main__":
    main(sys.argv)
