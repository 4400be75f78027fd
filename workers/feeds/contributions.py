"""The contributions of a feed: what each entity adds, kept as of its newest version, with what it was before.

Whoever writes them holds the row of the feed's totals; so nobody else does meanwhile, and no row is locked by itself.
What a batch changes is marked with the version of the fact that will take it in, the one after the measurement's
last: so nobody has to come back to the rows when that fact is written, and a row that changes again before it leaves
no trace, since no fact ever held it.

One statement compares, keeps what was, writes what is, and answers with what that changes in sum: a batch of
thousands of messages comes back as one row. Only entities of which a tombstone is known are merged by `merging`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.aggregates import Tally, Window
from domain.feeds.contribution import Contribution, Tombstone
from workers.feeds.merging import Arriving, Key, Merged, as_json, merge_buried

LifeIds = Mapping[tuple[str, str], int]
"""The ids of the lives of topics, by topic and epoch."""

TAKE_IN = """
    WITH new AS MATERIALIZED (
        SELECT row->>0 AS part, row->>1 AS entity, (row->>2)::numeric AS value, (row->>3) COLLATE "C" AS version,
               (row->>4)::timestamptz AS effective_at, (row->>5)::boolean AS is_arrival, (row->>6)::integer AS life_id,
               (row->>7)::integer AS partition, (row->>8)::bigint AS message_offset, (row->>9)::bigint AS timestamp_ms,
               decode(row->>10, 'hex') AS message_sha256, row->11 AS tombstones
          FROM jsonb_array_elements(%(rows)s::jsonb) AS row
    ), changed AS MATERIALIZED (
        SELECT new.*, was.value AS old_value, was.version AS old_version, was.effective_at AS old_effective_at,
               was.is_arrival AS old_is_arrival, was.life_id AS old_life_id, was.partition AS old_partition,
               was.message_offset AS old_message_offset, was.timestamp_ms AS old_timestamp_ms,
               was.message_sha256 AS old_message_sha256, was.valid_from, was.row_id
          FROM new
          LEFT JOIN LATERAL (
            SELECT ctid AS row_id, * FROM feeds.contributions
             WHERE feed_id = %(feed_id)s AND part = new.part AND entity = new.entity OFFSET 0
          ) AS was ON true
         WHERE was.row_id IS NULL OR new.tombstones IS NOT NULL OR new.version > was.version
    ), kept AS (
        INSERT INTO feeds.past_contributions (feed_id, part, entity, value, version, effective_at, is_arrival, life_id,
               partition, message_offset, timestamp_ms, message_sha256, valid_from, valid_to)
        SELECT %(feed_id)s, part, entity, old_value, old_version, old_effective_at, old_is_arrival, old_life_id,
               old_partition, old_message_offset, old_timestamp_ms, old_message_sha256, valid_from, %(fact)s
          FROM changed WHERE old_version IS NOT NULL AND valid_from < %(fact)s
    ), added AS (
        INSERT INTO feeds.contributions (feed_id, part, entity, value, version, effective_at, is_arrival, life_id,
               partition, message_offset, timestamp_ms, message_sha256, tombstones, valid_from, first_fact, timed_at)
        SELECT %(feed_id)s, part, entity, value, version, effective_at, is_arrival, life_id,
               partition, message_offset, timestamp_ms, message_sha256, tombstones, %(fact)s,
               CASE WHEN version IS NOT NULL THEN %(fact)s END,
               CASE WHEN %(is_timed)s AND value IS NOT NULL THEN effective_at END
          FROM changed WHERE row_id IS NULL
    ), updated AS (
        UPDATE feeds.contributions c
           SET value = new.value, version = new.version, effective_at = new.effective_at, is_arrival = new.is_arrival,
               life_id = new.life_id, partition = new.partition, message_offset = new.message_offset,
               timestamp_ms = new.timestamp_ms, message_sha256 = new.message_sha256, tombstones = new.tombstones,
               valid_from = %(fact)s,
               first_fact = coalesce(c.first_fact, CASE WHEN new.version IS NOT NULL THEN %(fact)s END),
               timed_at = CASE WHEN %(is_timed)s AND new.value IS NOT NULL THEN new.effective_at END
          FROM changed AS new WHERE c.ctid = new.row_id
    ), counted AS (
        SELECT *, effective_at >= %(start)s AND effective_at < %(end)s AS is_inside,
               old_effective_at >= %(start)s AND old_effective_at < %(end)s AS was_inside
          FROM changed WHERE version IS NOT NULL
    )
    SELECT part,
           (count(value) FILTER (WHERE is_inside) - count(old_value) FILTER (WHERE was_inside))::int AS entities,
           coalesce(sum(value) FILTER (WHERE is_inside), 0)
             - coalesce(sum(old_value) FILTER (WHERE was_inside), 0) AS total,
           min(effective_at) AS event_from, max(effective_at) AS event_to,
           max(effective_at) FILTER (WHERE is_inside AND NOT is_arrival) AS counted_event,
           max(effective_at) FILTER (WHERE is_inside AND is_arrival) AS counted_arrival
      FROM counted GROUP BY part
