"""Row filtering: which rows a person sees, by the organisation each row belongs to."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, false, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hallservice.people.clerk import Clerk


def within(column: ColumnElement[str], clerk: Clerk, function: str) -> ColumnElement[bool]:
    """The rows whose organisation's path lies where the clerk holds the function; none without it."""
    return under_any(column, clerk.scopes.get(function, ()))


def under_any(column: ColumnElement[str], tops: Iterable[str]) -> ColumnElement[bool]:
    """The rows at or below one of the paths."""
    return or_(false(), *(under(column, top) for top in tops))


def under(column: ColumnElement[str], top: str) -> ColumnElement[bool]:
    """At or below `top`, as a range an index serves: a path ends in `/`, and `0` is the next character."""
    return _Between(column, literal(top), literal(top[:-1] + "0"))


class _Between(FunctionElement[bool]):
    """first <= column < end, byte by byte whatever the locale of the database."""

    type = Boolean()
    inherit_cache = True


@compiles(_Between)
def _plain(element: _Between, compiler: SQLCompiler, **options: Any) -> str:
    column, first, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} >= {first} AND {column} < {end})"


@compiles(_Between, "postgresql")
def _collated(element: _Between, compiler: SQLCompiler, **options: Any) -> str:
    column, first, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f'({column} COLLATE "C" >= {first} AND {column} COLLATE "C" < {end})'


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths without those that lie below another of them, in order."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not kept or not path.startswith(kept[-1]):
            kept.append(path)
    return tuple(kept)


def holds(tops: Sequence[str], path: str) -> bool:
    """Whether the path lies at or below one of the others."""
    return any(path.startswith(top) for top in tops)
