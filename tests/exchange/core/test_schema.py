"""The schema of the database and the steps that lead to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, inspect, text

from exchange.errors import Misconfigured
from exchange.store import schema
from exchange.store.engine import open_engine
from exchange.store.migrations import __file__ as package
from hallservice.tables import metadata
from tests.exchange.core.rig import differences


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=False)
    yield engine
    engine.dispose()


def at(engine: Engine, version: str) -> None:
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = :of"), {"of": version})


def test_the_steps_lead_to_the_tables_as_they_are_written(empty: Engine) -> None:
    assert schema.upgrade(empty) == (None, schema.HEAD)
    assert differences(empty) == []
    assert schema.upgrade(empty) == (schema.HEAD, schema.HEAD)


def test_the_newest_step_is_the_version_of_the_program() -> None:
    steps = ScriptDirectory(str(Path(package).parent))
    assert steps.get_heads() == [schema.HEAD]


def test_a_database_made_whole_needs_no_upgrade(empty: Engine) -> None:
    schema.prepare(empty, metadata)
    assert differences(empty) == []
    assert schema.upgrade(empty) == (schema.HEAD, schema.HEAD)
    schema.prepare(empty, metadata)


@pytest.mark.parametrize(("version", "code"), [("0000", "schema_old"), ("9999", "schema_newer")])
def test_a_database_of_another_version_is_not_worked_on(empty: Engine, version: str, code: str) -> None:
    schema.prepare(empty, metadata)
    at(empty, version)
    with pytest.raises(Misconfigured, match=code):
        schema.prepare(empty, metadata)


def test_a_newer_database_is_not_upgraded(empty: Engine) -> None:
    schema.prepare(empty, metadata)
    at(empty, "9999")
    with pytest.raises(Misconfigured, match="schema_newer"):
        schema.upgrade(empty)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE mine (id INTEGER)"))
    engine = open_engine(f"sqlite:///{tmp_path / 'other.db'}", create=False)
    for act in (lambda: schema.prepare(engine, metadata), lambda: schema.upgrade(engine)):
        with pytest.raises(Misconfigured, match="schema_unknown"):
            act()
    assert inspect(other).get_table_names() == ["mine"]
    engine.dispose()
    other.dispose()


def test_a_step_that_fails_leaves_the_version_before(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("alembic.op.create_table", broken)
    with pytest.raises(RuntimeError):
        schema.upgrade(empty)
    assert inspect(empty).get_table_names() == []


def test_tables_are_known_to_one_metadata() -> None:
    assert isinstance(metadata, MetaData)
    assert {"case_record", "ledger_entry"} <= metadata.tables.keys()
