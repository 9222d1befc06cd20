"""A partner's front-end database: rows that wait are read in small lots, marked, and rows of ours written.

No transaction stays open while a row is worked on; a row that is updated in place meanwhile keeps waiting.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Text,
    and_,
    cast,
    exists,
    func,
    insert,
    inspect,
    literal_column,
    select,
    update,
)

from exchange.errors import Misconfigured, Refused, TryLater
from exchange.manifest import Database, TableDoor, WrittenRows
from exchange.transports.rowtext import Row, name_fault, signed_text
from exchange.transports.sqldoor import working
from exchange.transports.tablelayout import Layout, Script

LARGEST_LOT = 8 * 1024 * 1024  # bytes read from a partner's table at once
FLAGGED = 200  # rows looked at in one go
Values = Mapping[str, str | int | None]
Seal = Callable[[str, str, bytes], tuple[str, str]]  # table, key:version, signed text -> seal, written_at


@dataclass(frozen=True)
class Lot:
    """Some rows that wait, in the contract's order; `more` when others wait behind them."""

    rows: tuple[Row, ...]
    more: bool


@dataclass(frozen=True)
class Flagged:
    """One of our own rows that its reader could not take; nothing of it is proved."""

    table: str
    key: str
    version: int
    case: str
    flag: int
    reason: str | None

    @property
    def name(self) -> str:
        """As seals and records call it."""
        return f"{self.key}:{self.version}"


@dataclass(frozen=True)
class Written:
    """A row as it stands in the partner's table."""

    table: str
    row: str
    text: bytes
    seal: str


