"""Writes facts into a ledger at times of the test's choosing: lines as the recorder writes them, but no Merkle tree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import msgspec
import psycopg

from domain.stream import Event, Fact
from ledger.line import as_time
from ledger.mapper import DraftedEvent, FactMapper, SealedText
from ledger.merkle import leaf_hash

BEGIN = datetime(2026, 7, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """A fact in its place."""

    position: int
    recorded_at: datetime
    stream: UUID
    version: int
    fact: Fact
    actor: str


class Teller:
    """A ledger that is told facts. `now` is the time of the next fact; `after` moves it on."""

    def __init__(self, url: str, now: datetime = BEGIN) -> None:
        self.url = url
        self.now = now
        self.told: list[Told] = []
        self._versions: dict[UUID, int] = {}
        self._waiting: list[tuple[Told, bytes, tuple[SealedText, ...]]] = []

    def after(self, **time: float) -> Self:
        self.now += timedelta(**time)
        return self

    def tell(
        self, stream: UUID, *facts: Fact, actor: str = "anna", kind: str = "person", reason: str | None = None
    ) -> int:
        """Tell facts of a stream, now; the position of the last one."""
        for fact in facts:
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            told = Told(len(self.told) + 1, self.now, stream, version, fact, actor)
            drafted = FactMapper(None).to_stored_event(Event(stream, version, fact))  # type: ignore[arg-type]
            assert isinstance(drafted, DraftedEvent)
            texts = drafted.texts
            members = {
                "v": 1,
                "position": told.position,
                "stream": str(stream),
                "version": version,
                "type": fact.TYPE,
                "schema": fact.SCHEMA,
                "recorded_at": as_time(self.now),
                "who": {"id": actor, "kind": kind},
                "salt": "00" * 16,
                "data": msgspec.Raw(drafted.state),
            }
            if reason is not None:
                sealed = SealedText.seal("reason", reason)
                members["why"] = {"code": "other", "text": sealed.commitment}
                texts = (*texts, sealed)
            line = msgspec.json.encode(members)
            self.told.append(told)
            self._waiting.append((told, line, texts))
        return len(self.told)

    def version(self, stream: UUID) -> int:
        return self._versions[stream]

    def record(self) -> None:
        """Write down what was told since the last time."""
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            for told, line, texts in self._waiting:
                cursor.execute(
                    "INSERT INTO ledger.events VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    [
                        told.position,
                        told.stream,
                        told.version,
                        told.fact.TYPE,
                        told.recorded_at,
                        line.decode(),
                        leaf_hash(line),
                    ],
                )
                for sealed in texts:
                    cursor.execute(
                        "INSERT INTO people.texts VALUES (%s, %s, %s, %s)",
                        [told.position, sealed.field, sealed.text, sealed.salt],
                    )
            cursor.execute(
                "UPDATE ledger.head SET size = %s, recorded_at = %s", [len(self.told), self.told[-1].recorded_at]
            )
            cursor.execute("NOTIFY okr_ledger")
        self._waiting = []
