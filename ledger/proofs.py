"""Proofs about the Merkle tree (RFC 6962, section 2.1; RFC 9162, sections 2.1.3 and 2.1.4): made and checked.

An inclusion proof shows that a line is in a tree, a consistency proof that one tree is the beginning of another.
Both are lists of roots of ranges of leaves. A `Tree` gives these from the tiles that the sealer keeps: two rows for
each factor of 256 in the size, however many lines there are. Indexes count leaves from 0: position minus one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from ledger.merkle import EMPTY_ROOT, HASH_SIZE, node_hash

WIDTH = 256
"""So many hashes fill a tile. Tile n of level k holds the roots of 256 subtrees of 256**k leaves each."""
BITS = 8

TileId = tuple[int, int]
"""Level and number of a tile, both from 0."""
Range = tuple[int, int]
"""Leaves from the first (included) to the last (excluded)."""
LoadTiles = Callable[[Sequence[TileId]], Mapping[TileId, bytes]]


class MissingTile(LookupError):
    """A tile is not there or too short: the sealer has not come that far, or the tiles have to be made anew."""


class Tree:
    """The tree as far as its tiles reach. `load` reads tiles; each hash in them is of a complete subtree."""

    def __init__(self, load: LoadTiles) -> None:
        self._load = load

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves."""
        return self.roots([(0, size)])[0] if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that the leaf is in the tree of that size, from the leaf upwards."""
        return self.roots(inclusion_ranges(index, size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `old` leaves is the beginning of that of `new`."""
        return self.roots(consistency_ranges(old, new))

    def roots(self, ranges: Sequence[Range]) -> list[bytes]:
        """The root of each range; one reading of tiles for all of them."""
        parts = [list(complete_subtrees(*each)) for each in ranges]
        wanted = sorted({_tile_of(level, number) for each in parts for level, number in each})
        tiles = self._load(wanted)
        return [_join([_subtree(tiles, level, number) for level, number in each]) for each in parts]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """PATH(m, D[n]) of RFC 6962: the ranges whose roots lead from a leaf to the root."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    first, last = 0, size
    ranges: list[Range] = []
    while last - first > 1:
        split = first + _largest_power_below(last - first)
        if index < split:
            ranges.append((split, last))
            last = split
        else:
            ranges.append((first, split))
            first = split
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """SUBPROOF(m, D[n], true) of RFC 6962: the ranges whose roots lead to both roots."""
    if not 0 < old <= new:
        raise ValueError(f"{old} and {new} are no two sizes of one growing tree")
    first, last = 0, new
    ranges: list[Range] = []
    while last != old:
        split = first + _largest_power_below(last - first)
        if old <= split:
            ranges.append((split, last))
            last = split
        else:
            ranges.append((first, split))
            first = split
    if first > 0:
        ranges.append((first, last))
    return ranges[::-1]


def complete_subtrees(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that make up a range of RFC 6962, largest first: log2 of their leaves, and their number."""
    while first < last:
        level = (last - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


def is_included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf's hash at that index to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        return False
    at, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, each)
        at >>= 1
        last >>= 1
    return last == 0 and found == root


def is_consistent(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the proof shows that the tree with the old root began the one with the new root (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    found_old = found_new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            found_old, found_new = node_hash(each, found_old), node_hash(each, found_new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            found_new = node_hash(found_new, each)
        at >>= 1
        last >>= 1
    return last == 0 and (found_old, found_new) == (old_root, new_root)


def fold(hashes: bytes) -> bytes:
    """The root over a power of two of hashes, given one behind the other."""
    while len(hashes) > HASH_SIZE:
        pairs = range(0, len(hashes), 2 * HASH_SIZE)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_SIZE]).digest() for at in pairs])
    return hashes


def _subtree(tiles: Mapping[TileId, bytes], level: int, number: int) -> bytes:
    """The root of a complete subtree, from the hashes of the tile that covers it."""
    tile = _tile_of(level, number)
    count = 1 << level % BITS
    at = (number * count) % WIDTH * HASH_SIZE
    hashes = tiles.get(tile, b"")[at : at + count * HASH_SIZE]
    if len(hashes) < count * HASH_SIZE:
        raise MissingTile(f"tile {tile[1]} of level {tile[0]} is missing or too short")
    return fold(hashes)


def _tile_of(level: int, number: int) -> TileId:
    return level // BITS, number * (1 << level % BITS) // WIDTH


def _join(roots: list[bytes]) -> bytes:
    found = roots[-1]
    for left in reversed(roots[:-1]):
        found = node_hash(left, found)
    return found


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
