"""One batch: facts, contributions, dead letters and offsets, together or not at all."""

from decimal import Decimal

import pytest

from domain.application import OkrLedger
from domain.feeds.definition import parse_definition
from domain.feeds.evidence import evidence_digest
from tests.workers.given import EPOCH, TOPIC, Reader, Record, Workplace, by, deal, eventually
from workers.feeds.batch import Applied, Outdated
from workers.feeds.offsets import Fenced
from workers.feeds.timekeeper import keep_time

D = Decimal


def test_a_batch_makes_one_fact_that_leads_back_to_its_messages(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    applied = reader.read([deal(0, "a", "10.50"), deal(1, "b", 20), deal(2, "a", "11.50", rev=2)])
    assert applied == Applied(matched=3, facts=1)
    (fact,) = work.facts(feed)
    assert fact.value == D("31.5")
    assert fact.from_ is None
    assert [(r.topic, r.epoch, r.partition, r.first, r.last) for r in fact.ranges] == [(TOPIC, EPOCH, 0, 0, 2)]
    assert (fact.counts.matched, fact.counts.ignored, fact.counts.dead) == (3, 0, 0)
    assert (fact.evidence.contributions, fact.evidence.changes, fact.evidence.exact) == (2, 2, D("31.5"))
    (line,) = work.lines("Measurement.")
    assert (line.who.kind, line.who.id[:5]) == ("feed", "feed:")


def test_what_was_read_cannot_be_read_again(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    one, other = Reader.of(okr), Reader.of(okr)
    one.read([deal(0, "a", 10)])
    with pytest.raises(Fenced):
        other.read([deal(0, "a", 10), deal(1, "b", 20)])
    assert work.values(feed) == [D(10)]
    assert [row["next_offset"] for row in work.rows("SELECT * FROM feeds.offsets")] == [1]


def test_a_lost_deal_disappears_and_an_older_message_does_not_revive_it(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10, rev=1), deal(1, "b", 20)])
    reader.read([deal(2, "a", 10, rev=3, lost=True)])
    reader.read([deal(3, "a", 15, rev=2)])
    assert work.values(feed) == [D(30), D(20)]


def test_a_null_value_retracts_what_the_key_names(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10), deal(1, "b", 20)])
    applied = reader.read([Record(2, None, b'"a"', 1), Record(3, None, None, 1)])
    assert applied == Applied(matched=1, ignored=1, facts=1)
    assert work.values(feed) == [D(30), D(20)]


def test_the_changed_number_alone_makes_a_fact(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10), deal(1, "b", 20)])
    reader.read([deal(2, "a", 20, rev=2), deal(3, "b", 10, rev=2)])
    reader.read([deal(4, "a", 20, rev=2)])
    assert work.values(feed) == [D(30)]
    reader.read([deal(5, "c", 1)])
    fact = work.facts(feed)[-1]
    assert [(r.first, r.last) for r in fact.ranges] == [(2, 5)]
    assert fact.evidence.changes == 3


def test_a_poison_message_is_dead_and_its_neighbours_count(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    poison = Record(1, b'{"id": "x", \xff', b"k\x00", 7, (("na\x00me", b"\x00\xff"),))
    applied = reader.read([deal(0, "a", 10), poison, deal(2, "b", 20), deal(3, "c", "many")])
    assert applied == Applied(matched=2, dead=2, facts=1)
    assert work.values(feed) == [D(30)]
    first, second = work.rows("SELECT * FROM feeds.dead_letters ORDER BY message_offset")
    assert (first["value"], first["key"], first["stage"], first["message_offset"]) == (
        poison.value,
        b"k\x00",
        "decode",
        1,
    )
    assert (first["header_names"], first["header_values"]) == ([b"na\x00me"], [b"\x00\xff"])
    assert (second["stage"], second["message_offset"]) == ("value", 3)


def test_a_message_that_the_database_refuses_is_found_and_buried(work: Workplace, okr: OkrLedger) -> None:
    feeds = work.feed(), work.feed(aggregate={"fn": "count"}, value=None)
    work.execute("ALTER TABLE feeds.contributions ADD CHECK (entity <> 'poison' OR value <> 666)")
    reader = Reader.of(okr)
    records = [deal(offset, f"d{offset}", 1) for offset in range(50)]
    records[33] = deal(33, "poison", 666)
    reader.read(records)
    assert work.values(feeds[0])[-1] == D(49)
    assert work.values(feeds[1])[-1] == D(50)
    (letter,) = work.rows("SELECT * FROM feeds.dead_letters")
    assert (letter["feed_id"], letter["message_offset"], letter["stage"]) == (feeds[0], 33, "apply")
    assert "666" not in letter["reason"]
    assert {row["next_offset"] for row in work.rows("SELECT * FROM feeds.offsets")} == {50}


def test_a_key_result_that_has_ended_takes_no_more_progress(work: Workplace, okr: OkrLedger) -> None:
    key_result = work.key_result()
    feed, other = work.feed(key_result), work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10)])
    okr.drop_key_result(key_result, by())
    applied = reader.read([deal(1, "b", 20), Record(2, b"no json")])
    assert applied == Applied(matched=1, ignored=2, dead=1, facts=1)
    assert work.values(feed) == [D(10)]
    assert work.values(other) == [D(10), D(30)]


