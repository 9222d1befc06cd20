"""The front-end database of department D as schema.sql says it: tables, column order, and their creation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONTRACT: Final = Path(__file__).parents[2] / "adapters" / "department_d" / "contract" / "schema.sql"
READ: Final = ("PRE_APASINFO", "PRE_COMM_FORM", "PRE_ACCEPT", "PRE_FILE", "PRE_NOTICE")  # in this order
WRITTEN: Final = ("EA_JC_STEP_PROC", "EA_JC_STEP_SPECIALNODE", "EA_JC_STEP_DONE")
TECHNICAL: Final = frozenset({"row_key", "row_sign", "written_at", "signstate", "is_sync", "err", "sync_at"})
_COMMENT: Final = re.compile(r"--[^\n]*")
_TABLE: Final = re.compile(r"CREATE TABLE (\w+) \((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """One column: an INTEGER or a TEXT."""

    name: str
    integer: bool
    required: bool


@dataclass(frozen=True)
class Table:
    """One table; `columns` in the order of the contract."""

    name: str
    columns: tuple[Column, ...]

    @property
    def flag(self) -> str:
        """The column that says what became of a row."""
        return "signstate" if self.name.startswith("PRE_") else "is_sync"

    @property
    def business(self) -> tuple[Column, ...]:
        """The columns that are signed, in order."""
        return tuple(one for one in self.columns if one.name not in TECHNICAL)


def statements(text: str) -> list[str]:
    """The statements of a schema, without comments; each may be repeated."""
    plain = (one.strip() for one in _COMMENT.sub("", text).split(";"))
    return [re.sub(r"^CREATE (TABLE|INDEX) ", r"CREATE \1 IF NOT EXISTS ", one) for one in plain if one]


def _column(line: str) -> Column:
    name, kind, *rest = line.split()
    return Column(name, kind == "INTEGER", rest[:2] == ["NOT", "NULL"])


def _table(match: re.Match[str]) -> Table:
    lines = (line.strip() for line in match[2].split(",\n"))
    return Table(match[1], tuple(_column(line) for line in lines if line))


def tables(text: str) -> Mapping[str, Table]:
    """The tables of a schema by name."""
    plain = (one.strip() for one in _COMMENT.sub("", text).split(";"))
    found = [_table(match) for one in plain if (match := _TABLE.fullmatch(re.sub(r"\s*\n\s*", "\n", one)))]
    return {table.name: table for table in found}
