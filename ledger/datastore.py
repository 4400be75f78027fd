"""Connections: a pool that acts as the application's role, and transactions that everything in a thread joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

APPLICATION_ROLE = "okr_app"
CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 30_000
LOCK_TIMEOUT = 10_000

SESSION = (
    "SET ROLE {role}; SET statement_timeout = {statement}; SET lock_timeout = {lock}; "
    "SET idle_in_transaction_session_timeout = {idle}; SET TIME ZONE 'UTC'"
)


def become(connection: Connection[Any], role: str = APPLICATION_ROLE) -> None:
    """Give a fresh connection its role and its limits (milliseconds)."""
    connection.autocommit = True
    connection.execute(
        SESSION.format(role=role, statement=STATEMENT_TIMEOUT, lock=LOCK_TIMEOUT, idle=2 * STATEMENT_TIMEOUT)
    )


class LedgerDatastore(PostgresDatastore):
    """eventsourcing's datastore for a libpq URL, on which a thread's open transaction is joined by all it calls.

    Make it after a fork: a pool does not survive one.
    """

    def __init__(self, url: str, *, pool_size: int) -> None:
        super().__init__(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            connect_timeout=CONNECT_TIMEOUT,
            pool_size=1,
            max_overflow=pool_size - 1,
            pre_ping=True,
        )
        self.url = url
        # The whole URL, with its TLS options; the base class knows five of them.
        self.pool.kwargs = {**conninfo_to_dict(url), "row_factory": dict_row, "connect_timeout": int(CONNECT_TIMEOUT)}
        self._open: ContextVar[Connection[DictRow] | None] = ContextVar("open transaction", default=None)

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        return become

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """The connection of the open transaction, else one of the pool in autocommit mode.

        psycopg's errors leave as eventsourcing's persistence errors.
        """
        joined = self._open.get()
        if joined is not None:
            yield joined
            return
        with super().get_connection() as connection:
            yield connection

    @contextmanager
    def unit(self) -> Iterator[Connection[DictRow]]:
        """A transaction: the one that is open in this thread, or a new one, committed when the block ends well."""
        joined = self._open.get()
        if joined is not None:
            yield joined
            return
        with super().get_connection() as connection, connection.transaction():
            token = self._open.set(connection)
            try:
                yield connection
            finally:
                self._open.reset(token)
