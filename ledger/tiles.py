"""Paths and contents of a static log (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 leaves."""

import re
from collections.abc import Iterable, Iterator

from ledger.errors import LedgerError
from ledger.leaf import MAX_LEAF
from ledger.tree import HASH_SIZE

WIDTH = 256
TILE_BYTES = WIDTH * HASH_SIZE
BUNDLE_BYTES = WIDTH * (2 + MAX_LEAF)
ENTRIES = -1
"""The level that stands for entry bundles in paths and places."""

CHECKPOINT = "checkpoint"
TEMPORARY = ".tmp"

_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)

Place = tuple[int, int, int]
"""Level (or ENTRIES), index in the level, width."""


def path_of(level: int, index: int, width: int = WIDTH) -> str:
    """The relative path of a tile or bundle; index 1234067 reads x001/x234/067."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    folder = "entries" if level == ENTRIES else str(level)
    return f"tile/{folder}/{'/'.join(groups)}" + ("" if width == WIDTH else f".p/{width}")


def place_of(path: str) -> Place | None:
    """The tile or bundle a relative path names, None if it names none in its only spelling."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    folder, upper, last, width = match.groups()
    index = int(upper.replace("x", "").replace("/", "") + last)
    place = (ENTRIES if folder == "entries" else int(folder), index, int(width or WIDTH))
    return place if place[2] <= WIDTH and path_of(*place) == path else None


def level_counts(size: int) -> Iterator[tuple[int, int]]:
    """(level, number of hashes in it) of a tree; level 0 holds the leaf hashes."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size // WIDTH


def right_edge(size: int) -> list[Place]:
    """The partial tiles and the partial bundle of a tree."""
    edge = [(level, count // WIDTH, count % WIDTH) for level, count in level_counts(size) if count % WIDTH]
    return edge + ([(ENTRIES, size // WIDTH, size % WIDTH)] if size % WIDTH else [])


def belongs(place: Place, size: int) -> bool:
    """Whether a tree of this size has this file."""
    level, index, width = place
    count = size >> (8 * max(level, 0))
    return index < count // WIDTH if width == WIDTH else (index, width) == (count // WIDTH, count % WIDTH)


def pack(leaf: bytes) -> bytes:
    """A leaf as it stands in a bundle: uint16 length (big-endian), then the bytes."""
    return len(leaf).to_bytes(2, "big") + leaf


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Leaves one after the other, each with its length."""
    return b"".join(map(pack, leaves))


def unpack(data: bytes, count: int) -> list[bytes]:
    """The leaves of a bundle of exactly `count`; BundleError carries the leaves read so far."""
    leaves: list[bytes] = []
    at = 0
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise BundleError("the bundle ends inside an entry", leaves)
        leaves.append(data[at + 2 : end])
        at = end
    if at != len(data):
        raise BundleError(f"{len(data) - at} bytes follow the last entry", leaves)
    return leaves


class BundleError(LedgerError):
    """A bundle that does not hold what it should; `leaves` could still be read."""

    def __init__(self, message: str, leaves: list[bytes]) -> None:
        super().__init__("bundle_malformed", message)
        self.leaves = leaves


def hashes_of(tile: bytes) -> list[bytes]:
    """The hashes in a tile."""
    return [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]
