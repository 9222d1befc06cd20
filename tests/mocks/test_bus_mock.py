"""The partners' bus on both drivers against raw pika and raw SQL (docs/wire.md, section 6)."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.app.rabbit import RabbitNode
from mocks.partners.common.bus import (
    GOV_ARCHIVE,
    PROV_HALL,
    Bus,
    BusError,
    Delivery,
    Reject,
    Unroutable,
    gov_case,
)
from mocks.partners.common.busqueue import matches
from mocks.partners.common.config import ConfigError
from tests.mocks.busside import WIRE, Put, Queues, RabbitSide, SqliteSide
from tests.mocks.jsonparty import ROOT, until


@dataclass
class World:
    """One driver with queues of the test's own."""

    side: Any
    url: str
    path: Path
    queues: Queues
    mark: str

    def bus(self, **more: Any) -> Bus:
        return Bus.open(self.url, self.path, self.queues, **more)

    def name(self, word: str) -> str:
        return f"{word}.{self.mark}"


def queues_of(mark: str) -> Queues:
    dead = f"dlx.{mark}"
    return [
        (f"in.{mark}", f"ex.{mark}", "case.push.A1.*", dead), (f"all.{mark}", f"ex.{mark}", "case.#", None),
        (f"dead.{mark}", dead, "#", None),
    ]  # fmt: skip


