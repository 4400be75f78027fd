"""The consumer, kept on a short lead: it reads nothing before the database has said from where.

kafka-python calls a listener on its own I/O thread, where nothing may block; the listener only pauses what it is
given and notes it. The worker's loop then reads offsets from the database, seeks and resumes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.net.compat import KafkaNetClient

from workers.feeds.header_names import read_any_name
from workers.feeds.settings import WorkerSettings

C = TypeVar("C")

MOST_POLLED = 500
"""Messages of one poll: few enough to be still in the processor's cache when they are read."""
FETCH_BYTES = 8 * 1024 * 1024
ANSWER_MS = 5_000
"""How long the broker may take to answer before the worker gives up and starts over."""
LEAVE_MS = 1_000

LOG = logging.getLogger(__name__)


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Which partitions the group gave to this worker, and which of them still wait for their place."""

    def __init__(self, consumer: KafkaConsumer, on_rebalance: Callable[[], object]) -> None:
        self._consumer = consumer
        self._on_rebalance = on_rebalance
        self._lock = threading.Lock()
        self._waiting: set[TopicPartition] = set()
        self._taken_away: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if assigned:
            self._consumer.pause(*assigned)
        for partition in assigned:
            # Any place will do while it is paused: without one the consumer asks the group for one, and fails.
            self._consumer.seek(partition, 0)
        with self._lock:
            self._waiting |= set(assigned)
        self._on_rebalance()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        with self._lock:
            self._waiting -= set(revoked)
            self._taken_away |= set(revoked)

    def put_back(self, partitions: Iterable[TopicPartition]) -> None:
        """Let partitions wait again for their place, and fetch nothing from them meanwhile."""
        partitions = set(partitions)
        for partition in partitions:
            # One that is no longer ours cannot be paused, and need not be.
            with contextlib.suppress(KeyError):
                self._consumer.pause(partition)
        with self._lock:
            self._waiting |= partitions & self._consumer.assignment()

    def take(self) -> tuple[set[TopicPartition], set[TopicPartition]]:
        """The partitions that were taken away since the last call, and those that wait for their place.

        One that was taken away and came back is in both.
        """
        with self._lock:
            taken_away, self._taken_away = self._taken_away, set()
            waiting, self._waiting = self._waiting, set()
            return taken_away, waiting


def open_client(kind: Callable[..., C], **options: Any) -> C:
    """A client of kafka-python. Where no broker answers, it raises KafkaError and leaves no thread behind."""
    made: list[KafkaNetClient] = []

    def make(**config: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**config))
        return made[0]

    try:
        return kind(kafka_client=make, bootstrap_timeout_ms=ANSWER_MS, **options)
    except BaseException:
        for client in made:
            client.close()
        raise


def open_consumer(settings: WorkerSettings) -> KafkaConsumer:
    """A consumer of the group that subscribes to nothing yet. Raises KafkaError where no broker answers."""
    read_any_name()
    # The trial broker keeps whoever leaves until the session is over.
    session_ms = 3_000 if settings.is_trial else int(settings.session_timeout * 1000)
    return open_client(
        KafkaConsumer,
        **settings.connection_options(),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        allow_auto_create_topics=False,
        isolation_level="read_uncommitted" if settings.is_trial else "read_committed",
        partition_assignment_strategy=(CooperativeStickyAssignor,),
        max_poll_records=min(MOST_POLLED, settings.batch_size),
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=2 * FETCH_BYTES,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(3_000, session_ms // 5),
        metadata_max_age_ms=int(min(60.0, settings.topic_check) * 1000),
        request_timeout_ms=2 * ANSWER_MS,
        metrics_enabled=False,
    )


def subscribe(consumer: KafkaConsumer, topics: Collection[str], assignment: Assignment) -> None:
    """Join the group for these topics, or leave it where there are none."""
    if topics:
        consumer.subscribe(topics=sorted(topics), listener=assignment)
    elif consumer.subscription():
        consumer.unsubscribe()


def read_on(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> bool:
    """Read on at `offset`; False where the group has taken the partition away meanwhile."""
    try:
        consumer.seek(partition, offset)
        consumer.resume(partition)
    except (ValueError, KeyError):  # unassigned: a rebalance came in between
        return False
    return True


def is_left_out(consumer: KafkaConsumer) -> bool:
    """Whether kafka-python (3.0.12) has begun to join the group and forgotten to end it.

    When a change of the metadata made it join, and the answer came while nobody polled, it drops that answer: it is
    a member without its new partitions and without a heartbeat, for good. Seen with two workers whose batches took
    0.3 s and 1 s, on a topic that grew from one partition to four: in 5 of 9 runs two partitions stayed unread.
    """
    coordinator = consumer._coordinator
    return coordinator is not None and coordinator.rejoining and not coordinator.need_rejoin()


def join_again(consumer: KafkaConsumer) -> None:
    """Join the group anew, which is what a member that `is_left_out` has to do."""
    consumer._coordinator.request_rejoin()


def close_quietly(client: Any) -> None:
    """Leave the group and stop the client's threads, whatever state it is in."""
    if client is None:
        return
    try:
        if isinstance(client, KafkaConsumer):
            client.close(autocommit=False, timeout_ms=LEAVE_MS)
        else:
            client.close()
    except Exception as error:  # it is broken, and that is why it is closed
        LOG.debug("closing a client of the broker: %r", error)
