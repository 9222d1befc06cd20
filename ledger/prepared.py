"""Statements run often: compiled once, then handed to SQLite's own cursor with SQLAlchemy's types.

A statement costs SQLAlchemy some 20 µs each time beside the 1 to 2 µs it costs SQLite, and a commit holds
fourteen. Other databases, and statements this cannot prepare, go the usual way.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Executable, Insert, Select, Update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Processor = Callable[[Any], Any] | None


class Rows:
    """What came back, all of it."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Every row, a named tuple each."""
        return self._rows

    def first(self) -> Any:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return self._rows[0][0] if self._rows else None


class _Compiled:
    """One statement for one set of parameter names; keeps the statement, whose identity it is found by."""

    def __init__(self, statement: Executable, compiled: SQLCompiler) -> None:
        self.statement = statement
        self.sql = str(compiled)
        fixed = compiled.params
        self.binds = [
            (name, compiled.binds[name].type, fixed.get(name)) for name in compiled.positiontup or ()
        ]
        columns = list(statement.selected_columns) if isinstance(statement, Select) else []
        self.returns = [column.type for column in columns]
        self.row = _row_type([str(column.key) for column in columns])


class _Plan:
    """A compiled statement with the types as one engine works them."""

    def __init__(self, compiled: _Compiled, dialect: Dialect) -> None:
        self.sql, self.returns, self._row = compiled.sql, bool(compiled.returns), compiled.row
        self._binds = [(name, _bind(kind, dialect), fixed) for name, kind, fixed in compiled.binds]
        processors = [_result(kind, dialect) for kind in compiled.returns]
        self._results = [(at, processor) for at, processor in enumerate(processors) if processor]

    def bound(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the statement's question marks."""
        return [
            process(given.get(name, fixed)) if process else given.get(name, fixed)
            for name, process, fixed in self._binds
        ]

    def row(self, raw: Sequence[Any]) -> Any:
        """A row with its types."""
        return self._row._make(self._typed(raw) if self._results else raw)

    def into(self, make: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Any]:
        """What makes something else of a row's values."""
        return (lambda raw: make(self._typed(raw))) if self._results else make

    def _typed(self, raw: Sequence[Any]) -> list[Any]:
        values = list(raw)
        for at, process in self._results:
            values[at] = process(values[at])
        return values


_Key = tuple[int, tuple[str, ...]]
_COMPILED: dict[_Key, _Compiled | None] = {}


def run(
    connection: Connection,
    statement: Any,
    parameters: Parameters | None = None,
    into: Callable[[Any], Any] | None = None,
) -> Any:
    """As `connection.execute`, for a statement that lives as long as its module; several sets of parameters
    are a list. `into` makes each row of its values, in place of the usual named tuple."""
    if connection.dialect.name != "sqlite":
        return _made(connection.execute(statement, parameters), into)
    sample: Any = parameters[0] if isinstance(parameters, list) else parameters or {}
    plan = _plan(connection.dialect, statement, (id(statement), tuple(sample)))
    if plan is None:
        return _made(connection.execute(statement, parameters), into)
    return _run(connection, plan, parameters if isinstance(parameters, list) else sample, into)


def _plan(dialect: Dialect, statement: Any, key: _Key) -> _Plan | None:
    """Kept on the dialect, as SQLAlchemy keeps its own: a type may work differently on each engine."""
    plans: dict[_Key, _Plan | None] = vars(dialect).setdefault("prepared_plans", {})
    if key not in plans:
        if key not in _COMPILED:
            _COMPILED[key] = _prepared(statement, dialect, list(key[1]))
        compiled = _COMPILED[key]
        plans[key] = _Plan(compiled, dialect) if compiled is not None else None
    return plans[key]


def _made(found: Any, into: Callable[[Any], Any] | None) -> Any:
    return found if into is None else Rows([into(row) for row in found], found.rowcount)


def _run(connection: Connection, plan: _Plan, parameters: Any, into: Callable[[Any], Any] | None) -> Rows:
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        if isinstance(parameters, list):
            cursor.executemany(plan.sql, [plan.bound(one) for one in parameters])
        else:
            cursor.execute(plan.sql, plan.bound(parameters))
        make = plan.row if into is None else plan.into(into)
        rows = [make(raw) for raw in cursor.fetchall()] if plan.returns else []
        return Rows(rows, cursor.rowcount)
    except sqlite3.IntegrityError as fault:
        raise IntegrityError(plan.sql, None, fault) from fault
    except sqlite3.Error as fault:
        raise OperationalError(plan.sql, None, fault) from fault
    finally:
        cursor.close()


def _prepared(statement: Any, dialect: Dialect, keys: list[str]) -> _Compiled | None:
    """None for what needs SQLAlchemy at every execution: expanding parameters, defaults, RETURNING."""
    named = {"column_keys": keys} if isinstance(statement, Insert | Update) and keys else {}
    compiled = statement.compile(dialect=dialect, **named)
    plain = isinstance(statement, Select | Insert | Update | Delete) and not getattr(
        statement, "_returning", ()
    )
    defaults = getattr(compiled, "insert_prefetch", ()) or getattr(compiled, "update_prefetch", ())
    if not plain or defaults or getattr(compiled, "post_compile_params", ()):
        return None
    return _Compiled(statement, compiled)


def _row_type(names: list[str]) -> Any:
    return namedtuple("Row", names)


def _bind(kind: TypeEngine[Any], dialect: Dialect) -> Processor:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result(kind: TypeEngine[Any], dialect: Dialect) -> Processor:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
