"""Writes facts into a ledger at times of the test's choosing, as the recorder would have written them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import psycopg

from domain.stream import Event, Fact
from ledger.line import OPENING, Reason, Who, as_time, draft_middle, draft_origin, draft_tail
from ledger.mapper import DraftedEvent, FactMapper, SealedText
from ledger.merkle import Frontier, leaf_hash

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
        self._tree = Frontier()

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
            why, texts = None, drafted.texts
            if reason is not None:
                sealed = SealedText.seal("reason", reason)
                why, texts = Reason(code="other", text=sealed.commitment), (*texts, sealed)
            tail = draft_tail(draft_origin(Who(id=actor, kind=kind), why, None, None), drafted.state)
            middle = draft_middle(str(stream), version, fact.TYPE, fact.SCHEMA)
            line = f"{OPENING}{told.position}{middle}{as_time(self.now)}".encode() + tail
            self.told.append(told)
            self._waiting.append((told, line, texts))
        return len(self.told)

    def version(self, stream: UUID) -> int:
        return self._versions[stream]

    def record(self) -> None:
        """Write down what was told since the last time."""
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            for told, line, texts in self._waiting:
                self._tree.extend([leaf_hash(line)])
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
                "UPDATE ledger.head SET size = %s, recorded_at = %s, frontier = %s",
                [self._tree.size, self.told[-1].recorded_at, bytes(self._tree)],
            )
            cursor.execute("NOTIFY okr_ledger")
        self._waiting = []
