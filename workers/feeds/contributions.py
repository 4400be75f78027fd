"""The contributions of a feed: what each entity adds, kept as of its newest version, with what it was before.

Rows are locked in the order of part and entity. What a batch changes is marked with the version of the fact that
will take it in, the one after the measurement's last: so nobody has to come back to the rows when that fact is
written, and a row that changes again before it leaves no trace, since no fact ever held it.

Statements find rows by their key inside LATERAL, and locked ones by their place in the table: so they cost the same
whatever the planner believes about tables that grow from nothing to millions of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from domain.feeds.contribution import Contribution, Place, Standing, Tombstone, merged
from workers.feeds.tallies import Change

Arriving = Contribution | Tombstone
Key = tuple[str, str]
"""Part and entity."""
LifeIds = Mapping[tuple[str, str], int]
"""The ids of the lives of topics, by topic and epoch."""

HOLD = """
    SELECT held.* FROM jsonb_array_elements(%s::jsonb) AS wanted (key)
     CROSS JOIN LATERAL (
        SELECT part, entity, ctid, version, value, effective_at, tombstones FROM feeds.contributions
         WHERE feed_id = %s AND part = wanted.key->>0 AND entity = wanted.key->>1 FOR UPDATE
     ) AS held
"""
PLACES = """
    SELECT c.part, c.entity, c.is_arrival, c.partition, c.message_offset, c.timestamp_ms, c.message_sha256,
           l.topic, l.epoch
      FROM feeds.contributions c LEFT JOIN feeds.lives l ON l.id = c.life_id WHERE c.ctid = ANY(%s::tid[])
"""
NEW_ROWS = """
    (SELECT (row->>0)::tid, row->>1, row->>2, row->3, (row->>4)::numeric, row->>5, (row->>6)::timestamptz,
            (row->>7)::boolean, (row->>8)::integer, (row->>9)::integer, (row->>10)::bigint, (row->>11)::bigint,
            decode(row->>12, 'hex')
       FROM jsonb_array_elements(%(rows)s::jsonb) AS row)
    AS new (ctid, part, entity, tombstones, value, version, effective_at, is_arrival, life_id, partition,
            message_offset, timestamp_ms, message_sha256)
"""
ADD = f"""
    INSERT INTO feeds.contributions (feed_id, part, entity, tombstones, value, version, effective_at, is_arrival,
           life_id, partition, message_offset, timestamp_ms, message_sha256, valid_from, first_fact, timed_at)
    SELECT %(feed_id)s, part, entity, nullif(tombstones, 'null'), value, version, effective_at, is_arrival,
           life_id, partition, message_offset, timestamp_ms, message_sha256, %(fact)s,
           CASE WHEN version IS NOT NULL THEN %(fact)s END,
           CASE WHEN %(is_timed)s AND value IS NOT NULL THEN effective_at END
      FROM {NEW_ROWS}
    ON CONFLICT DO NOTHING
"""
KEEP = """
    INSERT INTO feeds.past_contributions (feed_id, part, entity, value, version, effective_at, is_arrival, life_id,
           partition, message_offset, timestamp_ms, message_sha256, valid_from, valid_to)
    SELECT c.feed_id, c.part, c.entity, c.value, c.version, c.effective_at, c.is_arrival, c.life_id,
           c.partition, c.message_offset, c.timestamp_ms, c.message_sha256, c.valid_from, %(fact)s
      FROM feeds.contributions c
     WHERE c.ctid = ANY(%(places)s::tid[]) AND c.version IS NOT NULL AND c.valid_from < %(fact)s
"""
CHANGE = f"""
    UPDATE feeds.contributions c
       SET value = new.value, version = new.version, effective_at = new.effective_at, is_arrival = new.is_arrival,
           life_id = new.life_id, partition = new.partition, message_offset = new.message_offset,
           timestamp_ms = new.timestamp_ms, message_sha256 = new.message_sha256,
           tombstones = nullif(new.tombstones, 'null'), valid_from = %(fact)s,
           first_fact = coalesce(c.first_fact, %(fact)s),
           timed_at = CASE WHEN %(is_timed)s AND new.value IS NOT NULL THEN new.effective_at END
      FROM {NEW_ROWS} WHERE c.ctid = new.ctid
"""
BURY = """
    UPDATE feeds.contributions c SET tombstones = new.row->1
      FROM jsonb_array_elements(%s::jsonb) AS new (row) WHERE c.ctid = (new.row->>0)::tid
