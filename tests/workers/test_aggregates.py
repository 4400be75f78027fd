"""The number is a pure function of the messages: batches, order and repetition change nothing."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.application import OkrLedger
from domain.calendar import last_midnight
from domain.feeds.aggregates import Tally, aggregated, published, window_of
from domain.feeds.contribution import Contribution, Place, standings
from domain.feeds.evidence import EvidenceLine, evidence_digest
from tests.workers.given import EPOCH, TOPIC, ZONE, Reader, Record, Workplace, deal
from workers.feeds import tallies, totals
from workers.feeds.database import clock, transaction
from workers.feeds.measuring import cycle_window

DEFINITIONS: dict[str, dict[str, Any]] = {
    "sum": {"aggregate": {"fn": "sum", "window": "cycle"}},
    "sum of 14 days": {"aggregate": {"fn": "sum", "window": "P14D"}},
    "count": {"aggregate": {"fn": "count", "window": "cycle"}, "value": None},
    "last": {"aggregate": {"fn": "last", "window": "P40D"}, "entity": None},
    "rate": {"aggregate": {"fn": "rate", "per": "P7D", "window": "P28D"}, "value": None},
    "ratio": {
        "aggregate": {
            "fn": "ratio",
            "window": "cycle",
            "numerator": {"filter": "amount > 500", "value": {"expr": "amount"}},
            "denominator": {"value": {"expr": "amount"}},
        },
        "value": None,
    },
}


def messages(work: Workplace, count: int) -> list[Record]:
    """Deals that change, come back, are lost, and are closed before, in and after the cycle; always the same."""
    chance = random.Random(7)
    found = []
    for offset in range(count):
        entity, roll = f"d{chance.randrange(40)}", chance.random()
        if roll < 0.05:
            found.append(Record(offset, None, entity.encode(), 1))
        elif roll < 0.1:
            found.append(Record(offset, b"[poison"))
        else:
            day = work.starts_on + timedelta(days=chance.randrange(-10, 60))
            rev, amount = chance.randrange(9), chance.randrange(-4_000, 400_000) / 4
            found.append(deal(offset, entity, amount, rev, lost=chance.random() < 0.2, day=day))
    return found


def batches(records: Sequence[Record]) -> list[Sequence[Record]]:
    chance, cut, at = random.Random(11), [], 0
    while at < len(records):
        size = chance.randrange(1, 40)
        cut.append(records[at : at + size])
        at += size
    return cut


@pytest.mark.parametrize("name", DEFINITIONS)
def test_batches_make_what_all_messages_make(work: Workplace, okr: OkrLedger, name: str) -> None:
    feed_id = work.feed(effective_at={"path": "at"}, **DEFINITIONS[name])
    reader = Reader.of(okr)
    records = messages(work, 600)
    for batch in batches(records):
        reader.read(batch)

    feed = reader.catalogue.feeds[feed_id]
    with transaction(okr) as connection:
        held = totals.hold(connection, [feed.key_result_id])[feed.key_result_id]
        cycle = okr.record.hold_cycle(work.cycle)
        assert cycle is not None
        window = window_of(feed.definition.aggregate, cycle_window(cycle), last_midnight(clock(connection), ZONE))
        assert held.window == window
        assert held.tallies == dict.fromkeys(held.tallies, Tally()) | tallies.counted(connection, feed_id, window)

    reader.stands = dict.fromkeys(reader.stands, 0)
    (share,) = reader.shares({0: records})
    known = standings(share.arriving()).values()
    contributions = [standing.contribution for standing in known if standing.contribution is not None]
    assert len(contributions) > 30
    exact = aggregated(feed.definition.aggregate, contributions, window)
    assert exact not in (None, 0)
    assert work.values(feed_id)[-1] == published(exact, feed.definition.emit)
    assert held.value == published(exact, feed.definition.emit)
    _check_evidence(work, feed_id, okr)


def _check_evidence(work: Workplace, feed_id: Any, okr: OkrLedger) -> None:
    """Each fact's digest, and its number, follow from the rows that held in it."""
    current = work.rows(
        "SELECT c.*, NULL::int AS valid_to, l.topic, l.epoch FROM feeds.contributions c"
        " JOIN feeds.lives l ON l.id = life_id WHERE feed_id = %s AND version IS NOT NULL",
        feed_id,
    )
    past = work.rows(
        "SELECT c.*, l.topic, l.epoch FROM feeds.past_contributions c JOIN feeds.lives l ON l.id = life_id"
        " WHERE feed_id = %s",
        feed_id,
    )
    rows = [(row, _contribution(row)) for row in current + past]
    catalogue = Reader.of(okr).catalogue
    aggregate = catalogue.feeds[feed_id].definition.aggregate
    with transaction(okr) as connection:
        held = totals.hold(connection, [catalogue.feeds[feed_id].key_result_id])
    window = next(iter(held.values())).window
    assert window is not None
    for version, fact in enumerate(work.facts(feed_id), 1):
        taken = [contribution for row, contribution in rows if row["valid_from"] == version]
        assert fact.evidence.changes == len(taken)
        assert fact.evidence.sha256 == evidence_digest(EvidenceLine.of(contribution) for contribution in taken)
        held_then = [
            contribution
            for row, contribution in rows
            if row["valid_from"] <= version and (row["valid_to"] is None or version < row["valid_to"])
        ]
        assert aggregated(aggregate, held_then, window) == fact.evidence.exact


def _contribution(row: dict[str, Any]) -> Contribution:
    return Contribution(
        part=row["part"],
        entity=row["entity"],
        value=row["value"],
        version=row["version"],
        effective_at=row["effective_at"],
        is_arrival=row["is_arrival"],
        place=Place(TOPIC, EPOCH, row["partition"], row["message_offset"]),
        timestamp_ms=row["timestamp_ms"],
        message_sha256=bytes(row["message_sha256"]).hex(),
    )


def test_the_database_writes_evidence_as_the_domain_does(work: Workplace, okr: OkrLedger) -> None:
    feed_id = work.feed()
    entities = ["plain", '"quoted\\"', "\t\n\r\b\f\x01\x1f\x7f", "ключ 中文 😀", "</script>", "\u2028", "😀" * 512, " "]
    amounts = ["12.50", "-0.000", "1000", "9999999999999999999.999999999999", "-7", "0.000000000001", "100", "3"]
    records = [
        deal(offset, entity, amount, rev, day=work.starts_on + timedelta(days=offset))
        for offset, (entity, amount) in enumerate(zip(entities, amounts, strict=True))
        for rev in [offset - 3]
    ]
    Reader.of(okr).read(records)
    (fact,) = work.facts(feed_id)
    assert fact.evidence.changes == len(entities)
    _check_evidence(work, feed_id, okr)
