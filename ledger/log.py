"""Writing the log inside the caller's transaction; the caller holds the write lock and commits."""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ledger import tables
from ledger.draft import Draft, Position, build, committed
from ledger.errors import LedgerError
from ledger.head import NOTE, Head, read_head, stored_root
from ledger.note import Signer, TreeHead, open_checkpoint
from ledger.prepared import run
from ledger.tables import CASE, CHANNEL, channel_key, metadata
from ledger.tree import EMPTY_ROOT, extended_root, leaf_hash, push, root

__all__ = ["Batch", "Checkpoint", "Draft", "Entry", "Log", "Mark", "forget", "metadata"]

_CACHE_LIMIT = 65_536
_CHUNK = 500

_READ_BACK = (
    select(tables.entry.c.seq, tables.entry.c.leaf, tables.entry.c.leaf_hash)
    .where(tables.entry.c.seq >= bindparam("since"))
    .order_by(tables.entry.c.seq)
)
_ONE_COUNTER = select(tables.counter.c.n, tables.counter.c.last_seq).where(
    tables.counter.c.kind == bindparam("of"), tables.counter.c.key == bindparam("named")
)
_SLOTS = tuple(f"k{slot}" for slot in range(16))
_COUNTERS = text(
    f"SELECT key, n, last_seq FROM ledger_counter WHERE kind = :of AND key IN (:{', :'.join(_SLOTS)})"  # noqa: S608 (slot names only)
)
_MOVE_COUNTER = (
    update(tables.counter)
    .where(tables.counter.c.kind == bindparam("of"), tables.counter.c.key == bindparam("named"))
    .values(n=bindparam("to_n"), last_seq=bindparam("to_seq"))
)
_MOVE_HEAD = (
    update(tables.head)
    .where(tables.head.c.log == bindparam("of"), tables.head.c.size == bindparam("was"))
    .values(size=bindparam("to"), frontier=bindparam("now"), root=bindparam("hash"), ts=bindparam("at"))
)
_INSERT_ENTRY, _INSERT_HEAD = insert(tables.entry), insert(tables.head)
_INSERT_CHECKPOINT, _INSERT_COUNTER = insert(tables.checkpoint), insert(tables.counter)
_INSERT_DISCLOSURE = insert(tables.disclosure)


class Entry(NamedTuple):
    """Where a draft went; `seq` counts from 0, the counters from 1; `case_n` is None without a case."""

    seq: int
    leaf_hash: bytes
    chan_n: int
    case_n: int | None


class Checkpoint(NamedTuple):
    """The signed state of the log; `text` is the whole signed note."""

    size: int
    root: bytes
    text: str


class Mark(NamedTuple):
    """A point of a batch to go back to."""

    entries: int
    salts: int
    moves: int


class _Counter(NamedTuple):
    n: int
    last_seq: int
    stored: bool


_NO_COUNTER = _Counter(0, -1, False)
_Key = tuple[str, str]


class Log:
    """One log: its origin, its key and what it remembers of the counters it wrote last.

    The memory is used only while the head in the database is the very one this object wrote (same size and
    root), so other processes may write in turn and the caller may roll back.
    """

    def __init__(self, origin: str, signer: Signer, random: Callable[[int], bytes] = os.urandom) -> None:
        if signer.name != origin:
            raise LedgerError("other_log", f"the key of {signer.name} cannot sign for {origin}")
        self.origin = origin
        self.signer = signer
        self.random = random
        self._counters: dict[_Key, _Counter] = {}
        self._known: tuple[int, bytes] = (0, EMPTY_ROOT)

    def begin(self, connection: Connection, now_ms: int) -> "Batch":
        """Start a batch on the head in the database; refuses a head that disagrees with the entries."""
        head = read_head(connection, self.origin)
        valid = self._known == (head.size, head.root) and len(self._counters) <= _CACHE_LIMIT
        counters, self._counters = (self._counters if valid else {}), {}
        return Batch(self, connection, head, max(now_ms, head.ts), counters)

    def remember(self, size: int, root_hash: bytes, counters: dict[_Key, _Counter]) -> None:
        """Keep the counters of a closed batch for the next one."""
        self._known, self._counters = (size, root_hash), counters

    def refuse_if_older_than(self, connection: Connection, note: bytes) -> None:
        """Refuse a store that lacks a checkpoint this log has already given out (a restored backup)."""
        given = open_checkpoint(note, self.signer.verifier)
        head = read_head(connection, self.origin)
        if given.size > head.size:
            raise LedgerError(
                "store_older",
                f"a checkpoint of {given.size} entries was given out, the store has {head.size}",
            )
        mine = stored_root(connection, given.size) if given.size else EMPTY_ROOT
        if mine != given.root:
            raise LedgerError(
                "store_forked", f"the store did not sign the tree of {given.size} entries given out"
            )


