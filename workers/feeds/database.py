"""The ledger as workers use it: a pool of their own, and transactions that carry more than facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger


def open_ledger(database_url: str) -> OkrLedger:
    """The use cases on this database. Connects when first used; close it when it no longer answers."""
    return OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": database_url, "OKR_POOL_SIZE": "2"})


def is_there(database_url: str) -> bool:
    """Whether the database answers."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


@contextmanager
def transaction(ledger: OkrLedger) -> Iterator[Connection[DictRow]]:
    """A transaction in which the ledger's use cases take part, with its connection."""
    with ledger.record.transaction() as connection:
        yield cast(Connection[DictRow], connection)


def clock(connection: Connection[DictRow]) -> datetime:
    """The database's clock: the only one that workers go by, so that they agree."""
    row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    if row is None:
        raise LookupError("the database has no clock")
    now: datetime = row["now"]
    return now
