"""What a message can do to a feed: contribute, retract, be ignored, or be dead.

A contribution is what one entity (a deal, a deployment) adds to the number, as of one message. The contribution
with the greatest version stands for its entity; so repeated, reordered and replayed messages change nothing.
A retraction is a contribution without value: it stays, so that an older message cannot revive the entity.
A tombstone knows no version, only its place: it retracts what stood before it in its partition.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

MAX_ENTITY = 512
"""Characters of an entity."""


class Place(NamedTuple):
    """Where a message stood. Places sort by topic, epoch, partition, offset."""

    topic: str
    epoch: str
    partition: int
    offset: int


class Stage(StrEnum):
    """Where a message failed; `apply` is the worker's."""

    DECODE = "decode"
    FILTER = "filter"
    VALUE = "value"
    APPLY = "apply"


class Dead(Exception):
    """The message cannot be read under this feed: it belongs to the dead letters."""

    def __init__(self, stage: Stage, reason: str) -> None:
        # Reasons quote what others sent; a NUL would not even be stored.
        self.stage, self.reason = stage, "".join(c if c.isprintable() else "�" for c in reason[:500])
        super().__init__(f"{self.stage}: {self.reason}")


class Contribution(NamedTuple):
    """`part` is numerator or denominator of a ratio, else empty. `value` is None where it retracts.

    `effective_at`: UTC; when it was true in the business, or, with `is_arrival`, when the broker took the message.
    `message_sha256`: of the raw value, in hex.
    """

    part: str
    entity: str
    value: Decimal | None
    version: str
    effective_at: datetime
    is_arrival: bool
    place: Place
    timestamp_ms: int | None
    message_sha256: str


class Tombstone(NamedTuple):
    """The entity is gone as of this place: what stood before it in the same partition no longer counts."""

    part: str
    entity: str
    place: Place
    timestamp_ms: int | None
    message_sha256: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The message changes nothing, and this is why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known of one entity: its newest contribution, and the last tombstone of each partition."""

    newest: Contribution | None = None
    tombstones: tuple[Place, ...] = ()

    @property
    def contribution(self) -> Contribution | None:
        """The contribution that counts; without value where a tombstone came after it."""
        newest = self.newest
        if newest and any(place[:3] == newest.place[:3] and place > newest.place for place in self.tombstones):
            return newest._replace(value=None)
        return newest


def merged(standing: Standing, arriving: Contribution | Tombstone) -> Standing:
    """What is known after one more: the same in whatever order, and however often, they arrive."""
    if isinstance(arriving, Contribution):
        newest = standing.newest
        is_newer = newest is None or arriving.version > newest.version
        return replace(standing, newest=arriving) if is_newer else standing
    last = {place[:3]: place for place in sorted((*standing.tombstones, arriving.place))}
    return replace(standing, tombstones=tuple(last.values()))


def standings(arriving: Iterable[Contribution | Tombstone]) -> dict[tuple[str, str], Standing]:
    """What is known of each (part, entity) after all of them."""
    known: dict[tuple[str, str], Standing] = {}
    for one in arriving:
        known[one.part, one.entity] = merged(known.get((one.part, one.entity), Standing()), one)
    return known
