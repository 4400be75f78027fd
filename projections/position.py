"""How far the views have read the ledger."""

from __future__ import annotations

import time

from psycopg import Connection
from psycopg.rows import DictRow

from projections.tables import Table

PROGRESS = Table(
    "progress",
    """
    is_progress boolean     NOT NULL DEFAULT true CHECK (is_progress),
    position    bigint      NOT NULL DEFAULT 0,
    clock       timestamptz NOT NULL DEFAULT 'epoch'
    """,
    key="is_progress",
)
"""One row: the last position that the views know, and its recorded_at."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.025


def reached(connection: Connection[DictRow]) -> int:
    """The last position that the views know; 0 before the first."""
    row = connection.execute("SELECT position FROM progress").fetchone()
    return 0 if row is None else int(row["position"])


def wait_for(connection: Connection[DictRow], position: int, timeout_s: float) -> bool:
    """Wait until the views know `position`, for `timeout_s` seconds at most; whether they do.

    Call it outside of a transaction, or in one that sees what others commit meanwhile.
    """
    give_up_at = time.monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    while reached(connection) < position:
        left_s = give_up_at - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    return True
