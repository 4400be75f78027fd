"""What time alone changes: rolling windows move at midnight, and changes that waited for their fact become one.

A rolling window ends at the last midnight, in the cycle's time zone, that a timekeeper has noted with the totals;
between midnights it stands still, whatever a worker's clock says. At midnight the number of the new window is
written, with that midnight as its moment. Where several midnights passed unattended one fact tells the last: the
messages of those days were not read when they passed, so figures for them would be wrong from the start. A paused
feed's window stands still too, since nobody knows what it would have counted.

One timekeeper works for all workers, under an advisory lock; the others stand by. It goes by the database's clock.
Since nothing of it hangs on a broker, it also reads dead letters again where somebody asked.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime

import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg import Connection

from domain.application import OkrLedger
from domain.calendar import last_midnight
from ledger.datastore import become
from workers.feeds import totals
from workers.feeds.catalogue import Catalogue, LiveFeed
from workers.feeds.database import clock, open_ledger, transaction
from workers.feeds.measuring import counts, measure, move_window, save
from workers.feeds.metrics import Metrics
from workers.feeds.retrying import retry_letters

LOG = logging.getLogger(__name__)

LOCK = 0x6F6B72_02
TICK = 0.2
BACK_OFF = 1.0

OPEN = """
    SELECT t.feed_id, t.revision, t.midnight, t.due_at <= clock_timestamp() AS is_due, clock_timestamp() AS now
      FROM feeds.totals t
      JOIN ledger.streams feed ON feed.stream_id = t.feed_id
      JOIN ledger.streams key_result ON key_result.stream_id = feed.parent_id
      JOIN ledger.streams objective ON objective.stream_id = key_result.parent_id
      JOIN ledger.cycle_states cycle ON cycle.cycle_id = objective.parent_id
     WHERE t.takes_progress AND cycle.state <> 'closed'
"""


class Timekeeper(threading.Thread):
    """Keeps time from `start` to `end`, whatever the database does meanwhile."""

    def __init__(self, database_url: str, metrics: Metrics) -> None:
        super().__init__(name="timekeeper")
        self._database_url = database_url
        self._metrics = metrics
        self._end_asked = threading.Event()

    def end(self) -> None:
        """Stop, and return once nothing more is written."""
        self._end_asked.set()
        self.join()

    def run(self) -> None:
        while not self._end_asked.is_set():
            try:
                self._stand_by_and_keep_time()
            except (PersistenceError, psycopg.Error) as error:
                LOG.warning("timekeeper: the database is away: %s", error)
            except Exception:
                # A clock that has stopped is seen too late: better one that complains.
                LOG.exception("timekeeper: failed, and tries again")
            self._end_asked.wait(BACK_OFF)

    def _stand_by_and_keep_time(self) -> None:
        with psycopg.connect(self._database_url, connect_timeout=5) as guard, open_ledger(self._database_url) as ledger:
            become(guard)
            while not _is_ours(guard):
                if self._end_asked.wait(BACK_OFF):
                    return
            LOG.info("timekeeper: on duty")
            catalogue = Catalogue()
            while not self._end_asked.is_set():
                # The lock lives with its connection: a broken one raises here, before anything is written.
                guard.execute("SELECT 1")
                self._metrics.facts.inc(keep_time(ledger, catalogue) + retry_letters(ledger, catalogue))
                self._end_asked.wait(TICK)


def keep_time(ledger: OkrLedger, catalogue: Catalogue) -> int:
    """Write what is due by the database's clock; how many facts that were."""
    catalogue.refresh(ledger)
    with transaction(ledger) as connection:
        rows = connection.execute(OPEN, prepare=True).fetchall()
    written = 0
    for row in rows:
        feed = catalogue.feeds.get(row["feed_id"])
        if feed is None:
            continue
        is_revised = row["revision"] not in (None, feed.revision)
        if row["is_due"] or is_revised or _has_midnight_passed(feed, row["midnight"], row["now"]):
            try:
                written += _bring_up_to_date(ledger, catalogue, feed)
            except (ArithmeticError, LookupError, ValueError):
                # One number that cannot be reckoned must not silence the clock of all the others.
                LOG.exception("timekeeper: feed %s cannot be brought up to date", feed.definition.name)
    return written


def _is_ours(guard: Connection[tuple[object, ...]]) -> bool:
    return guard.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() == (True,)


def _has_midnight_passed(feed: LiveFeed, midnight: datetime, now: datetime) -> bool:
    is_rolling = feed.definition.aggregate.window is not None
    return is_rolling and not feed.is_paused and last_midnight(now, feed.time_zone) > midnight


def _bring_up_to_date(ledger: OkrLedger, catalogue: Catalogue, feed: LiveFeed) -> int:
    with transaction(ledger) as connection:
        cycle = ledger.record.hold_cycle(feed.cycle_id)
        held = totals.hold(connection, [feed.key_result_id])[feed.key_result_id]
        if not catalogue.is_current(connection) or cycle is None or not counts(held, cycle):
            return 0
        now = clock(connection)
        is_past_midnight = _has_midnight_passed(feed, held.midnight, now)
        held, measured = measure(connection, feed, cycle, held, now, at_once=is_past_midnight)
        moved = None
        if is_past_midnight:
            moved = move_window(connection, feed, cycle, held, last_midnight(now, feed.time_zone))
        return save(ledger, connection, [(feed, measured), (feed, moved)], now)
