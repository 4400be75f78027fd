"""Entities of which a tombstone is known: the domain says what counts of them.

A null value names an entity, but no version: it retracts what stood before it in its partition. So all that is known
of such an entity is needed to say what counts, its last tombstone of each partition included. They are few, and are
merged here, one by one; all others the database compares by their versions.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.contribution import Contribution, Place, Standing, Tombstone, merged

Arriving = Contribution | Tombstone
Key = tuple[str, str]
"""Part and entity."""

HAS_TOMBSTONES = "SELECT FROM feeds.contributions WHERE feed_id = %s AND tombstones IS NOT NULL LIMIT 1"
HELD = """
    SELECT held.*, l.topic, l.epoch FROM jsonb_array_elements(%(keys)s::jsonb) AS wanted (key)
     CROSS JOIN LATERAL (
        SELECT * FROM feeds.contributions
         WHERE feed_id = %(feed_id)s AND part = wanted.key->>0 AND entity = wanted.key->>1 OFFSET 0
     ) AS held
      LEFT JOIN feeds.lives l ON l.id = held.life_id
     WHERE held.tombstones IS NOT NULL OR %(even_without_tombstones)s
"""
BURY = "UPDATE feeds.contributions SET tombstones = %s::jsonb WHERE feed_id = %s AND part = %s AND entity = %s"


class Merged(NamedTuple):
    """What counts of an entity of which tombstones are known, if anything does."""

    key: Key
    counts: Contribution | None
    tombstones: tuple[Place, ...]


def merge_buried(
    connection: Connection[DictRow],
    feed_id: UUID,
    newest: dict[Key, Contribution],
    graves: dict[Key, list[Tombstone]],
) -> list[Merged]:
    """Take out the entities of which a tombstone is known; those of them of which something else counts now.

    Where only the tombstones change, they are stored.
    """
    before: dict[Key, Standing] = {}
    if connection.execute(HAS_TOMBSTONES, [feed_id], prepare=True).fetchone() is not None:
        before = _held(connection, feed_id, list(newest), even_without_tombstones=False)
    if graves:
        before |= _held(connection, feed_id, list(graves), even_without_tombstones=True)
    changed: list[Merged] = []
    only_tombstones: list[Merged] = []
    for key in before.keys() | graves.keys():
        arriving = [*graves.get(key, ()), *([newest.pop(key)] if key in newest else ())]
        after = standing = before.get(key, Standing())
        for one in arriving:
            after = merged(after, one)
        found = Merged(key, after.contribution, after.tombstones)
        if key not in before or found.counts != standing.contribution:
            changed.append(found)
        elif after != standing:
            only_tombstones.append(found)
    if only_tombstones:
        with connection.cursor() as cursor:
            cursor.executemany(BURY, [(as_json(each.tombstones), feed_id, *each.key) for each in only_tombstones])
    return changed


def _held(
    connection: Connection[DictRow], feed_id: UUID, keys: list[Key], *, even_without_tombstones: bool
) -> dict[Key, Standing]:
    """What is known of those of the entities that are known."""
    parameters = {"keys": as_json(keys), "feed_id": feed_id, "even_without_tombstones": even_without_tombstones}
    return {(row["part"], row["entity"]): _standing(row) for row in connection.execute(HELD, parameters)}


def _standing(row: DictRow) -> Standing:
    tombstones = tuple(Place._make(place) for place in row["tombstones"] or ())
    if row["version"] is None:
        return Standing(None, tombstones)
    newest = Contribution(
        part=row["part"],
        entity=row["entity"],
        value=row["value"],
        version=row["version"],
        effective_at=row["effective_at"],
        is_arrival=row["is_arrival"],
        place=Place(row["topic"], row["epoch"], row["partition"], row["message_offset"]),
        timestamp_ms=row["timestamp_ms"],
        message_sha256=row["message_sha256"].hex(),
    )
    return Standing(newest, tombstones)


def as_json(rows: object) -> str:
    """Many rows as one parameter: several times faster to make than an array for each column."""
    return orjson.dumps(rows, default=tuple).decode()
