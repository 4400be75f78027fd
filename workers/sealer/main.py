"""The process of the sealer: one is active, others stand by (advisory lock); SIGTERM ends it in order."""

from __future__ import annotations

import logging
from contextlib import closing
from threading import Event

import psycopg
from psycopg.rows import tuple_row

from ledger.datastore import become
from workers.sealer.keys import KeyPlace
from workers.sealer.sealing import Sealed, Sealing, SealRefused
from workers.sealer.settings import SealerSettings
from workers.sealer.sinks import ROLE, AnotherIsThere, Folder, Messenger, Webhook, tell_due

LOG = logging.getLogger(__name__)

SEALER_LOCK = 0x6F6B72_20
POLL_S = 0.5
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0


class Busy(Exception):
    """Another sealer is active."""


def run(settings: SealerSettings, stop: Event) -> None:
    """Seal until `stop`. A database that goes away is waited for. Raises SealRefused and KeyTrouble."""
    KeyPlace(settings.key_file).current()
    if settings.webhook is not None:
        Messenger(settings.database_url, Webhook(settings.webhook), stop, settings.every).start()
    pause_s = SHORTEST_PAUSE_S
    while not stop.is_set():
        try:
            with closing(_connect(settings.database_url)) as connection:
                pause_s = SHORTEST_PAUSE_S
                while not _lock(connection):
                    if stop.wait(POLL_S):
                        return
                LOG.info("this sealer is the active one")
                sealing = Sealing(connection, KeyPlace(settings.key_file))
                while not stop.is_set():
                    _round(sealing, connection, settings)
                    stop.wait(settings.every)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            LOG.warning("the sealer has lost the database and tries again: %s", error)
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def seal_once(settings: SealerSettings) -> Sealed | None:
    """One round: the last checkpoint, None for an empty ledger. Raises SealRefused, KeyTrouble, and Busy."""
    with closing(_connect(settings.database_url)) as connection:
        if not _lock(connection):
            raise Busy("another sealer is active")
        sealed = _round(Sealing(connection, KeyPlace(settings.key_file)), connection, settings)
        if settings.webhook is not None:
            sink = Webhook(settings.webhook)
            tell_due(connection, sink.name, sink.tell)
        return sealed


def _round(
    sealing: Sealing, connection: psycopg.Connection[tuple[object, ...]], settings: SealerSettings
) -> Sealed | None:
    try:
        sealed = sealing.round()
    except psycopg.errors.CheckViolation as error:
        raise SealRefused(f"the database does not take the checkpoint: {error.diag.message_primary}") from error
    if settings.folder is not None:
        folder = Folder(settings.folder)
        try:
            tell_due(connection, folder.name, folder.tell)
        except AnotherIsThere as error:
            raise SealRefused(str(error)) from error
    return sealed


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(url, connect_timeout=5, row_factory=tuple_row)
    try:
        become(connection, ROLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _lock(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    return connection.execute("SELECT pg_try_advisory_lock(%s)", [SEALER_LOCK]).fetchone() == (True,)
