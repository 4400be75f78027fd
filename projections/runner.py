"""The projector: keeps the views at the head of the ledger.

One is active and the others stand by. The lock that says which one belongs to the very connection that writes the
views, so whoever loses the connection has lost the lock, and nobody writes without it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow

from ledger.recorder import CHANNEL
from projections import schema
from projections.batches import Overtaken, catch_up, follow, read_lines
from projections.lines import UnknownFact
from projections.position import reached
from projections.present import Present
from projections.rebuild import SESSION, RebuildRunning, connect, ledger_size, lock, rebuild

__all__ = ["Projector", "RebuildRunning", "UnknownFact", "catch_up", "rebuild"]

PROJECTOR_LOCK = (0x6F6B72_10, schema.NUMBER)
"""Each version of the views has a projector of its own: a new program builds its views while an old one serves."""
POLL_S = 0.2
"""How long a fact waits at most when the database's word of it is missed."""
BATCH_EVERY_S = 0.01
"""Between the beginnings of two batches: where facts come thick and fast, one transaction takes in several."""
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

log = logging.getLogger(__name__)


class Projector:
    """Keeps the views current, or stands by while another one does.

    `told` hears, after each batch and each poll, the position of the views and the size of the ledger.
    """

    def __init__(self, url: str, *, told: Callable[[int, int], None] = lambda _position, _size: None) -> None:
        self.url = url
        self.is_active = False
        self._told = told

    def run(self, stop: Event) -> None:
        """Run until `stop`. A database that goes away is waited for.

        Raises `UnknownFact` and whatever else shows that going on would make wrong views.
        """
        pause_s = SHORTEST_PAUSE_S
        while not stop.is_set():
            try:
                with closing(connect(self.url)) as connection:
                    pause_s = SHORTEST_PAUSE_S
                    self._serve(connection, stop)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("the projector has lost the database and tries again: %s", error)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            finally:
                self.is_active = False

    def _serve(self, connection: Connection[DictRow], stop: Event) -> None:
        """Wait to be the active one, then follow the ledger."""
        while not lock(connection, PROJECTOR_LOCK):
            if stop.wait(POLL_S):
                return
        self.is_active = True
        log.info("this projector keeps %s current", schema.VIEWS_SCHEMA)
        connection.execute(SESSION)
        # What views show leaves the house: it must not be ahead of the disk (ledger.durable). Nobody waits for this.
        connection.execute("SET synchronous_commit = on")
        connection.execute(f"LISTEN {CHANNEL}")
        while not stop.is_set():
            self._build_if_missing(connection, stop)
            _drop_outdated(connection)
            try:
                self._follow(connection, stop)
            except (Overtaken, psycopg.errors.UndefinedTable):
                log.info("the views were put in place by somebody else: reading their position again")

    def _build_if_missing(self, connection: Connection[DictRow], stop: Event) -> None:
        while not schema.exists(connection) and not stop.is_set():
            log.info("%s is not there: building it from the ledger", schema.VIEWS_SCHEMA)
            try:
                rebuild(self.url, progress=self._told)
            except RebuildRunning:
                stop.wait(POLL_S)

    def _follow(self, connection: Connection[DictRow], stop: Event) -> None:
        schema.use(connection)
        present = Present(connection)
        position = reached(connection)
        while not stop.is_set():
            began = time.monotonic()
            lines = read_lines(connection, position)
            if lines:
                position = follow(present, position, lines)
                stop.wait(began + BATCH_EVERY_S - time.monotonic())
            else:
                for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass
            self._told(position, ledger_size(connection))


def _drop_outdated(connection: Connection[DictRow]) -> None:
    """Drop the views of earlier versions, but for the one before: programs of that one may still be serving."""
    for name in schema.outdated(connection):
        try:
            schema.drop(connection, name)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            log.warning("%s is still being read and stays for now", name)
        else:
            log.info("dropped %s, which no program of this version or the one before reads", name)
