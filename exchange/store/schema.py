"""The version of the database's schema: made whole where there is nothing, else raised step by step.

The steps are Alembic revisions in `migrations/versions`; a test proves that they lead to the tables.
"""

from importlib.resources import as_file, files

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select

from exchange.errors import Misconfigured
from exchange.store.engine import reading

HEAD = "0001"
VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def prepare(engine: Engine, tables: MetaData) -> None:
    """`tables` in an empty database; Misconfigured schema_old, schema_newer or schema_unknown in another."""
    with reading(engine) as connection:
        empty, found = not inspect(connection).get_table_names(), version(connection)
    if empty:
        _make(engine, tables)
    else:
        expect(found)


def _make(engine: Engine, tables: MetaData) -> None:
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        if inspect(connection).get_table_names():
            return  # another process was quicker
        tables.create_all(connection)
        VERSION.create(connection)
        connection.execute(insert(VERSION), {"version_num": HEAD})


def version(connection: Connection) -> str | None:
    """The revision the database is at, None for one that no version of ours wrote."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar()


def expect(found: str | None) -> None:
    """Misconfigured where this program cannot work on a database of that version."""
    if found == HEAD:
        return
    if found is None:
        raise Misconfigured("schema_unknown", "no released version made this database; begin a new one")
    if found < HEAD:
        raise Misconfigured(
            "schema_old", f"the database is at {found}, the program at {HEAD}: `tongban upgrade`"
        )
    raise Misconfigured("schema_newer", f"the database is at {found}, the program only at {HEAD}")


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Raises the database to HEAD, each step in the one transaction; the version before and after."""
    # Imported here: whoever does not upgrade need not wait for it.
    from alembic import command
    from alembic.config import Config

    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        before = version(connection)
        if inspect(connection).get_table_names() and (before is None or before > HEAD):
            expect(before)
        with as_file(files("exchange.store") / "migrations") as folder:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            command.upgrade(config, HEAD)
        return before, HEAD
