"""Connections: a pool that acts as the application's role, and transactions that everything in a thread joins."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import psycopg
from eventsourcing import persistence
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from psycopg import Connection
from psycopg.pq import TransactionStatus
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


def check_if_ended(connection: Connection[Any]) -> None:
    """Raise psycopg.OperationalError if the server has ended a connection that lay in the pool.

    A server that says goodbye, and a machine that answers for a dead one, make the socket readable: only then is
    the server asked, which would otherwise cost a round trip on each use.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        connection.execute("")


class LedgerDatastore(PostgresDatastore):
    """eventsourcing's datastore for a libpq URL, on which a thread's open transaction is joined by all it calls.

    Make it after a fork: a pool does not survive one.
    """

    def __init__(self, url: str, *, pool_size: int) -> None:
        super().__init__("", "", "", "", "")
        self.url = url
        # A pool of our own: the base class knows five parts of a URL, and asks the server on each use.
        self.pool = ConnectionPool(
            url,
            connection_class=Connection[DictRow],
            kwargs={"row_factory": dict_row, "connect_timeout": int(CONNECT_TIMEOUT)},
            min_size=1,
            max_size=pool_size,
            open=False,
            configure=become,
            check=check_if_ended,
            timeout=CONNECT_TIMEOUT,
        )
        self._open: ContextVar[Connection[DictRow] | None] = ContextVar("connection of this thread", default=None)

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """The connection that this thread works on, else one of the pool in autocommit mode.

        psycopg's errors leave as eventsourcing's persistence errors.
        """
        joined = self._open.get()
        if joined is not None:
            yield joined
            return
        try:
            if self.pool.closed:
                self.pool.open()
            connection = self.pool.getconn()
            try:
                yield connection
            finally:
                self.pool.putconn(connection)
        except psycopg.Error as error:
            raise _as_persistence_error(error) from error

    @contextmanager
    def on(self, connection: Connection[DictRow]) -> Iterator[None]:
        """Let all that this thread does until the block ends go over a connection that is open already.

        psycopg's errors leave as eventsourcing's persistence errors.
        """
        token = self._open.set(connection)
        try:
            yield
        except psycopg.Error as error:
            raise _as_persistence_error(error) from error
        finally:
            self._open.reset(token)

    @contextmanager
    def unit(self) -> Iterator[Connection[DictRow]]:
        """A transaction: the one that is open in this thread, or a new one, committed when the block ends well."""
        with self.get_connection() as connection:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:
                yield connection
                return
            with self.on(connection), connection.transaction():
                yield connection


def _as_persistence_error(error: psycopg.Error) -> persistence.PersistenceError:
    """Both libraries name their errors as the Python Database API does."""
    for kind in type(error).__mro__:
        named = getattr(persistence, kind.__name__, None)
        if named is not None:
            return cast(persistence.PersistenceError, named(str(error)))
    return persistence.PersistenceError(str(error))
