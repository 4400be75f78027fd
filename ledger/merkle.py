"""The Merkle tree of RFC 6962 (and 9162) over the ledger's lines, kept as its frontier.

The frontier of a tree of n leaves is the list of roots of its complete subtrees, largest first: one for each
binary one of n. It is all that an append needs, and the root follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """The hash of one line, without its newline: SHA-256 over 0x00 and the line."""
    return sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 over 0x01 and both children."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows. `size` leaves; `bytes(frontier)` is its stored form, 32 bytes a subtree."""

    __slots__ = ("size", "subtrees")

    def __init__(self, size: int = 0, stored: bytes = b"") -> None:
        if len(stored) != HASH_SIZE * size.bit_count():
            raise ValueError(f"a frontier of {size} leaves has {size.bit_count()} subtrees")
        self.size = size
        self.subtrees = [stored[i : i + HASH_SIZE] for i in range(0, len(stored), HASH_SIZE)]

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes in order."""
        subtrees, size = self.subtrees, self.size
        for node in leaves:
            carry = size
            while carry & 1:
                node = sha256(b"\x01" + subtrees.pop() + node).digest()
                carry >>= 1
            subtrees.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """The root over all leaves; the hash of nothing for an empty tree."""
        if not self.subtrees:
            return EMPTY_ROOT
        root = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root

    def __bytes__(self) -> bytes:
        return b"".join(self.subtrees)
