"""Places outside of the database that are told each checkpoint, in order, none left out.

Who can rewrite the database must not be able to rewrite these: a folder on write-once storage, somebody else's
service. How far each has been told is kept in ledger.sinks.
"""

from __future__ import annotations

import logging
import os
import secrets
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.datastore import become

LOG = logging.getLogger(__name__)

ROLE = "okr_sealer"
TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
AT_ONCE = 500

Tell = Callable[[int, int, str], None]
"""Tells one checkpoint: its number, its size, its note. Raises OSError or HTTPException where that did not work."""


class AnotherIsThere(Exception):
    """The folder has another checkpoint of that number: two pasts have been sealed."""


class Folder:
    """A folder in which each checkpoint becomes a file of its own, which is never written again."""

    def __init__(self, path: Path) -> None:
        self.name = f"folder {path}"
        self._path = path

    def tell(self, number: int, size: int, note: str) -> None:
        """Write the checkpoint's file, whole and on the disk. AnotherIsThere where it holds something else."""
        self._path.mkdir(parents=True, exist_ok=True)
        final = self._path / f"{number:012d}-{size}.checkpoint"
        unfinished = self._path / f".{final.name}.{secrets.token_hex(4)}"
        content = note.encode()
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            for other in self._path.glob(f"{number:012d}-*.checkpoint"):
                if other != final or other.read_bytes() != content:
                    raise AnotherIsThere(f"{other} holds another checkpoint {number} than the database")
            if not final.exists():
                os.link(unfinished, final)
        finally:
            unfinished.unlink()
        directory = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirected POST would arrive as a GET without its note: let it count as a failure."""


class Webhook:
    """An address to which each checkpoint is posted as text/plain; any answer of 2xx is a receipt."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self.name = f"webhook {urlsplit(url).hostname}"
        self._url = url
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirects)

    def tell(self, number: int, _size: int, note: str) -> None:
        """Post it. OSError (URLError among them) or HTTPException where it was not received."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Okr-Checkpoint": str(number)}
        request = Request(self._url, note.encode(), headers, method="POST")  # noqa: S310 - https, see cli.kinds
        with self._opener.open(request, timeout=TIMEOUT) as response:
            response.read(1024)


class Messenger(threading.Thread):
    """Tells one sink what it has not been told, one checkpoint at a time, for as long as it takes."""

    def __init__(self, database_url: str, sink: Webhook, stop: threading.Event, every: float) -> None:
        super().__init__(name=sink.name, daemon=True)
        self._database_url = database_url
        self._sink = sink
        self._stop_asked = stop
        self._every = every

    def run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop_asked.is_set():
            try:
                with psycopg.connect(self._database_url, connect_timeout=5) as connection:
                    become(connection, ROLE)
                    while not self._stop_asked.is_set():
                        is_told = tell_due(connection, self._sink.name, self._sink.tell, self._stop_asked)
                        pause = FIRST_PAUSE if is_told else min(2 * pause, LONGEST_PAUSE)
                        self._stop_asked.wait(self._every if is_told else pause)
            except psycopg.Error as error:
                LOG.warning("%s waits for the database: %s", self._sink.name, error)
                self._stop_asked.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)


def tell_due(connection: Connection[Any], name: str, tell: Tell, stop: threading.Event | None = None) -> bool:
    """Tell a sink all that it has not been told yet; False where it did not take one, which is kept with the reason."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("INSERT INTO ledger.sinks (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
        while stop is None or not stop.is_set():
            due = cursor.execute(
                "SELECT number, size, note FROM ledger.checkpoints"
                " WHERE number > (SELECT checkpoint FROM ledger.sinks WHERE name = %s) ORDER BY number LIMIT %s",
                [name, AT_ONCE],
            ).fetchall()
            if not due:
                return True
            for number, size, note in due:
                try:
                    tell(number, size, note)
                except (OSError, HTTPException) as error:
                    if isinstance(error, HTTPError):
                        error.close()
                    LOG.warning("%s did not take checkpoint %d: %s", name, number, error)
                    cursor.execute(
                        "UPDATE ledger.sinks SET failures = failures + 1, last_error = %s WHERE name = %s",
                        [str(error)[:500], name],
                    )
                    return False
                cursor.execute(
                    "UPDATE ledger.sinks SET checkpoint = %s, told_at = clock_timestamp(), failures = 0,"
                    " last_error = NULL WHERE name = %s",
                    [number, name],
                )
                if stop is not None and stop.is_set():
                    break
    return True
