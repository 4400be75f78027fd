"""Two workers at the same moment: forced to meet where they could lose each other's work."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest

from domain.application import OkrLedger
from domain.feeds.definition import parse_definition
from ledger.recorder import VersionConflict
from tests.workers.given import Reader, Record, Workplace, by, deal
from workers.feeds import tallies, totals
from workers.feeds.batch import Outdated
from workers.feeds.catalogue import Catalogue
from workers.feeds.database import transaction

D = Decimal


def at_once(work: Workplace, first: Callable[[Callable[[], None]], object], second: Callable[[], object]) -> None:
    """Run `second` when `first` is about to commit; the two may wait for each other, but neither for long."""
    with ThreadPoolExecutor(1) as pool:

        def meanwhile() -> None:
            started.append(pool.submit(second))
            work.wait_until_somebody_waits_for_a_lock()

        started: list[object] = []
        first(meanwhile)
        (other,) = started
        other.result(20)  # type: ignore[attr-defined]


def sums(work: Workplace, okr: OkrLedger, key_result: object) -> tuple[Decimal, Decimal]:
    """What the totals say, and what the contributions say."""
    with transaction(okr) as connection:
        (held,) = totals.hold(connection, [key_result]).values()  # type: ignore[list-item]
        assert held.window is not None
        return held.tallies[""].total, tallies.counted(connection, held.feed_id, held.window)[""].total


def test_two_partitions_at_once_lose_nothing_while_the_fact_waits(work: Workplace, okr: OkrLedger) -> None:
    key_result = work.key_result()
    feed = work.feed(key_result, emit={"debounce": "PT1H"})
    one, other = Reader.of(okr, 2), Reader.of(okr, 2)
    one.read({0: [deal(0, "a", 1)]})
    at_once(
        work,
        lambda hook: one.read({0: [deal(1, "b", 10)]}, hook),
        lambda: other.read({1: [deal(0, "c", 20)]}),
    )
    assert sums(work, okr, key_result) == (D(31), D(31))
    assert work.values(feed) == [D(1)]


def test_two_partitions_at_once_make_two_facts_of_which_the_second_has_both(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    one, other = Reader.of(okr, 2), Reader.of(okr, 2)
    at_once(
        work,
        lambda hook: one.read({0: [deal(0, "a", 10)]}, hook),
        lambda: other.read({1: [deal(0, "b", 20)]}),
    )
    assert work.values(feed) == [D(10), D(30)]
    assert [fact.evidence.changes for fact in work.facts(feed)] == [1, 1]


def test_one_deal_on_two_partitions_at_once_counts_as_its_newest_version(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    one, other = Reader.of(okr, 2), Reader.of(okr, 2)
    one.read({0: [deal(0, "a", 1)]})
    at_once(
        work,
        lambda hook: one.read({0: [deal(1, "a", 10, rev=2), deal(2, "new", 5, rev=2)]}, hook),
        lambda: other.read({1: [deal(0, "a", 20, rev=3), deal(1, "new", 4, rev=1)]}),
    )
    assert work.values(feed) == [D(1), D(15), D(25)]


def test_a_stale_worker_is_fenced_by_the_one_that_was_faster(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    one, other = Reader.of(okr), Reader.of(okr)
    failures: list[BaseException] = []

    def read_the_same() -> None:
        try:
            other.read([deal(0, "a", 10)])
        except Exception as error:
            failures.append(error)

    at_once(work, lambda hook: one.read([deal(0, "a", 10)], hook), read_the_same)
    assert [type(failure).__name__ for failure in failures] == ["Fenced"]
    assert work.values(feed) == [D(10)]


def test_a_batch_never_overtakes_a_revision_that_it_waited_for(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10)])
    definition = reader.catalogue.feeds[feed].definition.to_mapping()
    with ThreadPoolExecutor(1) as pool:
        with okr.record.transaction():
            okr.revise_feed(feed, parse_definition(definition | {"aggregate": {"fn": "count"}, "value": None}), by())
            batch = pool.submit(reader.read, [deal(1, "b", 20)])
            work.wait_until_somebody_waits_for_a_lock()
        with pytest.raises(Outdated):
            batch.result(20)
    assert work.values(feed) == [D(10)]


def test_workers_that_meet_the_same_new_entities_in_other_orders_do_not_block_each_other(
    work: Workplace, okr: OkrLedger
) -> None:
    feed = work.feed()
    readers = [Reader.of(okr, 4) for _ in range(4)]
    barrier = threading.Barrier(4)

    def read(number: int) -> None:
        for batch in range(5):
            entities = sorted(range(40), key=lambda entity: (entity * (number + 3)) % 41)
            records: list[Record] = [
                deal(batch * 40 + at, f"d{batch}-{entity}", 1, rev=number) for at, entity in enumerate(entities)
            ]
            barrier.wait(20)
            readers[number].read({number: records})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    assert work.values(feed)[-1] == D(200)


def test_an_objective_is_dropped_beside_a_batch_of_its_key_results_without_a_deadlock(
    work: Workplace, okr: OkrLedger
) -> None:
    first, last = UUID(int=1), UUID(int=2)
    for key_result in (last, first):
        work.feed(work.key_result(key_result))
    Reader.of(okr)
    with ThreadPoolExecutor(1) as pool:
        with transaction(okr) as connection:
            totals.hold(connection, [first])
            dropping = pool.submit(okr.drop_objective, work.objective, by())
            work.wait_until_somebody_waits_for_a_lock()
            totals.hold(connection, [last])
        dropping.result(20)
    assert [row["takes_progress"] for row in work.rows("SELECT takes_progress FROM feeds.totals")] == [False, False]


def test_whoever_waits_for_a_cycle_keeps_nobody_from_the_totals(work: Workplace, okr: OkrLedger) -> None:
    key_result = work.key_result()
    work.feed(key_result)
    Reader.of(okr)
    with ThreadPoolExecutor(2) as pool:
        with transaction(okr) as connection:
            okr.record.hold_cycle(work.cycle)
            turning = pool.submit(okr.begin_scoring, work.cycle, by())
            work.wait_until_somebody_waits_for_a_lock()
            dropping = pool.submit(okr.drop_key_result, key_result, by())
            work.wait_until_somebody_waits_for_a_lock(sessions=2)
            connection.execute("SELECT FROM feeds.totals FOR UPDATE NOWAIT")
        turning.result(20)
        with pytest.raises(VersionConflict):  # decided before the cycle turned: to be decided again
            dropping.result(20)


def test_a_key_result_that_ends_while_its_feed_is_first_loaded_takes_no_progress(
    work: Workplace, okr: OkrLedger
) -> None:
    key_result = work.key_result()
    work.feed(key_result)
    with ThreadPoolExecutor(1) as pool:
        with okr.record.transaction():
            okr.drop_key_result(key_result, by())
            loading = pool.submit(Catalogue().refresh, okr)
            work.wait_until_somebody_waits_for_a_lock()
        loading.result(20)
    assert work.rows("SELECT takes_progress FROM feeds.totals") == [{"takes_progress": False}]
