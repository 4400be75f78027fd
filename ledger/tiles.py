"""The tiles of the Merkle tree, as the sealer keeps them in the database and as proofs are made from them.

Each holds up to 256 hashes; a full one gives one hash to the tile above it. The tiles of level 0 hold the hashes of
the lines themselves, made by the sealer and not taken from beside the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.merkle import HASH_SIZE, Frontier
from ledger.proofs import WIDTH, TileId, Tree, fold

TILE_BYTES = WIDTH * HASH_SIZE

_LOAD = """
    SELECT t.level, t.number, t.hashes
      FROM unnest(%s::smallint[], %s::bigint[]) AS wanted (level, number)
      JOIN ledger.tiles AS t USING (level, number)
"""
_STORE = """
    INSERT INTO ledger.tiles (level, number, hashes) VALUES (%s, %s, %s)
    ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
"""
_EDGE = "SELECT number, hashes FROM ledger.tiles WHERE level = %s ORDER BY number DESC LIMIT 1"


def stored_tree(connection: Connection[Any]) -> Tree:
    """The tree of the stored tiles, for proofs."""
    return Tree(lambda wanted: load_tiles(connection, wanted))


def load_tiles(connection: Connection[Any], wanted: Sequence[TileId]) -> dict[TileId, bytes]:
    """Those of the tiles that are there, in one query."""
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        cursor.execute(_LOAD, [[level for level, _ in wanted], [number for _, number in wanted]], prepare=True)
        return {(level, number): hashes for level, number, hashes in cursor}


class GrowingTiles:
    """The right edge of the tiles, which grows by leaves; `store` writes what has changed since.

    `size` is the number of leaves. What has been stored is read by `load`.
    """

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytearray] = []
        self._changed: dict[TileId, bytes] = {}

    @classmethod
    def load(cls, connection: Connection[Any]) -> GrowingTiles:
        """What the database has; empty where its tiles do not belong together."""
        found = cls()
        level = 0
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            while row := cursor.execute(_EDGE, [level]).fetchone():
                number, hashes = row
                if level == 0:
                    found.size = number * WIDTH + len(hashes) // HASH_SIZE
                full = len(hashes) == TILE_BYTES
                if number * WIDTH + len(hashes) // HASH_SIZE != found.size // WIDTH**level:
                    return cls()
                found._edge.append(bytearray() if full else bytearray(hashes))
                level += 1
        return found if found.size // WIDTH**level == 0 else cls()

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes in order."""
        if not self._edge:
            self._edge.append(bytearray())
        for leaf in leaves:
            lowest = self._edge[0]
            lowest += leaf
            self.size += 1
            if len(lowest) == TILE_BYTES:
                self._carry(0)

    def frontier(self) -> Frontier:
        """The complete subtrees, as `ledger.head` keeps them too."""
        parts: list[bytes] = []
        for hashes in reversed(self._edge):
            at = 0
            while left := (len(hashes) - at) // HASH_SIZE:
                span = (1 << left.bit_length() - 1) * HASH_SIZE
                parts.append(fold(bytes(hashes[at : at + span])))
                at += span
        return Frontier(self.size, b"".join(parts))

    def store(self, connection: Connection[Any]) -> None:
        """Write the tiles that have changed. The caller's transaction makes it all or nothing."""
        for level, hashes in enumerate(self._edge):
            if hashes:
                self._changed[level, self.size // WIDTH**level // WIDTH] = bytes(hashes)
        with connection.cursor() as cursor:
            cursor.executemany(_STORE, [(*tile, hashes) for tile, hashes in self._changed.items()])
        self._changed.clear()

    def _carry(self, level: int) -> None:
        hashes = bytes(self._edge[level])
        self._changed[level, self.size // WIDTH ** (level + 1) - 1] = hashes
        self._edge[level].clear()
        if level + 1 == len(self._edge):
            self._edge.append(bytearray())
        above = self._edge[level + 1]
        above += fold(hashes)
        if len(above) == TILE_BYTES:
            self._carry(level + 1)