@pytest.fixture(params=["sqlite", "rabbit"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    mark = secrets.token_hex(4)
    queues, path = queues_of(mark), tmp_path / "queue.db"
    if request.param == "sqlite":
        yield World(SqliteSide(path), "", path, queues, mark)
        return
    node: RabbitNode = request.getfixturevalue("rabbit")
    side = RabbitSide(node.url)
    yield World(side, node.url, path, queues, mark)
    if side.connection.is_closed:
        side.connect()
    side.delete(queues)
    side.close()


def heard(bus: Bus, queue: str, then: Callable[[Delivery], None] = lambda one: None) -> list[Delivery]:
    got: list[Delivery] = []

    def handler(one: Delivery) -> None:
        got.append(one)
        then(one)

    bus.consume(queue, handler)
    return got


def test_a_publication_reaches_every_bound_queue_once_with_all_its_properties(world: World) -> None:
    body, told = '{"名":1}'.encode(), {"x-obj": "0", "X-Gov-Signature": "a..b"}
    with closing(world.bus()) as bus:
        bus.publish(
            world.name("ex"), "case.push.A1.01", body, message_id="id-1", correlation_id="c-1", headers=told
        )
        for queue in ("in", "all"):
            got = until(lambda queue=queue: world.side.get(world.name(queue)))
            assert (got.exchange, got.routing_key) == (world.name("ex"), "case.push.A1.01")
            assert (got.message_id, got.correlation_id) == ("id-1", "c-1")
            assert (got.content_type, got.headers, got.body) == ("application/json", told, body)
            assert world.side.get(world.name(queue)) is None


def test_what_no_queue_takes_is_an_error(world: World) -> None:
    with closing(world.bus()) as bus:
        for key in ("letter.push", "casepush", ""):
            with pytest.raises(Unroutable):
                bus.publish(world.name("ex"), key, b"{}", message_id="id-1")
        with pytest.raises(BusError):
            bus.publish("nowhere." + world.mark, "case.a", b"{}", message_id="id-1")
        bus.publish(world.name("ex"), "case", b"{}", message_id="id-2")  # '#' takes no word at all
        assert until(lambda: world.side.get(world.name("all"))).message_id == "id-2"


def test_a_queue_is_heard_in_order_and_emptied(world: World) -> None:
    world.side.declare(world.queues)
    for number in range(45):
        world.side.put(
            world.name("in"),
            Put(world.name("ex"), "case.push.A1.01", b"%d" % number, f"id-{number}", "c", headers={"a": "b"}),
        )
    with closing(world.bus()) as bus:
        got = heard(bus, world.name("in"))
        until(lambda: len(got) == 45)
        assert [one.body for one in got] == [b"%d" % number for number in range(45)]
        assert got[7].message_id == "id-7"
        assert (got[7].correlation_id, got[7].headers["a"]) == ("c", "b")
        assert got[7].content_type == "application/json"
        assert abs((got[7].timestamp or 0) - time.time()) < 60
    assert world.side.count(world.name("in")) == 0


def test_a_rejected_message_is_dead_with_its_code(world: World) -> None:
    def refuse(one: Delivery) -> None:
        raise Reject("70")

    world.side.declare(world.queues)
    with closing(world.bus()) as bus:
        heard(bus, world.name("in"), refuse)
        heard(bus, world.name("all"), refuse)  # no dead-letter exchange: gone
        bus.publish(world.name("ex"), "case.push.A1.02", b"bad", message_id="id-9", headers={"x-obj": "0"})
        dead = until(lambda: world.side.get(world.name("dead")))
        assert (dead.exchange, dead.routing_key) == (world.name("dlx"), "case.push.A1.02")
        assert (dead.message_id, dead.body) == ("id-9", b"bad")
        assert {"x-obj": "0", "x-code": "70"}.items() <= dead.headers.items()
        time.sleep(0.3)
        assert world.side.get(world.name("dead")) is None
    assert world.side.count(world.name("in")) == world.side.count(world.name("all")) == 0


def test_a_failing_handler_gets_the_message_again(world: World) -> None:
    times: list[float] = []

    def fail_once(one: Delivery) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise RuntimeError("a database was busy")

    told: list[str] = []
    with closing(world.bus(tell=told.append)) as bus:
        bus.publish(world.name("ex"), "case.push.A1.01", b"x", message_id="id-1")
        got = heard(bus, world.name("in"), fail_once)
        until(lambda: len(got) == 2)
        assert got[0].message_id == got[1].message_id
        assert times[1] - times[0] >= 0.9
        assert told == ["handler_failed RuntimeError"]
    assert world.side.count(world.name("in")) == 0


def test_many_threads_publish_at_once(world: World) -> None:
    with closing(world.bus()) as bus:

        def send(thread: int) -> None:
            for number in range(25):
                bus.publish(world.name("ex"), "case.push.A1.01", b"x", message_id=f"{thread}-{number}")

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        got = heard(bus, world.name("in"))
        for thread in threads:
            thread.join(20)
        until(lambda: len(got) == 100)
        assert {one.message_id for one in got} == {f"{a}-{b}" for a in range(4) for b in range(25)}


KILLED = """
    import sys, time
    from pathlib import Path
    from mocks.partners.common.bus import Bus
    url, path, queue, exchange = sys.argv[1:]
    route = (queue, exchange, "case.push.A1.*", "dlx." + queue[3:])
    bus = Bus.open(url, Path(path), [route], consumer="victim")
    def handler(delivery):
        print("has", delivery.message_id, flush=True)
        time.sleep(60)
    bus.consume(queue, handler)
    time.sleep(60)
"""


def test_what_a_killed_process_had_not_acknowledged_comes_again_at_once(world: World) -> None:
    world.side.declare(world.queues)
    arguments = [world.url, str(world.path), world.name("in"), world.name("ex")]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    for number in (1, 2):
        world.side.put(world.name("in"), Put(world.name("ex"), "case.push.A1.01", b"x", f"id-{number}"))
    assert process.stdout.readline() == "has id-1\n"
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    process.stdout.close()
    with closing(world.bus(consumer="victim")) as bus:
        got = heard(bus, world.name("in"))
        until(lambda: len(got) == 2, 5)
        assert [one.message_id for one in got] == ["id-1", "id-2"]


def test_declaring_again_changes_nothing(world: World) -> None:
    with closing(world.bus()) as one, closing(world.bus()) as other:
        world.side.declare(world.queues)
        one.publish(world.name("ex"), "case.push.A1.01", b"x", message_id="id-1")
        other.publish(world.name("ex"), "case.push.A1.01", b"x", message_id="id-2")
        assert until(lambda: world.side.count(world.name("in")) == 2)
        assert world.side.count(world.name("all")) == 2


def test_it_ends_within_two_seconds(world: World) -> None:
    bus = world.bus()
    for queue in ("in", "all", "dead"):
        heard(bus, world.name(queue))
    time.sleep(0.3)
    began = time.monotonic()
    bus.close()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("pattern", "key", "taken"),
    [
        ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False), ("a.#", "a", True),
        ("a.#", "a.b.c", True), ("#", "", True), ("#", "a.b", True), ("*", "", True), ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True), ("a.#.z", "a.b", False), ("a.b", "a.bc", False), ("a.b", "axb", False),
        ("#.b", "a.c.b", True), ("*.*", "a", False),
    ],
)  # fmt: skip
def test_topic_rules(pattern: str, key: str, taken: bool) -> None:
    assert matches(pattern, key) is taken