"""

TAKEN_IN = """
    WITH places AS MATERIALIZED (
        SELECT id, rank() OVER (ORDER BY topic, epoch) AS rank,
               concat('[', to_json(topic), ',', to_json(epoch), ',') AS opening FROM feeds.lives
    ), changed AS (
        SELECT part, entity FROM feeds.past_contributions WHERE feed_id = %(feed_id)s AND valid_to = %(fact)s
         UNION ALL
        SELECT part, entity FROM feeds.contributions WHERE feed_id = %(feed_id)s AND first_fact = %(fact)s
    ), lines AS (
        SELECT place.rank, c.partition, c.message_offset, c.part, c.entity, c.version,
               concat(place.opening, c.partition, ',', c.message_offset, ',', to_json(c.part), ',', to_json(c.entity),
                      ',', to_json(c.version), ',', coalesce('"' || trim_scale(c.value)::text || '"', 'null'), ',"',
                      to_char(c.effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '","',
                      encode(c.message_sha256, 'hex'), E'"]\n') AS line
          FROM changed
         CROSS JOIN LATERAL (
            SELECT * FROM feeds.contributions
             WHERE feed_id = %(feed_id)s AND part = changed.part AND entity = changed.entity OFFSET 0
         ) AS c
          JOIN places AS place ON place.id = c.life_id
    )
    SELECT count(*)::int AS changes,
           encode(sha256(convert_to(coalesce(string_agg(line, '' ORDER BY rank, partition, message_offset,
                  part, entity, version), ''), 'UTF8')), 'hex') AS sha256
      FROM lines
"""
# Both are planned anew each time, for the table as it is: a plan for the few rows of the first day would be kept
# when there are millions.


class Difference(NamedTuple):
    """What a batch changed: how much more of each part counts, and the business times of what changed.

    `counted_event` and `counted_arrival` are the latest of those inside the window: of times that the event named,
    and of times at which a message arrived.
    """

    tallies: Mapping[str, Tally] = {}
    event_from: datetime | None = None
    event_to: datetime | None = None
    counted_event: datetime | None = None
    counted_arrival: datetime | None = None


def take_in(
    connection: Connection[DictRow],
    feed_id: UUID,
    arriving: Iterable[Arriving],
    life_ids: LifeIds,
    window: Window,
    *,
    fact: int,
    is_timed: bool,
) -> Difference:
    """Merge what a batch brings into the contributions of the feed; what that changes inside the window.

    The totals of the feed are held. `fact` is the version of the fact that will take it in; `is_timed` lets rows be
    found by their time.
    """
    newest, graves = _sorted_out(arriving)
    merged = merge_buried(connection, feed_id, newest, graves)
    rows = [_row(one, life_ids) for one in newest.values()]
    rows += [_merged_row(each, life_ids) for each in merged]
    if not rows:
        return Difference()
    parameters = {
        "feed_id": feed_id,
        "rows": as_json(rows),
        "fact": fact,
        "is_timed": is_timed,
        "start": window.start,
        "end": window.end,
    }
    parts = connection.execute(TAKE_IN, parameters, prepare=False).fetchall()
    return Difference(
        {part["part"]: Tally(part["entities"], part["total"]) for part in parts},
        min((part["event_from"] for part in parts), default=None),
        *(latest(part[name] for part in parts) for name in ("event_to", "counted_event", "counted_arrival")),
    )


class TakenIn(NamedTuple):
    """How many contribution changes a fact takes in, and the SHA-256 of their evidence lines in hex."""

    changes: int
    sha256: str


def taken_in(connection: Connection[DictRow], feed_id: UUID, fact: int) -> TakenIn:
    """What the fact of this version takes in, as long as it is the next or the last one.

    The lines are those of `domain.feeds.evidence`, written by the database: byte for byte the same, and faster than
    to fetch them.
    """
    row = connection.execute(TAKEN_IN, {"feed_id": feed_id, "fact": fact}, prepare=False).fetchone()
    if row is None:
        raise LookupError("an aggregate has one row")
    return TakenIn(**row)


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The latest of the moments that there are."""
    return max((moment for moment in moments if moment is not None), default=None)


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


def _row(one: Contribution, life_ids: LifeIds) -> tuple[object, ...]:
    """The members of `new` in TAKE_IN."""
    part, entity, value, version, effective_at, is_arrival, place, timestamp_ms, message_sha256 = one
    topic, epoch, partition, offset = place
    return (
        part, entity, None if value is None else str(value), version, effective_at, is_arrival, life_ids[topic, epoch],
        partition, offset, timestamp_ms, message_sha256,
    )  # fmt: skip


def _merged_row(each: Merged, life_ids: LifeIds) -> tuple[object, ...]:
    nothing = (*each.key, *[None] * 9)
    return (*(nothing if each.counts is None else _row(each.counts, life_ids)), each.tombstones)
