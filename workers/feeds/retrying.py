"""Dead letters read again, because somebody asked: beside the live consumer, and in the same kind of transaction.

The feed's present definition reads them, in the order of their places; what they contribute is merged as ever, so it
harms nobody when a letter is read twice. A letter that does its work, or turns out to be ignored, is settled; one that
is dead again stays open with the newer reason. A retry goes on in portions, so that time is kept meanwhile. The letters
of a paused feed wait until it is resumed, and those of a key result that takes no more values stay as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eventsourcing.persistence import PersistenceError
from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.feeds.contribution import Stage
from workers.feeds import offsets, totals
from workers.feeds.batch import is_fault_of_a_message, reason_of
from workers.feeds.catalogue import Catalogue, LiveFeed
from workers.feeds.contributions import take_in
from workers.feeds.database import clock, transaction
from workers.feeds.measuring import News, Unmeasurable, counts, current_window, measure, save
from workers.feeds.offsets import Life, Place
from workers.feeds.reading import Stretch, read_records
from workers.feeds.tallies import looks_at_time
from workers.feeds.totals import Range

LOG = logging.getLogger(__name__)

PORTION = 200

OPEN = "SELECT * FROM feeds.retries WHERE done_at IS NULL ORDER BY id"
LETTERS = """
    SELECT d.*, l.number AS life FROM feeds.dead_letters d JOIN feeds.lives l USING (topic, epoch)
     WHERE d.feed_id = %(feed_id)s AND d.settled_at IS NULL AND d.id <= %(up_to)s
       AND d.tried_in IS DISTINCT FROM %(id)s AND (%(letter_id)s::bigint IS NULL OR d.id = %(letter_id)s)
       AND (%(stage)s::text IS NULL OR d.stage = %(stage)s) AND (%(reason)s::text IS NULL OR d.reason = %(reason)s)
     ORDER BY d.topic, l.number, d.partition, d.message_offset LIMIT %(portion)s
"""
HOLD = "SELECT id FROM feeds.dead_letters WHERE id = ANY(%s) AND settled_at IS NULL ORDER BY id FOR UPDATE"
SETTLE = """
    UPDATE feeds.dead_letters
       SET tried_in = %s, settled_as = 'retried', settled_at = now(), settled_by = %s, feed_revision = %s
     WHERE id = ANY(%s)
"""
BURY_AGAIN = "UPDATE feeds.dead_letters SET tried_in = %s, feed_revision = %s, stage = %s, reason = %s WHERE id = %s"
COUNT = """
    UPDATE feeds.retries SET matched = matched + %s, ignored = ignored + %s, dead = dead + %s WHERE id = %s
