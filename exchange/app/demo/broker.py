"""The queue of the demonstration: the settings' broker, a private RabbitMQ node, or the database queue."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exchange.app.demo.children import look
from exchange.app.demo.ownserver import OwnServer
from exchange.app.rabbit import STOP_SECONDS, RabbitNode, find_server
from exchange.app.settings import Settings

FOLDER = "rabbitmq"  # under the state directory


@dataclass
class Broker(OwnServer[RabbitNode]):
    """`url` is empty for the database queue; a node of our own is watched like the other processes."""

    url: str

    @property
    def rabbit(self) -> bool:
        """RabbitMQ carries the messages."""
        return bool(self.url)


def open_broker(settings: Settings, allowed: bool = True) -> Broker:
    """Returns when messages can be sent; `allowed` False keeps RabbitMQ out."""
    if settings.amqp_url:
        return Broker(settings.amqp_url)
    if not allowed or find_server() is None:
        return Broker("")
    state = settings.state / FOLDER
    wait_for_earlier(state)
    node = RabbitNode(state).start()
    return Broker(node.url, node=node)


def wait_for_earlier(state: Path, seconds: float = STOP_SECONDS) -> None:
    """A node of a killed demonstration ends by itself; two on the same files would spoil them."""
    with suppress(OSError, ValueError):
        pid = int((state / "node.pid").read_text())
        deadline = time.monotonic() + seconds
        while _is_ours(pid, state) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _is_ours(pid, state):
            os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int, state: Path) -> bool:
    seen = look(pid)
    return seen is not None and str(state) in seen.command