"""
TAKEN_IN = """
    WITH changed AS (
        SELECT part, entity FROM feeds.past_contributions WHERE feed_id = %(feed_id)s AND valid_to = %(fact)s
         UNION ALL
        SELECT part, entity FROM feeds.contributions WHERE feed_id = %(feed_id)s AND first_fact = %(fact)s
    ), lines AS (
        SELECT l.topic, l.epoch, c.partition, c.message_offset, c.part, c.entity, c.version,
               concat('[', to_json(l.topic), ',', to_json(l.epoch), ',', c.partition, ',', c.message_offset, ',',
                      to_json(c.part), ',', to_json(c.entity), ',', to_json(c.version), ',',
                      coalesce(to_json(trim_scale(c.value)::text), 'null'), ',"',
                      to_char(c.effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '","',
                      encode(c.message_sha256, 'hex'), E'"]\n') AS line
          FROM changed
         CROSS JOIN LATERAL (
            SELECT * FROM feeds.contributions
             WHERE feed_id = %(feed_id)s AND part = changed.part AND entity = changed.entity OFFSET 0
         ) AS c
          JOIN feeds.lives l ON l.id = c.life_id
    )
    SELECT count(*)::int AS changes,
           encode(sha256(convert_to(coalesce(string_agg(line, '' ORDER BY topic, epoch, partition, message_offset,
                  part, entity, version), ''), 'UTF8')), 'hex') AS sha256
      FROM lines
"""


class Interleaved(Exception):
    """Another worker wrote what this batch had looked at: the batch is to be applied again."""


class Held(NamedTuple):
    """A row that is locked: `row` is its place in the table."""

    part: str
    entity: str
    row: str
    version: str | None
    value: Decimal | None
    effective_at: datetime | None
    tombstones: list[list[object]] | None


class New(NamedTuple):
    """What a row is to hold: the contribution that counts, and the tombstones of the entity."""

    key: Key
    counts: Contribution | None
    tombstones: tuple[Place, ...] = ()


def take_in(
    connection: Connection[DictRow],
    feed_id: UUID,
    arriving: Iterable[Arriving],
    life_ids: LifeIds,
    *,
    fact: int,
    is_timed: bool,
) -> list[Change]:
    """Merge what a batch brings into the contributions of the feed; what that changes.

    `fact` is the version of the fact that will take it in; `is_timed` lets rows be found by their time. Raises
    `Interleaved`.
    """
    newest, graves = _sorted_out(arriving)
    keys = sorted(newest.keys() | graves.keys())
    held = _hold(connection, feed_id, keys)
    added: list[New] = []
    changed: list[tuple[Held, New]] = []
    for key in keys:
        row, one = held.get(key), newest.get(key)
        if one is None or key in graves or (row is not None and row.tombstones):
            graves.setdefault(key, [])
        elif row is None:
            added.append(New(key, one))
        elif row.version is not None and one.version > row.version:
            changed.append((row, New(key, one)))
    buried = _bury(connection, held, newest, graves)
    added += [new for row, new in buried if row is None]
    changed += [(row, new) for row, new in buried if row is not None]
    _add(connection, feed_id, sorted(added), life_ids, fact, is_timed)
    _change(connection, changed, life_ids, fact, is_timed)
    return [_difference(None, new) for new in added if new.counts] + [
        _difference(row, new) for row, new in changed if new.counts
    ]


class TakenIn(NamedTuple):
    """How many contribution changes a fact takes in, and the SHA-256 of their evidence lines in hex."""

    changes: int
    sha256: str


def taken_in(connection: Connection[DictRow], feed_id: UUID, fact: int) -> TakenIn:
    """What the fact of this version takes in, as long as it is the next or the last one.

    The lines are those of `domain.feeds.evidence`, written by the database: byte for byte the same, and faster than
    to fetch them.
    """
    row = connection.execute(TAKEN_IN, {"feed_id": feed_id, "fact": fact}, prepare=True).fetchone()
    if row is None:
        raise LookupError("an aggregate has one row")
    return TakenIn(**row)


def _sorted_out(arriving: Iterable[Arriving]) -> tuple[dict[Key, Contribution], dict[Key, list[Tombstone]]]:
    """Of each entity the newest contribution, and its tombstones."""
    newest: dict[Key, Contribution] = {}
    graves: dict[Key, list[Tombstone]] = {}
    for one in arriving:
        key = (one.part, one.entity)
        if isinstance(one, Tombstone):
            graves.setdefault(key, []).append(one)
        else:
            known = newest.get(key)
            if known is None or one.version > known.version:
                newest[key] = one
    return newest, graves


def _hold(connection: Connection[DictRow], feed_id: UUID, keys: list[Key]) -> dict[Key, Held]:
    """What is known of the entities, locked in their order until the transaction ends."""
    if not keys:
        return {}
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(HOLD, [_json(keys), feed_id], prepare=True)
        return {(row[0], row[1]): Held._make(row) for row in cursor.fetchall()}


def _bury(
    connection: Connection[DictRow],
    held: Mapping[Key, Held],
    newest: Mapping[Key, Contribution],
    graves: Mapping[Key, list[Tombstone]],
) -> list[tuple[Held | None, New]]:
    """Merge entities of which a tombstone is known; those of which something else counts now.

    Where only the tombstones change, they are stored.
    """
    if not graves:
        return []
    before = _standings(connection, [held[key] for key in graves if key in held])
    buried: list[tuple[Held | None, New]] = []
    only_tombstones: list[tuple[str, New]] = []
    for key, tombstones in graves.items():
        row, standing = held.get(key), before.get(key, Standing())
        after = standing
        for one in (*tombstones, *([newest[key]] if key in newest else ())):
            after = merged(after, one)
        new = New(key, after.contribution, after.tombstones)
        if row is None or new.counts != standing.contribution:
            buried.append((row, new))
        elif after != standing:
            only_tombstones.append((row.row, new))
    if only_tombstones:
        connection.execute(BURY, [_json([[row, [*map(list, new.tombstones)]] for row, new in only_tombstones])])
    return buried


def _standings(connection: Connection[DictRow], rows: list[Held]) -> dict[Key, Standing]:
    found = connection.execute(PLACES, [[row.row for row in rows]]).fetchall() if rows else []
    places = {(row["part"], row["entity"]): row for row in found}
    return {(row.part, row.entity): _standing(row, places[row.part, row.entity]) for row in rows}


def _standing(row: Held, place: DictRow) -> Standing:
    tombstones = tuple(Place._make(place) for place in row.tombstones or ())
    if row.version is None or row.effective_at is None:
        return Standing(None, tombstones)
    newest = Contribution(
        part=row.part,
        entity=row.entity,
        value=row.value,
        version=row.version,
        effective_at=row.effective_at,
        is_arrival=place["is_arrival"],
        place=Place(place["topic"], place["epoch"], place["partition"], place["message_offset"]),
        timestamp_ms=place["timestamp_ms"],
        message_sha256=place["message_sha256"].hex(),
    )
    return Standing(newest, tombstones)


def _difference(row: Held | None, new: New) -> Change:
    counts = new.counts
    if counts is None:
        raise ValueError("nothing counts, so nothing changes")
    old_value, old_at = (None, None) if row is None else (row.value, row.effective_at)
    return Change(counts.part, old_value, old_at, counts.value, counts.effective_at, counts.is_arrival)


def _add(
    connection: Connection[DictRow], feed_id: UUID, added: list[New], life_ids: LifeIds, fact: int, is_timed: bool
) -> None:
    if not added:
        return
    rows = _json([_row(None, new, life_ids) for new in added])
    done = connection.execute(ADD, {"feed_id": feed_id, "fact": fact, "is_timed": is_timed, "rows": rows}, prepare=True)
    if done.rowcount < len(added):
        raise Interleaved("another worker was the first to know one of the entities")


def _change(
    connection: Connection[DictRow],
    changed: list[tuple[Held, New]],
    life_ids: LifeIds,
    fact: int,
    is_timed: bool,
) -> None:
    if not changed:
        return
    places = "{" + ",".join([f'"{held.row}"' for held, _ in changed]) + "}"
    connection.execute(KEEP, {"fact": fact, "places": places}, prepare=True)
    rows = _json([_row(held.row, new, life_ids) for held, new in changed])
    done = connection.execute(CHANGE, {"fact": fact, "is_timed": is_timed, "rows": rows}, prepare=True)
    if done.rowcount < len(changed):
        raise Interleaved("a row was not where it was locked")


def _row(place: str | None, new: New, life_ids: LifeIds) -> tuple[object, ...]:
    """The members of NEW_ROWS."""
    tombstones = [list(place) for place in new.tombstones] or None
    one = new.counts
    if one is None:
        return (place, *new.key, tombstones)
    topic, epoch, partition, offset = one.place
    value = None if one.value is None else str(one.value)
    return (
        place, *new.key, tombstones, value, one.version, one.effective_at, one.is_arrival, life_ids[topic, epoch],
        partition, offset, one.timestamp_ms, one.message_sha256,
    )  # fmt: skip


def _json(rows: object) -> str:
    """Many rows as one parameter: several times faster to make than an array for each column."""
    return orjson.dumps(rows).decode()
