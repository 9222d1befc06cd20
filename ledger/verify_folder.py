"""Verifying an export: every file is read, every hash recomputed, damage blamed on the file that has it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ledger import folder, inventory
from ledger.blame import Blame, Hashes
from ledger.folder import FileProblem
from ledger.heads import checked_head, compare_saved, open_saved
from ledger.note import MAX_NOTE, TreeHead, Verifier
from ledger.report import Finding, Report
from ledger.tiles import (
    BUNDLE_BYTES,
    CHECKPOINT,
    ENTRIES,
    TILE_BYTES,
    WIDTH,
    BundleError,
    Place,
    hashes_of,
    path_of,
    unpack,
)
from ledger.tree import EMPTY_ROOT, HASH_SIZE, leaf_hash
from ledger.walk import Walk


def verify_directory(path: Path, vkey: str, saved: Iterable[bytes] = ()) -> Report:
    """Check a folder in C2SP tlog-tiles form against a verifier key and checkpoints saved earlier.

    Raises LedgerError only for the caller's own `vkey` and `saved`; whatever lies in the folder is a finding.
    """
    verifier = Verifier.parse(vkey)
    known = open_saved(saved, verifier)
    reader = _Reader(path)
    head = reader.head(verifier)
    found = inventory.names(path, reader.findings)
    size = head.size if head else inventory.implied_size(found)
    reader.present = inventory.sorted_out(found, size, reader.findings)
    reader.findings.extend(inventory.missing(reader.present, size))
    walk = Walk(verifier.name, reader.findings)
    roots = _hashed(reader, walk, size, head, {one.size for one in known if one.size <= size})
    compare_saved(known, size, roots, reader.findings)
    return Report(size, head.root if head else EMPTY_ROOT, tuple(reader.findings), reader.entries)


@dataclass
class _Reader:
    """Files of the folder, read with their problems turned into findings, each once."""

    path: Path
    findings: list[Finding] = field(default_factory=list)
    present: inventory.Present = field(default_factory=dict)
    entries: int = 0
    _reported: set[str] = field(default_factory=set)
    _tiles: dict[int, tuple[Place, list[bytes] | None]] = field(default_factory=dict)

    def say(self, rule: str, where: str, message: str) -> None:
        """Report a file, once."""
        if where not in self._reported:
            self._reported.add(where)
            self.findings.append(Finding(rule, where, message))

    def head(self, verifier: Verifier) -> TreeHead | None:
        """The tree head, also of a note whose signature fails: the rest is checked against it."""
        try:
            note = folder.read(self.path, CHECKPOINT, MAX_NOTE)
        except FileProblem as problem:
            self.say(problem.code, CHECKPOINT, problem.message)
            return None
        return checked_head(note, verifier, CHECKPOINT, self.findings)

    def read(self, place: Place, limit: int) -> bytes | None:
        """The bytes of a file that is there; None if it is not or cannot be read."""
        if place not in self._index(place[0]):
            return None
        try:
            return folder.read(self.path, path_of(*place), limit)
        except FileProblem as problem:
            self.say(problem.code, path_of(*place), problem.message)
            return None

    def _index(self, level: int) -> frozenset[Place]:
        if level not in self._sets:
            self._sets[level] = frozenset(self.present.get(level, []))
        return self._sets[level]

    _sets: dict[int, frozenset[Place]] = field(default_factory=dict)

    def tile(self, place: Place) -> list[bytes] | None:
        """The hashes of a tile; one of the wrong length is reported and not used."""
        cached = self._tiles.get(place[0])
        if cached is None or cached[0] != place:
            cached = self._tiles[place[0]] = (place, self._tile(place))
        return cached[1]

    def _tile(self, place: Place) -> list[bytes] | None:
        data = self.read(place, TILE_BYTES)
        if data is not None and len(data) != place[2] * HASH_SIZE:
            self.say("tile", path_of(*place), f"{len(data)} bytes instead of {place[2] * HASH_SIZE}")
            return None
        return None if data is None else hashes_of(data)

    def leaves(self, index: int, width: int) -> list[bytes]:
        """The leaves of a bundle as far as they can be read."""
        place = (ENTRIES, index, width)
        data = self.read(place, BUNDLE_BYTES)
        if data is None:
            return []
        try:
            return unpack(data, width)
        except BundleError as error:
            last = index * WIDTH + len(error.leaves)
            self.say("bundle", path_of(*place), f"{error.message} (at entry {last})")
            return error.leaves


def _hashed(
    reader: _Reader, walk: Walk, size: int, head: TreeHead | None, earlier: set[int]
) -> dict[int, bytes | None]:
    """Recompute everything from the leaves up; the roots at the earlier sizes, None where unknown."""
    blame = Blame(size, reader.tile, reader.findings)
    last: dict[int, Hashes] = {one: [None] * (one % WIDTH) for one in earlier}
    expected = 0
    for _, index, width in _places(reader, blame, 0, size):
        walk.holes += index * WIDTH - expected
        chosen = blame.take((0, index, width), _leaf_hashes(reader, walk, index, width))
        expected = index * WIDTH + width
        last |= {one: chosen[: one % WIDTH] for one in earlier if one // WIDTH == index}
    level = 1
    while size >> (8 * level):
        for place in _places(reader, blame, level, size):
            blame.take(place, _below(blame, place))
        level += 1
    blame.finish(head.root if head else None)
    return {one: blame.root_at(one, last[one]) for one in earlier}


def _places(reader: _Reader, blame: Blame, level: int, size: int) -> list[Place]:
    """Tiles of a level of which something is known: a file, or what lies below it."""
    count = size >> (8 * level)
    below = {index // WIDTH for index in blame.nodes.get(level, {})}
    if level == 0:
        below = {index for _, index, _ in reader.present.get(ENTRIES, [])}
    known = below | {index for _, index, _ in reader.present.get(level, [])}
    return [(level, index, min(WIDTH, count - index * WIDTH)) for index in sorted(known)]


def _below(blame: Blame, place: Place) -> Hashes:
    level, index, width = place
    nodes = blame.nodes.get(level, {})
    return [nodes.get(index * WIDTH + at) for at in range(width)]


def _leaf_hashes(reader: _Reader, walk: Walk, index: int, width: int) -> Hashes:
    leaves = reader.leaves(index, width)
    for at, leaf in enumerate(leaves):
        walk.leaf(index * WIDTH + at, leaf)
    reader.entries += len(leaves)
    walk.holes += width - len(leaves)
    return [*map(leaf_hash, leaves), *[None] * (width - len(leaves))]
