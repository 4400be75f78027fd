"""What the disk has: a fact is seen by others a moment before, and a crash in that moment takes it back.

Whatever is decided or computed from such a fact and stored in the same database goes with it. What leaves the
database must not be ahead of the disk: an answer, a line, a checkpoint.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus


def await_disk(connection: Connection[Any]) -> None:
    """Return once the disk has all that was read so far, on any connection. Not within a transaction."""
    if connection.pgconn.transaction_status != TransactionStatus.IDLE:
        raise RuntimeError("the disk is awaited by a commit of its own: not within a transaction")
    # The smallest commit that waits for the disk; the log is one sequence.
    connection.execute("SELECT FROM pg_logical_emit_message(true, 'okr', '')", prepare=True)