def test_a_claim_of_another_process_is_left_alone_until_it_runs_out(tmp_path: Path) -> None:
    side = SqliteSide(tmp_path / "queue.db")
    side.declare([("q", "e", "k", None)])
    side.put("q", Put("e", "k", b"x", "theirs"))
    side.put("q", Put("e", "k", b"x", "ours"))
    with closing(side.db()) as db:
        until_when = time.time() + 1.5
        claim = "UPDATE message SET claimed_by='they', claimed_until=? WHERE message_id='theirs'"
        db.execute(claim, (until_when,))
    with closing(Bus.open("", side.path, [])) as bus:
        when: dict[str, float] = {}
        heard(bus, "q", lambda one: when.update({str(one.message_id): time.time()}))
        until(lambda: len(when) == 2)
    assert when["theirs"] >= until_when > when["ours"]


def test_the_file_is_left_as_the_wire_says(tmp_path: Path) -> None:
    Bus.open("", tmp_path / "queue.db", [("q", "e", "k", None)]).close()
    ask = 'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)'
    with closing(sqlite3.connect(tmp_path / "queue.db")) as db, closing(sqlite3.connect(":memory:")) as wire:
        wire.executescript(WIRE)
        for table in ("binding", "message"):
            assert db.execute(ask, (table,)).fetchall() == wire.execute(ask, (table,)).fetchall() != []
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_broker_and_no_queue_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no broker"):
        Bus.open("amqp://guest:guest@127.0.0.1:1/%2F", None, [], patience=0.2)
    with pytest.raises(ConfigError, match="queue_path"):
        Bus.open("", None, [])


def test_the_topologies_are_those_of_the_contracts() -> None:
    uscc = "114414000070000000"
    assert [tuple(route) for route in gov_case(uscc)] == [
        (f"dept.{uscc}.in", "gov.case", f"case.push.{uscc}.*", "gov.case.dlx"),
        ("hub.case.feedback", "gov.case", "case.feedback.#", "gov.case.dlx"),
        ("hub.case.receipt", "gov.case", "case.receipt.hub.#", "gov.case.dlx"),
        (f"dept.{uscc}.receipt", "gov.case", f"case.receipt.{uscc}", "gov.case.dlx"),
        ("gov.case.dead", "gov.case.dlx", "#", None),
    ]
    assert PROV_HALL[0] == ("prov.report", "prov.hall", "report.#", None)
    assert PROV_HALL[1] == ("prov.receipt.441400", "prov.hall", "receipt.441400", None)
    assert GOV_ARCHIVE == (("hub.archive.result", "gov.archive", "result.#", None),)


def test_other_queues_of_the_same_name_are_a_configuration_error(rabbit: RabbitNode) -> None:
    mark = secrets.token_hex(4)
    with closing(RabbitSide(rabbit.url)) as side:
        side.declare([(f"q.{mark}", f"e.{mark}", "#", None)])
        with pytest.raises(ConfigError, match="other queues"):
            Bus.open(rabbit.url, None, [(f"q.{mark}", f"e.{mark}", "#", f"d.{mark}")])
        side.channel.queue_delete(f"q.{mark}")


def test_the_bus_goes_on_after_a_restart_of_the_broker(rabbit: RabbitNode) -> None:
    mark = secrets.token_hex(4)
    queues = queues_of(mark)
    with closing(Bus.open(rabbit.url, None, queues)) as bus:
        got = heard(bus, f"in.{mark}")
        bus.publish(f"ex.{mark}", "case.push.A1.01", b"x", message_id="before")
        until(lambda: len(got) == 1)
        rabbit.kill()
        with pytest.raises(BusError):
            bus.publish(f"ex.{mark}", "case.push.A1.01", b"x", message_id="while it is away")
        rabbit.start()
        bus.publish(f"ex.{mark}", "case.push.A1.01", b"x", message_id="after")
        until(lambda: got[-1].message_id == "after", 15)
        # A broker that died may offer again what was acknowledged in its last moments.
        assert {one.message_id for one in got} == {"before", "after"}
    with closing(RabbitSide(rabbit.url)) as side:
        side.delete(queues)
