"""Proofs: made from tiles as the definition makes them, and checked as the published vectors want."""

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.merkle import HASH_SIZE, Frontier, leaf_hash
from ledger.proofs import WIDTH, MissingTile, TileId, Tree, fold, is_consistent, is_included

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
beside = pytest.mark.skipif(
    not VECTORS.exists(), reason="the published vectors lie beside the repository, not in it: NOTHING WAS CHECKED"
)


def vectors(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / f"{name}.jsonl").read_text().splitlines()]


def hashes(encoded: Sequence[str] | None) -> list[bytes]:
    return [base64.b64decode(each) for each in encoded or []]


@beside
def test_published_inclusion_proofs() -> None:
    cases = vectors("merkle-inclusion")
    assert len(cases) == 98
    for case in cases:
        leaf, root, *proof = hashes([case["leafHash"], case["root"], *(case["proof"] or [])])
        found = is_included(case["leafIdx"], case["treeSize"], leaf, proof, root)
        assert found is not case["wantErr"], case["path"]


@beside
def test_published_consistency_proofs() -> None:
    cases = vectors("merkle-consistency")
    assert len(cases) == 98
    for case in cases:
        old, new, *proof = hashes([case["root1"], case["root2"], *(case["proof"] or [])])
        found = is_consistent(case["size1"], case["size2"], proof, old, new)
        if len(old) != HASH_SIZE and not case["wantErr"]:
            assert not found, "roots of a wrong length are refused first"
        else:
            assert found is not case["wantErr"], case["path"]


# RFC 6962's own example tree of seven leaves; the leaves are those of transparency-dev/merkle, testonly/constants.go.
LEAVES = [leaf_hash(bytes.fromhex(each)) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ROOT_OF_SEVEN = "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"


def tree_over(leaves: Sequence[bytes]) -> tuple[Tree, dict[TileId, bytes]]:
    """A tree whose tiles are made by their definition."""
    tiles: dict[TileId, bytes] = {}
    level = 0
    row = list(leaves)
    while row:
        for number in range(-(-len(row) // WIDTH)):
            tiles[level, number] = b"".join(row[number * WIDTH : (number + 1) * WIDTH])
        row = [fold(tiles[level, number]) for number in range(len(row) // WIDTH)]
        level += 1
    return Tree(lambda wanted: {each: tiles[each] for each in wanted if each in tiles}), tiles


def test_the_proofs_of_the_rfcs_example() -> None:
    tree, _ = tree_over(LEAVES)
    root = tree.root(7)
    assert root.hex() == ROOT_OF_SEVEN
    a, b, c, d, e, f, j = LEAVES
    g, h, i = (sha256(b"\x01" + left + right).digest() for left, right in ((a, b), (c, d), (e, f)))
    k = sha256(b"\x01" + g + h).digest()
    assert tree.inclusion(0, 7) == [b, h, sha256(b"\x01" + i + j).digest()]
    assert tree.inclusion(3, 7) == [c, g, sha256(b"\x01" + i + j).digest()]
    assert tree.inclusion(4, 7) == [f, j, k]
    assert tree.inclusion(6, 7) == [i, k]
    assert tree.consistency(3, 7) == [c, d, g, sha256(b"\x01" + i + j).digest()]
    assert tree.consistency(4, 7) == [sha256(b"\x01" + i + j).digest()]
    assert tree.consistency(6, 7) == [i, j, k]


def test_every_proof_of_every_small_tree() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(34)]
    tree, _ = tree_over(leaves)
    roots = {}
    for size in range(1, len(leaves) + 1):
        frontier = Frontier()
        frontier.extend(leaves[:size])
        roots[size] = frontier.root()
        assert tree.root(size) == roots[size]
        for index in range(size):
            proof = tree.inclusion(index, size)
            assert is_included(index, size, leaves[index], proof, roots[size])
            assert not is_included(index, size, leaves[index - 1], proof, roots[size]) or size == 1
        for old in range(1, size + 1):
            proof = tree.consistency(old, size)
            assert is_consistent(old, size, proof, roots[old], roots[size])
            assert not is_consistent(old, size, proof, leaves[0], roots[size]) or old == 1


BIG = [sha256(str(n).encode()).digest() for n in range(WIDTH * WIDTH + 3 * WIDTH + 77)]
BIG_TREE, BIG_TILES = tree_over(BIG)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, len(BIG)), st.data())
def test_proofs_of_large_trees_read_few_tiles(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    frontier, earlier = Frontier(), Frontier()
    frontier.extend(BIG[:size])
    earlier.extend(BIG[:old])
    read: list[TileId] = []

    def load(wanted: Sequence[TileId]) -> dict[TileId, bytes]:
        read.extend(wanted)
        return {each: BIG_TILES[each] for each in wanted}

    proof = Tree(load).inclusion(index, size)
    assert len(read) <= 2 * 3
    assert is_included(index, size, BIG[index], proof, frontier.root())
    proof = BIG_TREE.consistency(old, size)
    assert is_consistent(old, size, proof, earlier.root(), frontier.root())


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_what_is_in_no_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        BIG_TREE.inclusion(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_what_are_no_two_sizes(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no two sizes"):
        BIG_TREE.consistency(old, new)


def test_a_tile_that_is_not_there_is_told() -> None:
    with pytest.raises(MissingTile, match=r"tile . of level ."):
        Tree(lambda _: {}).root(2 * WIDTH + 1)
    with pytest.raises(MissingTile, match="missing or too short"):
        BIG_TREE.root(len(BIG) + 1)
