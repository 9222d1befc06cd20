"""What every queue transport owes its users, asked of both drivers: RabbitMQ and the database queue."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.app.rabbit import RabbitNode
from exchange.errors import TryLater
from exchange.transports.amqp import RabbitQueues
from exchange.transports.dbqueue import DatabaseQueues
from exchange.transports.queues import Binding, Delivery, Post, Queues, topic_matches
from tests.exchange.core.rig import until

_names = count()


class Make(Protocol):
    """Another client of the same broker."""

    def __call__(self) -> Queues: ...


def post(key: str, body: bytes = b"{}", exchange: str = "", **more: Any) -> Post:
    return Post(exchange, key, body, more.pop("message_id", f"m-{next(_names)}"), **more)


@contextmanager
def consuming(queues: Queues, queue: str, handler: Callable[[Delivery], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=queues.consume, args=(queue, handler, stop.is_set), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


class TransportContract:
    """The tests; a subclass says which driver `make` gives."""

    @pytest.fixture
    def queues(self, make: Make) -> Iterator[Queues]:
        one = make()
        yield one
        one.close()

    @pytest.fixture
    def exchange(self) -> str:
        return f"core.{next(_names)}"

    def bound(self, queues: Queues, exchange: str, *patterns: str) -> list[str]:
        """One queue for each pattern."""
        names = [f"{exchange}.q{n}" for n in range(len(patterns))]
        queues.declare(
            [Binding(name, exchange, pattern) for name, pattern in zip(names, patterns, strict=True)]
        )
        return names

    def read(self, queues: Queues, queue: str, how_many: int, seconds: float = 15) -> list[Delivery]:
        seen: list[Delivery] = []
        with consuming(queues, queue, seen.append):
            until(lambda: len(seen) >= how_many, seconds)
        return seen

    def test_what_is_published_arrives_whole(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "in.#")
        body = json.dumps({"名": "测试\u0000"}).encode() + bytes(range(256))
        sent = Post(
            exchange,
            "in.hall",
            body,
            "id-1",
            "case-1",
            "application/json",
            "case.applied.v1",
            {"X-Gov-Signature": "a..b"},
        )
        queues.publish([sent])
        (got,) = self.read(queues, queue, 1)
        assert got == Delivery(
            exchange,
            "in.hall",
            body,
            "id-1",
            "case-1",
            "application/json",
            "case.applied.v1",
            {"X-Gov-Signature": "a..b"},
            False,
        )

    def test_each_queue_gets_what_its_pattern_says(self, queues: Queues, exchange: str) -> None:
        star, hash_, exact = self.bound(queues, exchange, "case.push.*", "case.#", "case.push.a")
        queues.publish(
            [post(key, key.encode(), exchange) for key in ("case.push.a", "case.push.a.b", "case", "case.x")]
        )
        assert [one.body for one in self.read(queues, star, 1)] == [b"case.push.a"]
        assert [one.body for one in self.read(queues, hash_, 4)] == [
            b"case.push.a",
            b"case.push.a.b",
            b"case",
            b"case.x",
        ]
        assert [one.body for one in self.read(queues, exact, 1)] == [b"case.push.a"]

    def test_two_bindings_of_one_queue_give_one_copy(self, queues: Queues, exchange: str) -> None:
        name = f"{exchange}.both"
        queues.declare([Binding(name, exchange, "a.#"), Binding(name, exchange, "#.b")])
        queues.publish([post("a.b", exchange=exchange), post("a.c", exchange=exchange)])
        time.sleep(0.1)
        assert [one.routing_key for one in self.read(queues, name, 2)] == ["a.b", "a.c"]

    def test_what_no_queue_takes_is_not_lost_silently(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "known")
        with pytest.raises(TryLater) as caught:
            queues.publish([post("unknown", exchange=exchange)])
        assert caught.value.code == "unroutable"
        queues.publish([post("known", b"after", exchange)])
        assert [one.body for one in self.read(queues, queue, 1)] == [b"after"]

    def test_declaring_again_is_harmless(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", exchange=exchange)])
        self.bound(queues, exchange, "k")
        assert len(self.read(queues, queue, 1)) == 1

    def test_order_is_kept(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        for start in range(0, 120, 40):
            queues.publish([post("k", str(n).encode(), exchange) for n in range(start, start + 40)])
        assert [int(one.body) for one in self.read(queues, queue, 120)] == list(range(120))

    def test_what_cannot_be_taken_now_comes_again(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", exchange=exchange)])
        seen: list[Delivery] = []

        def handler(delivery: Delivery) -> None:
            seen.append(delivery)
            if len(seen) == 1:
                raise TryLater("busy", "not now")

        with consuming(queues, queue, handler):
            until(lambda: len(seen) == 2)
            time.sleep(0.3)
        assert [one.redelivered for one in seen] == [False, True]
        assert seen[0].body == seen[1].body

    def test_what_was_taken_does_not_come_again(self, make: Make, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", b"1", exchange)])
        self.read(queues, queue, 1)
        queues.publish([post("k", b"2", exchange)])
        assert [one.body for one in self.read(make(), queue, 1)] == [b"2"]

    def test_many_consumers_share_without_duplicates(self, make: Make, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        lock, seen = threading.Lock(), []

        def handler(delivery: Delivery) -> None:
            with lock:
                seen.append(int(delivery.body))

        with (
            consuming(make(), queue, handler),
            consuming(make(), queue, handler),
            consuming(make(), queue, handler),
        ):
            for start in range(0, 200, 50):
                queues.publish([post("k", str(n).encode(), exchange) for n in range(start, start + 50)])
            until(lambda: len(seen) >= 200)
            time.sleep(0.2)
        assert sorted(seen) == list(range(200))

    def test_publishers_of_many_threads(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        threads = [
            threading.Thread(target=queues.publish, args=([post("k", f"{n}".encode(), exchange)] * 5,))
            for n in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        assert sorted(one.body for one in self.read(queues, queue, 30)) == sorted(
            f"{n}".encode() for n in range(6) for _ in range(5)
        )

    def test_a_large_message(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", b"x" * (4 << 20), exchange)])
        assert len(self.read(queues, queue, 1)[0].body) == 4 << 20

    def test_a_consumer_that_dies_gives_back_what_it_had(self, queues: Queues, exchange: str) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", exchange=exchange)])
        self.kill_a_consumer(queue)
        got = self.read(queues, queue, 1)
        assert [one.redelivered for one in got] == [True]

    def kill_a_consumer(self, queue: str) -> None:
        """A process takes a message and is killed before it has handled it."""
        victim = subprocess.Popen(
            [sys.executable, "-c", self.victim, *self.address, queue], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        assert victim.stdout.readline() == "taken\n"
        victim.kill()
        victim.wait(10)
        victim.stdout.close()
        self.claim_time_passes()

    victim = ""
    address: tuple[str, ...] = ()

    def claim_time_passes(self) -> None:
        """RabbitMQ sees the closed connection."""


class TestDatabaseQueue(TransportContract):
    """The file of docs/wire.md §6."""

    victim = """
