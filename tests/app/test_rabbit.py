"""The private node: who may log in, what survives, and that nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pika
import pytest

from exchange.app.amqp_login import login_works
from exchange.app.rabbit import RabbitNode, find_server
from exchange.errors import TryLater

ROOT = Path(__file__).resolve().parents[2]
needs_rabbit = pytest.mark.skipif(find_server() is None, reason="RabbitMQ is not installed")

# Starts a node, says the broker's id, and waits to be killed.
OWNER = """
import sys, time, pathlib
from exchange.app.rabbit import RabbitNode
node = RabbitNode(pathlib.Path(sys.argv[1])).start()
print((node.state / "node.pid").read_text().strip(), flush=True)
time.sleep(600)
"""


def test_only_our_user_may_log_in(rabbit: RabbitNode) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        assert connection.is_open
    assert not login_works(rabbit.port, rabbit.user, "wrong")
    assert not login_works(rabbit.port, "guest", "guest")


def test_it_listens_on_loopback_alone(rabbit: RabbitNode) -> None:
    session = {int(pid) for pid in _session(rabbit)}
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    ours = [line for line in listening.splitlines() if any(f"pid={pid}," in line for pid in session)]
    assert len(ours) >= 3  # AMQP, distribution, port mapper
    assert [line for line in ours if not line.split()[3].startswith(("127.0.0.1:", "[::1]:"))] == []


def test_its_files_are_its_owners_alone(rabbit: RabbitNode) -> None:
    assert rabbit.state.stat().st_mode & 0o077 == 0
    assert (rabbit.state / "password").stat().st_mode & 0o077 == 0


def _session(node: RabbitNode) -> list[str]:
    broker = (node.state / "node.pid").read_text().strip()
    session = subprocess.run(["ps", "-o", "sid=", "-p", broker], capture_output=True, text=True, check=True)
    listed = ["ps", "-o", "pid=", "-s", session.stdout.strip()]
    return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()


@needs_rabbit
def test_a_confirmed_message_survives_a_power_cut(tmp_path: Path) -> None:
    node = RabbitNode(
        tmp_path / "node",
        definitions={
            "queues": [{"name": "in", "arguments": {"x-queue-type": "quorum"}}],
            "exchanges": [{"name": "partners"}],
            "bindings": [{"source": "partners", "destination": "in", "routing_key": "a"}],
        },
    )
    with node:
        time.sleep(3)  # RabbitMQ 3.10 may lose a quorum queue declared within a second of the cut
        _publish(node, b"one")
        node.kill()
        assert not node.running
        node.start()
        assert _take(node) == b"one"
    assert not login_works(node.port, node.user, (node.state / "password").read_text())


def _publish(node: RabbitNode, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        lasting = pika.BasicProperties(delivery_mode=2)
        channel.basic_publish("partners", "a", body, lasting, mandatory=True)


def _take(node: RabbitNode) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        body: bytes | None = connection.channel().basic_get("in", auto_ack=True)[2]
        return body


@needs_rabbit
def test_the_node_ends_with_a_killed_owner(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "node")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as owner:
        assert owner.stdout is not None
        broker = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{broker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{broker}").exists()


@needs_rabbit
def test_a_node_that_cannot_start_says_so(tmp_path: Path) -> None:
    node = RabbitNode(tmp_path / "node", config=["nonsense = 1"])
    with pytest.raises(TryLater, match="rabbitmq_not_started"):
        node.start()
    assert not node.running