class Batch:
    """Entries of one commit, held in memory until `close`; one checkpoint covers them all."""

    def __init__(
        self, log: Log, connection: Connection, head: Head, ts: int, counters: dict[_Key, _Counter]
    ) -> None:
        self._log, self._connection, self._head, self._ts = log, connection, head, ts
        self._counters = counters
        self._entries: list[dict[str, Any]] = []
        self._salts: list[dict[str, Any]] = []
        self._moves: list[tuple[_Key, _Counter]] = []
        self._closed = False

    def append(self, draft: Draft) -> Entry:
        """Number one draft; a refused draft leaves the batch as it was."""
        self._refuse_closed()
        seq = self._head.size + len(self._entries)
        channel = (CHANNEL, channel_key(draft.sender, draft.receiver))
        case = None if draft.case is None else (CASE, draft.case)
        place = self._place(seq, self._counter(channel), None if case is None else self._counter(case))
        commitments, salts = committed(draft.values, self._log.random)
        leaf = build(draft, place, commitments)
        for key in (channel,) if case is None else (channel, case):
            self._move(key, seq)
        hashed = leaf_hash(leaf)
        self._entries.append({"seq": seq, "leaf": leaf, "leaf_hash": hashed})
        self._salts.extend([{"seq": seq, "name": name, "salt": salt} for name, salt in salts.items()])
        return Entry(seq, hashed, place.chan_n, place.case_n)

    def _place(self, seq: int, channel: _Counter, case: _Counter | None) -> Position:
        if case is None:
            return Position(self._log.origin, seq, self._ts, channel.n + 1)
        earlier = case.last_seq if case.n else None
        return Position(self._log.origin, seq, self._ts, channel.n + 1, case.n + 1, earlier)

    def _counter(self, key: _Key) -> _Counter:
        found = self._counters.get(key)
        if found is None:
            row = run(self._connection, _ONE_COUNTER, {"of": key[0], "named": key[1]}).first()
            found = _NO_COUNTER if row is None else _Counter(row.n, row.last_seq, True)
            self._counters[key] = found
        return found

    def _move(self, key: _Key, seq: int) -> None:
        before = self._counters[key]
        self._moves.append((key, before))
        self._counters[key] = _Counter(before.n + 1, seq, before.stored)

    def prepare(self, drafts: Sequence[Draft]) -> None:
        """Load the counters of coming drafts in one query; optional, it only saves round trips."""
        keys = {(CHANNEL, channel_key(draft.sender, draft.receiver)) for draft in drafts}
        keys |= {(CASE, draft.case) for draft in drafts if draft.case is not None}
        missing = keys - self._counters.keys()
        self._counters |= dict.fromkeys(missing, _NO_COUNTER)
        for kind in (CHANNEL, CASE):
            names = [key for of, key in missing if of == kind]
            for at in range(0, len(names), len(_SLOTS)):
                self._load(kind, names[at : at + len(_SLOTS)])

    def _load(self, kind: str, names: Sequence[str]) -> None:
        slots = dict(zip_longest(_SLOTS, names))
        for key, number, last_seq in self._connection.execute(_COUNTERS, {"of": kind, **slots}):
            self._counters[kind, key] = _Counter(number, last_seq, True)

    def mark(self) -> Mark:
        """The present point, for `rewind`."""
        return Mark(len(self._entries), len(self._salts), len(self._moves))

    def rewind(self, mark: Mark) -> None:
        """Undo every append since the mark."""
        self._refuse_closed()
        if mark > self.mark():
            raise LedgerError("mark_unknown", "the mark lies beyond the end of the batch")
        del self._entries[mark.entries :], self._salts[mark.salts :]
        while len(self._moves) > mark.moves:
            key, before = self._moves.pop()
            self._counters[key] = before

    def close(self) -> Checkpoint:
        """Write the rows, read them back, sign one checkpoint over all; an empty batch writes nothing."""
        self._refuse_closed()
        self._closed = True
        if not self._entries:
            self._log.remember(self._head.size, self._head.root, self._counters)
            return self._current()
        try:
            return self._written()
        except IntegrityError as error:
            raise LedgerError("second_writer", "another writer has used these numbers; roll back") from error

    def _refuse_closed(self) -> None:
        if self._closed:
            raise LedgerError("batch_closed", "the batch is closed")

    def _current(self) -> Checkpoint:
        head = self._head
        if head.size:
            return Checkpoint(
                head.size, head.root, self._connection.execute(NOTE, {"at": head.size}).scalar_one()
            )
        return Checkpoint(
            0, EMPTY_ROOT, self._log.signer.sign(TreeHead(self._log.origin, 0, EMPTY_ROOT).body())
        )

    def _written(self) -> Checkpoint:
        frontier = list(self._head.frontier)
        for row in self._entries:
            push(frontier, row["seq"], row["leaf_hash"])
        size, root_hash = self._head.size + len(self._entries), root(frontier)
        run(self._connection, _INSERT_ENTRY, self._entries)
        if self._salts:
            run(self._connection, _INSERT_DISCLOSURE, self._salts)
        self._write_counters()
        self._write_head(size, b"".join(frontier), root_hash)
        self._read_back(root_hash)
        text = self._log.signer.sign(TreeHead(self._log.origin, size, root_hash).body())
        run(self._connection, _INSERT_CHECKPOINT, {"size": size, "note": text})
        self._log.remember(size, root_hash, self._counters)
        return Checkpoint(size, root_hash, text)

    def _write_counters(self) -> None:
        moved = {key: self._counters[key] for key, _ in self._moves}
        new = [_new_row(key, value) for key, value in moved.items() if not value.stored]
        old = [_moved_row(key, value) for key, value in moved.items() if value.stored]
        if new:
            run(self._connection, _INSERT_COUNTER, new)
        if old:
            run(self._connection, _MOVE_COUNTER, old)
        self._counters |= {key: value._replace(stored=True) for key, value in moved.items()}

    def _write_head(self, size: int, frontier: bytes, root_hash: bytes) -> None:
        origin, connection = self._log.origin, self._connection
        if not self._head.size:
            row = {"log": origin, "size": size, "frontier": frontier, "root": root_hash, "ts": self._ts}
            run(connection, _INSERT_HEAD, row)
            return
        move = {
            "of": origin,
            "was": self._head.size,
            "to": size,
            "now": frontier,
            "hash": root_hash,
            "at": self._ts,
        }
        if run(connection, _MOVE_HEAD, move).rowcount != 1:
            raise LedgerError("second_writer", "another writer has moved the head; roll back")

    def _read_back(self, root_hash: bytes) -> None:
        """Recompute from what the database gives back, by the recursive definition, before signing."""
        rows = run(self._connection, _READ_BACK, {"since": self._head.size}).all()
        written = [(row["seq"], row["leaf"], row["leaf_hash"]) for row in self._entries]
        if [tuple(row) for row in rows] != written:
            raise LedgerError("read_back", "the database gives back other entries than were written")
        hashes = [leaf_hash(leaf) for _, leaf, _ in rows]
        if extended_root(self._head.frontier, self._head.size, hashes) != root_hash:
            raise LedgerError("read_back", "the entries read back give another root")


def _new_row(key: _Key, value: _Counter) -> dict[str, Any]:
    return {"kind": key[0], "key": key[1], "n": value.n, "last_seq": value.last_seq}


def _moved_row(key: _Key, value: _Counter) -> dict[str, Any]:
    return {"of": key[0], "named": key[1], "to_n": value.n, "to_seq": value.last_seq}


def forget(connection: Connection, seqs: Iterable[int], names: Iterable[str] = ()) -> None:
    """Delete salts (of these names, or all) so that what was committed to can no longer be guessed.

    Append an entry of kind `erasure` (see `ledger.erasure`) in the same transaction.
    """
    ordered, chosen = sorted(set(seqs)), list(names)
    for at in range(0, len(ordered), _CHUNK):
        statement = delete(tables.disclosure).where(tables.disclosure.c.seq.in_(ordered[at : at + _CHUNK]))
        connection.execute(statement.where(tables.disclosure.c.name.in_(chosen)) if chosen else statement)
