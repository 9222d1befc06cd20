"""A prepared statement gives what SQLAlchemy gives, value by value, and fails as SQLAlchemy fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from ledger.prepared import run

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("data", JSON),
    Column("on", Boolean),
    Column("at", Float),
    Column("raw", LargeBinary),
    Column("count", Integer, default=7),
)
ROWS = [
    {
        "id": 1,
        "name": "一",
        "data": {"a": [1, None, "ü"]},
        "on": True,
        "at": 1.5,
        "raw": b"\x00\xff",
        "count": 1,
    },
    {"id": 2, "name": "b'); --", "data": None, "on": None, "at": None, "raw": None, "count": 2},
]
FILL, ALL = insert(thing), select(thing).order_by(thing.c.id)
ONE = select(thing.c.name, thing.c.data).where(thing.c.id == bindparam("which"))
TEXTS = select(thing.c.name).order_by(thing.c.id)  # nothing of it needs a type's help
CHANGE = update(thing).where(thing.c.id == bindparam("which"))
SOME = select(thing.c.id).where(thing.c.id.in_(bindparam("ids", expanding=True))).order_by(thing.c.id)
NAMED = insert(thing).returning(thing.c.id)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        yield connection


def everything(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(ALL).mappings()]


def test_rows_go_in_and_come_out_with_their_types(connection: Connection) -> None:
    assert run(connection, FILL, ROWS).rowcount == 2
    assert everything(connection) == ROWS
    assert [row._asdict() for row in run(connection, ALL)] == ROWS
    assert run(connection, ONE, {"which": 1}).first().data == ROWS[0]["data"]
    assert run(connection, ONE, {"which": 9}).first() is None
    assert run(connection, ONE, {"which": 2}).scalar() == "b'); --"


def test_rows_become_what_the_caller_makes_of_their_values(connection: Connection) -> None:
    run(connection, FILL, ROWS)
    made = [tuple(row.values()) for row in ROWS]
    assert run(connection, ALL, None, tuple).all() == made
    assert run(connection, TEXTS, None, tuple).all() == [("一",), ("b'); --",)]
    assert run(connection, SOME, {"ids": [1, 2]}, list).all() == [[1], [2]]


def test_an_update_is_prepared_for_each_set_of_columns(connection: Connection) -> None:
    run(connection, FILL, ROWS)
    assert run(connection, CHANGE, {"which": 1, "data": {"b": 2}}).rowcount == 1
    assert run(connection, CHANGE, {"which": 1, "on": False, "name": "x"}).rowcount == 1
    assert run(connection, CHANGE, {"which": 3, "on": False}).rowcount == 0
    assert everything(connection)[0] == ROWS[0] | {"data": {"b": 2}, "on": False, "name": "x"}
    assert run(connection, delete(thing)).rowcount == 2


def test_what_cannot_be_prepared_goes_the_usual_way(connection: Connection) -> None:
    run(connection, FILL, {"id": 3, "name": "c"})
    assert everything(connection)[0]["count"] == 7
    assert run(connection, SOME, {"ids": [3, 4]}).scalars().all() == [3]
    assert run(connection, NAMED, {"name": "d"}).scalar() == 4


def test_faults_are_sqlalchemys(connection: Connection) -> None:
    run(connection, FILL, ROWS)
    with pytest.raises(IntegrityError):
        run(connection, FILL, ROWS[:1])
    connection.exec_driver_sql("DROP TABLE thing")
    with pytest.raises(OperationalError):
        run(connection, ALL)
