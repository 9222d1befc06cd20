"""What lies in an exported folder: files of the log, leftovers of an interrupted export, strangers, gaps."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ledger import folder
from ledger.report import Finding, gap
from ledger.tiles import (
    CHECKPOINT,
    ENTRIES,
    TEMPORARY,
    WIDTH,
    Place,
    belongs,
    level_counts,
    path_of,
    place_of,
    right_edge,
)

Present = dict[int, list[Place]]
"""The files a tree has, by level, in order."""


def names(root: Path, findings: list[Finding]) -> set[str]:
    """Relative names of files that may belong to a log (the checkpoint apart); strangers are reported."""
    found = set()
    for name, regular in folder.walk(root):
        if place_of(name) or (regular and name.endswith(TEMPORARY)):
            found.add(name)
        elif name != CHECKPOINT:
            findings.append(Finding("stray", name, "this is no part of a log"))
    return found


def implied_size(found: Iterable[str]) -> int:
    """The entries the bundles would hold, for a folder without a readable checkpoint."""
    bundles = [place for place in map(place_of, found) if place and place[0] == ENTRIES]
    return max((index * WIDTH + width for _, index, width in bundles), default=0)


def sorted_out(found: Iterable[str], size: int, findings: list[Finding]) -> Present:
    """The files a tree of this size has; what it does not have is left over from an interrupted export."""
    present: Present = {}
    for name in sorted(found):
        place = place_of(name)
        if place and belongs(place, size):
            present.setdefault(place[0], []).append(place)
        else:
            findings.append(Finding("leftover", name, "left over from an interrupted export"))
    return {level: sorted(places) for level, places in present.items()}


def missing(present: Present, size: int) -> Iterator[Finding]:
    """The files a tree of this size should have and has not."""
    for level, count in [(ENTRIES, size), *level_counts(size)]:
        yield from _missing_full(present.get(level, []), level, count // WIDTH)
    for place in right_edge(size):
        if place not in present.get(place[0], []):
            yield _absent(place[0], place[1], place[1] + 1, place[2])


def _missing_full(places: list[Place], level: int, full: int) -> Iterator[Finding]:
    expected = 0
    for index in [*(index for _, index, width in places if width == WIDTH), full]:
        for low, high in gap(expected, index):
            yield _absent(level, low, high, WIDTH)
        expected = index + 1


def _absent(level: int, low: int, high: int, width: int) -> Finding:
    name = "bundle" if level == ENTRIES else f"tile of level {level}, number"
    what = f"{name} {low} is missing" if high == low + 1 else f"{name} {low} to {high - 1} are missing"
    return Finding("missing", path_of(level, low, width), what)
