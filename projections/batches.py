"""Batches of lines out of the ledger, and one transaction for each of them into the views."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from projections import schema
from projections.position import reached
from projections.present import Present

MOST_LINES = 5_000
MOST_CHARACTERS = 8_000_000
LINES_A_QUERY = 500
"""So that 5,000 of the longest lines are never in memory at once."""

BATCH_LOCK = 0x6F6B72_11
"""Held by each transaction that writes the views, so that a rebuild can put its own in their place between two."""


TypedLine = tuple[str, str]
"""A line with the type of its fact in front."""


class Overtaken(Exception):
    """Another projector has moved the views on; what is kept in mind of them is out of date."""


def read_lines(connection: Connection[DictRow], after: int) -> list[TypedLine]:
    """The lines that follow the position `after`: up to 5,000 or about 8 MB, none at the head of the ledger."""
    lines: list[TypedLine] = []
    size = 0
    with connection.cursor(row_factory=tuple_row) as cursor:
        while len(lines) < MOST_LINES and size < MOST_CHARACTERS:
            count = min(LINES_A_QUERY, MOST_LINES - len(lines))
            cursor.execute(
                "SELECT type, line FROM ledger.events WHERE position > %s ORDER BY position LIMIT %s",
                [after + len(lines), count],
            )
            found = cursor.fetchall()
            lines += found
            size += sum(len(line) for _, line in found)
            if len(found) < count:
                break
    return lines


def follow(present: Present, after: int, lines: list[TypedLine]) -> int:
    """Let the views follow these lines, which begin behind the position `after`; returns the last one's position.

    One transaction. Raises `Overtaken` where the views are not at `after` (the same lines again change nothing) and
    `UnknownFact`; whatever it raises, `present` has to be thrown away.
    """
    connection = present.connection
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [BATCH_LOCK])
        if reached(connection) != after:
            raise Overtaken(f"the views are not at position {after}")
        return take(present, after, lines)


def take(present: Present, after: int, lines: list[TypedLine]) -> int:
    """The same without a transaction of its own, where nobody else writes."""
    last = present.take(lines)
    if last.position != after + len(lines):
        raise LookupError(f"the ledger lacks a position between {after} and {last.position}")
    present.write()
    present.connection.execute("UPDATE progress SET position = %s, clock = %s", [last.position, last.recorded_at])
    return last.position


def catch_up(connection: Connection[DictRow]) -> int:
    """Bring the views to the head of the ledger, making them where there are none; returns the position.

    For tests and tools; `Projector` keeps views current. Leaves the connection using them.
    """
    if not schema.exists(connection):
        with connection.transaction():
            schema.create(connection, schema.VIEWS_SCHEMA)
            for table in schema.TABLES:
                table.add_keys(connection)
    schema.use(connection)
    present = Present(connection)
    position = reached(connection)
    while lines := read_lines(connection, position):
        position = follow(present, position, lines)
    return position
