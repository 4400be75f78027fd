"""One Kafka message, and what a format makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Undecodable(ValueError):
    """The message is not what its format promises. The text says why."""


class Message(NamedTuple):
    """A message as the broker carries it.

    `epoch` names the life of the topic: a topic that is deleted and created again starts a new one.
    `epoch_number` counts those lives, from 0, in the order in which they were met, as their names have none.
    `timestamp_ms` is the broker's, None where it has none. A `value` of None is a tombstone.
    """

    topic: str
    epoch: str
    partition: int
    offset: int
    timestamp_ms: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    epoch_number: int = 0

    @property
    def arrived_at(self) -> datetime | None:
        """The broker's timestamp, UTC; None where there is none, or none that a calendar holds."""
        if self.timestamp_ms is None or not 0 < self.timestamp_ms < 7_000_000_000_000:
            return None
        return _EPOCH + timedelta(milliseconds=self.timestamp_ms)


@dataclass(slots=True, kw_only=True)
class Decoded:
    """One event in a message, read by its format.

    `fields` is what expressions read. `entity` is the event's own id, None where the format has none; then the
    message's place stands for it. `time` is when it happened, as the event itself says. `ignored` says why a
    message of this kind never counts, such as a heartbeat.

    `is_deletion`: the entity is gone. Then `known` is what a filter may read: of a deleted row often nothing but
    its key is certain, and what is not is UNAVAILABLE there.
    `is_tombstone`: a null value. Of the entity only the key is known: `fields` has what the key names, and
    `key_entity` the key as one text.
    `changed`: the event brings only these members of `row`, and the others are UNAVAILABLE there; None where it
    brings the whole row.
    `gap`: the sender itself says that something happened to the entity and that it lost what. `known` is then what
    a filter may read.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    entity: str | None = None
    time: datetime | None = None
    ignored: str | None = None
    is_deletion: bool = False
    known: dict[str, Any] | None = None
    is_tombstone: bool = False
    key_entity: str | None = None
    changed: frozenset[str] | None = None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """How the messages of one kind are read.

    `decode` gives the events of a message, mostly one, and raises `Undecodable`. `roots` are the first names
    that paths may have, None where they are the sender's own. `specification` is the address of what the sender
    promises. `entity` says what an event is about where a feed does not say it, `guide` is all there is to know.
    """

    name: str
    summary: str
    decode: Callable[[Message], list[Decoded]]
    roots: frozenset[str] | None = None
    specification: str = ""
    entity: str = ""
    guide: str = ""
