"""Verifying the store itself: entries, hashes, every checkpoint, head, counters and disclosures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from ledger.disclosed import Disclosures, ValueOf
from ledger.heads import checked_head, compare_saved, open_saved
from ledger.note import TreeHead, Verifier
from ledger.report import Finding, Report, gap
from ledger.store import FIRST, LAST, Store
from ledger.tables import CASE, CHANNEL, channel_key
from ledger.tree import EMPTY_ROOT, HASH_SIZE, leaf_hash, push, root
from ledger.walk import Seen, Walk


def verify_store(
    connection: Connection, vkey: str, value_of: ValueOf | None = None, saved: Iterable[bytes] = ()
) -> Report:
    """Check the tables against a verifier key, against values if they can be had, and saved checkpoints.

    Raises LedgerError only for the caller's own `vkey` and `saved`; whatever the tables hold is a finding.
    """
    verifier = Verifier.parse(vkey)
    known = open_saved(saved, verifier)
    findings: list[Finding] = []
    store, walk = Store(connection, findings), Walk(verifier.name, findings)
    heads = _signed(store, verifier, findings)
    chain = _Chain(findings, heads, {head.size: None for head in known})
    salts = Disclosures(value_of, findings)
    for page in store.entries():
        _page(store, page, walk, chain, salts)
    chain.finish()
    _outside(store, chain.size, salts)
    salts.finish(walk.erasures, store.salts)
    _head_row(store, chain, walk, findings)
    _counters(store, walk, findings)
    compare_saved(known, chain.size, chain.roots, findings)
    return Report(chain.size, chain.signed.root, tuple(findings), chain.entries)


def _signed(store: Store, verifier: Verifier, findings: list[Finding]) -> Iterator[TreeHead]:
    """The stored checkpoints in order; a row that is not what it should be is reported and left out."""
    for size, note in store.checkpoints():
        where = f"checkpoint {size}"
        raw = note.encode() if isinstance(note, str) else b""
        before = len(findings)
        head = checked_head(raw, verifier, where, findings)
        if head is not None and head.size != size:
            findings.append(Finding("checkpoint", where, f"it was signed for {head.size} entries"))
        elif head is not None and len(findings) == before:
            yield head


def _page(store: Store, page: list[Any], walk: Walk, chain: "_Chain", salts: Disclosures) -> None:
    commitments: dict[int, Any] = {}
    low = min(chain.size, page[0][0])
    for seq, leaf, stored in page:
        walk.holes += max(0, seq - chain.size)
        chain.take(seq, leaf, stored)
        fields = walk.leaf(seq, leaf if isinstance(leaf, bytes) else b"")
        commitments[seq] = None if fields is None else fields.get("c", {})
    salts.page(commitments, store.salts(low, page[-1][0]))


@dataclass
class _Chain:
    """Recomputes the tree entry by entry and compares it with every checkpoint on the way.

    Two frontiers are kept while leaves and stored hashes differ; the next checkpoint says which is right.
    """

    findings: list[Finding]
    heads: Iterator[TreeHead]
    roots: dict[int, bytes | None]
    size: int = 0
    entries: int = 0
    broken: bool = False
    frontier: list[bytes] = field(default_factory=list)
    other: list[bytes] | None = None
    doubted: list[int] = field(default_factory=list)
    agreed: int = 0
    differing: int = 0
    next: TreeHead | None = None
    signed: TreeHead = field(default_factory=lambda: TreeHead("", 0, EMPTY_ROOT))

    def __post_init__(self) -> None:
        self.next = next(self.heads, None)
        self._remember()

    def say(self, rule: str, where: int | str, message: str) -> None:
        """Report one finding."""
        self.findings.append(Finding(rule, where, message))

    def take(self, seq: int, leaf: object, stored: object) -> None:
        """The next row; rows below the expected number cannot come, the query is ordered."""
        self.entries += 1
        if seq < 0:
            self.say("seq", seq, "a negative number")
            return
        self._absent(seq)
        hashed = leaf_hash(leaf) if isinstance(leaf, bytes) else None
        kept = stored if isinstance(stored, bytes) and len(stored) == HASH_SIZE else None
        self._push(seq, hashed, kept)
        self.size = seq + 1
        self._remember()
        self._compare()

    def _absent(self, seq: int) -> None:
        for low, high in gap(self.size, seq):
            what = "the entry is missing" if high == low + 1 else f"entries {low} to {high - 1} are missing"
            self.say("entry_missing", low, what)
            self.broken = True
        self.size = max(self.size, seq)
        while self.next is not None and self.next.size <= seq:
            self._advance()

    def _push(self, seq: int, hashed: bytes | None, kept: bytes | None) -> None:
        if hashed != kept:
            self.doubted.append(seq)
            self.other = self.other if self.other is not None else list(self.frontier)
        if self.broken:
            return
        if self.other is not None:
            push(self.other, seq, kept or bytes(HASH_SIZE))
        push(self.frontier, seq, hashed or bytes(HASH_SIZE))

    def _remember(self) -> None:
        if self.size in self.roots and not self.broken:
            self.roots[self.size] = root(self.frontier)

    def _advance(self) -> None:
        if self.next is not None:
            self.signed = self.next
        self.next = next(self.heads, None)

    def _compare(self) -> None:
        if self.next is None or self.next.size != self.size:
            return
        head = self.next
        self._advance()
        if self.broken:
            return
        if root(self.frontier) == head.root:
            self._settle("leaf_hash", "its stored hash was altered, the entry fits the signed root")
            self.agreed = self.size
        elif self.other is not None and root(self.other) == head.root:
            self.frontier = self.other
            self._settle("entry", "altered: its stored hash fits the signed root, the entry does not")
            self.agreed = self.size
        else:
            self._disagrees(head)

    def _settle(self, rule: str, message: str) -> None:
        for seq in self.doubted:
            self.say(rule, seq, message)
        self.doubted, self.other = [], None

    def _disagrees(self, head: TreeHead) -> None:
        self._settle("entry", "the entry and its stored hash differ")
        self.differing += 1
        if self.differing == 1:
            place = f"one of the entries {self.agreed} to {head.size - 1} is not the one signed"
            self.say("root", self.agreed, f"{place}: the root of checkpoint {head.size} differs")

    def finish(self) -> None:
        """What is left after the last row: doubts, unsigned entries, checkpoints of entries now missing."""
        self._settle("entry", "the entry and its stored hash differ")
        if self.differing > 1:
            self.say("root", self.agreed, f"{self.differing - 1} later checkpoints differ as well")
        while self.next is not None:
            self._advance()
        if self.signed.size > self.size:
            message = f"entries {self.size} to {self.signed.size - 1} are missing, they were signed"
            self.say("entry_missing", self.size, message)
        elif self.signed.size < self.size:
            message = f"entries {self.signed.size} to {self.size - 1} are under no signed checkpoint"
            self.say("unsigned_tail", self.signed.size, message)


def _outside(store: Store, size: int, salts: Disclosures) -> None:
    salts.page({}, [*store.salts(FIRST, -1), *store.salts(size, LAST)])


def _head_row(store: Store, chain: _Chain, walk: Walk, findings: list[Finding]) -> None:
    rows = store.heads()
    if len(rows) != (1 if chain.size else 0) and not (not chain.size and len(rows) <= 1):
        findings.append(Finding("head", "ledger_head", f"{len(rows)} rows instead of one"))
    for log, size, frontier, stored_root, ts in rows:
        wrong = [] if log == walk.origin else ["log"]
        wrong += [] if size == chain.size else ["size"]
        if not chain.broken:
            wrong += [] if frontier == b"".join(chain.frontier) else ["frontier"]
            wrong += [] if stored_root == root(chain.frontier) else ["root"]
        wrong += [] if ts == walk.ts or walk.holes else ["ts"]
        if wrong:
            findings.append(Finding("head", "ledger_head", f"does not fit the entries: {', '.join(wrong)}"))


def _counters(store: Store, walk: Walk, findings: list[Finding]) -> None:
    expected = {(CHANNEL, channel_key(*key)): seen for key, seen in walk.channels.items()}
    expected |= {(CASE, key): seen for key, seen in walk.cases.items()}
    for kind, key, number, last in store.counters():
        seen = expected.pop((kind, key), None)
        if not _fits(seen, number, last, walk.holes):
            shown = str(key).replace("\t", " to ")
            findings.append(Finding("counter", f"{kind} {shown}", f"says {number}, last entry {last}"))
    for (kind, key), _ in sorted(expected.items()):
        shown = key.replace("\t", " to ")
        findings.append(Finding("counter", f"{kind} {shown}", "the counter is missing"))


def _fits(seen: Seen | None, number: object, last: object, holes: int) -> bool:
    if seen is None:
        return bool(holes)
    if (number, last) == (seen.n, seen.seq):
        return True
    excused = isinstance(number, int) and isinstance(last, int) and last > seen.seq
    return excused and isinstance(number, int) and 0 <= number - seen.n <= holes - seen.holes
