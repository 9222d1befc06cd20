"""The Merkle tree against the reference values of Certificate Transparency and the text of RFC 6962."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.tree import (
    EMPTY_ROOT,
    consistency_proof,
    extended_root,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    root,
    root_of,
    spans,
    verify_consistency,
    verify_inclusion,
)

# certificate-transparency, merkletree/merkle_verifier_test: inputs, roots of the first 1..8, some paths.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
FIRST_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
FROM_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
FROM_2_TO_5 = [
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
]

LEAVES = [leaf_hash(data) for data in INPUTS]
sizes = st.integers(0, 600)


def numbered(count: int) -> list[bytes]:
    return [sha256(b"\0%d" % number).digest() for number in range(count)]


def by_the_book(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(1 << bit for bit in range(12) if 1 << bit < len(leaves))
    return sha256(b"\x01" + by_the_book(leaves[:k]) + by_the_book(leaves[k:])).digest()


def hexes(hashes: list[bytes]) -> list[str]:
    return [hashed.hex() for hashed in hashes]


@pytest.mark.parametrize("size", range(1, 9))
def test_reference_roots(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert root(frontier_of(LEAVES[:size])).hex() == ROOTS[size - 1]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == root([]) == extended_root([], 0, []) == EMPTY_ROOT


def test_reference_paths() -> None:
    span = spans(LEAVES)
    assert hexes(inclusion_proof(span, 0, 8)) == FIRST_OF_8
    assert hexes(consistency_proof(span, 1, 8)) == FIRST_OF_8
    assert hexes(consistency_proof(span, 6, 8)) == FROM_6_TO_8
    assert hexes(consistency_proof(span, 2, 5)) == FROM_2_TO_5


@given(sizes)
def test_every_way_to_the_root_agrees_with_the_definition(size: int) -> None:
    leaves = numbered(size)
    assert root_of(leaves) == root(frontier_of(leaves)) == by_the_book(leaves)


@given(sizes, sizes)
def test_extending_a_frontier_gives_the_root_of_the_whole(old: int, more: int) -> None:
    leaves = numbered(old + more)
    assert extended_root(frontier_of(leaves[:old]), old, leaves[old:]) == by_the_book(leaves)


@given(st.integers(1, 200), st.data())
def test_inclusion_holds_and_nothing_else_does(size: int, data: st.DataObject) -> None:
    leaves, index = numbered(size), data.draw(st.integers(0, size - 1))
    expected, proof = by_the_book(leaves), inclusion_proof(spans(leaves), index, size)
    assert verify_inclusion(leaves[index], index, size, proof, expected)
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index or size == 1))
    assert other == index or not verify_inclusion(leaves[index], other, size, proof, expected)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, expected)
    assert not verify_inclusion(leaves[index], index, size, [*proof, expected], expected)
    assert not verify_inclusion(leaves[index], index, size, proof[:-1], expected) or not proof
    assert not verify_inclusion(leaves[index], size, size, proof, expected)


@given(st.integers(0, 200), st.integers(0, 200), st.data())
def test_consistency_holds_and_nothing_else_does(old: int, more: int, data: st.DataObject) -> None:
    leaves, new = numbered(old + more), old + more
    roots = by_the_book(leaves[:old]), by_the_book(leaves)
    proof = consistency_proof(spans(leaves), old, new)
    assert verify_consistency(old, new, *roots, proof)
    assert not verify_consistency(old, new, leaf_hash(b"fork"), roots[1], proof)
    assert not verify_consistency(old, new, *roots, [*proof, roots[1]])
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_consistency(old, new, *roots, proof[:at] + proof[at + 1 :])
        assert not verify_consistency(old, new, *roots, [*proof[:at], leaf_hash(b"x"), *proof[at + 1 :]])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3), (3, -1)])
def test_impossible_sizes_are_refused(old: int, new: int) -> None:
    assert not verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(ValueError, match="outside"):
        consistency_proof(spans(LEAVES), old, new)


def test_a_proof_of_the_wrong_shape_is_refused() -> None:
    assert not verify_inclusion(LEAVES[0], 0, 2, [b"short"], root_of(LEAVES[:2]))
    assert not verify_consistency(2, 5, root_of(LEAVES[:2]), root_of(LEAVES[:5]), [])
    with pytest.raises(ValueError, match="outside"):
        inclusion_proof(spans(LEAVES), 8, 8)
