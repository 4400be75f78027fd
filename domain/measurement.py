"""A measurement: what one feed measures for one key result.

A stream of its own, so that a person's decisions about the key result never wait for, or load, what machines
write. Its id follows from feed and key result. Each fact carries its provenance: which messages were read, how
many counted, and a digest of the evidence, so that what lies outside the ledger is still proven by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from domain.stream import Aggregate, Fact, fact

MEASUREMENTS = UUID("6f3c2a52-6d0e-5f0c-9d0b-3b0f5b6f2a11")
"""Namespace of the ids of measurements."""


class EffectiveBy(StrEnum):
    """Where the moment of a value comes from: the event itself, or only its arrival in the broker."""

    EVENT = "event"
    ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRange:
    """The messages from `first` to `last`, both read, of one partition in one epoch of a topic."""

    topic: str
    epoch: str
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCounts:
    """What became of the messages read."""

    matched: int
    ignored: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What makes the number: how many contributions, the aggregate unrounded, and what this fact took in.

    `sha256` is over the lines of the `changes` contribution changes that this fact takes in.
    """

    contributions: int
    exact: Decimal | None = None
    changes: int
    sha256: str


@fact("Measurement.Recorded")
class MeasurementRecorded(Fact):
    """Messages changed the number. Without `value` nothing is left to measure."""

    feed_id: UUID
    feed_revision: int
    key_result_id: UUID
    from_: Decimal | None = None
    value: Decimal | None = None
    effective_at: datetime
    effective_by: EffectiveBy
    event_from: datetime | None = None
    event_to: datetime | None = None
    ranges: tuple[OffsetRange, ...]
    counts: MessageCounts
    evidence: Evidence


@fact("Measurement.WindowMoved")
class MeasurementWindowMoved(Fact):
    """Time alone changed the number: a rolling window now ends at the midnight `effective_at`."""

    feed_id: UUID
    feed_revision: int
    key_result_id: UUID
    from_: Decimal | None = None
    value: Decimal | None = None
    effective_at: datetime
    evidence: Evidence


class Measurement(Aggregate):
    """Decisions about what a feed measures. Its state is small enough to be kept beside the totals."""

    value: Decimal | None = None

    @staticmethod
    def create_id(feed_id: UUID, key_result_id: UUID) -> UUID:
        return uuid5(MEASUREMENTS, f"{feed_id}/{key_result_id}")

    @classmethod
    def at(cls, feed_id: UUID, key_result_id: UUID, version: int, value: Decimal | None) -> Self:
        """The measurement as its last fact left it, without loading the stream."""
        measurement = cls(cls.create_id(feed_id, key_result_id))
        measurement.version = version
        measurement.value = value
        return measurement

    def record(self, recorded: MeasurementRecorded) -> None:
        """Take in a batch of messages."""
        self._happens(recorded)

    def move_window(self, moved: MeasurementWindowMoved) -> None:
        """Take in that time has passed; nothing happens where the number stays."""
        if moved.value != self.value:
            self._happens(moved)

    def _apply(self, fact: Fact) -> None:
        match fact:
            case MeasurementRecorded() | MeasurementWindowMoved():
                self.value = fact.value
