"""One entry with what proves it: the files of an export (C2SP tlog-tiles) its proof is read from.

A program that checks one entry of a published folder finds in these files all it asks for.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ledger.errors import LedgerError
from ledger.note import TreeHead, Verifier, open_checkpoint
from ledger.tiles import CHECKPOINT, ENTRIES, WIDTH, Place, bundle, level_counts, path_of, right_edge
from ledger.tree import frontier_of, root, root_of

_NEWEST = text("SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1")
_HASHES = text("SELECT seq, leaf_hash FROM ledger_entry WHERE seq >= :low AND seq < :high ORDER BY seq")
_LEAVES = text("SELECT seq, leaf FROM ledger_entry WHERE seq >= :low AND seq < :high ORDER BY seq")
_CHUNK = 16 * WIDTH

Tiles = dict[Place, list[bytes]]


def excerpt(connection: Connection, verifier: Verifier, seq: int) -> dict[str, bytes]:
    """Path -> content: the newest checkpoint, the entry's bundle, the tiles above it and the right edge.

    LedgerError entry_missing, or root_differs where the entries do not give the root that was signed.
    """
    note = str(connection.execute(_NEWEST).scalar() or "").encode()
    head = open_checkpoint(note, verifier)
    if not 0 <= seq < head.size:
        raise LedgerError("entry_missing", f"the checkpoint of {head.size} entries has no entry {seq}")
    tiles = _tiles(connection, head, _wanted(seq, head.size))
    files = {path_of(*place): b"".join(hashes) for place, hashes in tiles.items()}
    return {CHECKPOINT: note, **files, **_bundle(connection, seq, head.size)}


def _wanted(seq: int, size: int) -> set[Place]:
    """The tile of each level that holds the entry or what stands above it, and the partial ones."""
    above = {_place(level, seq >> (8 * (level + 1)), count) for level, count in level_counts(size)
             if seq >> (8 * level) < count}  # fmt: skip
    return above | {place for place in right_edge(size) if place[0] != ENTRIES}


def _place(level: int, index: int, count: int) -> Place:
    return level, index, WIDTH if index < count // WIDTH else count % WIDTH


def _tiles(connection: Connection, head: TreeHead, wanted: set[Place]) -> Tiles:
    """The wanted tiles, made from every leaf hash; what they give must be what was signed."""
    found: Tiles = {}
    hashes: Iterator[bytes] = _hashes(connection, head.size)
    for level, count in level_counts(head.size):
        above: list[bytes] = []
        for index, tile in enumerate(_grouped(hashes)):
            place = _place(level, index, count)
            if place in wanted:
                found[place] = tile
            if len(tile) == WIDTH:
                above.append(root_of(tile))
        hashes = iter(above)
    _expect_root(found, head)
    return found


def _grouped(hashes: Iterator[bytes]) -> Iterator[list[bytes]]:
    tile: list[bytes] = []
    for hashed in hashes:
        tile.append(hashed)
        if len(tile) == WIDTH:
            yield tile
            tile = []
    if tile:
        yield tile


def _expect_root(found: Tiles, head: TreeHead) -> None:
    edge = sorted((place for place in right_edge(head.size) if place[0] != ENTRIES), reverse=True)
    if root([subtree for place in edge for subtree in frontier_of(found[place])]) != head.root:
        raise LedgerError("root_differs", f"the entries do not give the root signed for size {head.size}")


def _hashes(connection: Connection, size: int) -> Iterator[bytes]:
    """Page by page, each in its place."""
    for low in range(0, size, _CHUNK):
        high = min(low + _CHUNK, size)
        rows = connection.execute(_HASHES, {"low": low, "high": high}).all()
        if [row.seq for row in rows] != list(range(low, high)):
            raise LedgerError("entry_missing", f"an entry from {low} to {high - 1} is missing in the store")
        yield from (bytes(row.leaf_hash) for row in rows)


def _bundle(connection: Connection, seq: int, size: int) -> dict[str, bytes]:
    low = seq - seq % WIDTH
    high = min(low + WIDTH, size)
    rows = connection.execute(_LEAVES, {"low": low, "high": high}).all()
    if [row.seq for row in rows] != list(range(low, high)):
        raise LedgerError("entry_missing", f"an entry from {low} to {high - 1} is missing in the store")
    name = path_of(ENTRIES, low // WIDTH, high - low)
    return {name: bundle(bytes(row.leaf) for row in rows)}
