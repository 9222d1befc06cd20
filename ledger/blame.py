"""Which of two disagreeing files was altered: a tile, or what lies below it.

A tile and the level below it are two witnesses of the same hashes. Where they differ, the hash one level up
says which of them is right; on the right edge the signed root says it.
"""

from collections.abc import Callable
from itertools import product

from ledger.report import Finding
from ledger.tiles import CHECKPOINT, ENTRIES, WIDTH, Place, path_of, right_edge
from ledger.tree import frontier_of, root, root_of

Hashes = list[bytes | None]
"""Hashes of one tile; None where nothing is known."""


def complete(hashes: Hashes) -> list[bytes] | None:
    """The hashes if all are known."""
    known = [hashed for hashed in hashes if hashed is not None]
    return known if len(known) == len(hashes) else None


def differing(computed: Hashes, stored: list[bytes] | None) -> list[int]:
    """Positions where both are known and differ."""
    pairs = zip(computed, stored or [], strict=False)
    return [at for at, (one, other) in enumerate(pairs) if one is not None and one != other]


class Blame:
    """Takes tiles level by level from the leaves up and collects subtree hashes and findings."""

    def __init__(
        self, size: int, stored: Callable[[Place], list[bytes] | None], findings: list[Finding]
    ) -> None:
        self._size, self._stored, self._findings = size, stored, findings
        self.nodes: dict[int, dict[int, bytes]] = {}
        self._edge: dict[int, tuple[Place, Hashes, list[bytes] | None]] = {}
        self._chosen: dict[tuple[int, int], list[bytes]] = {}  # levels above the leaves
        self._open: list[tuple[Place, Hashes, list[bytes] | None, list[bytes] | None]] = []

    def take(self, place: Place, computed: Hashes) -> Hashes:
        """Compare what is below with what the tile says; the hashes to go on with."""
        stored = self._stored(place)
        if place[2] < WIDTH:
            self._edge[place[0]] = (place, computed, stored)
            return list(complete(computed) or stored or computed)
        return self._full(place, computed, stored)

    def _full(self, place: Place, computed: Hashes, stored: list[bytes] | None) -> Hashes:
        above, whole = self._above(place), complete(computed)
        right = next((one for one in (whole, stored) if one and above and root_of(one) == above), None)
        chosen = right or whole or stored
        if differing(computed, stored):
            if right is None:
                self._open.append((place, computed, stored, chosen))
            else:
                self._blame(place, computed, stored, right)
        self._keep(place, chosen, above)
        return list(chosen) if chosen else computed

    def _keep(self, place: Place, chosen: list[bytes] | None, above: bytes | None) -> None:
        subtree = root_of(chosen) if chosen else above
        if subtree is not None:
            self.nodes.setdefault(place[0] + 1, {})[place[1]] = subtree
        if chosen and place[0]:
            self._chosen[place[:2]] = chosen

    def _above(self, place: Place) -> bytes | None:
        level, index = place[0] + 1, place[1] // WIDTH
        width = min(WIDTH, (self._size >> (8 * level)) - index * WIDTH)
        tile = self._stored((level, index, width))
        return tile[place[1] % WIDTH] if tile else None

    def _blame(
        self, place: Place, computed: Hashes, stored: list[bytes] | None, right: list[bytes] | None
    ) -> None:
        positions = differing(computed, stored)
        if right is not None and right is not stored:
            listed = ", ".join(str(at) for at in positions[:8]) + (", …" if len(positions) > 8 else "")
            self._findings.append(Finding("tile", path_of(*place), f"altered in hash {listed}"))
            return
        doubt = "" if right is stored else " (or the tile was altered)"
        for at in positions:
            self._findings.append(_altered_below(place, at, doubt))

    def finish(self, expected: bytes | None) -> None:
        """Settle the right edge by the signed root, then, from the top down, what was left open below it."""
        levels = [level for level, _, _ in sorted(right_edge(self._size), reverse=True) if level != ENTRIES]
        readings = [self._readings(level) for level in levels]
        roots = {_edge_root(choice): choice for choice in product(*readings)}
        right = roots.get(expected) if expected is not None else None
        if roots and expected is not None and right is None:
            self._findings.append(Finding("root", CHECKPOINT, "the entries do not give the signed root"))
        proved = dict(zip(levels, right or (), strict=False))
        for place, computed, stored in self._edge.values():
            if differing(computed, stored):
                self._blame(place, computed, stored, proved.get(place[0]))
        for place, computed, stored, chosen in self._open:
            true = chosen if self._proved(place, proved) else None
            self._blame(place, computed, stored, true)

    def _proved(self, place: Place, edge: dict[int, list[bytes]]) -> bool:
        """Whether the hashes chosen for a full tile hang together with the signed root."""
        level, index = place[0] + 1, place[1] // WIDTH
        if index == self._size >> (8 * (level + 1)):
            above = edge.get(level)
        else:
            above = self._chosen.get((level, index)) if self._proved((level, index, WIDTH), edge) else None
        return above is not None and above[place[1] % WIDTH] == self.nodes[level].get(place[1])

    def _readings(self, level: int) -> list[list[bytes]]:
        if level not in self._edge:
            return []
        _, computed, stored = self._edge[level]
        whole = complete(computed)
        both = [one for one in (stored, whole) if one is not None]
        return both[:1] if len(both) == 2 and both[0] == both[1] else both

    def root_at(self, size: int, last: Hashes) -> bytes | None:
        """The root of the first `size` leaves; `last` are the leaf hashes of its partial tile."""
        tiles: list[Hashes] = [last]
        level = 1
        while size >> (8 * level):
            count = size >> (8 * level)
            nodes = self.nodes.get(level, {})
            tiles.append([nodes.get(index) for index in range(count - count % WIDTH, count)])
            level += 1
        whole = [complete(tile) for tile in reversed(tiles)]
        known = [tile for tile in whole if tile is not None]
        return _edge_root(tuple(known)) if len(known) == len(whole) else None


def _edge_root(tiles: tuple[list[bytes], ...]) -> bytes:
    """The root of the tree whose right edge these tiles are, highest level first."""
    return root([subtree for tile in tiles for subtree in frontier_of(tile)])


def _altered_below(place: Place, at: int, doubt: str) -> Finding:
    level, index, _ = place
    number = index * WIDTH + at
    if level == 0:
        return Finding("entry", number, f"altered: it does not fit its hash in {path_of(*place)}{doubt}")
    below = path_of(ENTRIES if level == 1 else level - 1, number)
    return Finding("subtree", below, f"altered together with its hashes, against {path_of(*place)}{doubt}")
