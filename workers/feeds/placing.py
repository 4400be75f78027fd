"""From where each feed reads: as the database has it; where it has nothing, as the feed's definition says.

Messages that the broker no longer has, or that belonged to an earlier life of the topic, are a gap: a fact of the
feed, in the transaction that moves its offset past it. In a closed cycle, where nothing is recorded, they would not
have counted either.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from kafka import KafkaConsumer, TopicPartition
from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.command import Command
from domain.cycle import CycleState
from domain.feed import FeedGapFound, GapKind
from domain.feeds.definition import StartAt
from workers.feeds import offsets
from workers.feeds.catalogue import Catalogue, LiveFeed
from workers.feeds.consumer import ANSWER_MS
from workers.feeds.database import clock, transaction
from workers.feeds.metrics import Metrics
from workers.feeds.offsets import Life, Place, Stand

LOG = logging.getLogger(__name__)

Stands = dict[Stand, int]


class Placing:
    """Finds where feeds stand. With `is_trial` the broker cannot look offsets up by time: such feeds begin early."""

    def __init__(
        self, ledger: OkrLedger, catalogue: Catalogue, consumer: KafkaConsumer, metrics: Metrics, *, is_trial: bool
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._consumer = consumer
        self._metrics = metrics
        self._is_trial = is_trial

    def stands(self, topic: str, epoch: str) -> tuple[Life, Stands]:
        """Where the feeds of a topic stand, in all partitions of its present life.

        Whatever is new, a feed, a partition or the life itself, is noted in the database first. Raises KafkaError.
        """
        feeds = self._catalogue.reading(topic)
        partitions = self._consumer.partitions_for_topic(topic)
        with transaction(self._ledger) as connection:
            life = offsets.life(connection, topic, epoch)
            known = offsets.known(connection, [feed.id for feed in feeds], [topic])
        for feed in feeds:
            stands = {stand: next for stand, next in known.items() if stand.feed_id == feed.id}
            here = {stand.place.partition for stand in stands if stand.place.epoch == epoch}
            places = [Place(topic, epoch, partition) for partition in sorted(partitions - here)]
            if not places:
                continue
            # Of a new life, and of a partition that was added, everything is read.
            starts = {Stand(feed.id, place): 0 for place in places} if stands else self._starts(feed, places)
            with transaction(self._ledger) as connection:
                self._ledger.record.hold_cycle(feed.cycle_id)
                begun = offsets.begin(connection, starts)
                if begun and stands and not here:
                    self._end_life(connection, feed, topic, stands, epoch)
        with transaction(self._ledger) as connection:
            known = offsets.known(connection, [feed.id for feed in feeds], [topic])
        return life, {stand: next for stand, next in known.items() if stand.place.epoch == epoch}

    def skip(self, partition: TopicPartition, stands: Stands) -> None:
        """Move feeds past the messages that the broker no longer has: their offset is out of its range.

        Where the broker has less than was read, its log was cut, and reading goes on at its end. Raises KafkaError,
        and `Fenced` where another worker has moved the offsets.
        """
        first = self._consumer.beginning_offsets([partition], timeout_ms=ANSWER_MS)[partition]
        end = self._consumer.end_offsets([partition], timeout_ms=ANSWER_MS)[partition]
        for stand, next in stands.items():
            to = first if next < first else end if next > end else next
            if to == next:
                continue
            feed = self._catalogue.feeds[stand.feed_id]
            kind = GapKind.RETENTION if to > next else GapKind.TRUNCATED
            with transaction(self._ledger) as connection:
                cycle = self._ledger.record.hold_cycle(feed.cycle_id)
                offsets.hold(connection, {stand: next})
                offsets.move(connection, {stand: to})
                if cycle is not None and cycle.state is not CycleState.CLOSED:
                    self._find_gap(connection, feed, [(stand, next)], kind, next=to)

    def _starts(self, feed: LiveFeed, places: Collection[Place]) -> Stands:
        """Where a feed begins that has never read the topic."""
        start = feed.definition.start
        partitions = {TopicPartition(place.topic, place.partition): place for place in places}
        earliest = self._consumer.beginning_offsets(list(partitions), timeout_ms=ANSWER_MS)
        chosen: dict[TopicPartition, int] = dict(earliest)
        if start.at is StartAt.LATEST:
            chosen = self._consumer.end_offsets(list(partitions), timeout_ms=ANSWER_MS)
        elif start.at is StartAt.OFFSETS:
            ends = self._consumer.end_offsets(list(partitions), timeout_ms=ANSWER_MS)
            for topic, number, offset in start.offsets:
                partition = TopicPartition(topic, number)
                if partition in partitions:
                    chosen[partition] = min(offset, ends[partition])
        elif start.timestamp is not None and not self._is_trial:
            moment = int(start.timestamp.timestamp() * 1000)
            ends = self._consumer.end_offsets(list(partitions), timeout_ms=ANSWER_MS)
            found = self._consumer.offsets_for_times(dict.fromkeys(partitions, moment), timeout_ms=ANSWER_MS)
            chosen = {
                partition: ends[partition] if found.get(partition) is None else found[partition].offset
                for partition in partitions
            }
        return {Stand(feed.id, place): chosen[partition] for partition, place in partitions.items()}

    def _end_life(self, connection: Connection[DictRow], feed: LiveFeed, topic: str, stands: Stands, new: str) -> None:
        """The topic was made anew: what the feed had not read of the life in which it stood last is lost."""
        cycle = self._ledger.record.hold_cycle(feed.cycle_id)
        if cycle is None or cycle.state is CycleState.CLOSED:
            return
        epochs = {stand.place.epoch for stand in stands}
        last = max(epochs, key=lambda epoch: offsets.life(connection, topic, epoch).number)
        # Where nothing was ever read, nothing is known to be lost.
        ended = [(stand, next) for stand, next in sorted(stands.items()) if stand.place.epoch == last and next > 0]
        self._find_gap(connection, feed, ended, GapKind.TOPIC_RECREATED, new_epoch=new)

    def _find_gap(
        self,
        connection: Connection[DictRow],
        feed: LiveFeed,
        where: Iterable[tuple[Stand, int]],
        kind: GapKind,
        *,
        next: int | None = None,
        new_epoch: str | None = None,
    ) -> None:
        by = Command(feed.actor, clock(connection))
        for (_, place), first in where:
            LOG.warning("feed %s: gap (%s) in %s[%d] from %d", feed.definition.name, kind, *place[::2], first)
            gap = FeedGapFound(
                kind=kind,
                topic=place.topic,
                epoch=place.epoch,
                partition=place.partition,
                first=first,
                next=next,
                new_epoch=new_epoch,
            )
            self._ledger.find_gap(feed.id, gap, by)
            self._metrics.gaps.inc()
