"""What a process remembers of the aggregates it has loaded, so that loading one again reads only what is new.

Nothing here is relied upon: whoever loads reads the last remembered event again and compares. Where it does not
stand in the ledger (a transaction that was given up, a database that was restored) the stream is read anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from domain.stream import Aggregate, Event

MOST = 5_000
"""Aggregates; beyond it the one that was kept first is forgotten first."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An aggregate as its event `last` left it. Nobody changes it: decisions are taken on copies."""

    aggregate: Aggregate
    last: Event


class Memory:
    """Remembered aggregates by stream, for all threads of a process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[UUID, Remembered] = {}
        self._lock = Lock()

    def of(self, id: UUID) -> Remembered | None:
        return self._kept.get(id)

    def keep(self, aggregate: Aggregate, last: Event) -> None:
        with self._lock:
            self._kept[aggregate.id] = Remembered(aggregate, last)
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
