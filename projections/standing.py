"""Where the value of a key result stands, and how a limit's held time grows with it. Kept in memory; no tables here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from domain.limits import HeldTime, holds
from domain.measures import Direction, Point, Reading, Source, readings, value_in_force
from projections.tables import NULL, copied

NOTHING_SAID = f"{NULL}\t{NULL}\t{NULL}"
LIMITS = tuple(direction for direction in Direction if direction.is_limit)


@dataclass(slots=True)
class Standing:
    """The last word of each source, and which of them is in force.

    `subject` and `cycle` are the ids of the key result and its cycle. `needs_series` says that all of its points may
    have to be looked at again: it is a limit, or a draft that may become one. `said` is `in_force` as COPY reads it.
    `afterwards` is in force once the day is over until which an override holds.
    """

    subject: str
    cycle: str
    version: int
    needs_series: bool = True
    person: Point | None = None
    feed: Point | None = None
    override: Point | None = None
    override_ends: str | None = None
    in_force: Point | None = None
    said: str = NOTHING_SAID
    afterwards: Point | None = None
    held: HeldTime | None = None

    def say(self, point: Point, ends: str | None) -> None:
        """Let the point be the last word of its source, unless a later one is known."""
        if point.source is Source.FEED:
            if self.feed is None or order(point) >= order(self.feed):
                self.feed = point
        elif point.source is Source.PERSON:
            if self.person is None or order(point) >= order(self.person):
                self.person = point
        else:
            self.override, self.override_ends = point, ends

    def settle(self, now: datetime) -> None:
        """Find the value in force, and the one after the day until which an override holds."""
        said = [point for point in (self.person, self.feed, self.override) if point is not None]
        # What is known counts, also where its clock runs ahead of the ledger's.
        now = max([now, *(point.effective_at for point in said)])
        self.in_force = value_in_force(said, now)
        self.said = said_by(self.in_force)
        self.afterwards = None
        if self.override is not None and self.override.until is not None:
            self.afterwards = value_in_force([point for point in said if point is not self.override], now)


def said_by(point: Point | None) -> str:
    """Value, effective_at and source of a point, as COPY reads them."""
    if point is None:
        return NOTHING_SAID
    return copied((point.value, point.effective_at, point.source))


def order(point: Point) -> tuple[datetime, int]:
    """What decides between two points: the later effective one is in force, of two at a moment the later recorded."""
    return point.effective_at, point.position


class Series:
    """All points of a key result in their order."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self.points = sorted(points, key=order)
        self.has_overrides = any(point.source is Source.OVERRIDE for point in self.points)

    def put(self, point: Point) -> None:
        """Add a point, or put it in the place of the one of the same position."""
        place = bisect_left(self.points, order(point), key=order)
        if place < len(self.points) and self.points[place].position == point.position:
            self.points[place] = point
        else:
            self.points.insert(place, point)
        self.has_overrides = self.has_overrides or point.source is Source.OVERRIDE

    def around(self, point: Point) -> tuple[list[Point], list[Point]]:
        """The point before it and the one after it, where there are any."""
        place = bisect_left(self.points, order(point), key=order)
        return self.points[max(place - 1, 0) : place], self.points[place + 1 : place + 2]


@dataclass(frozen=True, slots=True)
class Limit:
    """A committed limit to hold, and by when."""

    direction: Direction
    target: Decimal
    committed_at: datetime
    deadline_at: datetime

    def next(self, held: HeldTime, point: Point) -> HeldTime:
        """With a point that comes after all others."""
        return held.advance(point.effective_at, holds(self.direction, self.target, point.value))

    def all(self, series: Series, now: datetime) -> HeldTime:
        """From all points, as known `now`: that an override will end on a day to come changes nothing yet."""
        now = max([now, *(point.effective_at for point in series.points)])
        return self._held([reading for reading in readings_of(series.points) if reading.effective_at <= now])

    def late(self, held: HeldTime, series: Series, point: Point) -> HeldTime:
        """With a point of the series that comes before others, where there never was an override.

        It counts from its moment to the next point's: the held time changes by the difference that it makes there.
        Of the series the points next to it are enough.
        """
        before, after = series.around(point)
        with_it, without = readings_of([*before, point, *after]), readings_of([*before, *after])
        gained_us = self._held(with_it).held_us - self._held(without).held_us
        return replace(held, held_us=held.held_us + gained_us)

    def _held(self, series: Iterable[Reading]) -> HeldTime:
        return HeldTime.of(self.direction, self.target, series, self.committed_at, self.deadline_at)


def readings_of(points: Sequence[Point]) -> list[Reading]:
    """As `domain.measures.readings`, and faster where there never was an override: each is in force until the next."""
    if any(point.source is Source.OVERRIDE for point in points):
        return readings(points)
    return [Reading(point.effective_at, point.value) for point in sorted(points, key=order)]
