"""The past of the ledger, read again from its lines: is it still the one that was sealed?

Reads by ranges of positions, each in a short transaction: a long look holds nobody up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.checkpoints import Checkpoint
from ledger.line import OPENING
from ledger.merkle import HASH_SIZE, Frontier, leaf_hash
from ledger.proofs import WIDTH
from ledger.tiles import GrowingTiles, load_tiles

BATCH = 20 * WIDTH
"""Lines that are read at a time: whole tiles of them."""


class PastRewritten(Exception):
    """The lines are not those that were sealed. `position` is the first that does not add up."""

    def __init__(self, position: int, fault: str) -> None:
        super().__init__(f"position {position}: {fault}")
        self.position = position
        self.fault = fault


def read_head(connection: Connection[Any]) -> Frontier:
    """Size and subtrees as the appends have left them."""
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        row = cursor.execute("SELECT size, frontier FROM ledger.head").fetchone()
    if row is None:
        raise PastRewritten(1, "the ledger has no head row")
    try:
        return Frontier(*row)
    except ValueError as error:
        raise PastRewritten(max(row[0], 1), f"the head row does not add up: {error}") from None


def hash_lines(connection: Connection[Any], after: int, last: int) -> list[bytes]:
    """The hashes of the lines behind `after` up to `last`, made from the lines. Raises PastRewritten."""
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        rows = cursor.execute(
            "SELECT position, line, leaf_hash FROM ledger.events WHERE position > %s AND position <= %s"
            " ORDER BY position",
            [after, last],
            prepare=True,
        ).fetchall()
    hashes = []
    for expected, (position, line, stored_hash) in enumerate(rows, after + 1):
        if position != expected:
            raise PastRewritten(expected, "the line is missing")
        found = leaf_hash(line.encode())
        if found != stored_hash:
            raise PastRewritten(expected, "the line does not give its leaf hash")
        if not line.startswith(f"{OPENING}{expected},"):
            raise PastRewritten(expected, "the line says another position")
        hashes.append(found)
    if len(hashes) < last - after:
        raise PastRewritten(after + len(hashes) + 1, "the line is missing")
    return hashes


def batches(after: int, last: int) -> Iterator[tuple[int, int]]:
    """That stretch of positions in parts of whole tiles."""
    while after < last:
        until = min(last, (after // BATCH + 1) * BATCH)
        yield after, until
        after = until


def first_odd_line(connection: Connection[Any], after: int, last: int) -> int | None:
    """The first position whose line is not the one that the tiles remember. Raises PastRewritten."""
    for start, end in batches(after, last):
        hashes = b"".join(hash_lines(connection, start, end))
        numbers = range(start // WIDTH, (end - 1) // WIDTH + 1)
        tiles = load_tiles(connection, [(0, number) for number in numbers])
        kept = b"".join(tiles.get((0, number), b"") for number in numbers)[start % WIDTH * HASH_SIZE :]
        if kept[: len(hashes)] != hashes:
            at = next(at for at in range(0, len(hashes), HASH_SIZE) if kept[at : at + 32] != hashes[at : at + 32])
            return start + at // HASH_SIZE + 1
    return None


def check_against(connection: Connection[Any], sealed: Checkpoint) -> None:
    """Read all lines up to a checkpoint's size. Returns where they give its root, else raises PastRewritten.

    The position is exact where the tiles are those that were sealed, else the first one behind the last checkpoint
    with which the lines still agree.
    """
    lines, agreed, disagreed = Frontier(), 0, 0
    for start, end in batches(0, sealed.size):
        hashes = hash_lines(connection, start, end)
        for size, root in _checkpoints(connection, start, end):
            if size > lines.size:
                lines.extend(hashes[lines.size - start : size - start])
            if lines.root() == root and not disagreed:
                agreed = size
            else:
                disagreed = disagreed or size
        lines.extend(hashes[lines.size - start :])
    if lines.root() == sealed.root:
        return
    odd = first_odd_line(connection, 0, sealed.size)
    if odd is not None and _tiles_give(connection, sealed):
        raise PastRewritten(odd, "the line is not the one that was sealed")
    raise PastRewritten(
        agreed + 1, f"one of the lines {agreed + 1} to {disagreed or sealed.size} is not the one that was sealed"
    )


def _checkpoints(connection: Connection[Any], after: int, last: int) -> list[tuple[int, bytes]]:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        return cursor.execute(
            "SELECT DISTINCT size, root FROM ledger.checkpoints WHERE size > %s AND size <= %s ORDER BY size",
            [after, last],
        ).fetchall()


def _tiles_give(connection: Connection[Any], sealed: Checkpoint) -> bool:
    """Whether the remembered hashes of the lines, and nothing above them, give a checkpoint's root."""
    found = GrowingTiles()
    for start, end in batches(0, sealed.size):
        tiles = load_tiles(connection, [(0, number) for number in range(start // WIDTH, (end - 1) // WIDTH + 1)])
        for _, hashes in sorted(tiles.items()):
            kept = hashes[: (sealed.size - found.size) * HASH_SIZE]
            found.extend(kept[at : at + HASH_SIZE] for at in range(0, len(kept), HASH_SIZE))
    return found.size == sealed.size and found.frontier().root() == sealed.root
