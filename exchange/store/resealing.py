"""Rotation: every sealed value of the database under the newest key, in short transactions."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    select,
    tuple_,
    type_coerce,
    update,
)

from exchange.errors import TryLater
from exchange.store.sealed import KEPT_FILE, Ring, Sealed, ring_of

BATCH = 200  # rows a transaction
_DIGEST = re.compile("[0-9a-f]{64}")


def sealed_columns(tables: MetaData) -> dict[Table, list[Column[Any]]]:
    """The tables that have such columns, with these."""
    found = {
        table: [column for column in table.columns if isinstance(column.type, Sealed)]
        for table in tables.sorted_tables
    }
    return {table: columns for table, columns in found.items() if columns}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one table, or of the kept files; `damaged`: values no key opens, left as they are."""

    what: str
    written: int = 0
    damaged: int = 0


def reseal(engine: Engine, tables: MetaData) -> Iterator[Done]:
    """Table by table. Nobody else may seal with older keys meanwhile; broken off, it is begun again."""
    ring = ring_of(engine.dialect)
    for table, columns in sealed_columns(tables).items():
        yield _table(engine, _Renewing(ring, table, columns))


def reseal_files(folder: Path, ring: Ring) -> Done:
    """The kept files likewise, each replaced whole."""
    names = (path for path in sorted(folder.glob("??/*")) if _DIGEST.fullmatch(path.name))
    done = [_file(path, ring) for path in names]
    return Done("files", done.count(True), done.count(None))


def _file(path: Path, ring: Ring) -> bool | None:
    """Whether it was written; None for a damaged one."""
    old = path.read_bytes()
    try:
        new = ring.resealed(old, KEPT_FILE)
    except TryLater:
        return None
    if new == old:
        return False
    draft = path.with_suffix(".resealed")
    with draft.open("wb") as file:
        file.write(new)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return True


def _table(engine: Engine, renewing: "_Renewing") -> Done:
    last: Row[Any] | None = None
    written = damaged = 0
    while True:
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            rows = connection.execute(renewing.page(last)).all()
            changed = [renewing.row(row) for row in rows]
            if values := [one for one, _ in changed if one]:
                connection.execute(renewing.statement(), values)
        written += len(values)
        damaged += sum(number for _, number in changed)
        if len(rows) < BATCH:
            return Done(renewing.table.name, written, damaged)
        last = rows[-1]


class _Renewing:
    """The values of one table as they are stored, past their types."""

    def __init__(self, ring: Ring, table: Table, columns: Sequence[Column[Any]]) -> None:
        self.table = table
        self._ring, self._columns, self._keys = ring, columns, list(table.primary_key)

    def page(self, last: Row[Any] | None) -> Select[Any]:
        """Rows after the last, in the order of their keys."""
        raw = [type_coerce(column, LargeBinary).label(f"old_{column.name}") for column in self._columns]
        query = select(*self._keys, *raw).order_by(*self._keys).limit(BATCH)
        if last is None:
            return query
        return query.where(tuple_(*self._keys) > tuple_(*(last[at] for at in range(len(self._keys)))))

    def statement(self) -> Update:
        """Writes one row."""
        mine = and_(*(column == bindparam(f"of_{column.name}") for column in self._keys))
        new = {one.name: bindparam(f"new_{one.name}", type_=LargeBinary) for one in self._columns}
        return update(self.table).where(mine).values(new)

    def row(self, row: Row[Any]) -> tuple[dict[str, Any], int]:
        """What to write of it, nothing when all is under the newest key; how many values are damaged."""
        old = [None if value is None else bytes(value) for value in row[len(self._keys) :]]
        new = [self._renewed(column, value) for column, value in zip(self._columns, old, strict=True)]
        damaged = sum(one is None and value is not None for one, value in zip(new, old, strict=True))
        kept = [value if one is None else one for one, value in zip(new, old, strict=True)]
        if kept == old:
            return {}, damaged
        named = {f"of_{column.name}": row[at] for at, column in enumerate(self._keys)}
        fresh = {f"new_{column.name}": one for column, one in zip(self._columns, kept, strict=True)}
        return named | fresh, damaged

    def _renewed(self, column: Column[Any], value: bytes | None) -> bytes | None:
        try:
            about = f"{self.table.name}.{column.name}".encode()
            return None if value is None else self._ring.resealed(value, about)
        except TryLater:
            return None
