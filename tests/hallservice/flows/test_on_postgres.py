"""A joint approval on PostgreSQL: definitions, instances, to-dos, history."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from exchange.app.opening import ensure_keys
from exchange.app.postgres import PostgresNode
from exchange.app.settings import load_settings
from exchange.clocks import today
from hallservice.flows import definitions, history, instances, todo
from hallservice.supervision import banner, scanning, urging
from tests.exchange.core.rig import PLAIN_ITEM, Core, service_item
from tests.exchange.core.test_store_postgres import close, on_postgres
from tests.hallservice.flows.conftest import accept, as_
from tests.hallservice.flows.test_instances import acts, joint
from tests.hallservice.world import build, hall_of


@pytest.fixture
def core(postgres: PostgresNode, tmp_path: Path) -> Iterator[Core]:
    """A hall whose store is in PostgreSQL."""
    admin = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE flows"))
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(tmp_path / "made")}))
    made = on_postgres(postgres.url.rpartition("/")[0] + "/flows", tmp_path, tmp_path / "made" / "keys")
    made.party("hall")
    made.catalogue(service_item(PLAIN_ITEM))
    build(made)
    yield made
    close(made.hub.store)
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE flows WITH (FORCE)"))
    admin.dispose()


def test_the_same_on_postgresql(core: Core) -> None:
    hall = hall_of(core)
    joint(hall, core)
    assert definitions.listed(hall, as_(hall, "leader"))[0].key == "joint3"
    no = accept(hall, as_(hall, "clerk"), 1).no
    acts(
        hall,
        no,
        ("health", "second.undertake"),
        ("undertaker", "lead.undertake"),
        ("land", "third.undertake"),
    )
    assert todo.count(hall, as_(hall, "health"))["review"] == 1
    assert todo.supervised(hall, as_(hall, "leader"), todo.Wish(words="食品")).total == 1
    words = {"step": "lead.review", "opinion": "请抓紧"}
    instances.act(hall, as_(hall, "supervisor"), no, "urged", **words)
    assert [one.urge for one in todo.list(hall, as_(hall, "reviewer")).tasks] == ["请抓紧"]
    assert [one.state for one in hall.read(lambda c: urging.of_case(c, no))] == ["missing"], "no number"
    urging.round_(hall)
    instances.act(hall, as_(hall, "reviewer"), no, "urge_answered", **words)
    assert todo.supervised(hall, as_(hall, "supervisor"), todo.Wish(urge="answered")).total == 1
    report = scanning.scan(hall, today(core.hub.store.clock()))
    assert report.whole and {
        one.mark.words for one in hall.read(lambda c: banner.lines(c, as_(hall, "reviewer")))
    } == {"临近时限"}
    ask = {"step": "lead.review", "kind": "suspension", "ground": "检验", "opinion": "送检"}
    instances.act(hall, as_(hall, "reviewer"), no, "asked", **ask)
    instances.act(
        hall, as_(hall, "leader"), no, "answered", kind="suspension", step="lead.review", grant=True
    )
    instances.act(hall, as_(hall, "leader"), no, "resumed")
    acts(hall, no, ("health", "second.review"), ("land", "third.review"), ("reviewer", "lead.review"))
    acts(hall, no, ("approver", "approve"))
    assert core.state(no) == "decided"
    assert [line.act for line in history.history(hall, as_(hall, "leader"), no)][-1] == "通过"
    assert hall.read(lambda c: todo.of_case(c, no)) == []
