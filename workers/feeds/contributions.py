"""The contributions of a feed: what each entity adds, kept as of its newest version, with what it was before.

Rows are locked in the order of part and entity. What a batch changes is marked with the version of the fact that
will take it in, the one after the measurement's last: so nobody has to come back to the rows when that fact is
written, and a row that changes again before it leaves no trace, since no fact ever held it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row
from psycopg.types.json import Jsonb

from domain.feeds.contribution import Contribution, Place, Standing, Tombstone, merged
from domain.feeds.evidence import EvidenceLine
from workers.feeds.tallies import Change

Arriving = Contribution | Tombstone
Key = tuple[str, str]
"""Part and entity."""
LifeIds = Mapping[tuple[str, str], int]
"""The ids of the lives of topics, by topic and epoch."""

HOLD = """
    SELECT c.part, c.entity, c.value, c.version, c.effective_at, c.is_arrival, l.topic, l.epoch, c.partition,
           c.message_offset, c.timestamp_ms, c.message_sha256, c.tombstones
      FROM feeds.contributions c
      JOIN unnest(%b::text[], %b::text[]) AS wanted (part, entity)
        ON c.feed_id = %b AND c.part = wanted.part AND c.entity = wanted.entity
      LEFT JOIN feeds.lives l ON l.id = c.life_id
     ORDER BY c.part, c.entity FOR UPDATE OF c
"""
NEW_ROWS = """
    unnest(%b::text[], %b::text[], %b::numeric[], %b::text[], %b::timestamptz[], %b::bool[], %b::int[], %b::int[],
           %b::bigint[], %b::bigint[], %b::bytea[], %b::jsonb[])
    AS new (part, entity, value, version, effective_at, is_arrival, life_id, partition, message_offset,
            timestamp_ms, message_sha256, tombstones)
"""
ADD = f"""
    INSERT INTO feeds.contributions (feed_id, valid_from, part, entity, value, version, effective_at, is_arrival,
           life_id, partition, message_offset, timestamp_ms, message_sha256, tombstones)
    SELECT %b, %b, new.* FROM {NEW_ROWS} ORDER BY new.part, new.entity ON CONFLICT DO NOTHING
"""
KEEP = """
    INSERT INTO feeds.past_contributions (feed_id, part, entity, value, version, effective_at, is_arrival, life_id,
           partition, message_offset, timestamp_ms, message_sha256, valid_from, valid_to)
    SELECT c.feed_id, c.part, c.entity, c.value, c.version, c.effective_at, c.is_arrival, c.life_id,
           c.partition, c.message_offset, c.timestamp_ms, c.message_sha256, c.valid_from, %(valid_to)b
      FROM feeds.contributions c
      JOIN unnest(%(parts)b::text[], %(entities)b::text[]) AS changed (part, entity)
        ON c.feed_id = %(feed_id)b AND c.part = changed.part AND c.entity = changed.entity
     WHERE c.version IS NOT NULL AND c.valid_from < %(valid_to)b
"""
CHANGE = f"""
    UPDATE feeds.contributions c
       SET value = new.value, version = new.version, effective_at = new.effective_at, is_arrival = new.is_arrival,
           life_id = new.life_id, partition = new.partition, message_offset = new.message_offset,
           timestamp_ms = new.timestamp_ms, message_sha256 = new.message_sha256, tombstones = new.tombstones,
           valid_from = %b
      FROM {NEW_ROWS} WHERE c.feed_id = %b AND c.part = new.part AND c.entity = new.entity
"""
BURY = """
    UPDATE feeds.contributions c SET tombstones = new.tombstones
      FROM unnest(%b::text[], %b::text[], %b::jsonb[]) AS new (part, entity, tombstones)
     WHERE c.feed_id = %b AND c.part = new.part AND c.entity = new.entity
"""
TAKEN_IN = """
    SELECT l.topic, l.epoch, c.partition, c.message_offset, c.part, c.entity, c.version, c.value, c.effective_at,
           encode(c.message_sha256, 'hex')
      FROM feeds.contributions c JOIN feeds.lives l ON l.id = c.life_id
     WHERE c.feed_id = %s AND c.valid_from = %s AND c.version IS NOT NULL
