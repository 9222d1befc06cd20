"""Reading the tables of a log that may have been tampered with: raw values, page by page."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.report import Finding

PAGE = 2000

_ENTRIES = "SELECT seq, leaf, leaf_hash FROM ledger_entry WHERE seq > :after ORDER BY seq LIMIT :page"
_CHECKPOINTS = "SELECT size, note FROM ledger_checkpoint WHERE size > :after ORDER BY size LIMIT :page"
_SALTS = "SELECT seq, name, salt FROM ledger_disclosure WHERE seq >= :low AND seq <= :high ORDER BY seq, name"
_HEADS = "SELECT log, size, frontier, root, ts FROM ledger_head"
_COUNTERS = "SELECT kind, key, n, last_seq FROM ledger_counter"

FIRST = -(2**62)
LAST = 2**62


class Store:
    """The five tables; a table the database cannot read is a finding, not an exception."""

    def __init__(self, connection: Connection, findings: list[Finding]) -> None:
        self._connection, self._findings = connection, findings

    def _rows(self, sql: str, table: str, values: Mapping[str, int] | None = None) -> list[Any]:
        try:
            return [tuple(row) for row in self._connection.execute(text(sql), dict(values or {}))]
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or type(error).__name__)
            self._findings.append(Finding("unreadable", table, f"the database cannot read it: {reason}"))
            return []

    def _pages(self, sql: str, table: str) -> Iterator[list[Any]]:
        after = FIRST
        while page := self._rows(sql, table, {"after": after, "page": PAGE}):
            yield page
            after = page[-1][0]

    def entries(self) -> Iterator[list[Any]]:
        """Pages of (seq, leaf, leaf hash)."""
        return self._pages(_ENTRIES, "ledger_entry")

    def checkpoints(self) -> Iterator[tuple[int, Any]]:
        """(size, note), smallest first."""
        for page in self._pages(_CHECKPOINTS, "ledger_checkpoint"):
            yield from page

    def salts(self, low: int, high: int) -> list[Any]:
        """(seq, name, salt) of the entries low..high."""
        return self._rows(_SALTS, "ledger_disclosure", {"low": low, "high": high})

    def heads(self) -> list[Any]:
        """(log, size, frontier, root, ts)."""
        return self._rows(_HEADS, "ledger_head")

    def counters(self) -> list[Any]:
        """(kind, key, n, last_seq)."""
        return self._rows(_COUNTERS, "ledger_counter")
