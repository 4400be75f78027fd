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
LAST = """
    SELECT value FROM feeds.contributions
     WHERE feed_id = %s AND part = '' AND value IS NOT NULL AND effective_at >= %s AND effective_at < %s
     ORDER BY effective_at DESC, version DESC LIMIT 1
"""


class Tally(NamedTuple):
    """Of one part: how many entities count, and the sum of their values."""

    entities: int = 0
    total: Decimal = Decimal(0)


Tallies = Mapping[str, Tally]


class Change(NamedTuple):
    """One entity's contribution before and after a batch; without value where it does not count."""

    part: str
    old_value: Decimal | None
    old_at: datetime | None
    value: Decimal | None
    effective_at: datetime
    is_arrival: bool


def counted(connection: Connection[DictRow], feed_id: UUID, window: Window) -> dict[str, Tally]:
    """The tallies of the window, from the contributions themselves."""
    rows = connection.execute(COUNT, [feed_id, window.start, window.end], prepare=True)
    return {row["part"]: Tally(row["count"], row["total"]) for row in rows}


def shifted(tallies: Tallies, changes: Iterable[Change], window: Window) -> dict[str, Tally]:
    """The tallies after the changes."""
    new = dict(tallies)
    for change in changes:
        if change.old_value is not None and change.old_at is not None and window.start <= change.old_at < window.end:
            count, total = new.get(change.part, Tally())
            new[change.part] = Tally(count - 1, EXACT.subtract(total, change.old_value))
        if change.value is not None and window.start <= change.effective_at < window.end:
            count, total = new.get(change.part, Tally())
            new[change.part] = Tally(count + 1, EXACT.add(total, change.value))
    return new


def moved(
    connection: Connection[DictRow], feed_id: UUID, tallies: Tallies, old: Window, new: Window
) -> dict[str, Tally]:
    """The tallies of the window `new`, which begins and ends later than `old`: what left it, and what came in."""
    if new.start >= old.end:
        return counted(connection, feed_id, new)
    result = dict(tallies)
    for sign, part_of_time in ((-1, Window(old.start, new.start)), (1, Window(old.end, new.end))):
        for part, (count, total) in counted(connection, feed_id, part_of_time).items():
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
