"""From the draft to the score over HTTP, as owners, leads and admins go through it."""

from __future__ import annotations

import pytest

from tests.api.client import Client, ago, day, read

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}


def test_from_draft_to_score(client: Client) -> None:
    cycle = client.cycle()
    objective = client.objective(cycle, description="Why it matters 好", supports=[])
    id = client.draft(objective)
    revised = client.done(f"/v1/key-results/{id}/revisions", {"target": 120, "unit": "builds", "weight": "2.5"})
    assert (revised["target"], revised["unit"], revised["weight"], revised["state"]) == (
        "120",
        "builds",
        "2.5",
        "draft",
    )
    assert client.done(f"/v1/key-results/{id}/revisions", {"target": "100", "unit": None})["unit"] is None
    committed = client.done(f"/v1/objectives/{objective}/commit", role="member")
    assert committed["state"] == "committed"
    assert committed["description"] == "Why it matters 好"

    progress = client.done(f"/v1/key-results/{id}/progress", {"value": 48, "note": "From the dashboard"}, role="member")
    assert (progress["value"], progress["attainment"], progress["value_source"]) == ("48", "0.480000", "person")
    assert progress["original"] == {"target": "100", "deadline": day(59), "weight": "2.5"}
    adjusted = client.done(f"/v1/key-results/{id}/target-adjustments", {"target": "60", **WHY}, role="member")
    assert (adjusted["target"], adjusted["attainment"]) == ("60", "0.800000")
    goalposts = client.state(f"/v1/key-results/{id}/goalposts")
    assert goalposts["goalpost_shift"] == "-0.400000"
    assert goalposts["attainment"]["original"] == "0.480000"
    assert [each["reason"] for each in goalposts["adjustments"]] == [WHY["reason"]]

    checked = client.done(
        f"/v1/key-results/{id}/check-ins", {"progress": "Slow", "confidence": 0, "status": "behind"}, role="member"
    )
    assert (checked["confidence"], checked["stated_status"]) == (0, "behind")
    client.done(f"/v1/cycles/{cycle}/scoring")
    scored = client.done(
        f"/v1/key-results/{id}/scores", {"points": 3.5, "kind": "self", "comment": "ok"}, role="member"
    )
    assert scored["score"] == {"self": "3.5", "review": None}
    client.done(f"/v1/objectives/{objective}/scores", {"points": 4, "kind": "review", "comment": "fair"})
    client.done(f"/v1/cycles/{cycle}/close")

    tree = client.state(f"/v1/cycles/{cycle}/tree")
    assert tree["cycle"]["state"] == "closed"
    (branch,) = tree["objectives"]
    assert [(each["id"], each["value"]) for each in branch["key_results"]] == [(id, "48")]
    types = [item["type"] for item in client.state(f"/v1/key-results/{id}/history")["items"]]
    assert types == [
        "KeyResult.Scored",
        "KeyResult.CheckedIn",
        "KeyResult.TargetAdjusted",
        "KeyResult.ProgressRecorded",
        "KeyResult.Committed",
        "KeyResult.DraftRevised",
        "KeyResult.DraftRevised",
        "KeyResult.Drafted",
    ]


def test_every_change_after_the_promise(client: Client) -> None:
    id = client.key_result()
    path = f"/v1/key-results/{id}"
    assert client.done(f"{path}/deadline-adjustments", {"deadline": day(40), **WHY})["deadline"] == day(40)
    assert client.done(f"{path}/weight-adjustments", {"weight": 3, **WHY})["weight"] == "3"
    assert client.done(f"{path}/owner-changes", {"owner_id": "u-2", **WHY})["owner_id"] == "u-2"
    assert client.done(f"{path}/rephrasings", {"title": "Daily builds", **WHY})["title"] == "Daily builds"
    written = client.done(f"{path}/progress", {"value": "13", "effective_at": ago(hours=2)})
    corrected = client.done(f"{path}/corrections", {"corrects": written["position"], "value": "31", **WHY})
    assert corrected["value"] == "31"
    overridden = client.done(f"{path}/overrides", {"value": "28", "until": day(5), "reason": "Test builds counted"})
    assert (overridden["value"], overridden["value_source"]) == ("28", "override")
    assert client.done(f"{path}/overrides/lift", {"reason": "Repaired"})["value"] == "31"
    successor = client.post(
        f"{path}/replacements",
        {
            "title": "Teams",
            "owner_id": "u-2",
            "direction": "at_least",
            "target": 5,
            "deadline": day(50),
            **WHY,
        },
    )
    assert successor.status_code == 201
    new = read(successor)
    assert successor.headers["Location"] == f"/v1/key-results/{new['id']}"
    assert (new["replaces"], new["state"], new["version"]) == (id, "draft", 1)
    assert client.state(path)["replaced_by"] == new["id"]
    client.done(f"/v1/key-results/{new['id']}/commit")
    assert client.done(f"/v1/key-results/{new['id']}/drops", WHY)["state"] == "dropped"


