"""What a running `okr up` says of itself in its data directory, so that other terminals find what it runs.

One small JSON file each, replaced whole. They hold nothing secret: the trial's servers are reached by their
place, and a database that somebody named by OKR_DATABASE_URL is not written down.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from cli.output import Failure
from cli.settings import Settings


@dataclass(frozen=True, slots=True)
class RunFile:
    """Kept as `<NAME>.json` in the run directory."""

    @classmethod
    def _path(cls, settings: Settings) -> Path:
        return settings.run_dir / f"{cls.__name__.lower()}.json"

    @classmethod
    def find(cls, settings: Settings) -> Self | None:
        """What the file says; None where there is none."""
        try:
            known: dict[str, Any] = json.loads(cls._path(settings).read_bytes())
            return cls(**known)
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, TypeError):
            return None

    def write(self, settings: Settings) -> None:
        write_whole(self._path(settings), json.dumps(asdict(self)))

    @classmethod
    def remove(cls, settings: Settings) -> None:
        cls._path(settings).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Database(RunFile):
    """The embedded PostgreSQL."""

    url: str


@dataclass(frozen=True, slots=True)
class Broker(RunFile):
    """The trial broker. It forgets everything when it ends: each start is another `epoch`, a UUID."""

    address: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Api(RunFile):
    """The API."""

    url: str


def database_url(settings: Settings) -> str:
    """The database to work with. Failure where none is named and none runs."""
    if settings.database_url is not None:
        return settings.database_url
    running = Database.find(settings)
    if running is None:
        raise Failure("no database: start `okr up` in another terminal, or set OKR_DATABASE_URL.")
    return running.url


def migrate_url(settings: Settings) -> str:
    """The same database, as who may create schemas."""
    return settings.migrate_url or database_url(settings)


def write_whole(path: Path, text: str) -> None:
    """Write a file that only its owner reads, at once: nobody ever sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
