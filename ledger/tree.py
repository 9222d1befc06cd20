"""Merkle tree of RFC 6962 §2.1, proofs verified as in RFC 9162 §2.1.3.2 and §2.1.4.2; pure functions.

A frontier is the list of roots of the perfect subtrees a tree of some size consists of, largest first:
one hash per set bit of the size, enough to append and to know the root without any history.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Span = Callable[[int, int], bytes]
"""`span(low, high)` is the Merkle tree hash of the leaves low..high-1."""


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf): a leaf can never pass for a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def push(frontier: list[bytes], size: int, leaf: bytes) -> None:
    """Append one leaf hash in place; `size` counts the leaves before it."""
    while size & 1:
        leaf = sha256(b"\x01" + frontier.pop() + leaf).digest()
        size >>= 1
    frontier.append(leaf)


def root(frontier: Sequence[bytes]) -> bytes:
    """The tree hash a frontier stands for, folded from the smallest subtree up."""
    if not frontier:
        return EMPTY_ROOT
    result = frontier[-1]
    for left in reversed(frontier[:-1]):
        result = node_hash(left, result)
    return result


def frontier_of(leaves: Iterable[bytes]) -> list[bytes]:
    """The frontier after appending these leaf hashes to nothing."""
    frontier: list[bytes] = []
    for size, leaf in enumerate(leaves):
        push(frontier, size, leaf)
    return frontier


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The tree hash of leaf hashes by pairing whole levels: a second way to the same root."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        level = _paired(level)
    return level[0]


def _paired(level: Sequence[bytes]) -> list[bytes]:
    """The level above; an odd last hash moves up unchanged."""
    above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return above + list(level[len(above) * 2 :])


def _split(count: int) -> int:
    """The largest power of two below `count` (count >= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtrees(frontier: Sequence[bytes], size: int) -> dict[tuple[int, int], bytes]:
    """The perfect subtrees of a frontier by the range of leaves they cover."""
    known, low = {}, 0
    bits = [bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]
    for bit, subtree in zip(bits, frontier, strict=True):
        known[low, low + (1 << bit)] = subtree
        low += 1 << bit
    return known


def _range_root(
    known: Mapping[tuple[int, int], bytes], leaves: Sequence[bytes], base: int, low: int, high: int
) -> bytes:
    subtree = known.get((low, high))
    if subtree is not None:
        return subtree
    if high - low == 1:
        return leaves[low - base]
    middle = low + _split(high - low)
    return node_hash(
        _range_root(known, leaves, base, low, middle), _range_root(known, leaves, base, middle, high)
    )


def extended_root(frontier: Sequence[bytes], size: int, leaves: Sequence[bytes]) -> bytes:
    """The root after appending leaf hashes, by the recursive definition of RFC 6962 instead of `push`."""
    total = size + len(leaves)
    return _range_root(_subtrees(frontier, size), leaves, size, 0, total) if total else EMPTY_ROOT


def spans(leaves: Sequence[bytes]) -> Span:
    """Tree hashes of ranges of a list of leaf hashes."""
    return lambda low, high: root_of(leaves[low:high])


def inclusion_proof(span: Span, index: int, size: int) -> list[bytes]:
    """PATH(index, D[0:size]) of RFC 6962 §2.1.1, nearest sibling first."""
    if not 0 <= index < size:
        raise ValueError("the index lies outside the tree")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        sibling, (low, high) = (
            ((middle, high), (low, middle)) if index < middle else ((low, middle), (middle, high))
        )
        path.append(span(*sibling))
    return path[::-1]


def consistency_proof(span: Span, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[0:new]) of RFC 6962 §2.1.2; empty for old = 0 and old = new."""
    if not 0 <= old <= new:
        raise ValueError("the old size lies outside the tree")
    if old in (0, new):
        return []
    path, low, high, whole = [], 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(span(middle, high))
            high = middle
        else:
            path.append(span(low, middle))
            low, whole = middle, False
    return ([] if whole else [span(low, high)]) + path[::-1]


def _well_formed(proof: Sequence[bytes]) -> bool:
    return len(proof) <= 64 and all(len(part) == HASH_SIZE for part in proof)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `leaf` (a leaf hash) stands at `index` of the tree of this size and root."""
    if not 0 <= index < size or not _well_formed(proof):
        return False
    first, last, result = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            result = node_hash(part, result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            result = node_hash(result, part)
        first, last = first >> 1, last >> 1
    return last == 0 and result == expected


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of size `new` begins with the tree of size `old`."""
    if not 0 <= old <= new or not _well_formed(proof):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return _folds(old - 1, new - 1, path, old_root, new_root) if path else False


def _folds(first: int, last: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    while first & 1:
        first, last = first >> 1, last >> 1
    old_hash = new_hash = path[0]
    for part in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_hash, new_hash = node_hash(part, old_hash), node_hash(part, new_hash)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_hash = node_hash(new_hash, part)
        first, last = first >> 1, last >> 1
    return last == 0 and old_hash == old_root and new_hash == new_root
