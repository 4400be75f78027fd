"""The life of one consumer: poll, apply, and begin again at whatever the database says when anything goes wrong.

The broker is asked for messages and trusted with nothing: where to read on stands in the database, and moves there
in the transaction that writes what was read. What is committed to the broker is for its operators to look at.

A batch is written while the next one is read, for as long as that takes: so what the latter is read against is where
the former will leave off. Whenever something else happens than that, such as a rebalance, a fence or a fault, what
is in hand is dropped.

    Fenced, Outdated      drop what is in hand, read the offsets again
    database away         pause, keep polling so that the group keeps us, back off, go on where the database says
    offset out of range   find the gap, go on behind it
    any error of a poll   the end of this consumer; the worker makes a new one
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import psycopg
from eventsourcing.persistence import PersistenceError
from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from workers.feeds.batch import Batches, Outdated
from workers.feeds.catalogue import Catalogue
from workers.feeds.consumer import (
    Assignment,
    close_quietly,
    is_left_out,
    join_again,
    open_consumer,
    read_on,
    subscribe,
)
from workers.feeds.database import is_there, open_ledger
from workers.feeds.hand import Hand
from workers.feeds.lives import TopicLives
from workers.feeds.metrics import Metrics
from workers.feeds.offsets import Fenced, Life
from workers.feeds.placing import Placing, Stands
from workers.feeds.reading import read_records
from workers.feeds.settings import WorkerSettings
from workers.feeds.writing import BatchFailed, Writer

LOG = logging.getLogger(__name__)

POLL_MS = 300
A_JOINS_END = 0.25
"""Seconds in which a join that looks forgotten may only be ending."""
NEWS_EVERY = 0.5
LAG_EVERY = 5.0
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.25, 5.0

Records = Mapping[TopicPartition, list[Any]]


class StaleTopics(Exception):
    """The broker was asked for the topics' ids too long ago for anything to be committed."""


