"""Publishing the log as static files (C2SP tlog-tiles); the checkpoint is written last, after its tiles."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

from ledger import folder
from ledger.errors import LedgerError
from ledger.note import MAX_NOTE, TreeHead, Verifier, open_checkpoint, parse_head, split_note
from ledger.tiles import (
    BUNDLE_BYTES,
    CHECKPOINT,
    ENTRIES,
    TEMPORARY,
    TILE_BYTES,
    WIDTH,
    belongs,
    hashes_of,
    pack,
    path_of,
    place_of,
    right_edge,
    unpack,
)
from ledger.tree import EMPTY_ROOT, frontier_of, leaf_hash, root, root_of

_NEWEST = text("SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1")
_NOTE = text("SELECT note FROM ledger_checkpoint WHERE size = :size")
_LEAVES = text("SELECT seq, leaf FROM ledger_entry WHERE seq >= :low AND seq < :high ORDER BY seq")
_CHUNK = 2048


class Exported(NamedTuple):
    """The tree a folder now holds and how many files were written and removed for it."""

    size: int
    root: bytes
    written: int
    removed: int


def export(
    connection: Connection,
    directory: Path,
    *,
    verifier: Verifier | None = None,
    empty_note: str | None = None,
    rebuild: bool = False,
) -> Exported:
    """Bring `directory` to the newest checkpoint: only what is new is read and written.

    With `verifier` an unsigned checkpoint is refused; `empty_note` is published while the log has no entry;
    `rebuild` writes every file again. Refuses a folder with foreign files, another log or a longer history.
    """
    note = _newest(connection, empty_note)
    head = _head(note, verifier)
    found = _survey(directory)
    earlier = _earlier(connection, directory, head, verifier) if CHECKPOINT in found else None
    builder = _Builder(directory)
    if earlier is not None and not rebuild:
        builder.resume(earlier)
    for leaf in _leaves(connection, builder.size, head.size):
        builder.add(leaf)
    builder.finish(head)
    builder.put(CHECKPOINT, note.encode())
    folder.sync(directory)
    stale = [path for path in found if path != CHECKPOINT and not _wanted(path, head.size)]
    for path in stale:
        folder.remove(directory, path)
    return Exported(head.size, head.root, builder.written, len(stale))


def _newest(connection: Connection, empty_note: str | None) -> str:
    note = connection.execute(_NEWEST).scalar() or empty_note
    if not note:
        raise LedgerError("log_empty", "the log has no checkpoint yet")
    return str(note)


def _head(note: str, verifier: Verifier | None) -> TreeHead:
    raw = note.encode()
    return open_checkpoint(raw, verifier) if verifier else parse_head(split_note(raw)[0])


def _wanted(path: str, size: int) -> bool:
    place = place_of(path)
    return place is not None and belongs(place, size)


def _survey(directory: Path) -> set[str]:
    """The files of an earlier export, whole or interrupted; anything else is somebody else's folder."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError("export_unwritable", f"{directory}: {error.strerror}") from error
    found = set()
    for path, regular in folder.walk(directory):
        plain = path.removesuffix(TEMPORARY)
        if not regular or not (plain == CHECKPOINT or place_of(plain)):
            raise LedgerError("folder_foreign", f"{directory} holds {path}, which is not of an export")
        found.add(path)
    return found


def _earlier(connection: Connection, directory: Path, head: TreeHead, verifier: Verifier | None) -> TreeHead:
    """The tree the folder already publishes, if this log has signed it too."""
    note = folder.read(directory, CHECKPOINT, MAX_NOTE)
    earlier = open_checkpoint(note, verifier) if verifier else parse_head(split_note(note)[0])
    if earlier.origin != head.origin:
        raise LedgerError("other_log", f"the folder holds {earlier.origin}, not {head.origin}")
    if earlier.size > head.size:
        raise LedgerError("store_older", f"the folder has {earlier.size} entries, the store {head.size}")
    mine = connection.execute(_NOTE, {"size": earlier.size}).scalar() if earlier.size else None
    mine_root = parse_head(split_note(str(mine).encode())[0]).root if mine else EMPTY_ROOT
    if mine_root != earlier.root:
        raise LedgerError(
            "other_log", f"the folder's tree of {earlier.size} entries is not one of this store"
        )
    return earlier


