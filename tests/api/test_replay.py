"""Replays over HTTP: frames page by page, what is refused, and that a reader may lay them over each other."""

from __future__ import annotations

import psycopg

from tests.api.client import Client, Json, ago, read, rules


def told(client: Client) -> tuple[str, str, str]:
    """A cycle, its objective, and a key result that has come halfway and was then promised less."""
    cycle = client.cycle()
    objective = client.objective(cycle)
    id = client.draft(objective)
    client.done(f"/v1/objectives/{objective}/commit")
    client.done(f"/v1/key-results/{id}/progress", {"value": "50"})
    lowered = {"target": "60", "reason": "half of the builders left", "reason_code": "resources"}
    client.done(f"/v1/key-results/{id}/target-adjustments", lowered)
    return cycle, objective, id


def test_a_cycle_fact_by_fact(client: Client) -> None:
    cycle, objective, id = told(client)
    found = client.state(f"/v1/cycles/{cycle}/replay?step=facts")
    assert (found["cycle"]["id"], found["objective_id"], found["step"]) == (cycle, None, "facts")
    assert [fact["type"] for frame in found["frames"] for fact in frame["facts"]] == [
        "Cycle.Started",
        "Objective.Drafted",
        "KeyResult.Drafted",
        "Objective.Committed",
        "KeyResult.Committed",
        "KeyResult.ProgressRecorded",
        "KeyResult.TargetAdjusted",
    ]
    states: Json = {}
    for frame in found["frames"]:
        for state in (*frame["objectives"], *frame["key_results"]):
            states[state["id"]] = state
        for figures in frame["figures"]:
            states[figures["id"]] |= figures
    there = client.state(f"/v1/key-results/{id}")
    assert {**states[id], "pace": there["pace"]} == there
    assert states[objective] == client.state(f"/v1/objectives/{objective}")
    (fact,) = found["frames"][-2]["facts"]
    assert (fact["reason_code"], fact["reason"]) == ("resources", "half of the builders left")
    assert fact["sentence"] == {"en": "Target 100 → 60", "zh": "目标值 100 → 60"}


def test_page_by_page(client: Client) -> None:
    cycle, _, _ = told(client)
    whole = client.state(f"/v1/cycles/{cycle}/replay?step=facts")["frames"]
    address: str | None = f"/v1/cycles/{cycle}/replay?step=facts&limit=3"
    numbers, sizes = [], []
    while address is not None:
        answer = client.get(address)
        page = read(answer)
        numbers += [frame["number"] for frame in page["frames"]]
        sizes.append(len(page["frames"]))
        assert page["frames"][0]["cycle"]["id"] == cycle, "the first frame of a page is whole"
        assert ("next" in page) == ("Link" in answer.headers)
        address = answer.headers["Link"].split(">")[0][1:] if "next" in page else None
    assert numbers == [frame["number"] for frame in whole]
    assert sizes == [3, 3, 3]


def test_an_objective_and_its_adjustments(client: Client) -> None:
    _, objective, id = told(client)
    found = client.state(f"/v1/objectives/{objective}/replay?step=adjustments")
    assert found["objective_id"] == objective
    assert [len(frame["facts"]) for frame in found["frames"]] == [0, 5, 0]
    assert [[state["target"] for state in frame["key_results"]] for frame in found["frames"]] == [[], ["60"], []]
    assert found["frames"][1]["facts"][-1]["subject"] == {"kind": "key_result", "id": id}


def test_what_no_replay_can_be(client: Client) -> None:
    cycle, _, _ = told(client)
    path = f"/v1/cycles/{cycle}/replay"
    wrong = client.get(f"{path}?step=P8D&limit=1001&as_of=2026-01-01T00:00:00Z")
    assert wrong.status_code == 400
    assert rules(wrong) == {"step": "step", "limit": "whole_number", "as_of": "unknown_field"}
    for query, kind in (
        ("to=2999-01-01T00:00:00Z", "future-moment"),
        (f"to={ago(days=400).replace('+', '%2B')}", "bad-moment"),
        ("cursor=1", "bad-cursor"),
        ("cursor=1.1.2.99999999.3", "bad-cursor"),
    ):
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, read(answer)["type"]) == (400, f"/problems/{kind}"), query
    assert client.get("/v1/cycles/0198c0de-0000-7000-8000-000000000000/replay").status_code == 404


def test_that_somebody_read_the_words_is_kept(client: Client, api_url: str) -> None:
    cycle, _, _ = told(client)
    client.state(f"/v1/cycles/{cycle}/replay?step=facts")
    with psycopg.connect(api_url) as connection:
        rows = connection.execute("SELECT actor_id, subject FROM people.access_log").fetchall()
    assert ("admin", f"/v1/cycles/{cycle}/replay") in rows


def test_words_that_were_erased_are_gone_from_replays_too(client: Client, api_url: str) -> None:
    cycle, _, _ = told(client)
    with psycopg.connect(api_url) as connection:
        connection.execute("DELETE FROM people.texts WHERE field = 'reason'")
    frames = client.state(f"/v1/cycles/{cycle}/replay?step=adjustments")["frames"]
    (fact,) = [fact for frame in frames for fact in frame["facts"] if fact["reason_code"]]
    assert (fact["reason_code"], fact["reason"]) == ("resources", None)
