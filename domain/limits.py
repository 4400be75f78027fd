"""Key results that hold a limit, at least or at most: what counts is for how long they held it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.measures import Direction, Reading
from domain.numbers import quotient

_MICROSECOND = timedelta(microseconds=1)


def holds(direction: Direction, limit: Decimal, value: Decimal | None) -> bool:
    """Whether the value keeps within the limit; no value never does. ValueError where there is no limit."""
    if not direction.is_limit:
        raise ValueError(f"{direction} has no limit to hold")
    if value is None:
        return False
    return value >= limit if direction is Direction.AT_LEAST else value <= limit


@dataclass(frozen=True, slots=True)
class HeldTime:
    """How long a limit was held from the commitment to the last reading, and whether it holds since then.

    It grows by one reading at a time, so a read model can keep it in a row. A row answers for one limit and
    one deadline: when either moves, or a value comes in or is corrected behind the last reading, build it
    again (`of`). `held_us` is in microseconds and counts nothing before the commitment or after the deadline;
    `last_at` is the last reading's effective_at, wherever that lies, None before the first.
    """

    committed_at: datetime
    deadline_at: datetime
    held_us: int = 0
    last_at: datetime | None = None
    is_held: bool = False

    @classmethod
    def of(
        cls,
        direction: Direction,
        limit: Decimal,
        series: Iterable[Reading],
        committed_at: datetime,
        deadline_at: datetime,
    ) -> HeldTime:
        """From all readings, which stand in the order of their effective_at."""
        held = cls(committed_at, deadline_at)
        for reading in series:
            held = held.advance(reading.effective_at, holds(direction, limit, reading.value))
        return held

    def advance(self, effective_at: datetime, is_held: bool) -> HeldTime:
        """With the next reading: whether the limit holds from `effective_at` on.

        At the same moment the later call counts. ValueError for a reading from before the last one.
        """
        if self.last_at is not None and effective_at < self.last_at:
            raise ValueError("a reading from before the last one: build the held time again from all readings")
        return HeldTime(self.committed_at, self.deadline_at, self._held_us_until(effective_at), effective_at, is_held)

    def at(self, now: datetime) -> Decimal:
        """Time held / time from the commitment to `now` or the deadline, whichever is first: 0..1.

        0 at the commitment itself. A `now` before the last reading is taken as that reading's moment.
        """
        if self.last_at is not None:
            now = max(now, self.last_at)
        end = min(now, self.deadline_at)
        if end <= self.committed_at:
            return Decimal(0)
        return quotient(Decimal(self._held_us_until(end)), Decimal((end - self.committed_at) // _MICROSECOND))

    def _held_us_until(self, moment: datetime) -> int:
        if not self.is_held or self.last_at is None:
            return self.held_us
        held = min(moment, self.deadline_at) - max(self.last_at, self.committed_at)
        return self.held_us + max(held // _MICROSECOND, 0)


def limit_attainment(
    direction: Direction,
    limit: Decimal,
    series: Iterable[Reading],
    committed_at: datetime,
    deadline_at: datetime,
    now: datetime,
) -> Decimal:
    """The share of the time since the commitment in which the limit held, counted to the deadline at most.

    The time before the first value is time not held. Readings stand in the order of their effective_at; those
    after `now` are not looked at. 0..1, and 0 at the commitment itself.
    """
    known = (reading for reading in series if reading.effective_at <= now)
    return HeldTime.of(direction, limit, known, committed_at, deadline_at).at(now)
