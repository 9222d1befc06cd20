"""The hub on PostgreSQL: the same path, one writer at a time over processes, readers with one state."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from exchange.app import datakeys
from exchange.app.opening import open_store
from exchange.app.postgres import PostgresNode
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.ledgervalues import value_of
from exchange.store import resealing, schema
from exchange.store.engine import open_engine
from exchange.store.work import Store
from hallservice.tables import metadata
from ledger.log import Draft
from ledger.verify_store import verify_store
from tests.exchange.core.rig import (
    ID_NUMBER,
    MOBILE,
    NAME,
    PLAIN_ITEM,
    START,
    Clock,
    Core,
    Story,
    case_number,
    differences,
    service_item,
)

PARTIES = {"report": {"adapter": "provincial_reporting"}}


@pytest.fixture
def url(postgres: PostgresNode, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of the test's own."""
    name = "store_" + str(abs(hash(request.node.nodeid)))[:10]
    admin = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres.url.rpartition("/")[0] + f"/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def core(url: str, tmp_path: Path, hub_keys: Path) -> Iterator[Core]:
    """A hub whose store is in PostgreSQL."""
    made = on_postgres(url, tmp_path, hub_keys)
    made.party("hall")
    made.catalogue(service_item(), service_item(PLAIN_ITEM))
    yield made
    close(made.hub.store)


def on_postgres(url: str, folder: Path, keys: Path) -> Core:
    if not (folder / "var").exists():
        shutil.copytree(keys, folder / "var" / "keys")
    settings = load_settings(environ={"TONGBAN_STATE": str(folder / "var"), "TONGBAN_DATABASE_URL": url})
    hub = build_hub(settings, open_store(settings))
    clock = Clock(START)
    hub.store.clock = clock
    return Core(settings, hub, clock)


def close(store: Store) -> None:
    if store._writer is not None:
        store._writer.close()
    store.engine.dispose()


def whole(core: Core) -> None:
    with core.hub.store.read() as connection:
        report = verify_store(connection, str(core.hub.store.log.signer.verifier), value_of(connection))
    assert report.findings == ()


def test_a_case_from_application_to_delivery(core: Core) -> None:
    story = Story(case_number(1), PLAIN_ITEM)
    for name, facts in PARTIES.items():
        core.party(name, **facts)
    core.ok("hall", "case.applied.v1", story.applied())
    assert core.send("hall", "case.step.v1", story.step(1)).status == "held"
    for type_, payload in (
        ("case.accepted.v1", story.accepted()),
        ("case.step.v1", story.step(2)),
        ("case.step.v1", story.step(3)),
        ("case.concluded.v1", story.concluded("concluded")),
        ("case.delivered.v1", story.delivered()),
    ):
        core.ok("hall", type_, payload)
    assert core.send("hall", "case.step.v1", story.step(1, "return")).code == "state_forbids"
    assert core.state(story.no) == "delivered"
    assert core.value("SELECT count(*) FROM outbox WHERE party = 'report'") == 7
    whole(core)


def noted(store: Store, name: str) -> None:
    store.write(lambda work: work.append(Draft("test", name, "hub", "hub", "test")))


def test_a_reader_sees_one_state_while_others_write(core: Core) -> None:
    count = text("SELECT count(*) FROM ledger_entry")
    with core.hub.store.read() as connection:
        before = connection.execute(count).scalar_one()
        noted(core.hub.store, "meanwhile")
        assert connection.execute(count).scalar_one() == before
    assert core.value("SELECT count(*) FROM ledger_entry") == before + 1


def test_two_hubs_on_one_database_write_in_turn(core: Core, url: str, tmp_path: Path, hub_keys: Path) -> None:
    other = on_postgres(url, tmp_path, hub_keys)
    before = core.value("SELECT count(*) FROM ledger_entry")

    def write(store: Store, name: str) -> None:
        for n in range(25):
            noted(store, f"{name}-{n}")

    threads = [
        threading.Thread(target=write, args=(one.hub.store, name))
        for one, name in ((core, "a"), (other, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert core.value("SELECT count(*) FROM ledger_entry") == before + 50
    whole(core)
    close(other.hub.store)


def test_nothing_personal_stands_plain_and_a_rotation_leaves_nothing_under_the_old_key(
    core: Core, url: str, tmp_path: Path, hub_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    core.party("report", **PARTIES["report"])
    for number in range(1, 4):
        core.ok("hall", "case.applied.v1", Story(case_number(number)).applied())
    assert plain(core) == set()
    engine = core.hub.store.engine
    assert datakeys.turn(core.settings, engine) == 2
    done = {one.what: one.written for one in resealing.reseal(engine, metadata)}
    assert (done["case_record"], done["outbox"]) == (3, 3)
    datakeys.retire(engine)
    datakeys.path_of(core.settings, 1).unlink()
    after = on_postgres(url, tmp_path, hub_keys)
    whole(after)
    assert plain(after) == set()
    (first, *_) = after.rows("SELECT application FROM case_record")
    assert ID_NUMBER in first["application"]
    close(after.hub.store)


def plain(core: Core) -> set[str]:
    """The tables with a value that names the applicant."""
    said = [one.encode() for one in (NAME, ID_NUMBER, MOBILE)]
    with core.hub.store.read() as connection:
        return {
            table.name
            for table in metadata.sorted_tables
            for row in connection.execute(text(f'SELECT * FROM "{table.name}"'))  # noqa: S608 - our own names
            for value in row
            if any(one in (value if isinstance(value, bytes) else str(value).encode()) for one in said)
        }


def test_the_steps_of_the_schema_lead_to_the_tables(url: str) -> None:
    engine = open_engine(url, create=False)
    assert schema.upgrade(engine) == (None, schema.HEAD)
    assert differences(engine) == []
    schema.prepare(engine, metadata)
    engine.dispose()
