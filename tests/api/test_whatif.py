"""What if over HTTP: two sides, refusals that name the field, and a database that is as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.client import Client, Json, ago, read, rules
from tests.api.test_dry_run import whole_database

REASON = {"reason": "The market fell", "reason_code": "market_change"}
TEN: Json = {"name": "ten", "minimum": 0, "maximum": 10, "decimals": 1, "factor": "10"}


def lowered(client: Client) -> tuple[Json, int, int]:
    """A key result lowered from 100 to 60, with 48 reached; the positions of the move and of the value."""
    id = client.key_result()
    move = client.done(f"/v1/key-results/{id}/target-adjustments", {"target": 60, **REASON})["position"]
    value = client.done(f"/v1/key-results/{id}/progress", {"value": 48})
    return client.state(f"/v1/key-results/{id}"), move, value["position"]


def asked(client: Client, **body: Any) -> Json:
    return client.done("/v1/what-if", body, role="viewer")


def test_the_real_side_and_the_hypothetical_one(client: Client) -> None:
    key_result, move, value = lowered(client)
    found = asked(client, scope={"cycle_id": key_result["cycle_id"]}, without=[move], policy=TEN)
    (part,) = found["key_results"]
    names = ("value", "target", "attainment", "points")
    assert [part["real"][name] for name in names] == ["48", "60", "0.800000", "4.0"]
    assert [part["hypothetical"][name] for name in names] == ["48", "100", "0.480000", "4.8"]
    (objective,) = found["objectives"]
    assert objective["hypothetical"]["attainment"]["clamped"] == "0.480000"
    assert found["cycle"]["real"]["points"] == "4.0"
    assert (found["changed_key_results"], found["left_out"], found["position"]) == (1, 1, value)
    assert found["supposed"]["policy"]["factor"] == "10"
    alone = asked(client, scope={"key_result_id": key_result["id"]}, targets="as_committed")
    assert (alone["key_results"][0]["hypothetical"]["target"], alone["objectives"]) == ("100", [])


def test_at_an_earlier_moment(client: Client) -> None:
    key_result, move, value = lowered(client)
    scope = {"key_result_id": key_result["id"]}
    found = asked(client, scope=scope, as_of_position=move)
    assert (found["key_results"][0]["real"]["value"], found["position"]) == (None, move)
    answer = client.post("/v1/what-if", {"scope": scope, "without": [value], "as_of_position": move})
    assert (answer.status_code, rules(answer)) == (422, {"without.0": "unknown_position"})
    before = asked(client, scope=scope, effective_at=ago(minutes=1))
    assert before["key_results"][0]["real"]["value"] is None
    assert client.post("/v1/what-if", {"scope": scope, "as_of": ago(days=900)}).status_code == 404
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert client.post("/v1/what-if", {"scope": scope, "as_of": later}).status_code == 400


def test_nothing_at_all_is_written(client: Client, api_url: str) -> None:
    key_result, move, _ = lowered(client)
    scope = {"cycle_id": key_result["cycle_id"]}
    # The use of a token is noted to the minute, and views follow what was recorded before.
    asked(client, scope=scope)
    before = whole_database(api_url)
    assert before["ledger.events"]
    found = asked(client, scope=scope, without=[move], policy=TEN, targets="as_committed")
    assert found["left_out"] == 1
    refused = client.post("/v1/what-if", {"scope": scope, "without": [1]}, role="viewer")
    assert refused.status_code == 422
    key = {"Idempotency-Key": "again"}
    assert client.post("/v1/what-if", {"scope": scope}, role="viewer", headers=key).status_code == 200
    assert whole_database(api_url) == before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"scope": "required"}),
        ({"scope": {}}, {"scope": "exactly_one"}),
        ({"scope": {"cycle_id": str(uuid4()), "objective_id": str(uuid4())}}, {"scope": "exactly_one"}),
        ({"scope": {"team_id": str(uuid4())}}, {"scope.team_id": "unknown_field"}),
        ({"scope": {"cycle_id": "q1"}}, {"scope.cycle_id": "uuid"}),
        (
            {"scope": {"cycle_id": str(uuid4())}, "without": [0, "x"]},
            dict.fromkeys(("without.0", "without.1"), "whole_number"),
        ),
        ({"scope": {"cycle_id": str(uuid4())}, "without": [4, 4]}, {"without": "given_twice"}),
        ({"scope": {"cycle_id": str(uuid4())}, "policy": "guide"}, {"policy": "unknown_policy"}),
        ({"scope": {"cycle_id": str(uuid4())}, "policy": 5}, {"policy": "policy"}),
        ({"scope": {"cycle_id": str(uuid4())}, "policy": TEN | {"minimum": 10}}, {"policy.minimum": "scale"}),
        ({"scope": {"cycle_id": str(uuid4())}, "policy": TEN | {"decimals": "1"}}, {"policy.decimals": "decimals"}),
        ({"scope": {"cycle_id": str(uuid4())}, "targets": "low"}, {"targets": "choice"}),
        ({"scope": {"cycle_id": str(uuid4())}, "withuot": []}, {"withuot": "unknown_field"}),
    ],
)
def test_what_is_wrong_is_named(lonely: Client, body: Json, expected: dict[str | None, str]) -> None:
    answer = lonely.post("/v1/what-if", body)
    assert (answer.status_code, rules(answer)) == (422, expected)


def test_positions_and_feeds_of_other_goals_are_refused(client: Client) -> None:
    key_result, _, value = lowered(client)
    other, move, _ = lowered(client)
    history = client.state(f"/v1/key-results/{key_result['id']}/history")["items"]
    drafted = history[-1]["position"]
    scope = {"key_result_id": key_result["id"]}
    answer = client.post("/v1/what-if", {"scope": scope, "without": [value, move, drafted, 10**9]})
    assert (answer.status_code, rules(answer)) == (
        422,
        {"without.1": "outside_scope", "without.2": "cannot_be_left_out", "without.3": "unknown_position"},
    )
    answer = client.post("/v1/what-if", {"scope": scope, "without_feed": other["id"]})
    assert (answer.status_code, rules(answer)) == (422, {"without_feed": "unknown_feed"})


def test_a_scope_that_is_nobodys_is_not_there(client: Client) -> None:
    answer = client.post("/v1/what-if", {"scope": {"objective_id": str(uuid4())}})
    assert (answer.status_code, rules(answer)) == (404, {"scope.objective_id": "unknown"})
    assert read(answer)["type"] == "/problems/unknown"
