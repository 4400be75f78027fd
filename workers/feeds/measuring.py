"""From contributions to facts: what the number is now, and whether the ledger is to say so.

The first change makes a fact at once; then at most one in each interval of the feed's debounce, and the last
change always makes one. What waits is stored with the totals, so a crash loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.calendar import end_of_day, start_of_day
from domain.command import Command
from domain.cycle import CycleState, CycleTerms
from domain.feeds.aggregates import Window, is_a_measure, is_worth_a_fact, number_of, published, window_of
from domain.measurement import (
    EffectiveBy,
    Measurement,
    MeasurementWindowMoved,
)
from workers.feeds import facts, tallies, totals
from workers.feeds.catalogue import LiveFeed
from workers.feeds.contributions import Difference
from workers.feeds.totals import Pending, Range, Totals

LOG = logging.getLogger(__name__)

NO_DIFFERENCE = Difference()


class Unmeasurable(ValueError):
    """The news make a number that no fact can hold: it has more than 20 digits before the point."""


@dataclass(frozen=True, slots=True)
class News:
    """What a batch brought to one feed: the ranges read, each with the offset at which its reading began."""

    ranges: Sequence[tuple[int, Range]] = ()
    matched: int = 0
    ignored: int = 0
    dead: int = 0
    difference: Difference = NO_DIFFERENCE

    def added_to(self, pending: Pending) -> Pending:
        """What is pending, with the messages of the batch."""
        return pending.and_read(self.ranges, matched=self.matched, ignored=self.ignored, dead=self.dead)


NOTHING_NEW = News()


def counts(held: Totals, cycle: CycleTerms) -> bool:
    """Whether messages still change the number: not once the key result has ended or its cycle is closed."""
    return held.takes_progress and cycle.state is not CycleState.CLOSED


def cycle_window(cycle: CycleTerms) -> Window:
    """The cycle from the beginning of its first day to the end of its last, where it is at home."""
    return Window(start_of_day(cycle.starts_on, cycle.time_zone), end_of_day(cycle.ends_on, cycle.time_zone))


def current_window(feed: LiveFeed, cycle: CycleTerms, held: Totals) -> Window:
    """The window in which contributions count now."""
    return window_of(feed.definition.aggregate, cycle_window(cycle), held.midnight)


def measure(
    connection: Connection[DictRow],
    feed: LiveFeed,
    cycle: CycleTerms,
    held: Totals,
    now: datetime,
    news: News = NOTHING_NEW,
    *,
    at_once: bool = False,
) -> tuple[Totals, Measurement | None]:
    """Take the news into the totals, which are held, and store them.

    Gives them back, with the measurement to be saved where a fact is due; `at_once` does not wait for the debounce.
    Raises `Unmeasurable`.
    """
    aggregate, emit = feed.definition.aggregate, feed.definition.emit
    window = current_window(feed, cycle, held)
    totals.note_window(connection, held, window)
    if (held.revision, held.window) == (feed.revision, window):
        tallied = tallies.shifted(held.tallies, news.difference.tallies)
    else:
        tallied = tallies.counted_anew(connection, feed.id, aggregate, window)
    pending = news.added_to(held.pending).and_changed(news.difference)
    now_held = replace(held, revision=feed.revision, window=window, tallies=tallied, pending=pending, due_at=None)
    measurement = None
    if pending.event_from is not None or held.version > 0:
        exact = tallies.exact(connection, feed.id, aggregate, tallied, window)
        value = published(exact, emit)
        if not is_a_measure(value):
            if news.difference.tallies and _was_a_measure(feed, held, window):
                raise Unmeasurable("with it the number has more than 20 digits before the point")
            LOG.warning("feed %s: the number has more than 20 digits before the point", feed.definition.name)
        elif is_worth_a_fact(held.value, value, emit):
            due_at = None if held.recorded_at is None else held.recorded_at + emit.debounce
            if at_once or due_at is None or due_at <= now:
                now_held, measurement = facts.recorded(connection, feed, now_held, exact, value, now)
            else:
                now_held = replace(now_held, due_at=due_at)
    totals.write(connection, now_held)
    return now_held, measurement


def move_window(
    connection: Connection[DictRow], feed: LiveFeed, cycle: CycleTerms, held: Totals, midnight: datetime
) -> Measurement | None:
    """Let the feed's rolling window end at `midnight`; the measurement to be saved where that changes the number.

    The totals are held and current: what messages changed before has been measured.
    """
    aggregate, emit = feed.definition.aggregate, feed.definition.emit
    window = window_of(aggregate, cycle_window(cycle), midnight)
    totals.note_window(connection, held, window)
    if held.window is not None and held.revision == feed.revision:
        tallied = tallies.moved(connection, feed.id, held.tallies, held.window, window)
    else:
        tallied = tallies.counted_anew(connection, feed.id, aggregate, window)
    moved = replace(held, midnight=midnight, revision=feed.revision, window=window, tallies=tallied)
    exact = tallies.exact(connection, feed.id, aggregate, tallied, window)
    value = published(exact, emit)
    measurement = None
    if not is_a_measure(value):
        LOG.warning("feed %s: the number has more than 20 digits before the point", feed.definition.name)
    elif held.version > 0 and value != held.value:
        measurement = Measurement.at(feed.id, feed.key_result_id, held.version, held.value)
        effective_at = max(window.end, held.effective_at or window.end)
        measurement.move_window(
            MeasurementWindowMoved(
                feed_id=feed.id,
                feed_revision=feed.revision,
                key_result_id=feed.key_result_id,
                from_=held.value,
                value=value,
                effective_at=effective_at,
                evidence=facts.evidence(connection, feed, moved, exact),
            )
        )
        moved = replace(
            moved,
            version=measurement.version,
            value=value,
            effective_at=effective_at,
            effective_by=EffectiveBy.EVENT,
            due_at=None,
        )
    totals.write(connection, moved)
    return measurement


def _was_a_measure(feed: LiveFeed, held: Totals, window: Window) -> bool:
    """Whether the number could be told before; if not, or if that is unknown, the news are not to blame."""
    if held.window is None:
        return True
    if (held.revision, held.window) != (feed.revision, window):
        return False
    before = number_of(feed.definition.aggregate, held.tallies, held.value)
    return is_a_measure(published(before, feed.definition.emit))


def save(
    ledger: OkrLedger,
    connection: Connection[DictRow],
    measured: Sequence[tuple[LiveFeed, Measurement | None]],
    now: datetime,
) -> int:
    """Record the facts that there are, last in the transaction; how many. From here on the head is locked."""
    made = [(feed, measurement) for feed, measurement in measured if measurement is not None]
    positions = [
        position
        for feed, measurement in made
        for position in ledger.record_measurements([measurement], Command(feed.actor, now))
    ]
    totals.note_time(connection, {feed.key_result_id for feed, _ in made})
    return len(positions)