"""
END = "UPDATE feeds.retries SET done_at = now() WHERE id = %s"


class Record(NamedTuple):
    """A dead letter as the consumer gave it."""

    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Again:
    """A letter and what the feed makes of it now."""

    id: int
    stretch: Stretch

    @property
    def is_dead(self) -> bool:
        return bool(self.stretch.letters)

    @property
    def range(self) -> tuple[int, Range]:
        # No reading begins or goes on here: ranges stay their own, and what begins at -1 goes on from none of them.
        offset = self.stretch.last
        return -1, Range(*self.stretch.place, offset, offset, -2 - offset)


def retry_letters(ledger: OkrLedger, catalogue: Catalogue) -> int:
    """Do a portion of each retry that is open; how many facts that made. The catalogue is current."""
    with transaction(ledger) as connection:
        asked = connection.execute(OPEN, prepare=True).fetchall()
    facts = 0
    # One at a time of each feed: two that read the same letters would keep each other busy for ever.
    for row in {row["feed_id"]: row for row in reversed(asked)}.values():
        feed = catalogue.feeds.get(row["feed_id"])
        if feed is None or feed.is_paused:
            continue
        try:
            facts += _retry(ledger, catalogue, feed, row)
        except (ArithmeticError, LookupError, ValueError):
            LOG.exception("retry %d of feed %s failed, and is tried again", row["id"], feed.definition.name)
    return facts


def _retry(ledger: OkrLedger, catalogue: Catalogue, feed: LiveFeed, asked: DictRow) -> int:
    with transaction(ledger) as connection:
        letters = connection.execute(LETTERS, {**asked, "portion": PORTION}).fetchall()
        if not letters:
            connection.execute(END, [asked["id"]])
            LOG.info("retry %d of feed %s is done", asked["id"], feed.definition.name)
            return 0
    try:
        return _read_again(ledger, catalogue, feed, asked, letters)
    except (PersistenceError, Unmeasurable) as error:
        if not is_fault_of_a_message(error):
            raise
    facts = 0
    for letter in letters:
        try:
            facts += _read_again(ledger, catalogue, feed, asked, [letter])
        except (PersistenceError, Unmeasurable) as error:
            if not is_fault_of_a_message(error):
                raise
            with transaction(ledger) as connection:
                _bury(connection, feed, asked, letter["id"], Stage.APPLY, reason_of(error))
                connection.execute(COUNT, [0, 0, 1, asked["id"]])
    return facts


def _read_again(
    ledger: OkrLedger, catalogue: Catalogue, feed: LiveFeed, asked: DictRow, letters: Sequence[DictRow]
) -> int:
    """Read letters again in one transaction; how many facts that made."""
    with transaction(ledger) as connection:
        cycle = ledger.record.hold_cycle(feed.cycle_id)
        row = totals.hold(connection, [feed.key_result_id])[feed.key_result_id]
        if not catalogue.is_current(connection) or cycle is None:
            return 0  # the next turn knows more
        if not counts(row, cycle):
            connection.execute(END, [asked["id"]])
            return 0
        still_open = {each["id"] for each in connection.execute(HOLD, [[each["id"] for each in letters]])}
        read = [_again(connection, feed, each) for each in letters if each["id"] in still_open]
        alive = [each for each in read if not each.is_dead]
        difference = take_in(
            connection,
            feed.id,
            (one for each in alive for one in each.stretch.arriving),
            {(each.stretch.place.topic, each.stretch.place.epoch): each.stretch.life.id for each in alive},
            current_window(feed, cycle, row),
            fact=row.version + 1,
            is_timed=looks_at_time(feed.definition.aggregate),
        )
        ignored = sum(each.stretch.ignored for each in alive)
        news = News([each.range for each in alive], len(alive) - ignored, ignored, 0, difference)
        now = clock(connection)
        _, measurement = measure(connection, feed, cycle, row, now, news)
        connection.execute(SETTLE, [asked["id"], asked["asked_by"], feed.revision, [each.id for each in alive]])
        for each in read:
            for _, dead in each.stretch.letters:
                _bury(connection, feed, asked, each.id, dead.stage, dead.reason)
        connection.execute(COUNT, [news.matched, news.ignored, len(read) - len(alive), asked["id"]])
        return save(ledger, connection, [(feed, measurement)], now)


def _bury(connection: Connection[Any], feed: LiveFeed, asked: DictRow, id: int, stage: Stage, reason: str) -> None:
    connection.execute(BURY_AGAIN, [asked["id"], feed.revision, stage, reason, id])


def _again(connection: Connection[DictRow], feed: LiveFeed, letter: DictRow) -> Again:
    life: Life = offsets.life(connection, letter["topic"], letter["epoch"])
    names = [bytes(name).decode(errors="surrogateescape") for name in letter["header_names"]]
    record = Record(
        letter["message_offset"],
        letter["timestamp_ms"],
        letter["key"],
        letter["value"],
        list(zip(names, letter["header_values"], strict=True)),
    )
    place = Place(letter["topic"], letter["epoch"], letter["partition"])
    stretch = read_records(feed, place, life, record.offset, [record])
    if stretch is None:
        raise LookupError("a letter is one message")
    return Again(letter["id"], stretch)
