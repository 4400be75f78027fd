"""Dead letters read again: through the same pipeline, in the order of their places, as often as anybody likes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.feeds.definition import parse_definition
from ledger.dead_letters import Chosen, ask_retry, discard
from tests.workers.given import EPOCH, TOPIC, Reader, Record, Workplace, by, deal, eventually
from workers.feeds import retrying
from workers.feeds.database import transaction
from workers.feeds.metrics import Metrics
from workers.feeds.retrying import retry_letters
from workers.feeds.timekeeper import Timekeeper


def priced(offset: int, id: str, price: object, rev: int = 1) -> Record:
    """A deal whose amount has another name."""
    value = b'{"id": "%s", "rev": %d, "price": %s}' % (id.encode(), rev, str(price).encode())
    return Record(offset, value, timestamp=int(datetime.now(UTC).timestamp() * 1000))


def mend(work: Workplace, feed: UUID, **changes: Any) -> None:
    """Let the feed read the price."""
    row = work.rows("SELECT line::jsonb->'data'->'definition' AS d FROM ledger.events WHERE stream_id = %s"
                    " AND type = 'Feed.Defined'", feed)[0]  # fmt: skip
    work.okr.revise_feed(feed, parse_definition({**row["d"], "value": {"expr": "price"}, **changes}), by())


def ask(work: Workplace, chosen: Chosen) -> int:
    with transaction(work.okr) as connection:
        number: int = ask_retry(connection, chosen, "feed-admin")["id"]
        return number


def done(work: Workplace, reader: Reader, chosen: Chosen) -> dict[str, Any]:
    """A retry that was asked for and done; the row that tells of it."""
    number = ask(work, chosen)
    reader.catalogue.refresh(work.okr)
    for _ in range(9):
        retry_letters(work.okr, reader.catalogue)
    (row,) = work.rows("SELECT * FROM feeds.retries WHERE id = %s", number)
    return row


def letters(work: Workplace) -> list[tuple[Any, ...]]:
    rows = work.rows(
        "SELECT message_offset, settled_as, feed_revision, reason FROM feeds.dead_letters ORDER BY message_offset"
    )
    return [(row["message_offset"], row["settled_as"], row["feed_revision"]) for row in rows]


def test_letters_count_once_the_feed_is_mended(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10), priced(1, "b", 20), priced(2, "b", 25, rev=2), priced(3, "c", '"none"')])
    assert work.values(feed) == [10]
    mend(work, feed)
    row = done(work, reader, Chosen(feed))
    assert (row["matched"], row["ignored"], row["dead"], row["done_at"] is not None) == (2, 0, 1, True)
    assert letters(work) == [(1, "retried", 2), (2, "retried", 2), (3, None, 2)]
    assert work.values(feed) == [10, 35]
    fact = work.facts(feed)[-1]
    assert [(each.topic, each.epoch, each.first, each.last) for each in fact.ranges] == [
        (TOPIC, EPOCH, 1, 1),
        (TOPIC, EPOCH, 2, 2),
    ]
    assert (fact.counts.matched, fact.counts.dead, fact.feed_revision) == (2, 0, 2)


def test_whatever_the_order_of_retry_and_reading_the_number_is_the_same(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1, rev=1), priced(1, "b", 2)])
    mend(work, feed)
    reader.catalogue.refresh(okr)
    reader.read([priced(2, "a", 100, rev=2)])
    assert work.values(feed) == [100]
    assert done(work, reader, Chosen(feed))["matched"] == 2
    assert work.values(feed) == [100, 102]
    again = done(work, reader, Chosen(feed))
    assert (again["matched"], again["done_at"] is not None) == (0, True)
    work.execute("UPDATE feeds.dead_letters SET settled_as = NULL, settled_at = NULL, settled_by = NULL")
    assert done(work, reader, Chosen(feed))["matched"] == 2
    assert work.values(feed) == [100, 102]


def test_what_the_live_consumer_reads_meanwhile_keeps_its_ranges(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(emit={"debounce": "PT1H"})
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 1)])
    reader.read([deal(1, "b", 2), priced(2, "c", 3)])
    mend(work, feed, emit={"debounce": "PT1H"})
    done(work, reader, Chosen(feed))
    reader.catalogue.refresh(okr)
    reader.read([priced(3, "d", 4)])
    (row,) = work.rows("SELECT ranges FROM feeds.totals WHERE feed_id = %s", feed)
    assert sorted(each[3:5] for each in row["ranges"]) == [[1, 3], [2, 2]]


def test_letters_tell_nothing_of_the_messages_between_them(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1), deal(1, "b", 2), priced(2, "c", 3)])
    mend(work, feed)
    done(work, reader, Chosen(feed))
    assert [(each.first, each.last) for each in work.facts(feed)[-1].ranges] == [(0, 0), (2, 2)]


def test_only_those_that_were_chosen_are_read_again(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1), Record(1, b"{"), priced(2, "b", 2)])
    (first, *_) = work.rows("SELECT id, reason FROM feeds.dead_letters ORDER BY id")
    mend(work, feed)
    assert done(work, reader, Chosen(feed, number=first["id"]))["matched"] == 1
    assert letters(work) == [(0, "retried", 2), (1, None, 1), (2, None, 1)]
    assert done(work, reader, Chosen(feed, cause=first["reason"]))["matched"] == 1
    assert done(work, reader, Chosen(feed, stage="decode"))["dead"] == 1


def test_a_letter_that_the_feed_now_ignores_is_settled(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1)])
    mend(work, feed, filter="id != 'a'")
    assert done(work, reader, Chosen(feed))["ignored"] == 1
    assert (letters(work), work.values(feed)) == ([(0, "retried", 2)], [])


def test_a_letter_that_makes_no_measure_does_not_hold_up_the_others(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", "9" * 21), priced(1, "b", 5)])
    mend(work, feed)
    reader.catalogue.refresh(okr)
    reader.read([priced(2, "c", 1)])
    row = done(work, reader, Chosen(feed))
    assert (row["matched"], row["dead"]) == (1, 1)
    assert work.values(feed) == [1, 6]
    (letter,) = work.rows("SELECT stage, reason, feed_revision FROM feeds.dead_letters WHERE settled_at IS NULL")
    assert (letter["stage"], letter["feed_revision"]) == ("apply", 2)
    assert "more than 20 digits" in letter["reason"]


def test_letters_of_a_paused_feed_wait_and_those_of_a_closed_cycle_stay(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1)])
    mend(work, feed)
    okr.pause_feed(feed, by())
    assert done(work, reader, Chosen(feed))["done_at"] is None
    okr.resume_feed(feed, by())
    okr.begin_scoring(work.cycle, by())
    okr.close_cycle(work.cycle, by())
    reader.catalogue.refresh(okr)
    retry_letters(okr, reader.catalogue)
    (row,) = work.rows("SELECT * FROM feeds.retries")
    assert (row["done_at"] is not None, row["matched"]) == (True, 0)
    assert letters(work) == [(0, None, 1)]


def test_retries_go_on_in_portions_and_never_for_ever(work: Workplace, okr: OkrLedger, monkeypatch: Any) -> None:
    monkeypatch.setattr(retrying, "PORTION", 2)
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(offset, f"d{offset}", '"none"') for offset in range(5)])
    first, second = ask(work, Chosen(feed)), ask(work, Chosen(feed))
    for _ in range(4):
        retry_letters(okr, reader.catalogue)
    assert [row["done_at"] is not None for row in work.rows("SELECT * FROM feeds.retries ORDER BY id")] == [True, False]
    for _ in range(4):
        retry_letters(okr, reader.catalogue)
    rows = work.rows("SELECT id, dead, done_at FROM feeds.retries ORDER BY id")
    assert [(row["id"], row["dead"]) for row in rows] == [(first, 5), (second, 5)]
    assert all(row["done_at"] for row in rows)


def test_discarded_letters_are_not_read_again_and_say_who_and_why(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1), priced(1, "b", 2)])

    def settle(connection: Connection[DictRow]) -> int:
        return discard(connection, Chosen(feed, number=first), "u-7", "a test order")

    first = work.rows("SELECT id FROM feeds.dead_letters ORDER BY id")[0]["id"]
    with transaction(okr) as connection:
        assert (settle(connection), settle(connection)) == (1, 0)
    mend(work, feed)
    assert done(work, reader, Chosen(feed))["matched"] == 1
    rows = work.rows("SELECT settled_as, settled_by, settled_because FROM feeds.dead_letters ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("discarded", "u-7", "a test order"),
        ("retried", "feed-admin", None),
    ]


def test_a_running_timekeeper_takes_requests_up(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([priced(0, "a", 1)])
    mend(work, feed)
    timekeeper = Timekeeper(work.url, Metrics())
    timekeeper.start()
    try:
        ask(work, Chosen(feed))
        eventually(lambda: work.values(feed) == [1])
    finally:
        timekeeper.end()
