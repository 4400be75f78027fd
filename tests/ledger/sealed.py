"""A sealed ledger for tests of what is proven about it, and what a forger does to it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.application import OkrLedger
from domain.command import Actor, Command, Why
from domain.cycle import CycleStarted
from domain.key_result import ProgressRecorded
from domain.stream import Event, Text
from workers.sealer.keys import KeyPlace
from workers.sealer.main import seal_once
from workers.sealer.sealing import Sealed
from workers.sealer.settings import SealerSettings

ORIGIN = "okr.example/ledger"
NOW = datetime.now(UTC)


class SealedLedger:
    """A ledger on a database of its own with a sealing key, to be written, sealed and tampered with."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.place = KeyPlace(directory / "sealing-key")
        self.place.create(ORIGIN)
        self.settings = SealerSettings(
            database_url=url, key_file=self.place.path, every=0.05, folder=directory / "folder"
        )

    @property
    def key(self) -> str:
        """The verifier key of who signs now."""
        return str(self.place.current().verifier)

    def write(self, count: int, actor: str = "anna") -> None:
        """That many facts by that actor, each on a stream of its own."""
        self._save(actor, *(Event(uuid4(), 1, CycleStarted()) for _ in range(count)))

    def write_texts(self, *notes: str, actor: str = "anna", reason: str | None = None) -> UUID:
        """A fact for each note, on one stream, which is returned; all with the same reason."""
        stream = uuid4()
        facts = [ProgressRecorded(value=Decimal(1), effective_at=NOW, note=Text.of(note)) for note in notes]
        self._save(actor, *(Event(stream, n, fact) for n, fact in enumerate(facts, 1)), why=Why(None, Text.of(reason)))
        return stream

    def seal(self) -> Sealed:
        sealed = seal_once(self.settings)
        assert sealed is not None
        return sealed

    def tamper(self, statement: str) -> None:
        """What somebody with the owner's rights can do."""
        with psycopg.connect(self.url) as owner:
            for table in ("events", "checkpoints", "sealing_keys"):
                owner.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER".encode())
            owner.execute(statement.encode())

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    @property
    def checkpoints(self) -> list[str]:
        """The signed notes in the database."""
        return [note for (note,) in self.query("SELECT note FROM ledger.checkpoints ORDER BY number")]

    @property
    def files(self) -> list[str]:
        """The signed notes in the folder."""
        assert self.settings.folder is not None
        return [file.read_text() for file in sorted(self.settings.folder.glob("*.checkpoint"))]

    def _save(self, actor: str, *events: Event, why: Why | None = None) -> None:
        with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": self.url}) as okr:
            okr.save(*events, by=Command(Actor(actor), NOW, why or Why()))
