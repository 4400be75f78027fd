"""What was read and is not being written yet: it grows while the batch before it is written.

So a worker that is behind writes larger batches, of which each costs less a message, and one that is not writes
each message at once.
"""

from __future__ import annotations

from uuid import UUID

from kafka import TopicPartition

from workers.feeds.catalogue import LiveFeed
from workers.feeds.offsets import Stand
from workers.feeds.reading import Share, Stretch

MOST_BYTES = 8 * 1024 * 1024
"""Values in one batch, whatever their number: the messages stay in memory until it is written."""


class Hand:
    """Stretches of messages by where they are read, in the order in which they were."""

    def __init__(self, most_messages: int) -> None:
        self._most_messages = most_messages
        self._feeds: dict[UUID, LiveFeed] = {}
        self._stretches: dict[Stand, Stretch] = {}
        self._messages = self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._stretches)

    @property
    def is_full(self) -> bool:
        return self._messages >= self._most_messages or self._bytes >= MOST_BYTES

    @property
    def partitions(self) -> set[TopicPartition]:
        """From where the messages are."""
        return {TopicPartition(stand.place.topic, stand.place.partition) for stand in self._stretches}

    def take(self, feed: LiveFeed, stretch: Stretch) -> None:
        """Take what a feed reads on where it last left off, or for the first time."""
        stand = Stand(feed.id, stretch.place)
        self._feeds[feed.id] = feed
        self._messages += len(stretch.records)
        self._bytes += _size(stretch)
        earlier = self._stretches.get(stand)
        if earlier is None:
            self._stretches[stand] = stretch
        else:
            earlier.go_on(stretch)

    def shares(self) -> list[Share]:
        """What there is for each feed."""
        return [
            Share(feed, [stretch for stand, stretch in self._stretches.items() if stand.feed_id == feed.id])
            for feed in self._feeds.values()
        ]


def _size(stretch: Stretch) -> int:
    return sum([len(record.value) for record in stretch.records if record.value is not None])