def _leaves(connection: Connection, low: int, size: int) -> Iterator[bytes]:
    expected = low
    while expected < size:
        rows = connection.execute(_LEAVES, {"low": expected, "high": min(expected + _CHUNK, size)}).all()
        for seq, leaf in rows:
            if seq != expected:
                break
            yield bytes(leaf)
            expected += 1
        if not rows or rows[-1][0] != expected - 1:
            raise LedgerError("entry_missing", f"entry {expected} is missing in the store")


class _Builder:
    """Tiles under construction: per level the hashes of the last tile, and the leaves of the last bundle."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tiles: list[list[bytes]] = [[]]
        self._leaves: list[bytes] = []
        self.size = 0
        self.written = 0

    def put(self, path: str, data: bytes) -> None:
        """Write one file and count it."""
        folder.put(self._directory, path, data, TEMPORARY)
        self.written += 1

    def resume(self, earlier: TreeHead) -> None:
        """Go on behind an earlier export if its right edge still gives its root; otherwise start again."""
        with suppress(LedgerError):
            tiles = self._edge_tiles(earlier.size)
            leaves = self._edge_leaves(earlier.size)
            if _root(tiles) == earlier.root and [leaf_hash(leaf) for leaf in leaves] == tiles[0]:
                self._tiles, self._leaves, self.size = tiles, [pack(leaf) for leaf in leaves], earlier.size

    def _edge_tiles(self, size: int) -> list[list[bytes]]:
        tiles: list[list[bytes]] = [[] for _ in range(max(1, (size.bit_length() + 7) // 8))]
        for place in right_edge(size):
            if place[0] != ENTRIES:
                tiles[place[0]] = hashes_of(folder.read(self._directory, path_of(*place), TILE_BYTES))
        return tiles

    def _edge_leaves(self, size: int) -> list[bytes]:
        if not size % WIDTH:
            return []
        path = path_of(ENTRIES, size // WIDTH, size % WIDTH)
        return unpack(folder.read(self._directory, path, BUNDLE_BYTES), size % WIDTH)

    def add(self, leaf: bytes) -> None:
        """Take in the next leaf; a full tile goes to its file and its root one level up."""
        self._leaves.append(pack(leaf))
        self._push(0, leaf_hash(leaf))
        self.size += 1
        if len(self._leaves) == WIDTH:
            self.put(path_of(ENTRIES, self.size // WIDTH - 1), b"".join(self._leaves))
            self._leaves = []

    def _push(self, level: int, hashed: bytes) -> None:
        if level == len(self._tiles):
            self._tiles.append([])
        tile = self._tiles[level]
        tile.append(hashed)
        if len(tile) == WIDTH:
            self.put(path_of(level, self.size // WIDTH ** (level + 1)), b"".join(tile))
            self._tiles[level] = []
            self._push(level + 1, root_of(tile))

    def finish(self, head: TreeHead) -> None:
        """Write the right edge, after making sure that the tiles give the signed root."""
        if _root(self._tiles) != head.root:
            raise LedgerError("root_differs", f"the entries do not give the root signed for size {head.size}")
        for level, index, width in right_edge(head.size):
            data = self._leaves if level == ENTRIES else self._tiles[level]
            self.put(path_of(level, index, width), b"".join(data))


def _root(tiles: list[list[bytes]]) -> bytes:
    """The root of the tree whose right edge these tiles are."""
    return root([subtree for tile in reversed(tiles) for subtree in frontier_of(tile)])
