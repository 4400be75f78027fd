"""What a running `okr up` says of itself in its data directory, so that other terminals find what it runs.

One small file each, replaced whole. They hold nothing secret: the trial's servers are reached by their place, and
a database that somebody named by OKR_DATABASE_URL is not written down.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg

from cli.output import Failure
from cli.settings import Settings
from cli.trial.broker import read_address
from ledger.datastore import become


def database_file(settings: Settings) -> Path:
    """Holds the URL of the embedded PostgreSQL."""
    return settings.run_dir / "database"


def api_file(settings: Settings) -> Path:
    """Holds the API's address."""
    return settings.run_dir / "api"


def broker_file(settings: Settings) -> Path:
    """Holds the trial broker's address and epoch; see `cli.trial.broker`."""
    return settings.run_dir / "broker.json"


def database_url(settings: Settings) -> str:
    """The database to work with. Failure where none is named and none runs."""
    url = settings.database_url or _said(database_file(settings))
    if url is None:
        raise Failure("no database: start `okr up` in another terminal, or set OKR_DATABASE_URL.")
    return url


def migrate_url(settings: Settings) -> str:
    """The same database, as who may create schemas."""
    return settings.migrate_url or database_url(settings)


def connection(url: str) -> psycopg.Connection[Any]:
    """A connection to the database in the application's role, which may touch no more than the program itself."""
    opened = psycopg.connect(url, connect_timeout=5)
    become(opened)
    return opened


def kafka(settings: Settings) -> tuple[str, str | None]:
    """The brokers to talk to, and the trial broker's epoch where it is that one. Failure where there is none."""
    if settings.kafka is not None:
        return ",".join(settings.kafka), None
    found = read_address(broker_file(settings))
    if found is None:
        raise Failure("no broker: start `okr up` in another terminal, or set OKR_KAFKA.")
    return found.bootstrap, str(found.epoch)


def api_url(settings: Settings) -> str:
    """The API to talk to: the named one, else the one that runs, else the one that would run here."""
    return settings.url or _said(api_file(settings)) or f"http://127.0.0.1:{settings.port}"


def write_whole(path: Path, text: str) -> None:
    """Write a file that only its owner reads, at once: nobody ever sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _said(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
