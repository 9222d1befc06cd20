"""The head of the log as the store has it, refused where it does not fit the entries and the checkpoints."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from ledger import tables
from ledger.errors import LedgerError
from ledger.note import parse_head, split_note
from ledger.prepared import run
from ledger.tree import EMPTY_ROOT, HASH_SIZE, root

_HEAD_ROW = select(
    tables.head,
    select(func.max(tables.entry.c.seq)).scalar_subquery().label("top"),
    select(func.max(tables.checkpoint.c.size)).scalar_subquery().label("signed"),
)
_TOP = text("SELECT max(seq) FROM ledger_entry")
NOTE = text("SELECT note FROM ledger_checkpoint WHERE size = :at")


@dataclass(frozen=True, slots=True)
class Head:
    """Size, frontier, root and time (ms) of the log at the start of a batch."""

    size: int
    frontier: tuple[bytes, ...]
    root: bytes
    ts: int


_NEW_LOG = Head(0, (), EMPTY_ROOT, 0)


def stored_root(connection: Connection, size: int) -> bytes | None:
    """The root this log signed for a size, None if it signed none."""
    note = connection.execute(NOTE, {"at": size}).scalar()
    return None if note is None else parse_head(split_note(note.encode())[0]).root


def read_head(connection: Connection, origin: str) -> Head:
    """The head of this log; an empty store is a new log."""
    rows = run(connection, _HEAD_ROW).all()
    if not rows:
        if connection.execute(_TOP).scalar() is not None:
            raise LedgerError("head_missing", "there are entries but no head")
        return _NEW_LOG
    if len(rows) > 1 or rows[0].log != origin:
        raise LedgerError("other_log", f"the store holds {rows[0].log}, not {origin}")
    return _checked_head(rows[0])


def _checked_head(row: Any) -> Head:
    if not isinstance(row.frontier, bytes) or not all(isinstance(n, int) for n in (row.size, row.ts)):
        raise LedgerError("head_damaged", "the head holds values of other types")
    parts = tuple(row.frontier[at : at + HASH_SIZE] for at in range(0, len(row.frontier), HASH_SIZE))
    if row.top is None or row.size != row.top + 1 or row.signed != row.size:
        raise LedgerError(
            "head_disagrees",
            f"head {row.size}, last entry {row.top}, last checkpoint {row.signed} do not fit",
        )
    if len(parts) != row.size.bit_count() or root(parts) != row.root:
        raise LedgerError("head_damaged", f"the frontier of {row.size} entries does not give the stored root")
    return Head(row.size, parts, row.root, row.ts)
