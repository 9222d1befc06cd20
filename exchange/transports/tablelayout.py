"""The tables of a front-end database, as the contract's own create script has them; no other name ever
reaches a statement."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Integer, Text, column, table

from exchange.errors import Misconfigured
from exchange.manifest import Database, TableDoor, WrittenRows

_COMMENT = re.compile(r"--[^\n]*")
_CREATE = re.compile(r"create\s+table\s+(?:if\s+not\s+exists\s+)?(\w+)\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_CONCERNS = re.compile(
    r"create\s+(?:table|(?:unique\s+)?index\s+\w+\s+on)\s+(?:if\s+not\s+exists\s+)?(\w+)", re.I
)
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CONSTRAINTS = frozenset({"primary", "unique", "check", "foreign", "constraint"})
_TYPES: Mapping[str, Any] = {"text": Text, "integer": Integer}


@dataclass(frozen=True)
class Field:
    """One column: its name in lower case and what it holds."""

    name: str
    kind: Literal["text", "integer"]


@dataclass(frozen=True)
class Layout:
    """One table: its columns in the contract's order, and those that are signed."""

    name: str
    columns: tuple[Field, ...]
    signed: tuple[Field, ...]

    @cached_property
    def sql(self) -> Any:
        """The table for SQLAlchemy."""
        return table(self.name, *(column(one.name, _TYPES[one.kind]()) for one in self.columns))


@dataclass(frozen=True)
class Script:
    """A create script: its statements, each with the table it is about, and the layouts it makes."""

    statements: tuple[tuple[str, str], ...]
    layouts: Mapping[str, Layout]


def read_script(text: str, database: Database) -> Script:
    """Misconfigured unless each statement makes a table or an index of plain TEXT and INTEGER columns."""
    statements = tuple(_statements(text))
    found = [_layout(name, _columns(name, one), database) for name, one in statements if _CREATE.match(one)]
    if not found:
        raise Misconfigured("bad_create_script", "it makes no table", database.create)
    return Script(statements, {one.name: one for one in found})


def check_ours(script: Script, ours: WrittenRows) -> None:
    """Every table and column named there is one of the create script."""
    for named in (*ours.tables, ours.opens):
        layout = script.layouts.get(named.lower())
        if layout is None:
            raise Misconfigured("unknown_table", "the create script makes no such table", named)
        known = {one.name for one in layout.columns}
        for name in (ours.flag, ours.reason, ours.case, *ours.clear):
            if name not in known:
                raise Misconfigured("unknown_column", f"{named} has no such column", name)


def check_door(script: Script | None, door: TableDoor, name: str) -> None:
    """Misconfigured unless the script makes the table with every column the door names."""
    layout = script.layouts.get(door.table.lower()) if script else None
    if layout is None:
        raise Misconfigured("unknown_table", "no [database] script makes this table", f"{name}.{door.table}")
    marks = {*door.ok, *door.refused, *door.unknown_case, *((door.reason,) if door.reason else ())}
    named = {*door.where, *door.order, *marks}
    if unknown := sorted(named - {one.name for one in layout.columns}):
        raise Misconfigured(
            "unknown_column", f"the table has no {', '.join(unknown)}", f"{name}.{door.table}"
        )
    if signed := sorted(marks & {one.name for one in layout.signed}):
        raise Misconfigured("signed_column", f"{', '.join(signed)} is the writer's", f"{name}.{door.table}")


def _statements(text: str) -> Iterator[tuple[str, str]]:
    for part in _COMMENT.sub("", text).split(";"):
        if statement := part.strip():
            about = _CONCERNS.match(statement)
            if about is None:
                raise Misconfigured("bad_create_script", "only tables and indexes are made", statement[:60])
            yield about[1].lower(), statement


def _columns(name: str, statement: str) -> tuple[Field, ...]:
    found = _CREATE.match(statement)
    words = [line.lower().split() for line in re.split(r",(?![^(]*\))", found[2] if found else "")]
    return tuple(_field(name, line) for line in words if line and line[0] not in _CONSTRAINTS)


def _field(name: str, words: list[str]) -> Field:
    kind = words[1] if len(words) > 1 else ""
    if not _NAME.fullmatch(words[0]) or kind not in ("text", "integer"):
        raise Misconfigured(
            "bad_create_script", "a column is TEXT or INTEGER under a plain name", f"{name}.{words[0]}"
        )
    return Field(words[0], "text" if kind == "text" else "integer")


def _layout(name: str, columns: tuple[Field, ...], database: Database) -> Layout:
    has = {one.name for one in columns}
    if missing := sorted({database.key, database.version, database.sign, database.written} - has):
        raise Misconfigured("bad_create_script", f"there is no column {', '.join(missing)}", name)
    apart = {database.key, database.sign, database.written, *database.unsigned}
    return Layout(name, columns, tuple(one for one in columns if one.name not in apart))
