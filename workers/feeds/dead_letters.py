"""Messages that a feed could not take, kept byte for byte with the place they came from and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.contribution import Dead
from domain.feeds.message import Message
from workers.feeds.catalogue import LiveFeed

BURY = """
    INSERT INTO feeds.dead_letters (topic, epoch, partition, message_offset, feed_id, feed_revision, key, value,
           header_names, header_values, timestamp_ms, stage, reason)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::bytea[], %s::bytea[], %s, %s, %s) ON CONFLICT DO NOTHING
"""


def keep(connection: Connection[DictRow], feed: LiveFeed, letters: Sequence[tuple[Message, Dead]]) -> None:
    """Keep the messages; one that is kept already stays as it is."""
    if not letters:
        return
    with connection.cursor() as cursor:
        cursor.executemany(BURY, [_row(feed, message, dead) for message, dead in letters])


def _row(feed: LiveFeed, message: Message, dead: Dead) -> tuple[object, ...]:
    return (
        message.topic,
        message.epoch,
        message.partition,
        message.offset,
        feed.id,
        feed.revision,
        message.key,
        message.value,
        # A name may hold a NUL, which no text of the database can.
        [name.encode() for name, _ in message.headers],
        [value for _, value in message.headers],
        message.timestamp_ms,
        dead.stage,
        dead.reason,
    )
