"""One row for each key result that a feed measures: its number, what makes it, and what waits for the next fact.

Whoever writes the contributions or the number holds this row. It is locked in a statement of its own and before
the contributions are read, so that the reader sees what the holder before has written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from domain.feeds.aggregates import Tally, Window
from domain.measurement import EffectiveBy, MessageCounts, OffsetRange
from workers.feeds import tallies
from workers.feeds.contributions import Difference, latest


class Range(NamedTuple):
    """Messages read of one place, from `first` to `last`, and the offset at which reading went on."""

    topic: str
    epoch: str
    partition: int
    first: int
    last: int
    next: int

    def fact(self) -> OffsetRange:
        return OffsetRange(
            topic=self.topic, epoch=self.epoch, partition=self.partition, first=self.first, last=self.last
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """What was read since the last fact.

    `event_from` and `event_to` are the business times of the contributions that changed; `counted_to` is the latest
    inside the window, `counted_by` says whether it is only an arrival.
    """

    ranges: tuple[Range, ...] = ()
    matched: int = 0
    ignored: int = 0
    dead: int = 0
    event_from: datetime | None = None
    event_to: datetime | None = None
    counted_to: datetime | None = None
    counted_by: EffectiveBy | None = None

    @property
    def counts(self) -> MessageCounts:
        return MessageCounts(matched=self.matched, ignored=self.ignored, dead=self.dead)

    def and_read(self, read: Sequence[tuple[int, Range]], *, matched: int, ignored: int, dead: int) -> Self:
        """With the messages of one batch; each range with the offset at which its reading began."""
        ranges = {(*each[:3], each.next): each for each in self.ranges}
        for began, each in read:
            # What goes on where the last range ended belongs to it; after a gap begins another one.
            earlier = ranges.pop((*each[:3], began), None)
            whole = each if earlier is None else each._replace(first=earlier.first)
            ranges[*whole[:3], whole.next] = whole
        return replace(
            self,
            ranges=tuple(sorted(ranges.values())),
            matched=self.matched + matched,
            ignored=self.ignored + ignored,
            dead=self.dead + dead,
        )

    def and_changed(self, difference: Difference) -> Self:
        """With the times of the contributions that changed."""
        by_event, by_arrival = difference.counted_event, difference.counted_arrival
        is_arrival = by_arrival is not None and (by_event is None or by_arrival > by_event)
        counted_to, counted_by = self.counted_to, self.counted_by
        latest_now = by_arrival if is_arrival else by_event
        if latest_now is not None and (counted_to is None or latest_now > counted_to):
            counted_to, counted_by = latest_now, EffectiveBy.ARRIVAL if is_arrival else EffectiveBy.EVENT
        return replace(
            self,
            event_from=min((at for at in (self.event_from, difference.event_from) if at is not None), default=None),
            event_to=latest([self.event_to, difference.event_to]),
            counted_to=counted_to,
            counted_by=counted_by,
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """The row. `version`, `value`, `effective_at` and `effective_by` are the measurement's as of its last fact."""

    key_result_id: UUID
    feed_id: UUID
    takes_progress: bool
    version: int
    value: Decimal | None
    effective_at: datetime | None
    effective_by: EffectiveBy | None
    midnight: datetime
    revision: int | None
    window: Window | None
    tallies: dict[str, Tally]
    pending: Pending
    recorded_at: datetime | None
    due_at: datetime | None

    @classmethod
    def of(cls, row: DictRow) -> Self:
        start, end = row["window_start"], row["window_end"]
        return cls(
            key_result_id=row["key_result_id"],
            feed_id=row["feed_id"],
            takes_progress=row["takes_progress"],
            version=row["version"],
            value=row["value"],
            effective_at=row["effective_at"],
            effective_by=_effective_by(row["effective_by"]),
            midnight=row["midnight"],
            revision=row["revision"],
            window=None if start is None else Window(start, end),
            tallies=tallies.read(row["tallies"] or {}),
            pending=Pending(
                ranges=tuple(Range(*each) for each in row["ranges"]),
                matched=row["matched"],
                ignored=row["ignored"],
                dead=row["dead"],
                event_from=row["event_from"],
                event_to=row["event_to"],
                counted_to=row["counted_to"],
                counted_by=_effective_by(row["counted_by"]),
            ),
            recorded_at=row["recorded_at"],
            due_at=row["due_at"],
        )


