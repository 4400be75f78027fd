"""The feeds as the ledger has them now: who reads which topic, under which definition."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.calendar import last_midnight
from domain.command import Actor, ActorKind
from domain.feed import Feed, FeedDefined, FeedPaused, FeedResumed, FeedRevised
from domain.feeds.definition import FeedDefinition
from domain.feeds.pipeline import CompiledFeed, compile_feed
from domain.key_result import KeyResult
from domain.measurement import Measurement
from workers.feeds import totals
from workers.feeds.database import clock, transaction

LOG = logging.getLogger(__name__)

TELLING = [fact.TYPE for fact in (FeedDefined, FeedRevised, FeedPaused, FeedResumed)]
"""The facts after which a worker reads other messages, or reads them otherwise."""

NEWS = "SELECT position, stream_id FROM ledger.events WHERE type = ANY(%s) AND position > %s ORDER BY position"


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """A feed as its last fact left it. Cycle and time zone are those of its key result."""

    id: UUID
    key_result_id: UUID
    cycle_id: UUID
    time_zone: str
    revision: int
    is_paused: bool
    definition: FeedDefinition
    compiled: CompiledFeed = field(repr=False)

    @property
    def actor(self) -> Actor:
        """In whose name the feed's facts are recorded."""
        return Actor(f"feed:{self.definition.name}"[:64], ActorKind.FEED)

    @property
    def measurement_id(self) -> UUID:
        return Measurement.create_id(self.id, self.key_result_id)


class Catalogue:
    """All feeds, as of the ledger's position `position`."""

    def __init__(self) -> None:
        self.position = 0
        self.feeds: dict[UUID, LiveFeed] = {}

    def is_current(self, connection: Connection[DictRow]) -> bool:
        """Whether no feed was defined, revised, paused or resumed since."""
        return connection.execute(f"{NEWS} LIMIT 1", [TELLING, self.position], prepare=True).fetchone() is None

    def refresh(self, ledger: OkrLedger) -> set[UUID]:
        """Take in what was recorded since; the feeds that are other than before.

        A feed that this program cannot read, because a newer one defined it, stands still and is reported.
        """
        with transaction(ledger) as connection:
            news = connection.execute(NEWS, [TELLING, self.position], prepare=True).fetchall()
        changed: set[UUID] = {row["stream_id"] for row in news}
        for feed_id in sorted(changed):
            try:
                self.feeds[feed_id] = _load(ledger, feed_id)
            except (LookupError, ValueError) as error:
                self.feeds.pop(feed_id, None)
                LOG.error("feed %s cannot be read and stands still: %s", feed_id, error)
        if news:
            self.position = news[-1]["position"]
        return changed

    def reading(self, topic: str) -> list[LiveFeed]:
        """The feeds that read the topic now, in the order of their ids."""
        return sorted(
            (feed for feed in self.feeds.values() if not feed.is_paused and topic in feed.definition.source.topics),
            key=lambda feed: feed.id,
        )

    @property
    def topics(self) -> set[str]:
        """The topics that some feed reads now."""
        return {topic for feed in self.feeds.values() if not feed.is_paused for topic in feed.definition.source.topics}


def _load(ledger: OkrLedger, feed_id: UUID) -> LiveFeed:
    feed = ledger.load(Feed, feed_id)
    key_result = ledger.load(KeyResult, feed.definition.key_result)
    with transaction(ledger) as connection:
        is_new = not totals.is_there(connection, key_result.id)
        # Exclusively: whoever ends the key result has done so, and is found, or will find the row.
        cycle = ledger.record.hold_cycle(key_result.cycle_id, exclusive=is_new)
        if cycle is None:
            raise LookupError(f"there is no cycle {key_result.cycle_id}")
        if is_new:
            midnight = last_midnight(clock(connection), cycle.time_zone)
            is_ended = ledger.load(KeyResult, key_result.id).is_ended
            totals.begin(connection, key_result.id, feed.id, midnight, takes_progress=not is_ended)
    return LiveFeed(
        id=feed.id,
        key_result_id=key_result.id,
        cycle_id=cycle.id,
        time_zone=cycle.time_zone,
        revision=feed.revision,
        is_paused=feed.is_paused,
        definition=feed.definition,
        compiled=compile_feed(feed.definition),
    )
