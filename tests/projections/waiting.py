"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

from psycopg import Connection
from psycopg.rows import DictRow


def wait_until(is_so: Callable[[], bool], timeout_s: float = 30) -> None:
    """Fails where it is not so in time."""
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, "it has not come to be so in time"
        time.sleep(0.01)


def somebody_waits_for(connection: Connection[DictRow], lock: str) -> bool:
    """Whether anybody in this database waits for a lock of this type: advisory, relation."""
    found = connection.execute(
        "SELECT FROM pg_locks WHERE locktype = %s AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [lock],
    )
    return found.fetchone() is not None
