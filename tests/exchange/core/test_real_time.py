"""S0-10: an act taken by the hub lies in the province's queue within two seconds, whichever of the four
administrative levels it is of; real dispatcher threads, the database queue, no clock of the test."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from canonical.messages import PAYLOADS
from canonical.values import RegionCode, make_case_number
from exchange.app.serving import Channels
from exchange.consuming import partner_bindings
from exchange.delivery import Sent
from exchange.dispatch import Dispatchers
from exchange.housedelivery import HouseDelivery
from exchange.replies import take_pulled
from exchange.transports.dbqueue import DatabaseQueues
from exchange.transports.rest import RestClient
from tests.exchange.core.rig import PLAIN_ITEM, START, Core, Story, service_item, until

WITHIN = 2.0  # seconds
LEVELS = {  # level of the item: region (GB/T 2260 county code, GB/T 10114 town and village behind it)
    "city": "441400000000",
    "county": "441402000000",
    "town": "441402003000",
    "village": "441402003201",
}


@dataclass
class Province:
    """What lies in its queue, read as its own system would: by the public table (docs/wire.md §6)."""

    file: Path

    def reports(self) -> list[tuple[str, float, dict[str, Any]]]:
        """(object, when it was published, document), oldest first."""
        query = "SELECT routing_key, published_at, body FROM message WHERE queue = 'prov.report' ORDER BY id"
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute(query).fetchall()
        return [(key.rpartition(".")[2], at, json.loads(body)) for key, at, body in rows]


@pytest.fixture
def province(core: Core, tmp_path: Path) -> Iterator[Province]:
    """The hub's dispatchers at work."""
    core.clock.now = time.time()
    core.party("province", adapter="provincial_reporting")
    queues = DatabaseQueues(tmp_path / "queue.db")
    queues.declare(partner_bindings(core.hub))
    channels = Channels(core.hub, queues)
    dispatchers = Dispatchers(core.hub, channels.to, HouseDelivery(core.hub, RestClient(2.0)), queues)
    dispatchers.keep_up()
    try:
        yield Province(tmp_path / "queue.db")
    finally:
        dispatchers.stop()


def receipted(core: Core, ident: str) -> None:
    """The province says it took the report: it gets the next of the case only then."""
    said = PAYLOADS["exchange.receipted.v1"].model_validate({"message_id": ident, "code": "0"})
    reply = ("exchange.receipted.v1", said)
    take_pulled(core.hub, "province", Sent("amqp", b"{}", "0", "ok"), reply, f"r-{ident}"[:60])


def case_of(core: Core, level: str, serial: int) -> Story:
    """An item of this level in force, and a case of it there."""
    code = PLAIN_ITEM[:-2] + f"{serial:02d}"
    core.catalogue(*(service_item(code, level=level, region=LEVELS[level]),), to=1 + serial)
    no = str(make_case_number(RegionCode(LEVELS[level]), START.date(), "2", serial))
    return Story(no, code)


@pytest.mark.req("S0-10")
@pytest.mark.parametrize("level", LEVELS)
def test_every_act_is_published_within_two_seconds(core: Core, province: Province, level: str) -> None:
    story = case_of(core, level, 1 + list(LEVELS).index(level))
    where = {"region": LEVELS[level]}
    acts = [
        ("0", "case.applied.v1", story.applied(**where)),
        ("2", "case.accepted.v1", story.accepted(**where)),
        *(("3", "case.step.v1", {**story.step(number), **where}) for number in (1, 2, 3)),
        ("4", "case.concluded.v1", {**story.concluded("concluded"), **where}),
    ]
    taken: list[float] = []
    for number, (_, kind, payload) in enumerate(acts, 1):
        core.clock.now = time.time()
        core.ok("hall", kind, payload)
        taken.append(time.time())
        until(lambda number=number: len(province.reports()) >= number, seconds=10)
        receipted(core, core.outbox("party = 'province'")[-1]["message_id"])
    found = province.reports()
    assert [which for which, _, _ in found] == [which for which, _, _ in acts]
    assert {document["SBLSH"] for _, _, document in found} == {story.no}
    late = [at - begun for (_, at, _), begun in zip(found, taken, strict=True)]
    assert max(late) < WITHIN, late


@pytest.mark.req("S0-10")
def test_acts_of_all_four_levels_at_once(core: Core, province: Province) -> None:
    """Each reaches the province with its own division; none waits for another."""
    stories = {level: case_of(core, level, number) for number, level in enumerate(LEVELS, 1)}
    core.clock.now = begun = time.time()
    for level, story in stories.items():
        core.ok("hall", "case.applied.v1", story.applied(region=LEVELS[level]))
    until(lambda: len(province.reports()) == len(LEVELS), seconds=10)
    found = {document["SBLSH"]: at - begun for _, at, document in province.reports()}
    assert set(found) == {story.no for story in stories.values()}
    assert max(found.values()) < WITHIN
    divisions = {document["SBLSH"]: document["XZQHDM"] for _, _, document in province.reports()}
    assert divisions == {story.no: LEVELS[level] for level, story in stories.items()}
