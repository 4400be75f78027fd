"""Where each feed stands in each partition: in the database, so that it moves with what was read and never without.

The key carries the topic's epoch: in another life of the topic the same offset is another message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow


class Place(NamedTuple):
    """A partition in one life of its topic."""

    topic: str
    epoch: str
    partition: int


class Stand(NamedTuple):
    """Where a feed reads: the key of its next offset. Locks are taken in the order of these."""

    feed_id: UUID
    place: Place


Positions = Mapping[Stand, int]
"""The next offset that each feed reads at each place."""


class Life(NamedTuple):
    """One life of a topic: its id in the tables, and how many lives feeds had met before it."""

    id: int
    number: int


class Fenced(Exception):
    """Another worker moved these offsets: what is in hand was read already, or is not ours to read."""


HOLD = """
    SELECT o.feed_id, o.topic, o.epoch, o.partition, o.next_offset FROM feeds.offsets o
      JOIN unnest(%s::uuid[], %s::text[], %s::text[], %s::int[]) AS wanted (feed_id, topic, epoch, partition)
     USING (feed_id, topic, epoch, partition)
     ORDER BY o.feed_id, o.topic, o.epoch, o.partition FOR UPDATE OF o
"""
BEGIN = """
    INSERT INTO feeds.offsets (feed_id, topic, epoch, partition, next_offset)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::bigint[]) AS begun (f, t, e, p, n)
     ORDER BY f, t, e, p
    ON CONFLICT DO NOTHING RETURNING feed_id, topic, epoch, partition, next_offset
"""
MOVE = """
    UPDATE feeds.offsets o SET next_offset = moved.next_offset
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::bigint[])
           AS moved (feed_id, topic, epoch, partition, next_offset)
     WHERE (o.feed_id, o.topic, o.epoch, o.partition) = (moved.feed_id, moved.topic, moved.epoch, moved.partition)
"""
KNOWN = """
    SELECT feed_id, topic, epoch, partition, next_offset FROM feeds.offsets
     WHERE feed_id = ANY(%s) AND topic = ANY(%s)
"""
LIFE = "SELECT id, number FROM feeds.lives WHERE topic = %(topic)s AND epoch = %(epoch)s"
BEGIN_LIFE = """
    INSERT INTO feeds.lives (topic, epoch, number)
    SELECT %(topic)s, %(epoch)s, count(*) FROM feeds.lives WHERE topic = %(topic)s ON CONFLICT DO NOTHING
"""


def known(connection: Connection[DictRow], feed_ids: Collection[UUID], topics: Collection[str]) -> dict[Stand, int]:
    """All that is known of these feeds and topics, in whatever life of the topic."""
    return _positions(connection.execute(KNOWN, [list(feed_ids), list(topics)]).fetchall())


def begin(connection: Connection[DictRow], starts: Positions) -> dict[Stand, int]:
    """Note where feeds begin; those of them that nobody had noted before."""
    return _positions(connection.execute(BEGIN, [*_columns(sorted(starts)), _offsets(starts)]).fetchall())


def hold(connection: Connection[DictRow], expected: Positions) -> None:
    """Lock the offsets until the transaction ends. `Fenced` where they are not what this worker expects."""
    rows = connection.execute(HOLD, _columns(sorted(expected)), prepare=True).fetchall()
    if _positions(rows) != dict(expected):
        raise Fenced("the offsets were moved by another worker")


def move(connection: Connection[DictRow], positions: Positions) -> None:
    """Move offsets that are held."""
    connection.execute(MOVE, [*_columns(sorted(positions)), _offsets(positions)], prepare=True)


def life(connection: Connection[DictRow], topic: str, epoch: str) -> Life:
    """This life of the topic; noted when feeds meet it for the first time."""
    parameters = {"topic": topic, "epoch": epoch}
    row = connection.execute(LIFE, parameters).fetchone()
    while row is None:
        # Where another worker meets another life at the same moment, one of the two takes the next number.
        connection.execute(BEGIN_LIFE, parameters)
        row = connection.execute(LIFE, parameters).fetchone()
    return Life(**row)


def _columns(stands: Iterable[Stand]) -> list[list[object]]:
    rows = [(stand.feed_id, *stand.place) for stand in stands]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]


def _offsets(positions: Positions) -> list[int]:
    return [positions[stand] for stand in sorted(positions)]


def _positions(rows: Iterable[DictRow]) -> dict[Stand, int]:
    return {
        Stand(row["feed_id"], Place(row["topic"], row["epoch"], row["partition"])): row["next_offset"] for row in rows
    }