HOLD = "SELECT * FROM feeds.totals WHERE key_result_id = ANY(%s) ORDER BY key_result_id FOR UPDATE"
WRITE = """
    UPDATE feeds.totals
       SET version = %(version)s, value = %(value)s, effective_at = %(effective_at)s,
           effective_by = %(effective_by)s, midnight = %(midnight)s, revision = %(revision)s,
           window_start = %(window_start)s, window_end = %(window_end)s, tallies = %(tallies)s, ranges = %(ranges)s,
           matched = %(matched)s, ignored = %(ignored)s, dead = %(dead)s, event_from = %(event_from)s,
           event_to = %(event_to)s, counted_to = %(counted_to)s, counted_by = %(counted_by)s,
           recorded_at = %(recorded_at)s, due_at = %(due_at)s
     WHERE key_result_id = %(key_result_id)s
"""
BEGIN = """
    INSERT INTO feeds.totals (key_result_id, feed_id, midnight, takes_progress) VALUES (%s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
NOTE_TIME = """
    UPDATE feeds.totals SET recorded_at = (SELECT recorded_at FROM ledger.head) WHERE key_result_id = ANY(%s)
"""
WRITE_WINDOW = """
    INSERT INTO feeds.windows (feed_id, valid_from, window_start, window_end) VALUES (%s, %s, %s, %s)
    ON CONFLICT (feed_id, valid_from)
    DO UPDATE SET window_start = EXCLUDED.window_start, window_end = EXCLUDED.window_end
"""


def is_there(connection: Connection[DictRow], key_result_id: UUID) -> bool:
    """Whether the key result has its row."""
    found = connection.execute("SELECT FROM feeds.totals WHERE key_result_id = %s", [key_result_id])
    return found.fetchone() is not None


def begin(
    connection: Connection[DictRow], key_result_id: UUID, feed_id: UUID, midnight: datetime, *, takes_progress: bool
) -> None:
    """Make the row where there is none. The cycle is held exclusively: nobody ends the key result meanwhile."""
    connection.execute(BEGIN, [key_result_id, feed_id, midnight, takes_progress])


def hold(connection: Connection[DictRow], key_result_ids: Collection[UUID]) -> dict[UUID, Totals]:
    """The rows, locked until the transaction ends."""
    rows = connection.execute(HOLD, [list(key_result_ids)], prepare=True)
    return {row["key_result_id"]: Totals.of(row) for row in rows}


def write(connection: Connection[DictRow], totals: Totals) -> None:
    """Store a row that is held."""
    window, pending = totals.window, totals.pending
    columns: dict[str, Any] = {
        field.name: getattr(totals, field.name)
        for field in fields(totals)
        if field.name not in ("window", "tallies", "pending", "feed_id", "takes_progress")
    }
    columns |= {field.name: getattr(pending, field.name) for field in fields(pending) if field.name != "ranges"}
    columns |= {
        "window_start": window.start if window else None,
        "window_end": window.end if window else None,
        "tallies": Jsonb(tallies.written(totals.tallies)) if window else None,
        "ranges": Jsonb([list(each) for each in pending.ranges]),
    }
    connection.execute(WRITE, columns, prepare=True)


def note_window(connection: Connection[DictRow], held: Totals, window: Window) -> None:
    """Note that from the next fact on what lies in this window counts, where that is another one than before."""
    if held.window != window:
        connection.execute(WRITE_WINDOW, [held.feed_id, held.version + 1, window.start, window.end], prepare=True)


def note_time(connection: Connection[DictRow], key_result_ids: Collection[UUID]) -> None:
    """Note the time of the facts just recorded from messages: the next ones keep their distance from it."""
    if key_result_ids:
        connection.execute(NOTE_TIME, [list(key_result_ids)], prepare=True)


def _effective_by(stored: str | None) -> EffectiveBy | None:
    return None if stored is None else EffectiveBy(stored)
