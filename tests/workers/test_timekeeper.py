"""What time alone changes, and changes that wait for their fact."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from domain.application import OkrLedger
from domain.calendar import last_midnight
from domain.feeds.definition import parse_definition
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from tests.workers.given import ZONE, Reader, Record, Workplace, by, deal, eventually
from workers.feeds.metrics import Metrics
from workers.feeds.timekeeper import Timekeeper, keep_time

D = Decimal
A_WEEK: dict[str, Any] = {"aggregate": {"fn": "sum", "window": "P7D"}, "effective_at": {"path": "at"}}


def days_ago(days: int) -> datetime:
    return last_midnight(datetime.now(UTC), ZONE) - timedelta(days=days)


def on(offset: int, id: str, amount: int, days: int) -> Record:
    """A deal closed at noon, so many days before today began."""
    return deal(offset, id, amount, day=(days_ago(days) + timedelta(hours=12)).date())


def unattended_for(work: Workplace, days: int) -> None:
    """As if no timekeeper had been on duty for the last midnights."""
    work.execute(f"UPDATE feeds.totals SET midnight = midnight - interval '{days} days'")


def test_at_midnight_the_number_of_the_new_window_is_written(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(**A_WEEK)
    reader = Reader.of(okr)
    unattended_for(work, 1)
    reader.read([on(0, "leaves", 1, 8), on(1, "stays", 10, 5), on(2, "comes", 100, 1)])
    assert work.values(feed) == [D(11)]
    assert keep_time(okr, reader.catalogue) == 1
    moved = work.facts(feed)[-1]
    assert isinstance(moved, MeasurementWindowMoved)
    assert (moved.from_, moved.value, moved.effective_at) == (D(11), D(110), days_ago(0))
    assert (moved.evidence.contributions, moved.evidence.changes, moved.evidence.exact) == (2, 0, D(110))
    assert keep_time(okr, reader.catalogue) == 0
    reader.read([on(3, "late", 1000, 2)])
    assert work.values(feed) == [D(11), D(110), D(1110)]


def test_several_midnights_make_one_fact_and_a_window_without_news_makes_none(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(**A_WEEK)
    reader = Reader.of(okr)
    unattended_for(work, 20)
    reader.read([on(0, "a", 5, 22), on(1, "b", 6, 3)])
    assert keep_time(okr, reader.catalogue) == 1
    assert work.values(feed) == [D(5), D(6)]
    unattended_for(work, 1)
    assert keep_time(okr, reader.catalogue) == 0
    (row,) = work.rows("SELECT midnight, window_end FROM feeds.totals")
    assert row["midnight"] == row["window_end"] == days_ago(0)


def test_what_waits_is_written_before_the_window_moves(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(emit={"debounce": "PT1H"}, **A_WEEK)
    reader = Reader.of(okr)
    unattended_for(work, 1)
    reader.read([on(0, "a", 1, 3)])
    reader.read([on(1, "b", 10, 8)])
    keep_time(okr, reader.catalogue)
    facts = work.facts(feed)
    assert [(type(fact).__name__, fact.value) for fact in facts] == [
        ("MeasurementRecorded", D(1)),
        ("MeasurementRecorded", D(11)),
        ("MeasurementWindowMoved", D(1)),
    ]
    assert [fact.evidence.changes for fact in facts] == [1, 1, 0]


def test_windows_of_paused_feeds_and_closed_cycles_stand_still(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(**A_WEEK)
    reader = Reader.of(okr)
    reader.read([on(0, "a", 1, 7)])
    okr.pause_feed(feed, by())
    work.execute("UPDATE feeds.totals SET midnight = midnight - interval '2 days'")
    assert keep_time(okr, reader.catalogue) == 0
    okr.resume_feed(feed, by())
    okr.begin_scoring(work.cycle, by())
    okr.close_cycle(work.cycle, by())
    assert keep_time(okr, reader.catalogue) == 0
    (row,) = work.rows("SELECT midnight FROM feeds.totals")
    assert row["midnight"] == days_ago(2)


def test_a_revised_definition_is_measured_without_any_message(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10), deal(1, "b", 20)])
    mapping = reader.catalogue.feeds[feed].definition.to_mapping()
    okr.revise_feed(feed, parse_definition(mapping | {"value": {"expr": "amount"}, "emit": {"round": 0}}), by())
    assert keep_time(okr, reader.catalogue) == 0
    okr.revise_feed(feed, parse_definition({**mapping, "aggregate": {"fn": "last", "window": "cycle"}}), by())
    assert keep_time(okr, reader.catalogue) == 1
    fact = work.facts(feed)[-1]
    assert isinstance(fact, MeasurementRecorded)
    assert (fact.value, fact.feed_revision, fact.ranges, fact.evidence.changes) == (D(20), 3, (), 0)


def test_the_first_change_at_once_then_one_fact_an_interval_and_the_last_change_always(
    work: Workplace, okr: OkrLedger
) -> None:
    feed = work.feed(emit={"debounce": "PT1S"})
    reader = Reader.of(okr)
    timekeeper = Timekeeper(work.url, Metrics())
    timekeeper.start()
    try:
        until = time.monotonic() + 2.5
        offset = 0
        while time.monotonic() < until:
            reader.read([deal(offset, f"d{offset}", 1)])
            offset += 1
        eventually(lambda: work.values(feed)[-1] == D(offset))
    finally:
        timekeeper.end()
    lines = work.lines("Measurement.")
    assert len(lines) in (3, 4)
    assert all(later.recorded_at - earlier.recorded_at >= timedelta(seconds=1) for earlier, later in pairwise(lines))
    ranges = [(fact.ranges[0].first, fact.ranges[0].last) for fact in work.facts(feed)]
    assert ranges[0] == (0, 0)
    assert [first for first, _ in ranges[1:]] == [last + 1 for _, last in ranges[:-1]]
    assert ranges[-1][1] == offset - 1
    assert sum(fact.evidence.changes for fact in work.facts(feed)) == offset


def test_one_timekeeper_is_on_duty_and_the_next_takes_over(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(emit={"debounce": "PT1S"})
    reader = Reader.of(okr)
    keepers = [Timekeeper(work.url, Metrics()) for _ in range(2)]
    for keeper in keepers:
        keeper.start()
    try:
        eventually(lambda: len(_holders(work)) == 1)
        (first,) = _holders(work)
        work.execute(f"SELECT pg_terminate_backend({first})")
        eventually(lambda: len(_holders(work)) == 1 and _holders(work) != [first])
        reader.read([deal(0, "a", 1)])
        reader.read([deal(1, "b", 1)])
        eventually(lambda: work.values(feed) == [D(1), D(2)])
    finally:
        for keeper in keepers:
            keeper.end()


def _holders(work: Workplace) -> list[int]:
    rows = work.rows(
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND datname = current_database()",
        0x6F6B72_02,
    )
    return [row["pid"] for row in rows]
