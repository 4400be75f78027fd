"""Duplicates, reordering, replays and retractions change nothing: the same contributions, the same numbers.

The oracle knows nothing of versions as texts or of merging one by one: it looks at all messages at once.
"""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from domain.feeds.aggregates import Window, aggregated
from domain.feeds.contribution import Contribution, Ignored, Tombstone, standings
from domain.feeds.definition import FeedDefinition, parse_definition
from domain.feeds.message import Message
from domain.feeds.pipeline import compile_feed, read_message

START = datetime(2025, 1, 1, tzinfo=UTC)
WINDOW = Window(START + timedelta(days=10), START + timedelta(days=50))
COMMON: dict[str, Any] = {
    "name": "deals",
    "key_result": "0194f1c0-7c1e-7000-8000-000000000001",
    "source": {"topics": ["a", "b"], "format": "json"},
    "entity": "id",
    "order": ["version"],
    "retract_when": "lost",
    "effective_at": {"path": "day", "unit": "days"},
}
AMOUNT = {"expr": "amount"}
AGGREGATES: dict[str, dict[str, Any]] = {
    "sum": {"aggregate": {"fn": "sum"}, "value": AMOUNT},
    "count": {"aggregate": {"fn": "count"}},
    "last": {"aggregate": {"fn": "last"}, "value": AMOUNT},
    "rate": {"aggregate": {"fn": "rate", "per": "P7D", "window": "P40D"}},
    "ratio": {"aggregate": {"fn": "ratio", "numerator": {"filter": "amount > 0"}, "denominator": {"value": AMOUNT}}},
}
DAY_0 = (START - datetime(1970, 1, 1, tzinfo=UTC)).days


def messages(rng: random.Random) -> list[Message]:
    """A few entities on two topics of two partitions, of which one was created again; with tombstones."""
    made = []
    for offset in range(rng.randint(4, 12)):
        entity, topic = rng.randint(1, 3), rng.choice("ab")
        epoch = rng.randint(0, 1) if topic == "a" else 0
        body = {
            "id": entity,
            "version": rng.choice([1, 2, 2, 10, 9.5, -1]),
            "lost": rng.random() < 0.2,
            "day": DAY_0 + rng.randint(0, 59),
            "amount": rng.randint(-500, 500) / 100,
        }
        is_tombstone = rng.random() < 0.15
        made.append(
            Message(
                topic=topic,
                epoch=f"epoch-{epoch}",
                epoch_number=epoch,
                partition=rng.randint(0, 1),
                offset=offset,
                timestamp_ms=1_735_700_000_000 + offset,
                key=str(entity).encode(),
                value=None if is_tombstone else json.dumps(body).encode(),
            )
        )
    return made


def surviving(kept: Sequence[Message], accepts: Any) -> list[dict[str, Any]]:
    """The newest message of each entity, unless it is lost or a tombstone stands behind it in its partition."""
    bodies = []
    for entity in (1, 2, 3):
        candidates = []
        for message in kept:
            body = json.loads(message.value) if message.value else {}
            if body.get("id") == entity and accepts(body):
                rank = (body["version"], message.epoch_number, message.offset, message.partition, message.topic)
                candidates.append((rank, message, body))
        if not candidates:
            continue
        rank, newest, body = max(candidates, key=lambda candidate: candidate[0])
        is_buried = any(
            message.value is None
            and message.key == str(entity).encode()
            and (message.topic, message.epoch, message.partition) == (newest.topic, newest.epoch, newest.partition)
            and message.offset > newest.offset
            for message in kept
        )
        if not body["lost"] and not is_buried and 10 <= body["day"] - DAY_0 < 50:
            bodies.append({**body, "rank": rank})
    return bodies


def by_the_oracle(fn: str, kept: Sequence[Message]) -> Fraction | None:
    def amount(body: dict[str, Any]) -> Fraction:
        return Fraction(str(body["amount"]))

    everything = surviving(kept, lambda body: True)
    if fn == "sum":
        return sum(map(amount, everything), Fraction(0))
    if fn == "count":
        return Fraction(len(everything))
    if fn == "rate":
        return Fraction(len(everything) * 7, 40)
    if fn == "last":
        last = max(everything, key=lambda body: (body["day"], body["rank"]), default=None)
        return None if last is None else amount(last)
    below = sum(map(amount, everything), Fraction(0))
    return 100 * len(surviving(kept, lambda body: body["amount"] > 0)) / below if below else None


def outcomes_of(definition: FeedDefinition, kept: Sequence[Message]) -> list[list[Contribution | Tombstone]]:
    compiled = compile_feed(definition)
    return [
        [outcome for outcome in read_message(compiled, message) if not isinstance(outcome, Ignored)] for message in kept
    ]


@pytest.mark.parametrize("fn", AGGREGATES)
def test_600_permutations_with_duplicates_give_the_same_number(fn: str) -> None:
    definition = parse_definition({**COMMON, **AGGREGATES[fn]})
    rng = random.Random(f"permutations of {fn}")
    numbers = set()
    for _ in range(40):
        kept = messages(rng)
        outcomes = outcomes_of(definition, kept)
        expected = by_the_oracle(fn, kept)
        numbers.add(expected)
        known = standings(one for outcome in outcomes for one in outcome)
        for _ in range(15):
            arriving = outcomes + rng.choices(outcomes, k=rng.randint(0, 6))
            rng.shuffle(arriving)
            again = standings(one for outcome in arriving for one in outcome)
            assert again == known
            contributions = [found for standing in again.values() if (found := standing.contribution)]
            rng.shuffle(contributions)
            number = aggregated(definition.aggregate, contributions, WINDOW)
            if expected is None:
                assert number is None
            else:
                assert number is not None
                assert abs(Fraction(number) - expected) <= abs(expected) / 10**33
                assert fn == "ratio" or Fraction(number) == expected
    assert len(numbers) >= 4


def test_a_retracted_entity_is_not_revived_by_an_older_message() -> None:
    definition = parse_definition({**COMMON, **AGGREGATES["sum"]})

    def message(offset: int, **body: Any) -> Message:
        return Message("a", "e", 0, offset, value=json.dumps({"id": 1, "day": DAY_0 + 20, **body}).encode())

    won = message(1, version=1, amount=5, lost=False)
    lost = message(2, version=2, lost=True)
    tombstone = Message("a", "e", 0, 3, key=b"1")
    won_again = message(4, version=3, amount=7, lost=False)
    for kept, expected in (
        ([won, lost, won], 0),
        ([lost, won], 0),
        ([tombstone, won], 0),
        ([tombstone, won, won_again], 7),
        ([won_again, tombstone, lost], 7),
    ):
        # The timestamps say nothing here, the path does.
        outcomes = outcomes_of(definition, [_at(one) for one in kept])
        found = [s.contribution for s in standings(one for outcome in outcomes for one in outcome).values()]
        total = aggregated(definition.aggregate, [one for one in found if one], WINDOW)
        assert total == Decimal(expected)


def _at(message: Message) -> Message:
    return Message(
        message.topic, message.epoch, message.partition, message.offset, 1_735_700_000_000, message.key, message.value
    )