def test_milestones(client: Client) -> None:
    steps = [{"name": "Parser", "weight": 1}, {"name": "Checker", "weight": "3"}]
    id = client.key_result(direction="milestones", baseline=None, target=None, milestones=steps)
    reached = client.done(f"/v1/key-results/{id}/milestones/2/reached", {"note": "Merged"})
    assert reached["attainment"] == "0.750000"
    assert reached["milestones"][0]["reached_at"] is None
    again = client.post(f"/v1/key-results/{id}/milestones/2/reached")
    assert (again.status_code, read(again)["type"]) == (409, "/problems/already-reached")
    assert client.post(f"/v1/key-results/{id}/milestones/3/reached").status_code == 422
    assert client.post(f"/v1/key-results/{id}/milestones/{'9' * 5000}/reached").status_code == 404


def test_an_objective_is_rephrased_handed_over_replaced_and_dropped(client: Client) -> None:
    cycle = client.cycle()
    objective = client.objective(cycle)
    client.draft(objective)
    path = f"/v1/objectives/{objective}"
    assert client.done(f"{path}/revisions", {"title": "First choice", "level": "company"})["level"] == "company"
    client.done(f"{path}/commit")
    assert client.done(f"{path}/rephrasings", {"title": "The one", **WHY})["title"] == "The one"
    assert client.done(f"{path}/owner-changes", {"owner_id": "u-2", **WHY})["owner_id"] == "u-2"
    client.done(f"{path}/check-ins", {"progress": "Fine", "confidence": 8})
    successor = client.done(f"{path}/replacements", {"title": "Another", "owner_id": "u-2", "level": "company", **WHY})
    assert successor["replaces"] == objective
    assert client.state(path)["state"] == "replaced"
    assert client.done(f"/v1/objectives/{successor['id']}/drops")["state"] == "dropped"


@pytest.mark.parametrize("value", [12.50, "12.50"])
def test_measures_go_in_as_numbers_or_texts_and_come_back_as_texts(client: Client, value: object) -> None:
    id = client.key_result()
    raw = b'{"value": 12.50}' if isinstance(value, float) else b'{"value": "12.50"}'
    answer = client.send("POST", f"/v1/key-results/{id}/progress", raw=raw)
    assert read(answer)["value"] == "12.50"
    assert '"value":"12.50"' in client.get(f"/v1/key-results/{id}").text


def test_a_feed_is_defined_revised_paused_and_resumed(client: Client) -> None:
    definition = {
        "name": "revenue",
        "key_result": client.key_result(),
        "source": {"topic": "crm.deals", "format": "json"},
        "value": {"expr": "amount", "min": 0},
        "aggregate": {"fn": "sum"},
    }
    made = client.post("/v1/feeds", definition, role="feed-admin")
    assert made.status_code == 201, made.text
    feed = read(made)
    path = f"/v1/feeds/{feed['id']}"
    assert (feed["revision"], feed["is_paused"], feed["name"]) == (1, False, "revenue")
    assert client.state(f"/v1/key-results/{definition['key_result']}")["feed_id"] == feed["id"]

    definition["filter"] = "stage == 'won'"
    blind = client.post(f"{path}/revisions", definition, role="feed-admin")
    assert (blind.status_code, read(blind)["type"]) == (428, "/problems/precondition-required")
    stale = client.post(f"{path}/revisions", definition, role="feed-admin", headers={"If-Match": '"v7"'})
    assert stale.status_code == 412
    seen = client.get(path).headers["ETag"]
    why = {"reason": "Open deals are no revenue", "reason_code": "data_error"}
    revised = client.post(f"{path}/revisions", definition | why, role="feed-admin", headers={"If-Match": seen})
    assert (revised.status_code, read(revised)["revision"]) == (200, 2)
    assert read(revised)["definition"]["filter"] == "stage == 'won'"
    again = client.post(f"{path}/revisions", definition, role="feed-admin", headers={"If-Match": '"v2"'})
    assert (again.status_code, read(again)["revision"]) == (200, 2)
    history = client.state(f"/v1/key-results/{definition['key_result']}/history?type=Feed.Revised")["items"]
    assert [(each["actor"]["id"], each["reason"], each["reason_code"]) for each in history] == [
        ("feed-admin", why["reason"], "data_error")
    ]

    assert client.done(f"{path}/pause", role="feed-admin")["is_paused"] is True
    assert client.done(f"{path}/resume", role="feed-admin")["is_paused"] is False
    assert [each["id"] for each in client.state("/v1/feeds?is_paused=false")["items"]] == [feed["id"]]
    again = client.post("/v1/feeds", definition, role="feed-admin")
    assert (again.status_code, read(again)["type"]) == (409, "/problems/has-feed")


def test_a_bad_definition_is_told_in_full(client: Client) -> None:
    body = {
        "name": "Revenue!",
        "key_result": "x",
        "source": {"format": "xml"},
        "filter": "a = 1",
        "aggregate": {"fn": "sum"},
        "emit": {"round": 2.5},
    }
    answer = client.post("/v1/feeds", body, role="feed-admin")
    assert answer.status_code == 422
    fields = {each["field"] for each in read(answer)["errors"]}
    assert {"name", "key_result", "source.format", "filter"} <= fields
    missing = client.post("/v1/feeds", {"unheard": 1}, role="feed-admin")
    assert {each["field"] for each in read(missing)["errors"]} == {
        "unheard",
        "name",
        "key_result",
        "source",
        "aggregate",
    }