@dataclass
class FrontDatabase:
    """One partner's database; every failure of it is a TryLater."""

    engine: Engine
    terms: Database
    script: Script
    largest: int  # bytes of one row
    timeout: float = 10.0
    _made: bool = field(default=False, init=False)

    def close(self) -> None:
        """Let go of the connections; the next use opens them again."""
        self.engine.dispose()

    def waiting(self, door: TableDoor) -> Lot:
        """The next rows of a polled table, with what is wrong at first sight."""
        layout = self._layout(door.table)
        self._make_tables()
        with self._working() as connection:
            names = connection.execute(self._names(layout, door)).all()
            lot = _affordable(names, self.largest)
            good = [one.key for one in lot if self._fault(one) is None]
            found = self._read(connection, layout, door, good) if good else {}
        rows = [self._row(layout, one, found) for one in lot]
        more = len(names) >= door.limit or len(lot) < len(names)
        return Lot(tuple(row for row in rows if row is not None), more)

    def mark(self, door: TableDoor, row: Row, values: Values) -> bool:
        """Set the reader's columns; False when the row is not the one that was read any more."""
        layout = self._layout(door.table)
        same = [self._is(layout, self.terms.key, row.key), self._is(layout, self.terms.version, row.version)]
        if row.fault is None:
            same.append(self._is(layout, self.terms.sign, row.seal))
        statement = update(layout.sql).where(and_(*same)).values(dict(values))
        with self._working(writing=True) as connection:
            return connection.execute(statement).rowcount > 0

    def flagged(self, rules: WrittenRows, table: str, after: str) -> list[Flagged]:
        """The next of our own rows behind this key that the reader could not take."""
        layout, terms = self._layout(table), self.terms
        self._make_tables()
        columns = layout.sql.c
        key, flag = columns[terms.key], columns[rules.flag]
        named = (key, columns[terms.version], columns[rules.case], flag, columns[rules.reason])
        wanted = flag.in_((rules.refused, rules.unknown_case)) & (key > after)
        with self._working() as connection:
            found = connection.execute(select(*named).where(wanted).order_by(key).limit(FLAGGED)).all()
        return [Flagged(layout.name, *row) for row in found]

    def offer_again(self, rules: WrittenRows, row: Flagged) -> bool:
        """Set a row whose case was not known back, if its case is known now; False when it is not."""
        layout, opens = self._layout(row.table), self._layout(rules.opens).sql.alias("opens")
        same = [self._is(layout, self.terms.key, row.key), self._is(layout, self.terms.version, row.version)]
        same.append(layout.sql.c[rules.flag] == rules.unknown_case)
        known = (opens.c[rules.case] == row.case) & (opens.c[rules.flag] == rules.taken)
        values = {rules.flag: rules.waiting, **dict.fromkeys(rules.clear)}
        statement = update(layout.sql).where(and_(*same), exists().where(known)).values(values)
        with self._working(writing=True) as connection:
            return connection.execute(statement).rowcount > 0

    def write(
        self, rows: Iterable[tuple[str, Mapping[str, Any]]], always: Values, seal: Seal
    ) -> list[Written]:
        """All of these rows in one transaction; a row that already says the same is left as it is."""
        self._make_tables()
        with self._working(writing=True) as connection:
            return [self._write(connection, self._layout(name), row, always, seal) for name, row in rows]

    def _write(
        self, connection: Connection, layout: Layout, row: Mapping[str, Any], always: Values, seal: Seal
    ) -> Written:
        terms, key = self.terms, row.get(self.terms.key)
        stored = self._stored(connection, layout, key)
        version = stored[terms.version] if stored else 0
        if stored and _says(layout, row, stored, terms.version):
            return Written(layout.name, f"{key}:{version}", signed_text(layout, stored), stored[terms.sign])
        values = {one.name: row.get(one.name) for one in layout.signed} | {terms.version: version + 1}
        if fault := name_fault(key, version + 1, terms.key, terms.version):
            raise fault
        signed, name = signed_text(layout, values), f"{key}:{version + 1}"
        sealed, written = seal(layout.name, name, signed)
        values |= {terms.key: key, terms.sign: sealed, terms.written: written, **_known(layout, always)}
        self._put(connection, layout, values, version)
        return Written(layout.name, name, signed, sealed)

    def _stored(self, connection: Connection, layout: Layout, key: Any) -> dict[str, Any] | None:
        columns = [layout.sql.c[one.name] for one in layout.signed]
        sign, same = layout.sql.c[self.terms.sign], layout.sql.c[self.terms.key] == key
        found = connection.execute(select(*columns, sign).where(same)).mappings().first()
        return dict(found) if found else None

    def _put(self, connection: Connection, layout: Layout, values: dict[str, Any], version: int) -> None:
        if not version:
            connection.execute(insert(layout.sql), values)
            return
        columns = layout.sql.c
        same = and_(columns[self.terms.key] == values[self.terms.key], columns[self.terms.version] == version)
        if connection.execute(update(layout.sql).where(same).values(values)).rowcount != 1:
            raise TryLater("row_changed", "the row was changed while it was updated", layout.name)

    def _layout(self, name: str) -> Layout:
        try:
            return self.script.layouts[name.lower()]
        except KeyError:
            raise Misconfigured("unknown_table", "the create script makes no such table", name) from None

    def _names(self, layout: Layout, door: TableDoor) -> Any:
        """Key, version and size of what waits: cheap, whatever the rows hold."""
        columns = layout.sql.c
        named = columns[self.terms.key].label("key"), columns[self.terms.version].label("version")
        parts = [*(one.name for one in layout.signed), self.terms.sign, self.terms.written]
        size = sum((self._size(columns[name]) for name in parts), start=literal_column("0")).label("size")
        order = [columns[name] for name in door.order]
        return select(*named, size).where(_waits(layout, door)).order_by(*order).limit(door.limit)

    def _size(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        if self.engine.dialect.name == "sqlite":
            return func.coalesce(func.length(cast(column, LargeBinary)), 0)
        return func.coalesce(func.octet_length(cast(column, Text)), 0)

    def _read(
        self, connection: Connection, layout: Layout, door: TableDoor, keys: Sequence[Any]
    ) -> dict[Any, Mapping[str, Any]]:
        parts = [*(one.name for one in layout.signed), self.terms.key, self.terms.sign, self.terms.written]
        wanted = layout.sql.c[self.terms.key].in_(keys) & _waits(layout, door)
        rows = connection.execute(select(*(layout.sql.c[name] for name in parts)).where(wanted)).mappings()
        return {row[self.terms.key]: dict(row) for row in rows}

    def _row(self, layout: Layout, named: Any, found: Mapping[Any, Mapping[str, Any]]) -> Row | None:
        """None when it was taken or changed between the two looks."""
        if fault := self._fault(named):
            return Row(layout.name, named.key, named.version, fault=fault)
        row = found.get(named.key)
        if row is None or row[self.terms.version] != named.version:
            return None
        try:
            signed = signed_text(layout, row)
            seal, written = (_text_or_null(row[name], name) for name in (self.terms.sign, self.terms.written))
        except Refused as fault:
            return Row(layout.name, named.key, named.version, fault=fault)
        return Row(layout.name, named.key, named.version, signed, seal, written)

    def _fault(self, named: Any) -> Refused | None:
        if type(named.size) is not int or named.size > self.largest:
            return Refused("too_large", f"the row exceeds {self.largest} bytes", self.terms.key)
        return name_fault(named.key, named.version, self.terms.key, self.terms.version)

    def _is(self, layout: Layout, name: str, value: Any) -> ColumnElement[bool]:
        """The column holds exactly what was read, whatever its type."""
        column: ColumnElement[Any] = layout.sql.c[name]
        if value is None:
            return column.is_(None)
        return cast(column, LargeBinary) == value if isinstance(value, bytes) else column == value

    @contextmanager
    def _working(self, *, writing: bool = False) -> Iterator[Connection]:
        try:
            with working(self.engine, self.timeout, writing=writing) as connection:
                yield connection
        except TryLater:
            self._made = False  # it may be another database next time
            raise

    def _make_tables(self) -> None:
        """The contract's tables, where they are not there yet."""
        if self._made:
            return
        with self._working(writing=True) as connection:
            look = inspect(connection)
            missing = {name for name in self.script.layouts if not look.has_table(name)}
            for about, statement in self.script.statements:
                if about in missing:
                    connection.exec_driver_sql(statement)
        self._made = True


def _waits(layout: Layout, door: TableDoor) -> ColumnElement[bool]:
    return and_(*(layout.sql.c[name] == value for name, value in door.where.items()))


def _affordable(names: Sequence[Any], largest: int) -> Sequence[Any]:
    """As many of the first as may be read at once; what is too large is not read and costs nothing."""
    total = 0
    for at, one in enumerate(names):
        total += one.size if type(one.size) is int and one.size <= largest else 0
        if at and total > LARGEST_LOT:
            return names[:at]
    return names


def _says(layout: Layout, row: Mapping[str, Any], stored: Mapping[str, Any], version: str) -> bool:
    return all(row.get(one.name) == stored[one.name] for one in layout.signed if one.name != version)


def _known(layout: Layout, values: Values) -> dict[str, str | int | None]:
    """Those of the values this table has a column for."""
    return {name: value for name, value in values.items() if name in {one.name for one in layout.columns}}


def _text_or_null(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Refused("bad_value", "it is no text", name)
    return value