"""

NOTHING = Standing()


class Interleaved(Exception):
    """Another worker wrote what this batch had looked at: the batch is to be applied again."""


def take_in(
    connection: Connection[DictRow],
    feed_id: UUID,
    arriving: Iterable[Arriving],
    life_ids: LifeIds,
    *,
    fact: int,
) -> list[Change]:
    """Merge what a batch brings into the contributions of the feed; what that changes.

    `fact` is the version of the fact that will take it in. Raises `Interleaved`.
    """
    by_entity: dict[Key, list[Arriving]] = {}
    for one in arriving:
        by_entity.setdefault((one.part, one.entity), []).append(one)
    keys = sorted(by_entity)
    stored = _hold(connection, feed_id, keys)
    added: list[tuple[Key, Standing]] = []
    changed: list[tuple[Key, Standing]] = []
    buried: list[tuple[Key, Standing]] = []
    changes: list[Change] = []
    for key in keys:
        before = stored.get(key, NOTHING)
        after = before
        for one in by_entity[key]:
            after = merged(after, one)
        if after == before:
            continue
        counted, counts = before.contribution, after.contribution
        if counts is not None and counts != counted:
            changes.append(_change(counted, counts))
        if key not in stored:
            added.append((key, after))
        elif counts == counted:
            buried.append((key, after))
        else:
            changed.append((key, after))
    _add(connection, feed_id, added, life_ids, fact)
    _replace(connection, feed_id, changed, life_ids, fact)
    _bury(connection, feed_id, buried)
    return changes


def taken_in(connection: Connection[DictRow], feed_id: UUID, fact: int) -> list[EvidenceLine]:
    """The changes that the fact of this version takes in."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return list(map(EvidenceLine._make, cursor.execute(TAKEN_IN, [feed_id, fact], prepare=True)))


def _hold(connection: Connection[DictRow], feed_id: UUID, keys: list[Key]) -> dict[Key, Standing]:
    """What is known of the entities, locked until the transaction ends."""
    if not keys:
        return {}
    parts, entities = (list(column) for column in zip(*keys, strict=True))
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        rows = cursor.execute(HOLD, [parts, entities, feed_id], prepare=True)
        return {(row[0], row[1]): _standing(row) for row in rows}


def _standing(row: tuple[Any, ...]) -> Standing:
    part, entity, value, version, at, is_arrival, topic, epoch, partition, offset, timestamp_ms, sha256, tombs = row
    newest = None
    if version is not None:
        newest = Contribution(
            part=part,
            entity=entity,
            value=value,
            version=version,
            effective_at=at,
            is_arrival=is_arrival,
            place=Place(topic, epoch, partition, offset),
            timestamp_ms=timestamp_ms,
            message_sha256=sha256.hex(),
        )
    return Standing(newest, tuple(Place(*place) for place in tombs or ()))


def _change(before: Contribution | None, after: Contribution) -> Change:
    return Change(
        part=after.part,
        old_value=before.value if before else None,
        old_at=before.effective_at if before else None,
        value=after.value,
        effective_at=after.effective_at,
        is_arrival=after.is_arrival,
    )


def _add(
    connection: Connection[DictRow],
    feed_id: UUID,
    added: list[tuple[Key, Standing]],
    life_ids: LifeIds,
    fact: int,
) -> None:
    if not added:
        return
    done = connection.execute(ADD, [feed_id, fact, *_columns(added, life_ids)], prepare=True)
    if done.rowcount < len(added):
        raise Interleaved("another worker was the first to know one of the entities")


def _replace(
    connection: Connection[DictRow],
    feed_id: UUID,
    changed: list[tuple[Key, Standing]],
    life_ids: LifeIds,
    fact: int,
) -> None:
    if not changed:
        return
    columns = _columns(changed, life_ids)
    connection.execute(
        KEEP, {"valid_to": fact, "parts": columns[0], "entities": columns[1], "feed_id": feed_id}, prepare=True
    )
    connection.execute(CHANGE, [fact, *columns, feed_id], prepare=True)


def _bury(connection: Connection[DictRow], feed_id: UUID, buried: list[tuple[Key, Standing]]) -> None:
    if buried:
        parts, entities = ([key[at] for key, _ in buried] for at in (0, 1))
        tombstones = [_tombstones(standing) for _, standing in buried]
        connection.execute(BURY, [parts, entities, tombstones, feed_id], prepare=True)


def _columns(rows: list[tuple[Key, Standing]], life_ids: LifeIds) -> list[list[Any]]:
    return [list(column) for column in zip(*(_row(*row, life_ids) for row in rows), strict=True)]


def _row(key: Key, standing: Standing, life_ids: LifeIds) -> tuple[Any, ...]:
    counts = standing.contribution
    if counts is None:
        return (*key, *[None] * 9, _tombstones(standing))
    topic, epoch, partition, offset = counts.place
    return (
        *key,
        counts.value,
        counts.version,
        counts.effective_at,
        counts.is_arrival,
        life_ids[topic, epoch],
        partition,
        offset,
        counts.timestamp_ms,
        bytes.fromhex(counts.message_sha256),
        _tombstones(standing),
    )


def _tombstones(standing: Standing) -> Jsonb | None:
    return Jsonb([list(place) for place in standing.tombstones]) if standing.tombstones else None
