"""The answer to a command is what anybody reads at its position, also where the views had not got there yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from projections.batches import catch_up
from projections.rebuild import connect
from tests.api.client import Client, Json, ago, day, read

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}


@pytest.fixture
def project(api_url: str) -> Iterator[Callable[[], int]]:
    """Bring the views to the head of the ledger, now and only now."""
    with closing(connect(api_url)) as connection:
        yield lambda: catch_up(connection)


def same_as_read(client: Client, answers: list[Json]) -> None:
    for answer in answers:
        read_later = client.state(f"/v1/key-results/{answer['id']}?as_of_position={answer['position']}")
        assert answer == read_later


def test_progress_is_answered_before_the_views_know_it(lonely: Client, project: Callable[[], int]) -> None:
    id = lonely.key_result()
    path = f"/v1/key-results/{id}/progress"
    project()
    answers = [
        lonely.done(path, body)
        for body in (
            {"value": "10", "effective_at": ago(days=3)},
            {"value": "30", "effective_at": ago(days=1)},
            {"value": "20.50", "effective_at": ago(days=2)},  # true earlier: 30 stays in force
            {"value": -5},
            {"value": "130"},
        )
    ]
    assert [answer["value"] for answer in answers] == ["10", "30", "30", "-5", "130"]
    assert [answer["attainment"] for answer in answers][-1] == "1.300000"
    assert [answer["version"] for answer in answers] == [3, 4, 5, 6, 7]
    project()
    same_as_read(lonely, answers)


def test_an_override_stands_before_older_progress_only(lonely: Client, project: Callable[[], int]) -> None:
    id = lonely.key_result()
    path = f"/v1/key-results/{id}"
    lonely.post(f"{path}/overrides", {"value": 50, "until": day(3), "reason": "Counted twice"})
    project()
    answers = [
        lonely.done(f"{path}/progress", body) for body in ({"value": 10, "effective_at": ago(days=1)}, {"value": 20})
    ]
    assert [(answer["value"], answer["value_source"]) for answer in answers] == [("50", "override"), ("20", "person")]
    project()
    same_as_read(lonely, answers)


@pytest.mark.parametrize(
    ("terms", "command", "body"),
    [
        ({"direction": "at_least", "baseline": None}, "progress", {"value": 99}),
        ({}, "check-ins", {"progress": "Fine", "confidence": 5}),
        ({}, "target-adjustments", {"target": 80, **WHY}),
        ({}, "overrides", {"value": 80, "reason": "x"}),
    ],
)
def test_what_takes_more_than_laying_over_is_waited_for(
    lonely: Client, project: Callable[[], int], terms: Json, command: str, body: Json
) -> None:
    id = lonely.key_result(**terms)
    project()
    receipt = lonely.done(f"/v1/key-results/{id}/{command}", body)
    assert receipt.keys() == {"id", "version", "position"}
    after = lonely.done(f"/v1/key-results/{id}/progress", {"value": 1})
    assert after.keys() == {"id", "version", "position"}
    project()
    answer = lonely.done(f"/v1/key-results/{id}/progress", {"value": 2}) if not terms else {}
    project()
    if answer:
        same_as_read(lonely, [answer])


def test_what_a_feed_measures_meanwhile_is_waited_for(lonely: Client, project: Callable[[], int]) -> None:
    id, other = lonely.key_result(), lonely.key_result()
    project()
    feed = {
        "name": "revenue",
        "key_result": id,
        "source": {"topic": "deals", "format": "json"},
        "value": {"expr": "amount"},
        "aggregate": {"fn": "sum"},
    }
    lonely.done("/v1/feeds", feed)
    assert lonely.done(f"/v1/key-results/{id}/progress", {"value": 1}).keys() == {"id", "version", "position"}
    answer = lonely.done(f"/v1/key-results/{other}/progress", {"value": 1})
    assert answer["value"] == "1"
    project()
    same_as_read(lonely, [answer])


def test_every_kind_of_answer_is_what_anybody_reads(client: Client) -> None:
    id = client.key_result()
    path = f"/v1/key-results/{id}"
    answers = [
        client.done(f"{path}/progress", {"value": 10}),
        client.done(f"{path}/target-adjustments", {"target": 80, **WHY}),
        client.done(f"{path}/check-ins", {"progress": "Fine", "confidence": 5}),
        client.done(f"{path}/progress", {"value": 12}),
        client.done(f"{path}/overrides", {"value": 80, "reason": "x"}),
        client.done(f"{path}/overrides/lift", {"reason": "x"}),
        client.done(f"{path}/scores", {"points": 3, "kind": "review"}),
    ]
    same_as_read(client, answers)


def test_a_position_that_the_views_lag_far_behind(
    lonely: Client, project: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.foreseen.MOST_LACKING", 2)
    id = lonely.key_result()
    project()
    bodies = [read(lonely.post(f"/v1/key-results/{id}/progress", {"value": value})) for value in range(3)]
    assert ["value" in body for body in bodies] == [True, False, False]