def test_nothing_is_counted_after_the_cycle_is_closed(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10)])
    okr.begin_scoring(work.cycle, by())
    okr.close_cycle(work.cycle, by())
    assert reader.read([deal(1, "b", 20), Record(2, b"no json")]) == Applied(ignored=2)
    assert work.values(feed) == [D(10)]


def test_what_waits_for_its_fact_outlives_a_closed_cycle(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(emit={"debounce": "PT1S"})
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10)])
    reader.read([deal(1, "b", 20)])
    okr.begin_scoring(work.cycle, by())
    okr.close_cycle(work.cycle, by())
    reader.read([deal(2, "c", 40)])
    okr.reopen_cycle(work.cycle, by())
    eventually(lambda: keep_time(okr, reader.catalogue) > 0)
    assert work.values(feed) == [D(10), D(30)]
    fact = work.facts(feed)[-1]
    assert [(r.first, r.last) for r in fact.ranges] == [(1, 2)]
    assert (fact.counts.matched, fact.counts.ignored) == (1, 1)


def test_more_ranges_than_a_line_holds_are_told_in_several_facts(work: Workplace, okr: OkrLedger) -> None:
    feed, partitions = work.feed(), 700
    reader = Reader.of(okr, partitions)
    applied = reader.read({partition: [deal(0, f"d{partition}", 1)] for partition in range(partitions)})
    assert applied == Applied(matched=700, facts=3)
    first, *others = work.facts(feed)
    assert (first.from_, first.value, first.counts.matched, first.evidence.changes) == (None, D(700), 700, 700)
    for fact in others:
        assert (fact.from_, fact.value, fact.counts.matched, fact.evidence.changes) == (D(700), D(700), 0, 0)
        assert (fact.evidence.contributions, fact.evidence.sha256) == (700, evidence_digest([]))
    assert [each.partition for fact in [first, *others] for each in fact.ranges] == list(range(partitions))
    reader.read([deal(1, "d1", 2, rev=2)])
    assert work.values(feed)[-1] == D(701)
    assert work.facts(feed)[-1].evidence.changes == 1


def test_the_number_has_12_decimals_and_its_evidence_all(work: Workplace, okr: OkrLedger) -> None:
    sides = {"numerator": {"filter": "amount > 5"}, "denominator": {}}
    feed = work.feed(aggregate={"fn": "ratio", "window": "cycle", **sides}, value=None)
    Reader.of(okr).read([deal(0, "a", 9), deal(1, "b", 1), deal(2, "c", 1)])
    (fact,) = work.facts(feed)
    assert str(fact.value) == "33.333333333333"
    assert str(fact.evidence.exact) == "33.33333333333333333333333333333333"


def test_a_message_that_makes_more_than_a_measure_holds_is_dead(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    largest = "9" * 20
    applied = reader.read([deal(0, "a", largest), deal(1, "b", 1), deal(2, "c", "0.5"), deal(3, "d", "1" + "0" * 25)])
    assert (applied.matched, applied.dead) == (2, 2)
    assert work.values(feed)[-1] == D(f"{largest}.5")
    letters = work.rows("SELECT * FROM feeds.dead_letters ORDER BY message_offset")
    assert [(row["message_offset"], row["stage"]) for row in letters] == [(1, "apply"), (3, "apply")]
    assert letters[0]["reason"] == "with it the number has more than 20 digits before the point"
    # Only what it makes in the end counts, not on the way there.
    applied = reader.read([deal(4, "e", 100), deal(5, "a", 1, rev=2)])
    assert applied.dead == 0
    assert work.values(feed)[-1] == D("101.5")


def test_no_message_is_to_blame_for_a_number_that_a_new_definition_makes_too_large(
    work: Workplace, okr: OkrLedger
) -> None:
    feed = work.feed(aggregate={"fn": "last", "window": "cycle"})
    reader = Reader.of(okr)
    reader.read([deal(0, "a", "6" + "0" * 19), deal(1, "b", "7" + "0" * 19)])
    definition = reader.catalogue.feeds[feed].definition.to_mapping()
    okr.revise_feed(feed, parse_definition(definition | {"aggregate": {"fn": "sum", "window": "cycle"}}), by())
    assert keep_time(okr, reader.catalogue) == 0
    assert reader.read([deal(2, "c", 1)]) == Applied(matched=1)
    assert reader.read([deal(3, "d", 1)]) == Applied(matched=1)
    assert reader.read([deal(4, "a", 1, rev=2, lost=True)]) == Applied(matched=1, facts=1)
    assert work.values(feed) == [D("7e19"), D("7e19") + 2]


def test_what_was_read_under_an_old_definition_is_dropped(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed()
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 10)])
    definition = reader.catalogue.feeds[feed].definition.to_mapping()
    okr.revise_feed(feed, parse_definition(definition | {"aggregate": {"fn": "count"}, "value": None}), by())
    with pytest.raises(Outdated):
        reader.read([deal(1, "b", 20)])
    reader.catalogue.refresh(okr)
    reader.read([deal(1, "b", 20)])
    assert work.values(feed) == [D(10), D(2)]
