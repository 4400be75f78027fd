"""Building the views anew beside the live ones, and switching when they are complete.

Readers see the old views until the switch and the new ones from then on. The switch only renames two schemas: it waits
for no reader and no reader waits for it. What a killed rebuild leaves behind the next one drops.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from ledger.datastore import CONNECT_TIMEOUT, become
from projections import schema
from projections.batches import BATCH_LOCK, read_lines, take
from projections.present import Present
from projections.schema import NEXT_SCHEMA, OLD_SCHEMA, VIEWS_SCHEMA
from projections.tables import WriterBeside

REBUILD_LOCK = (0x6F6B72_12, schema.NUMBER)
DROP_ATTEMPTS = 3

# The database may lose the last moments of a view: its position goes with them, so it reads those lines again.
SESSION = "SET synchronous_commit = off; SET statement_timeout = 0; SET maintenance_work_mem = '128MB'"

log = logging.getLogger(__name__)


class RebuildRunning(Exception):
    """Another process is building the views anew."""


def rebuild(url: str, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
    """Build the views anew, to the head of the ledger, and put them in the place of the live ones.

    `progress` is told the position reached and the ledger's size. Returns the position of the switch. Works while a
    projector runs. Raises `RebuildRunning`.
    """
    with closing(connect(url)) as connection:
        connection.execute(SESSION)
        if not lock(connection, REBUILD_LOCK):
            raise RebuildRunning("another process is building the views anew")
        for leftover in (NEXT_SCHEMA, OLD_SCHEMA):
            schema.drop(connection, leftover)
        with connection.transaction():
            schema.create(connection, NEXT_SCHEMA)
        with closing(connect(url)) as another:
            another.execute(SESSION)
            schema.use(another, NEXT_SCHEMA)
            with closing(WriterBeside(another)) as beside:
                present = Present(connection, keyless=schema.TABLES, beside=beside)
                position = _load(present, 0, progress)
                present.finish()
                present.beside = None
            _complete(present, [connection, another])
        position = _load(present, position, progress)  # what was recorded while the indexes were built
        position = _switch(present, position)
        _drop_old(connection)
        # The server would otherwise let go of it a moment after this returns.
        connection.execute("SELECT pg_advisory_unlock(%s, %s)", REBUILD_LOCK)
    return position


def _complete(present: Present, connections: list[Connection[DictRow]]) -> None:
    """Give the new tables their keys, and the planner its figures of them, over several connections at once."""
    # The largest come last in the list and first here, so that the connections end at about the same time.
    waiting = reversed(schema.TABLES)

    def work(connection: Connection[DictRow]) -> None:
        while (table := next(waiting, None)) is not None:
            if table in present.keyless:
                table.add_keys(connection)
            # The planner otherwise learns what is in the tables a minute later.
            connection.execute(f"ANALYZE {table.name}")

    with ThreadPoolExecutor(len(connections)) as threads:
        for done in [threads.submit(work, connection) for connection in connections]:
            done.result()
    present.keyless.clear()


def connect(url: str) -> Connection[DictRow]:
    """A connection of the application's role that notices soon when the database is gone."""
    settings = {"connect_timeout": int(CONNECT_TIMEOUT), "keepalives_idle": 10, "tcp_user_timeout": 15_000}
    connection = psycopg.connect(make_conninfo(url, **settings), row_factory=dict_row)
    become(connection)
    return connection


def lock(connection: Connection[DictRow], key: tuple[int, int]) -> bool:
    """Take a lock that lasts as long as the connection, unless another one has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s) AS is_taken", key).fetchone()
    return row is not None and bool(row["is_taken"])


def ledger_size(connection: Connection[DictRow]) -> int:
    row = connection.execute("SELECT size FROM ledger.head").fetchone()
    return 0 if row is None else int(row["size"])


def _load(present: Present, position: int, progress: Callable[[int, int], None]) -> int:
    """Fill the new tables with what the ledger now holds behind the position; returns the last one."""
    size = ledger_size(present.connection)
    while position < size:
        lines = read_lines(present.connection, position)
        position = take(present, position, lines)
        progress(position, max(position, size))
    return position


def _switch(present: Present, position: int) -> int:
    """Take in the very last lines while no projector writes, and give the new tables the name of the live ones."""
    connection = present.connection
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = on")  # a crash now must not undo all of it
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [BATCH_LOCK])
        while lines := read_lines(connection, position):
            position = take(present, position, lines)
        if schema.exists(connection):
            connection.execute(f"ALTER SCHEMA {VIEWS_SCHEMA} RENAME TO {OLD_SCHEMA}")
        connection.execute(f"ALTER SCHEMA {NEXT_SCHEMA} RENAME TO {VIEWS_SCHEMA}")
    return position


def _drop_old(connection: Connection[DictRow]) -> None:
    """Drop the tables that were live until now, once their last readers are done."""
    for _ in range(DROP_ATTEMPTS):
        try:
            schema.drop(connection, OLD_SCHEMA)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            continue
        return
    log.warning("%s is still being read and stays: the next rebuild drops it", OLD_SCHEMA)
