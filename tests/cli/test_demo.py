"""The demonstration: always the same story, always the same messages, within what the trial broker holds."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cli.demo import story
from cli.demo.loader import feed_definition
from cli.demo.messages import DEALS, DELIVERY, Sent, messages
from cli.demo.narrator import LENGTH, id_of
from domain.feeds.contribution import Contribution
from domain.feeds.definition import parse_definition
from domain.feeds.message import Message
from domain.feeds.pipeline import compile_feed, read_message

STARTS_ON = date(2026, 9, 28)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEEDS = {
    "revenue": story.REVENUE,
    "deployment-frequency": story.DEPLOYMENT_FREQUENCY,
    "change-failure-rate": story.CHANGE_FAILURE_RATE,
}


def won_deals(sent: list[Sent]) -> dict[int, Decimal]:
    """What the CRM's table of deals says at the end: the amounts of those that are won."""
    won: dict[int, Decimal] = {}
    for each in sent:
        if each.topic != DEALS:
            continue
        change: dict[str, Any] = {"op": "d"} if each.value is None else json.loads(each.value)
        deal = json.loads(each.key)["id"]
        if change["op"] != "d" and change["after"]["stage"] == "closed_won":
            won[deal] = Decimal(change["after"]["amount"])
        else:
            won.pop(deal, None)
    return won


class Hearing:
    """A teller that only listens."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str, str]] = []
        self.made: list[str] = []
        self.times: list[str] = []
        self.feeds: list[str] = []

    def tell(self, actor: str, path: str, body: dict[str, Any], step: str) -> int:
        self.steps.append((actor, path, step))
        self.made += [body["id"]] if "id" in body else []
        self.times += [body["effective_at"]] if "effective_at" in body else []
        return len(self.steps)

    def feed(self, name: str) -> None:
        self.feeds.append(name)


@pytest.fixture(scope="module")
def heard() -> Hearing:
    hearing = Hearing()
    story.tell(hearing, STARTS_ON)
    return hearing


def test_every_step_has_a_name_of_its_own(heard: Hearing) -> None:
    assert not [step for step, count in Counter(step for _, _, step in heard.steps).items() if count > 1]
    assert len(set(heard.made)) == len(heard.made)


def test_several_people_act(heard: Hearing) -> None:
    assert len({actor for actor, _, _ in heard.steps}) > 10


def test_what_is_told_has_happened_already(heard: Hearing) -> None:
    told_at = datetime.combine(STARTS_ON + story.PASSED, datetime.min.time(), UTC)
    assert max(map(datetime.fromisoformat, heard.times)) < told_at


def test_the_story_ends_with_the_mark_that_it_is_told(heard: Hearing) -> None:
    assert heard.made[-1] == story.NEXT_QUARTER


def test_the_feeds_are_definitions_for_their_key_results(heard: Hearing) -> None:
    assert heard.feeds == list(FEEDS)
    for name, key_result in FEEDS.items():
        definition = parse_definition(feed_definition(name))
        assert (definition.name, str(definition.key_result)) == (name, key_result)
    assert set(FEEDS.values()) == set(story.FED)
    assert id_of("revenue") == story.REVENUE


def test_the_same_quarter_has_the_same_messages() -> None:
    assert messages(STARTS_ON, NOW) == messages(STARTS_ON, NOW)


def test_later_there_are_only_more_messages() -> None:
    earlier, later = messages(STARTS_ON, NOW), messages(STARTS_ON, NOW + timedelta(days=3))
    assert later[: len(earlier)] == earlier
    assert len(later) > len(earlier)


def test_they_stay_far_below_what_a_partition_of_the_trial_broker_holds() -> None:
    whole = messages(STARTS_ON, NOW + LENGTH + timedelta(days=60))
    assert sum(len(each.key) + len(each.value or b"") + 100 for each in whole) < 1024 * 1024


def test_deals_are_changed_won_lost_corrected_repeated_and_deleted() -> None:
    sent = [each for each in messages(STARTS_ON, NOW) if each.topic == DEALS]
    changes = [json.loads(each.value) for each in sent if each.value is not None]
    stages: dict[int, list[str]] = {}
    for change in changes:
        if change["after"]:
            stages.setdefault(change["after"]["id"], []).append(change["after"]["stage"])
    lives = list(stages.values())
    assert any(life[-2:] == ["closed_won", "closed_lost"] for life in lives)
    assert any(life[-2:] == ["closed_won", "closed_won"] for life in lives)
    assert Counter(change["op"] for change in changes).keys() == {"c", "u", "d"}
    assert any(each.value is None for each in sent)
    assert max(Counter(each.value for each in sent if each.value is not None).values()) > 1


def test_every_message_can_be_read_by_its_feeds() -> None:
    for name in FEEDS:
        feed = compile_feed(parse_definition(feed_definition(name)))
        outcomes = Counter(
            type(outcome).__name__
            for offset, each in enumerate(messages(STARTS_ON, NOW))
            if each.topic in feed.definition.source.topics
            for outcome in read_message(
                feed, Message(each.topic, "epoch", 0, offset, 1_790_000_000_000, each.key, each.value)
            )
        )
        assert outcomes["Contribution"] > 10


def test_the_revenue_feed_counts_the_deals_that_are_won_at_the_end() -> None:
    feed = compile_feed(parse_definition(feed_definition("revenue")))
    newest: dict[str, Contribution] = {}
    sent = messages(STARTS_ON, NOW)
    for offset, each in enumerate(sent):
        if each.topic != DEALS:
            continue
        for outcome in read_message(feed, Message(DEALS, "epoch", 0, offset, 1, each.key, each.value)):
            if isinstance(outcome, Contribution):
                known = newest.get(outcome.entity)
                if known is None or known.version < outcome.version:
                    newest[outcome.entity] = outcome
    amounts = {int(one.entity): one.value for one in newest.values() if one.value is not None}
    assert amounts == won_deals(sent)
    assert sum(amounts.values()) > 3_000_000


def test_deployments_fail_sometimes() -> None:
    kinds = Counter(
        json.loads(each.value)["context"]["type"].split(".", 2)[2]
        for each in messages(STARTS_ON, NOW)
        if each.topic == DELIVERY and each.value is not None
    )
    assert kinds["service.deployed.0.2.0"] > 100
    assert 3 < kinds["incident.detected.0.2.0"] < 30
