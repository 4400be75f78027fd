"""What is read while a batch is being written."""

from decimal import Decimal

from domain.application import OkrLedger
from tests.workers.given import EPOCH, TOPIC, Reader, Record, Workplace, deal
from workers.feeds.batch import Applied, Batches
from workers.feeds.hand import MOST_BYTES, Hand
from workers.feeds.offsets import Place
from workers.feeds.reading import read_records

HERE = Place(TOPIC, EPOCH, 0)


def test_what_several_polls_brought_is_written_as_one(work: Workplace, okr: OkrLedger) -> None:
    feeds = [work.feed(), work.feed(aggregate={"fn": "count"}, value=None)]
    reader, hand = Reader.of(okr), Hand(100)
    polls = [[deal(0, "a", 1), Record(1, b"no json")], [deal(2, "b", 20)], [deal(3, "a", 10, rev=2)]]
    for poll in polls:
        for feed in reader.catalogue.reading(TOPIC):
            stretch = read_records(feed, HERE, reader.life, poll[0].offset, poll)
            assert stretch is not None
            hand.take(feed, stretch)
    applied = Batches(okr, reader.catalogue).apply(hand.shares(), {(TOPIC, EPOCH): reader.life.id})
    assert applied == Applied(matched=6, dead=2, facts=2)
    assert [work.values(id) for id in feeds] == [[Decimal(30)], [Decimal(2)]]
    for id in feeds:
        (fact,) = work.facts(id)
        assert [(each.first, each.last) for each in fact.ranges] == [(0, 3)]
    assert {row["next_offset"] for row in work.rows("SELECT next_offset FROM feeds.offsets")} == {4}


def test_a_hand_is_full_of_many_messages_or_of_large_ones(work: Workplace, okr: OkrLedger) -> None:
    work.feed()
    reader = Reader.of(okr)
    (feed,) = reader.catalogue.reading(TOPIC)
    many, large = Hand(2), Hand(2)
    for hand, records in ((many, [deal(0, "a", 1), deal(1, "b", 1)]), (large, [Record(0, bytes(MOST_BYTES))])):
        assert not hand
        assert not hand.is_full
        stretch = read_records(feed, HERE, reader.life, 0, records)
        assert stretch is not None
        hand.take(feed, stretch)
        assert hand
        assert hand.is_full
