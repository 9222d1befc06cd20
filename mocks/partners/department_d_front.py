"""The front-end database of department D, PostgreSQL or an SQLite file; every statement is atomic."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from sqlalchemy import Engine, bindparam, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from mocks.partners.common.config import ConfigError
from mocks.partners.department_d_rows import Row
from mocks.partners.department_d_schema import CONTRACT, Table, statements, tables

LOT: Final = 50  # rows of one look
Unavailable = DBAPIError
"""The database is away, or another program holds it: to be tried again."""


@dataclass(frozen=True)
class Place:
    """Where the last look ended."""

    written_at: str = ""
    row_key: str = ""


@dataclass(frozen=True)
class Front:
    """One database that both sides reach."""

    engine: Engine

    @staticmethod
    def open(url: str) -> Front:
        """No connection yet; ConfigError for an address of another kind."""
        try:
            engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        except (ArgumentError, ImportError) as error:
            raise ConfigError("database_url: cannot be used") from error
        if engine.dialect.name not in ("postgresql", "sqlite"):
            raise ConfigError("database_url: postgresql or sqlite is needed")
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare)
        return Front(engine)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The tables of the contract."""
        return tables(CONTRACT.read_text("utf-8"))

    def create(self) -> None:
        """Makes what is missing; the other side may do the same at the same moment."""
        for one in statements(CONTRACT.read_text("utf-8")):
            try:
                self._execute(one, {})
            except DBAPIError:
                self._execute(one, {})  # the other side was first: now it exists

    def _execute(self, sql: str, values: Row) -> int:
        with self.engine.connect() as db:
            return int(db.execute(text(sql), dict(values)).rowcount)

    def waiting(self, table: Table, after: Place) -> Sequence[tuple[str, object, str]]:
        """Key, version and time of writing of up to 50 rows nobody read, those up to `after` left out."""
        sql = (
            f"SELECT row_key, dataver, written_at FROM {table.name} WHERE {table.flag} = 0 AND"  # noqa: S608  # names of the schema
            " (written_at > :at OR (written_at = :at AND row_key > :key))"
            f" ORDER BY written_at, row_key LIMIT {LOT}"
        )
        with self.engine.connect() as db:
            found = db.execute(text(sql), {"at": after.written_at, "key": after.row_key}).all()
        return [(key, version, at) for key, version, at in found]

    def row(self, table: Table, key: str, version: object) -> Row | None:
        """One version of a row; None if it was corrected meanwhile."""
        names = ", ".join(one.name for one in table.columns)
        sql = f"SELECT {names} FROM {table.name} WHERE row_key = :row_key AND dataver = :dataver"  # noqa: S608  # names of the schema
        with self.engine.connect() as db:
            found = db.execute(text(sql), {"row_key": key, "dataver": version}).mappings().first()
        return None if found is None else {name.lower(): value for name, value in found.items()}

    def mark(self, table: Table, row: Row, flag: int, err: str | None, at: str) -> None:
        """What became of a version that was read; a newer one is left alone."""
        sql = (
            f"UPDATE {table.name} SET {table.flag} = :flag, err = :err, sync_at = :at"  # noqa: S608  # names of the schema
            " WHERE row_key = :row_key AND dataver = :dataver"
        )
        values = {"flag": flag, "err": err, "at": at, "row_key": row["row_key"], "dataver": row["dataver"]}
        self._execute(sql, values)

    def insert(self, table: Table, row: Row) -> bool:
        """One new row; False if its key is there already."""
        names = [one.name for one in table.columns]
        marks = ", ".join(f":{name}" for name in names)
        sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608  # names of the schema
        try:
            self._execute(sql, {name: row.get(name) for name in names})
        except IntegrityError:
            return False
        return True

    def replace(self, table: Table, row: Row, version: int) -> bool:
        """The row in place of its `version`; False if that is not what stands there."""
        names = [one.name for one in table.columns if one.name != "row_key"]
        marks = ", ".join(f"{name} = :{name}" for name in names)
        sql = f"UPDATE {table.name} SET {marks} WHERE row_key = :row_key AND dataver = :before"  # noqa: S608  # names of the schema
        values = {name: row.get(name) for name in names}
        return self._execute(sql, values | {"row_key": row["row_key"], "before": version}) == 1

    def reset(self, table: Table, key: str, version: int) -> None:
        """Flag 9 back to 0."""
        sql = (
            f"UPDATE {table.name} SET {table.flag} = 0, err = NULL, sync_at = NULL"  # noqa: S608  # names of the schema
            f" WHERE row_key = :row_key AND dataver = :dataver AND {table.flag} = 9"
        )
        self._execute(sql, {"row_key": key, "dataver": version})

    def flags(self, table: Table, keys: Iterable[str]) -> Mapping[str, tuple[object, object]]:
        """Version and flag of rows by key."""
        sql = text(f"SELECT row_key, dataver, {table.flag} FROM {table.name} WHERE row_key IN :keys")  # noqa: S608  # names of the schema
        with self.engine.connect() as db:
            found = db.execute(sql.bindparams(bindparam("keys", expanding=True)), {"keys": list(keys)}).all()
        return {key: (version, flag) for key, version, flag in found}

    def close(self) -> None:
        """Lets go of the connections."""
        self.engine.dispose()


def _text(data: bytes) -> str | bytes:
    """One broken text must not make a whole table unreadable."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    """WAL, and ten seconds of patience with the other side; a text that is none is read as bytes."""
    connection.text_factory = _text
    for one in ("PRAGMA busy_timeout = 10000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"):
        connection.execute(one).close()
