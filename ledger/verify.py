"""Checks the whole record from its stored lines: every hash, every place, and the root.

Trusts nothing but the lines themselves. Reads by ranges of positions in short transactions, since the ledger only
grows: a check of millions of lines holds nobody up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from ledger.datastore import become
from ledger.durable import await_disk
from ledger.line import Line, parse_line
from ledger.merkle import Frontier, leaf_hash
from ledger.past import first_odd_line
from ledger.tiles import GrowingTiles

BATCH = 5_000

Row = tuple[int, Any, int, str, datetime, str, bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found: lines that were read, the root over them, and the first fault (None: all is well)."""

    size: int
    root: bytes
    bad_position: int | None = None
    fault: str | None = None

    @property
    def is_intact(self) -> bool:
        return self.fault is None


def verify(url: str, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Verdict:
    """Recompute all hashes and the root; the verdict names the first position that does not add up."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        become(connection)
        size, frontier, last = _head(connection)
        await_disk(connection)
        tree = Frontier()
        earliest = None
        sealed: dict[int, set[bytes]] = {}
        agreed = 0
        for row in _rows(connection, size):
            if tree.size % BATCH == 0:
                sealed = _sealed(connection, tree.size, tree.size + BATCH)
            fault = _fault(row, tree.size + 1, earliest)
            if fault is not None:
                return Verdict(tree.size, tree.root(), min(row[0], tree.size + 1), fault)
            tree.extend([row[6]])
            earliest = row[4]
            if tree.size in sealed:
                if sealed[tree.size] != {tree.root()}:
                    position, said = _odd_line(connection, agreed + 1, tree.size)
                    return Verdict(tree.size, tree.root(), position, f"{said} was sealed")
                agreed = tree.size
            if tree.size % BATCH == 0:
                progress(tree.size, size)
        progress(tree.size, size)
        if tree.size < size:
            return Verdict(tree.size, tree.root(), tree.size + 1, "the line is missing")
        if last > size:
            return Verdict(tree.size, tree.root(), size + 1, "there are lines past the ledger's head")
        if bytes(tree) != frontier:
            odd = first_odd_line(connection, 0, size) if _has_tiles(connection, size) else None
            if odd is not None:
                return Verdict(tree.size, tree.root(), odd, "the line is not the one that the sealer has read")
            return Verdict(tree.size, tree.root(), size, "the lines do not give the root that the head has kept")
        return Verdict(tree.size, tree.root())


def _sealed(connection: Connection[Any], after: int, last: int) -> dict[int, set[bytes]]:
    """The roots that were signed at each size, in the range of positions."""
    found: dict[int, set[bytes]] = {}
    for size, root in connection.execute(
        "SELECT DISTINCT size, root FROM ledger.checkpoints WHERE size > %s AND size <= %s", [after, last], binary=True
    ):
        found.setdefault(size, set()).add(root)
    return found


def _has_tiles(connection: Connection[Any], size: int) -> bool:
    """Whether the sealer has come as far as that."""
    return GrowingTiles.load(connection).size >= size


def _odd_line(connection: Connection[Any], first: int, last: int) -> tuple[int, str]:
    """Which of the lines is another one: exact where the sealer remembers them."""
    odd = first_odd_line(connection, 0, last) if _has_tiles(connection, last) else None
    if odd is not None:
        return odd, "the line is not the one that"
    return first, f"one of the lines {first} to {last} is not the one that"


def _head(connection: Connection[Any]) -> tuple[int, bytes, int]:
    row = connection.execute(
        "SELECT size, frontier, (SELECT coalesce(max(position), 0) FROM ledger.events) FROM ledger.head"
    ).fetchone()
    if row is None:
        raise LookupError("the ledger has no head row: migrate the database")
    return row[0], bytes(row[1]), row[2]


def _rows(connection: Connection[Any], size: int) -> Iterator[Row]:
    after = 0
    while after < size:
        rows = connection.execute(
            "SELECT position, stream_id, stream_version, type, recorded_at, line, leaf_hash FROM ledger.events "
            "WHERE position > %s AND position <= %s ORDER BY position LIMIT %s",
            [after, size, BATCH],
            binary=True,
        ).fetchall()
        if not rows:
            return
        yield from rows
        after = rows[-1][0]


def _fault(row: Row, expected: int, earliest: datetime | None) -> str | None:
    position, stream_id, version, type_name, recorded_at, text, stored_hash = row
    if position != expected:
        return "the line is missing"
    if leaf_hash(text.encode()) != stored_hash:
        return "the line does not give its leaf hash"
    try:
        line: Line = parse_line(text)
    except msgspec.MsgspecError as error:
        return f"the line cannot be read: {error}"
    said = (line.position, line.stream, line.version, line.type, line.recorded_at)
    if said != (position, stream_id, version, type_name, recorded_at):
        return "the line says another place, type or time than its row"
    if earliest is not None and recorded_at < earliest:
        return "the line was recorded before the one in front of it"
    return None
