"""Which contributions make a number: now, or as of any fact.

Unlike the views these rows are written with the facts themselves, by feed workers. A fact of a measurement is named
there by its version, so a moment is first turned into the last version that was known at it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.measurement import Measurement, MeasurementRecorded, MeasurementWindowMoved
from ledger.line import parse_line
from ledger.mapper import read_fact
from projections.answers import Answer, measure, time
from projections.moment import Moment
from projections.reading import BadCursor

FEEDS = "SELECT stream_id, parent_id FROM ledger.streams WHERE kind = 'feed' AND {column} = %s"
FACT = "SELECT position, line FROM ledger.events WHERE stream_id = %s AND stream_version = %s"
LAST_VERSION = "SELECT max(stream_version) AS version FROM ledger.events WHERE stream_id = %s"
CONTRIBUTIONS = """
    WITH held AS (
        SELECT part, entity, value, version, effective_at, is_arrival, life_id, partition, message_offset, valid_from
          FROM feeds.contributions
         WHERE feed_id = %(feed)s AND (part, entity) > (%(part)s, %(entity)s) AND valid_from <= %(fact)s
           AND value IS NOT NULL AND effective_at >= %(start)s AND effective_at < %(end)s
         UNION ALL
        SELECT part, entity, value, version, effective_at, is_arrival, life_id, partition, message_offset, valid_from
          FROM feeds.past_contributions
         WHERE feed_id = %(feed)s AND (part, entity) > (%(part)s, %(entity)s) AND valid_from <= %(fact)s
           AND valid_to > %(fact)s AND value IS NOT NULL AND effective_at >= %(start)s AND effective_at < %(end)s
         ORDER BY part, entity LIMIT %(limit)s
    )
    SELECT held.*, l.topic, l.epoch, e.position AS recorded_in
      FROM held JOIN feeds.lives l ON l.id = held.life_id
      LEFT JOIN ledger.events e ON e.stream_id = %(measurement)s AND e.stream_version = held.valid_from
     ORDER BY part, entity
"""
WINDOW = """
    SELECT window_start, window_end FROM feeds.windows
     WHERE feed_id = %s AND valid_from <= %s ORDER BY valid_from DESC LIMIT 1
"""
Measured = MeasurementRecorded | MeasurementWindowMoved


class _Fact(NamedTuple):
    version: int
    position: int
    fact: Measured


def evidence(
    connection: Connection[DictRow],
    *,
    key_result_id: UUID | None = None,
    feed_id: UUID | None = None,
    moment: Moment,
    after: str | None,
    limit: int,
) -> Answer:
    """What the number of a key result, or of a feed, was made of at the moment: value, count, items and next.

    The items, by part and entity, are those that the last fact then known counts; value and count stand in that
    fact. Nothing is there before the first. Raises `BadCursor`.
    """
    part, entity = _behind(after)
    found = _feed(connection, key_result_id, feed_id)
    last = None if found is None else _last_fact(connection, Measurement.create_id(*found), moment)
    if found is None or last is None:
        return {"value": None, "count": 0, "recorded_in": None, "items": [], "next": None}
    window = connection.execute(WINDOW, [found[0], last.version]).fetchone()
    if window is None:
        raise LookupError(f"no window is noted for fact {last.version} of feed {found[0]}")
    rows = connection.execute(
        CONTRIBUTIONS,
        {
            "feed": found[0],
            "measurement": Measurement.create_id(*found),
            "fact": last.version,
            "part": part,
            "entity": entity,
            "start": window["window_start"],
            "end": window["window_end"],
            "limit": limit + 1,
        },
    ).fetchall()
    return {
        "value": measure(last.fact.value),
        "count": last.fact.evidence.contributions,
        "recorded_in": last.position,
        "items": [_contribution(row) for row in rows[:limit]],
        "next": _cursor(rows[limit - 1]) if len(rows) > limit else None,
    }


def _feed(
    connection: Connection[DictRow], key_result_id: UUID | None, feed_id: UUID | None
) -> tuple[UUID, UUID] | None:
    """Feed and key result, found by either."""
    column, id = ("stream_id", feed_id) if feed_id is not None else ("parent_id", key_result_id)
    row = connection.execute(FEEDS.format(column=column), [id]).fetchone()
    return None if row is None else (row["stream_id"], row["parent_id"])


def _last_fact(connection: Connection[DictRow], measurement_id: UUID, moment: Moment) -> _Fact | None:
    """The last fact known at the moment. Positions and moments of a measurement grow with its versions."""
    row = connection.execute(LAST_VERSION, [measurement_id]).fetchone()
    low, high = 0, (row["version"] if row else None) or 0
    found = None
    while low < high:
        # Mostly it is the last one that is wanted.
        middle = high if found is None and low == 0 else (low + high + 1) // 2
        fact = _fact(connection, measurement_id, middle)
        if fact.position <= moment.position and fact.fact.effective_at <= moment.known_by:
            low, found = middle, fact
        else:
            high = middle - 1
    return found


def _fact(connection: Connection[DictRow], measurement_id: UUID, version: int) -> _Fact:
    row = connection.execute(FACT, [measurement_id, version], prepare=True).fetchone()
    if row is None:
        raise LookupError(f"measurement {measurement_id} has no fact {version}")
    line = parse_line(row["line"])
    fact = read_fact(line.type, line.schema, line.data)
    if not isinstance(fact, Measured):
        raise LookupError(f"position {line.position} is no measurement")
    return _Fact(version, row["position"], fact)


def _contribution(row: DictRow) -> Answer:
    return {
        "part": row["part"] or None,
        "entity": row["entity"],
        "value": measure(row["value"]),
        "version": row["version"],
        "effective_at": time(row["effective_at"]),
        "effective_by": "arrival" if row["is_arrival"] else "event",
        "topic": row["topic"],
        "epoch": row["epoch"],
        "partition": row["partition"],
        "offset": row["message_offset"],
        "recorded_in": row["recorded_in"],
    }


def _cursor(row: DictRow) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["part"], row["entity"]])).decode().rstrip("=")


def _behind(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    try:
        place: Any = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        place = None
    if not (isinstance(place, list) and len(place) == 2 and all(map(_is_text, place))):
        raise BadCursor("this cursor was not given out by a page")
    return place[0], place[1]


def _is_text(part: Any) -> bool:
    """Whether it can be compared with what the database holds, which takes no NUL."""
    return isinstance(part, str) and "\x00" not in part
