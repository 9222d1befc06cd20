"""Opening the database: SQLite in WAL mode with durable commits is the embedded default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from exchange.store.sealed import Ring, arm, dumps
from exchange.store.tables import metadata

WRITING = 7_303_014_100  # advisory lock of whoever writes the store


def open_engine(url: str, *, create: bool = True, ring: Ring | None = None) -> Engine:
    """One engine for `url`, its sealed columns under the keys of `ring`; creates missing tables. SQLite: WAL,
    synchronous=FULL (a lost commit would fork the log)."""
    if (parsed := make_url(url)).get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # What stands in a statement may be a person's: it is never told in an error, and so in no log.
    engine = create_engine(url, json_serializer=dumps, connect_args=_arguments(url), hide_parameters=True)
    if ring is not None:
        arm(engine, ring)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_postgres)
    if create:
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            metadata.create_all(connection)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading one consistent state."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _arguments(url: str) -> dict[str, Any]:
    return {"timeout": 30, "check_same_thread": False} if url.startswith("sqlite") else {}


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own idea of it breaks savepoints
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("writing", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # takes no lock, so that it cannot fail; SQLAlchemy's own way costs more than what is then read
        connection.connection.cursor().execute("BEGIN")


def _begin_postgres(connection: Connection) -> None:
    """One writer at a time over all processes, as the ledger needs it; a reader sees one state."""
    if connection.get_execution_options().get("writing", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITING})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