import sys, time
from pathlib import Path
from exchange.transports.dbqueue import DatabaseQueues
def handler(delivery):
    print("taken", flush=True)
    time.sleep(60)
DatabaseQueues(Path(sys.argv[1])).consume(sys.argv[2], handler, lambda: False)
"""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "queue.db"

    @pytest.fixture
    def now(self) -> list[float]:
        """Seconds the queue's clock is ahead."""
        return [0.0]

    @pytest.fixture
    def make(self, path: Path, now: list[float]) -> Make:
        self.address, self._now = (str(path),), now
        return lambda: DatabaseQueues(path, lambda: time.time() + now[0])

    def claim_time_passes(self) -> None:
        self._now[0] += 31

    def test_a_claim_holds_for_thirty_seconds(
        self, queues: Queues, path: Path, now: list[float], exchange: str
    ) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", exchange=exchange)])
        self.kill_a_consumer(queue)
        now[0] -= 4
        seen: list[Delivery] = []
        with consuming(queues, queue, seen.append):
            time.sleep(0.3)
            assert seen == []
            now[0] += 4
            until(lambda: seen)

    def test_the_tables_are_those_of_the_public_interface(
        self, queues: Queues, path: Path, exchange: str
    ) -> None:
        """A foreign program that knows only docs/wire.md sends, claims and acknowledges."""
        (queue,) = self.bound(queues, exchange, "k.#")
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert db.execute("SELECT exchange, pattern, queue FROM binding").fetchall() == [
                (exchange, "k.#", queue)
            ]
            db.execute(
                "INSERT INTO message (queue, exchange, routing_key, body, published_at)"
                " VALUES (?, ?, 'k.1', ?, ?)",
                (queue, exchange, b"foreign", time.time()),
            )
            (got,) = self.read(queues, queue, 1)
            assert (got.body, got.headers, got.message_id) == (b"foreign", {}, None)
            assert db.execute("SELECT count(*) FROM message").fetchone() == (0,)
            queues.publish([post("k.2", b"ours", exchange, message_id="id-2", headers={"a": "b"})])
            claimed = db.execute(
                "UPDATE message SET claimed_by='me', claimed_until=?, deliveries=deliveries+1"
                " WHERE id IN (SELECT id FROM message"
                " WHERE queue=? AND (claimed_until IS NULL OR claimed_until < ?) ORDER BY id LIMIT 1)"
                " RETURNING body, message_id, headers, exchange, routing_key",
                (time.time() + 30, queue, time.time()),
            ).fetchall()
            assert claimed == [(b"ours", "id-2", '{"a": "b"}', exchange, "k.2")]
            assert self.nothing_comes(queues, queue)
            db.execute("DELETE FROM message WHERE claimed_by='me'")

    def nothing_comes(self, queues: Queues, queue: str) -> bool:
        seen: list[Delivery] = []
        with consuming(queues, queue, seen.append):
            time.sleep(0.2)
        return seen == []

    def test_publishing_is_all_or_nothing(self, queues: Queues, path: Path, exchange: str) -> None:
        self.bound(queues, exchange, "known")
        with pytest.raises(TryLater):
            queues.publish([post("known", exchange=exchange), post("unknown", exchange=exchange)])
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM message").fetchone() == (0,)

    def test_a_locked_file_does_not_end_the_consumer(
        self, queues: Queues, exchange: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (queue,) = self.bound(queues, exchange, "k")
        queues.publish([post("k", exchange=exchange)])
        claim, failures = DatabaseQueues._claim, [TryLater("busy", "database is locked")] * 2

        def busy(self: DatabaseQueues, *args: Any) -> Any:
            if failures:
                raise failures.pop()
            return claim(self, *args)

        monkeypatch.setattr(DatabaseQueues, "_claim", busy)
        assert len(self.read(queues, queue, 1)) == 1


class TestRabbit(TransportContract):
    """RabbitMQ itself."""

    victim = """
import sys, time
from exchange.transports.amqp import RabbitQueues
def handler(delivery):
    print("taken", flush=True)
    time.sleep(60)
RabbitQueues(sys.argv[1]).consume(sys.argv[2], handler, lambda: False)
"""

    @pytest.fixture
    def make(self, rabbit: RabbitNode) -> Make:
        self.address = (rabbit.url,)
        return lambda: RabbitQueues(rabbit.url)

    def test_a_restarted_broker_has_everything_it_confirmed(
        self, rabbit: RabbitNode, queues: Queues, exchange: str
    ) -> None:
        """Killed in the middle of publishing: what was confirmed is there, both sides come back."""
        (queue,) = self.bound(queues, exchange, "k")
        confirmed, seen = [], []
        done = threading.Event()

        def publish() -> None:
            for number in range(400):
                try:
                    queues.publish([post("k", str(number).encode(), exchange)])
                    confirmed.append(number)
                except TryLater:
                    time.sleep(0.2)
                if number == 399 or (len(confirmed) > 60 and done.is_set()):
                    return

        thread = threading.Thread(target=publish)
        with consuming(queues, queue, lambda d: seen.append(int(d.body))):
            thread.start()
            until(lambda: len(confirmed) > 30)
            rabbit.kill()
            rabbit.start()
            count_now = len(confirmed)
            until(lambda: len(confirmed) > count_now, 30)
            done.set()
            thread.join(30)
            until(lambda: set(confirmed) <= set(seen), 30)
        assert not thread.is_alive()


WORDS = st.lists(st.sampled_from(["a", "b", "case", ""]), max_size=5)


@given(st.lists(st.sampled_from(["a", "b", "case", "", "*", "#"]), min_size=1, max_size=5), WORDS)
def test_topic_matching_is_amqps(pattern: list[str], words: list[str]) -> None:
    """Against a second reading of AMQP 0-9-1 §3.1.3.3: `*` is exactly one word, `#` zero or more."""
    import re

    key = ".".join(words)
    expression = "".join(
        "(?:[^.]*[.])*" if part == "#" else r"[^.]*[.]" if part == "*" else f"{part}[.]" for part in pattern
    )
    assert topic_matches(".".join(pattern), key) is bool(re.fullmatch(expression, key + "."))


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("in.#", "in", True),
        ("in.#", "in.a.b", True),
        ("in.*", "in", False),
        ("in.*", "in.a.b", False),
        ("#", "", True),
        ("#.b", "b", True),
        ("#.b", "a.c.b", True),
        ("a.*.c", "a.b.c", True),
        ("a.b", "a.B", False),
        ("case.push.1.#", "case.push.11.01", False),
    ],
)
def test_topic_matching_examples(pattern: str, key: str, matches: bool) -> None:
    assert topic_matches(pattern, key) is matches
