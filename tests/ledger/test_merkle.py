"""The tree is that of RFC 6962: checked against published vectors, and against the definition itself."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "merkle-hashes.json"


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root_by_definition(leaves[:split]) + root_by_definition(leaves[split:])).digest()


@pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors lie beside the repository, not in it")
def test_published_vectors() -> None:
    vectors = json.loads(VECTORS.read_text())
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in vectors["leaves_hex"]]
    for size, expected in enumerate(vectors["roots_hex_by_size"]):
        tree = Frontier()
        tree.extend(leaves[:size])
        assert tree.root().hex() == expected


def test_known_hashes() -> None:
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert Frontier().root() == EMPTY_ROOT


@given(st.lists(st.binary(max_size=8), max_size=70), st.data())
def test_root_is_the_definition_however_the_leaves_arrive(lines: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(line) for line in lines]
    tree = Frontier()
    at = 0
    while at < len(leaves):
        step = data.draw(st.integers(1, len(leaves) - at))
        tree.extend(leaves[at : at + step])
        at += step
        tree = Frontier(tree.size, bytes(tree))
    assert tree.root() == root_by_definition(leaves)


def test_a_stored_frontier_must_fit_its_size() -> None:
    with pytest.raises(ValueError, match="3 leaves has 2 subtrees"):
        Frontier(3, b"\x00" * 32)
