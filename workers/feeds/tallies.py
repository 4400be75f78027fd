"""What the contributions in a window make: kept as running counts and sums, so that a batch costs what it changes.

The sums are exact, so adding what came and taking away what went gives what counting anew would give. Where the
definition or the window is another one, they are counted anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.aggregates import Window
from domain.feeds.definition import Aggregate, Fn
from domain.feeds.values import number_text
from domain.numbers import quotient

EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)

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


NOTHING = Decimal(0)


class Tally(NamedTuple):
    """Of one part: how many entities count, and the sum of their values."""

    entities: int = 0
    total: Decimal = NOTHING


Tallies = Mapping[str, Tally]


class Change(NamedTuple):
    """One entity's contribution before and after a batch; without value where it does not count."""

    part: str
    old_value: Decimal | None
    old_at: datetime | None
    value: Decimal | None
    effective_at: datetime
    is_arrival: bool


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


def shifted(tallies: Tallies, changes: Iterable[Change], window: Window) -> dict[str, Tally]:
    """The tallies after the changes."""
    start, end = window.start, window.end
    entities = {part: tally.entities for part, tally in tallies.items()}
    totals = {part: tally.total for part, tally in tallies.items()}
    for part, old_value, old_at, value, effective_at, _ in changes:
        number, total = entities.get(part, 0), totals.get(part, NOTHING)
        if old_value is not None and old_at is not None and start <= old_at < end:
            number, total = number - 1, EXACT.subtract(total, old_value)
        if value is not None and start <= effective_at < end:
            number, total = number + 1, EXACT.add(total, value)
        entities[part], totals[part] = number, total
    return {part: Tally(entities[part], totals[part]) for part in entities}


def moved(
    connection: Connection[DictRow], feed_id: UUID, tallies: Tallies, old: Window, new: Window
) -> dict[str, Tally]:
    """The tallies of the window `new`, which begins and ends later than `old`: what left it, and what came in."""
    if new.start >= old.end:
        return counted(connection, feed_id, new, by_time=True)
    result = dict(tallies)
    for sign, part_of_time in ((-1, Window(old.start, new.start)), (1, Window(old.end, new.end))):
        for part, (count, total) in counted(connection, feed_id, part_of_time, by_time=True).items():
            before = result.get(part, Tally())
            result[part] = Tally(before.entities + sign * count, EXACT.add(before.total, sign * total))
    return result


def exact(
    connection: Connection[DictRow], feed_id: UUID, aggregate: Aggregate, tallies: Tallies, window: Window
) -> Decimal | None:
    """The number that the tallies make, not rounded: what `domain.feeds.aggregates.aggregated` says of them."""
    number = _number(connection, feed_id, aggregate, tallies, window)
    return None if number is None else Decimal(number_text(number))


def _number(
    connection: Connection[DictRow], feed_id: UUID, aggregate: Aggregate, tallies: Tallies, window: Window
) -> Decimal | None:
    only = tallies.get("", Tally())
    match aggregate.fn:
        case Fn.SUM:
            return only.total
        case Fn.COUNT:
            return Decimal(only.entities)
        case Fn.LAST:
            row = connection.execute(LAST, [feed_id, window.start, window.end], prepare=True).fetchone()
            return None if row is None else row["value"]
        case Fn.RATIO:
            above, below = (tallies.get(part, Tally()).total for part in ("numerator", "denominator"))
            return quotient(EXACT.multiply(above, Decimal(100)), below) if below else None
        case Fn.RATE:
            if aggregate.per is None or aggregate.window is None:
                raise ValueError("a rate has per and a window")
            return quotient(Decimal(only.entities) * _microseconds(aggregate.per), _microseconds(aggregate.window))


def written(tallies: Tallies) -> dict[str, Any]:
    """The tallies as they are stored."""
    return {part: [tally.entities, format(tally.total, "f")] for part, tally in tallies.items()}


def read(stored: Mapping[str, Any]) -> dict[str, Tally]:
    """The tallies as they were stored."""
    return {part: Tally(count, Decimal(total)) for part, (count, total) in stored.items()}


def _microseconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1))
