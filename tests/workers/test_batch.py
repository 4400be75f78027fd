"""One batch: facts, contributions, dead letters and offsets, together or not at all."""

from decimal import Decimal

import pytest

from domain.application import OkrLedger
from domain.feeds.definition import parse_definition
from tests.workers.given import EPOCH, TOPIC, Reader, Record, Workplace, by, deal
from workers.feeds.batch import Applied, Outdated
from workers.feeds.offsets import Fenced

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
