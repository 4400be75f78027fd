"""What the contributions in a window make: kept as running counts and sums, so that a batch costs what it changes.

The sums are exact, so adding what came and taking away what went gives what counting anew would give. Where the
definition or the window is another one, they are counted anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.aggregates import Tally, Window, number_of
from domain.feeds.definition import Aggregate, Fn
from domain.feeds.values import number_text

COUNT = """
    SELECT part, count(*) AS count, sum(value) AS total FROM feeds.contributions
     WHERE feed_id = %s AND value IS NOT NULL AND effective_at >= %s AND effective_at < %s
     GROUP BY part
"""
COUNT_BY_TIME = """
    SELECT part, count(*) AS count, sum(value) AS total FROM feeds.contributions
     WHERE feed_id = %s AND timed_at >= %s AND timed_at < %s GROUP BY part
"""
LAST = """
    SELECT value FROM feeds.contributions WHERE feed_id = %s AND part = '' AND timed_at >= %s AND timed_at < %s
     ORDER BY timed_at DESC, version DESC LIMIT 1
"""
SORT = """
    UPDATE feeds.contributions c SET timed_at = new.timed_at
      FROM (SELECT feed_id, part, entity, CASE WHEN %s AND value IS NOT NULL THEN effective_at END AS timed_at
              FROM feeds.contributions WHERE feed_id = %s) AS new
     WHERE (c.feed_id, c.part, c.entity) = (new.feed_id, new.part, new.entity)
       AND c.timed_at IS DISTINCT FROM new.timed_at
"""

Tallies = Mapping[str, Tally]


def looks_at_time(aggregate: Aggregate) -> bool:
    """Whether contributions must be found by their time: for the latest, or when a window moves."""
    return aggregate.fn is Fn.LAST or aggregate.window is not None


def counted_anew(
    connection: Connection[DictRow], feed_id: UUID, aggregate: Aggregate, window: Window
) -> dict[str, Tally]:
    """The tallies of the window from the contributions themselves, which from now on serve this aggregate."""
    connection.execute(SORT, [looks_at_time(aggregate), feed_id])
    return counted(connection, feed_id, window)


def counted(
    connection: Connection[DictRow], feed_id: UUID, window: Window, *, by_time: bool = False
) -> dict[str, Tally]:
    """The tallies of the window from the contributions themselves; `by_time` finds them by their index."""
    statement = COUNT_BY_TIME if by_time else COUNT
    rows = connection.execute(statement, [feed_id, window.start, window.end], prepare=True)
    return {row["part"]: Tally(row["count"], row["total"]) for row in rows}


def shifted(tallies: Tallies, difference: Tallies) -> dict[str, Tally]:
    """The tallies after something changed."""
    return dict(tallies) | {part: tallies.get(part, Tally()).plus(more) for part, more in difference.items()}


def moved(
    connection: Connection[DictRow], feed_id: UUID, tallies: Tallies, old: Window, new: Window
) -> dict[str, Tally]:
    """The tallies of the window `new`, which begins and ends later than `old`: what left it, and what came in."""
    if new.start >= old.end:
        return counted(connection, feed_id, new, by_time=True)
    result = dict(tallies)
    for part, less in counted(connection, feed_id, Window(old.start, new.start), by_time=True).items():
        result[part] = result.get(part, Tally()).minus(less)
    return shifted(result, counted(connection, feed_id, Window(old.end, new.end), by_time=True))


def exact(
    connection: Connection[DictRow], feed_id: UUID, aggregate: Aggregate, tallies: Tallies, window: Window
) -> Decimal | None:
    """The number that the tallies make, not rounded."""
    last = None
    if aggregate.fn is Fn.LAST:
        row = connection.execute(LAST, [feed_id, window.start, window.end], prepare=True).fetchone()
        last = None if row is None else row["value"]
    number = number_of(aggregate, tallies, last)
    return None if number is None else Decimal(number_text(number))


def written(tallies: Tallies) -> dict[str, Any]:
    """The tallies as they are stored."""
    return {part: [tally.entities, format(tally.total, "f")] for part, tally in tallies.items()}


def read(stored: Mapping[str, Any]) -> dict[str, Tally]:
    """The tallies as they were stored."""
    return {part: Tally(count, Decimal(total)) for part, (count, total) in stored.items()}