class Session:
    """A consumer, the ledger, and what this worker knows: nothing that the database could not tell it again."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._consumer = open_consumer(settings)
        self._assignment = Assignment(self._consumer, metrics.rebalances.inc)
        self._ledger = open_ledger(settings.database_url)
        self._catalogue = Catalogue()
        self._lives = TopicLives(settings)
        self._life: dict[str, Life] = {}
        self._stands: dict[TopicPartition, Stands] = {}
        self._read_to_ms: dict[TopicPartition, int] = {}
        self._topics: set[str] = set()
        self._left_out_at: float | None = None
        self._hand = Hand(settings.batch_size)
        self._writer = Writer()
        self._turns = self._hand_turns = 0
        self._news_at = self._lag_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        close_quietly(self._consumer)
        self._lives.close()
        self._ledger.close()

    def read(self, stop: threading.Event) -> None:
        """Read until `stop` is set. Raises KafkaError when the consumer is of no more use."""
        while not stop.is_set():
            # What is in hand is written as soon as it can be: nobody waits for more of it.
            records, out_of_range = self._poll(stop, 0 if self._hand else POLL_MS)
            self._take(records)
            if records and self._writer.is_busy and not self._hand.is_full:
                continue
            try:
                self._finish()
                self._skip(out_of_range)
                if time.monotonic() - self._news_at > NEWS_EVERY:
                    self._look_for_news()
                if self._topics and self._lives.is_old:
                    self._ask_for_lives()
                self._place()
                self._write()
                if time.monotonic() - self._lag_at > LAG_EVERY:
                    self._measure_lag()
            except (PersistenceError, psycopg.Error) as error:
                LOG.warning("the database is away: %s", error)
                self._metrics.restarts.labels("database").inc()
                self._wait_for_the_database(stop)
        self._finish()

    def _poll(self, stop: threading.Event, wait_ms: int) -> tuple[Records, Collection[TopicPartition]]:
        """Messages; and the partitions in which the broker does not have what is to be read next."""
        if not self._topics:
            stop.wait(wait_ms / 1000)
            return {}, ()
        try:
            records = self._consumer.poll(wait_ms)
            self._mind_the_group()
            return records, ()
        except OffsetOutOfRangeError as error:
            return {}, list(error.args[0])
        except KafkaError:
            raise
        except Exception as error:
            # What cannot be unpacked, such as a batch in an unknown codec: the next poll would spin on it for ever.
            raise KafkaError(f"the consumer failed: {error!r}") from error

    def _mind_the_group(self) -> None:
        """Join the group again where it has left this worker out for longer than a join takes to end."""
        now = time.monotonic()
        if not is_left_out(self._consumer):
            self._left_out_at = None
        elif self._left_out_at is None:
            self._left_out_at = now
        elif now - self._left_out_at > A_JOINS_END:
            LOG.warning("the group has left this worker out: joining again")
            join_again(self._consumer)
            self._left_out_at = None

    def _look_for_news(self) -> None:
        """Follow the ledger: feeds that were defined, revised, paused, resumed."""
        changed = self._catalogue.refresh(self._ledger)
        self._news_at = time.monotonic()
        if not changed:
            return
        if self._topics != self._catalogue.topics:
            self._topics = self._catalogue.topics
            LOG.info("reading %d feeds from topics %s", len(self._catalogue.feeds), sorted(self._topics))
            subscribe(self._consumer, self._topics, self._assignment)
        self._ask_for_lives()
        self._put_back(self._consumer.assignment())

    def _ask_for_lives(self) -> None:
        changed = self._lives.ask(self._topics)
        self._put_back(partition for partition in list(self._stands) if partition.topic in changed)

    def _put_back(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget where these stand: the database is asked before anything more is read from them."""
        partitions = list(partitions)
        self._forget(partitions)
        self._assignment.put_back(partitions)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Stand nowhere in these; what was read against where we stood does not count."""
        for partition in partitions:
            if self._stands.pop(partition, None) is not None:
                self._turns += 1

    def _place(self) -> None:
        """Let partitions that wait be read from where the database says."""
        taken_away, waiting = self._assignment.take()
        self._forget(taken_away)
        if not waiting:
            return
        try:
            self._ask_for_lives()
            for topic in {partition.topic for partition in waiting}:
                self._place_topic(topic, {partition for partition in waiting if partition.topic == topic})
        except BaseException:
            self._put_back(waiting)
            raise

    def _place_topic(self, topic: str, waiting: set[TopicPartition]) -> None:
        epoch = self._lives.of(topic)
        if epoch is None or not self._catalogue.reading(topic):
            if epoch is None:
                self._put_back(waiting)
            return
        self._life[topic], stands = self._placing().stands(topic, epoch)
        for partition in waiting:
            here = {stand: next for stand, next in stands.items() if stand.place.partition == partition.partition}
            if not here:
                self._put_back([partition])
            elif read_on(self._consumer, partition, min(here.values())):
                self._stands[partition] = here

    def _write(self) -> None:
        """Begin to write what is in hand, unless it was read against places where we no longer stand."""
        hand, turns = self._hand, self._hand_turns
        if not hand:
            return
        self._hand = Hand(self._settings.batch_size)
        if turns != self._turns:
            self._put_back(hand.partitions)
            return
        life_ids = {(topic, epoch): life.id for topic, life in self._life.items() if (epoch := self._lives.of(topic))}
        batches = Batches(self._ledger, self._catalogue, self._refuse_if_old)
        shares = hand.shares()
        offsets = {partition: min(self._stands[partition].values()) for partition in hand.partitions}
        self._writer.begin(lambda: batches.apply(shares, life_ids), offsets)

    def _finish(self) -> None:
        """Wait for the batch that is being written. What it raises is raised, unless reading again is the answer."""
        try:
            written = self._writer.finish()
        except BatchFailed as failure:
            self._put_back(failure.partitions)
            reason = failure.__cause__
            if not isinstance(reason, Fenced | Outdated | StaleTopics):
                raise reason or failure from None
            LOG.info("batch dropped: %s", reason)
            self._metrics.fences.inc(isinstance(reason, Fenced))
            self._news_at = float("-inf")
        else:
            if written is not None:
                self._metrics.count(written.applied, written.seconds)
                self._tell_the_broker(written.offsets)

    def _take(self, records: Records) -> None:
        """Take in hand what each feed makes of the records that it has not read, and stand behind them.

        Records of partitions that have no place yet are put back: the consumer has stepped over them.
        """
        self._put_back(partition for partition in records if partition not in self._stands)
        if not self._hand:
            self._hand_turns = self._turns
        for partition in sorted(records):
            self._read_to_ms[partition] = records[partition][-1].timestamp
            stands = self._stands.get(partition, {})
            for stand, began in stands.items():
                feed, life = self._catalogue.feeds[stand.feed_id], self._life[partition.topic]
                stretch = read_records(feed, stand.place, life, began, records[partition])
                if stretch is not None:
                    stands[stand] = stretch.next
                    self._hand.take(feed, stretch)

    def _refuse_if_old(self) -> None:
        if self._lives.is_old:
            raise StaleTopics("this took so long that the topics may be others by now")

    def _skip(self, out_of_range: Collection[TopicPartition]) -> None:
        """Go on behind a gap, unless the topic was made anew: then all its feeds are placed again."""
        if not out_of_range:
            return
        self._ask_for_lives()
        for partition in out_of_range:
            try:
                self._placing().skip(partition, self._stands.get(partition, {}))
            except Fenced as reason:
                LOG.info("gap left to another worker: %s", reason)
        self._put_back(out_of_range)

    def _placing(self) -> Placing:
        return Placing(self._ledger, self._catalogue, self._consumer, self._metrics, is_trial=self._settings.is_trial)

    def _tell_the_broker(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for the broker's operators. Nobody waits for it, and nobody minds where it fails."""
        told = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        with contextlib.suppress(KafkaError):
            self._consumer.commit_async(told, callback=_ignore)

    def _measure_lag(self) -> None:
        self._lag_at = time.monotonic()
        try:
            ends = self._consumer.end_offsets(list(self._stands), timeout_ms=POLL_MS)
        except KafkaError:
            return
        self._metrics.lag.clear()
        self._metrics.seconds_behind.clear()
        for partition, stands in self._stands.items():
            for stand, next in stands.items():
                name = self._catalogue.feeds[stand.feed_id].definition.name
                lag = max(0, ends[partition] - next)
                self._metrics.lag.labels(name, *partition).set(lag)
                if not lag or partition in self._read_to_ms:
                    behind = time.time() - self._read_to_ms[partition] / 1000 if lag else 0.0
                    self._metrics.seconds_behind.labels(name, *partition).set(max(0.0, behind))

    def _wait_for_the_database(self, stop: threading.Event) -> None:
        """Stay in the group, reading nothing, until the database answers; then with a pool of new connections."""
        self._put_back(self._consumer.assignment())
        self._ledger.close()
        back_off = FIRST_BACK_OFF
        while not stop.is_set():
            until = time.monotonic() + back_off
            while time.monotonic() < until and not stop.is_set():
                self._poll(stop, POLL_MS)
            if is_there(self._settings.database_url):
                break
            back_off = min(2 * back_off, LONGEST_BACK_OFF)
        self._ledger = open_ledger(self._settings.database_url)
        # It may have been put back to where feeds were others.
        self._catalogue, self._news_at = Catalogue(), float("-inf")


def _ignore(offsets: object, answer: object) -> None:
    LOG.debug("offsets %s told to the broker: %s", offsets, answer)
