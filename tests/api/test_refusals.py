"""Refusals: each with its status, its type and the fields it is about, always as a problem document."""

from __future__ import annotations

import gzip
import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import TestResponse

from domain.application import OkrLedger
from tests.api.client import Client, ago, day, read, rules

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}
CYCLE = {"name": "2026 Q1", "starts_on": "2026-01-01", "ends_on": "2026-03-31", "time_zone": "UTC"}


def refused(answer: TestResponse, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = read(answer)
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status)
    assert {"title", "detail", "request_id"} <= problem.keys()
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"


# What HTTP itself refuses


def test_addresses_and_methods(lonely: Client) -> None:
    refused(lonely.get("/v1/nothing"), 404, "no-such-address")
    refused(lonely.get("/v1/cycles/"), 404, "no-such-address")
    refused(lonely.get("/v1//cycles"), 404, "no-such-address")
    for method, path, allowed in (
        ("DELETE", "/v1/cycles", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PATCH", f"/v1/key-results/{uuid4()}", {"GET", "HEAD", "OPTIONS"}),
        ("GET", f"/v1/key-results/{uuid4()}/progress", {"OPTIONS", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ):
        answer = lonely.send(method, path)
        refused(answer, 405, "method-not-allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "", "json"]
)
def test_bodies_that_are_not_called_json(lonely: Client, content_type: str) -> None:
    answer = lonely.send("POST", "/v1/cycles", raw=json.dumps(CYCLE).encode(), headers={"Content-Type": content_type})
    refused(answer, 415, "unsupported-media-type")


def test_bodies_in_an_encoding(lonely: Client) -> None:
    packed = gzip.compress(json.dumps(CYCLE).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused(lonely.send("POST", "/v1/cycles", raw=packed, headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_bodies_that_are(lonely: Client, content_type: str) -> None:
    answer = lonely.send("POST", "/v1/cycles", raw=json.dumps(CYCLE).encode(), headers={"Content-Type": content_type})
    assert answer.status_code == 201


def test_bodies_that_are_too_large(lonely: Client) -> None:
    body = json.dumps(CYCLE | {"name": "x" * 300_000}).encode()
    refused(lonely.send("POST", "/v1/cycles", raw=body), 413, "too-large")


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "empty"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b"null", "object"),
        (b"{", "json"),
        (b'{"name":"a","name":"b"}', "duplicate_member"),
        (b"\xff", "utf8"),
        (b'{"name":"\\u0000"}', "nul"),
        (b'{"name":NaN}', "number"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "depth"),
        (b'{"a":' + b"9" * 5_000 + b"}", "number_length"),
    ],
)
def test_bodies_that_cannot_be_read(lonely: Client, raw: bytes, rule: str) -> None:
    answer = lonely.send("POST", "/v1/cycles", raw=raw)
    refused(answer, 400, "unreadable-body")
    assert set(rules(answer).values()) == {rule}


# Values


def test_all_that_is_wrong_with_a_body_is_told_at_once(lonely: Client) -> None:
    body = {"name": " ", "starts_on": "tomorrow", "time_zone": None, "colour": "red"}
    answer = lonely.post("/v1/cycles", body)
    refused(answer, 422, "invalid-values")
    assert rules(answer) == {
        "name": "not_empty",
        "starts_on": "day",
        "ends_on": "required",
        "time_zone": "not_null",
        "colour": "unknown_field",
    }


def test_fields_within_fields_are_named_by_their_path(client: Client) -> None:
    objective = client.objective(client.cycle())
    body: dict[str, Any] = {"title": "x", "owner_id": "Anna Li", "direction": "milestones", "deadline": day(5)}
    body["milestones"] = [{"name": "ok", "weight": 1}, {"name": "bad", "weight": "heavy", "x": 1}]
    answer = client.post(f"/v1/objectives/{objective}/key-results", body)
    refused(answer, 422, "invalid-values")
    assert rules(answer) == {
        "owner_id": "opaque_id",
        "milestones.1.weight": "measure",
        "milestones.1.x": "unknown_field",
    }
    source = client.post(f"/v1/key-results/{uuid4()}/progress", {"value": 1, "source": {"url": 5}})
    assert rules(source) == {"source.url": "text"}


def test_rules_of_the_domain(client: Client) -> None:
    objective = client.objective(client.cycle())
    path = f"/v1/objectives/{objective}/key-results"
    terms = {"title": "x", "owner_id": "u", "direction": "increase", "target": 5, "deadline": day(5)}
    same = client.post(path, terms | {"baseline": 5})
    refused(same, 422, "invalid-values")
    assert rules(same) == {"target": "target_equals_baseline"}
    assert rules(client.post(path, terms | {"baseline": 6})) == {"target": "target_across_baseline"}
    late = client.post(path, terms | {"deadline": day(90), "target": None})
    assert rules(late) == {"deadline": "deadline_in_cycle", "target": "measure"}
    assert rules(client.post("/v1/cycles", CYCLE | {"time_zone": "Mars/Olympus"})) == {"time_zone": "time_zone"}
    assert rules(client.post("/v1/cycles", CYCLE | {"ends_on": "2026-01-01"})) == {"ends_on": "cycle_dates"}


def test_a_promise_moves_only_with_a_reason(client: Client) -> None:
    path = f"/v1/key-results/{client.key_result()}"
    nothing = client.post(f"{path}/target-adjustments", {"target": 80})
    refused(nothing, 422, "invalid-values")
    assert rules(nothing) == {"reason": "required", "reason_code": "required"}
    empty = client.post(f"{path}/target-adjustments", {"target": 80, "reason": " ", "reason_code": "scope"})
    assert rules(empty) == {"reason": "reason_required"}
    assert rules(client.post(f"{path}/drops")) == {"reason": "reason_required", "reason_code": "reason_required"}
    assert rules(client.post(f"{path}/drops", {"reason": "x", "reason_code": "mood"})) == {"reason_code": "choice"}
    future = {"value": 1, "effective_at": ago(hours=-1)}
    assert rules(client.post(f"{path}/progress", future)) == {"effective_at": "not_in_future"}
    naive = {"value": 1, "effective_at": "2026-01-01T00:00:00"}
    assert rules(client.post(f"{path}/progress", naive)) == {"effective_at": "moment"}
    both = {"corrects": 5, "target": 1, "value": 1, **WHY}
    assert rules(client.post(f"{path}/corrections", both)) == {None: "target_or_value"}


# The state


def test_what_the_state_does_not_allow(client: Client) -> None:
    id = client.key_result()
    path = f"/v1/key-results/{id}"
    cycle = client.state(path)["cycle_id"]
    refused(client.post(f"{path}/commit"), 409, "not-draft")
    refused(client.post(f"{path}/revisions", {"target": 5}), 409, "not-draft")
    refused(client.post(f"{path}/overrides/lift", {"reason": "x"}), 409, "not-overridden")
    refused(client.post(f"{path}/corrections", {"corrects": 1, "value": 5, **WHY}), 409, "not-its-fact")
    draft = client.draft(client.state(path)["objective_id"])
    refused(client.post(f"/v1/key-results/{draft}/progress", {"value": 1}), 409, "not-committed")
    refused(client.post(f"/v1/cycles/{cycle}/start"), 409, "cycle-state")
    client.done(f"/v1/cycles/{cycle}/scoring")
    client.done(f"/v1/cycles/{cycle}/close")
    refused(client.post(f"{path}/progress", {"value": 1}), 409, "cycle-closed")
    refused(client.post(f"/v1/cycles/{cycle}/reopen"), 422, "invalid-values")
    client.done(f"/v1/cycles/{cycle}/reopen", {"reason": "A score was forgotten"})
    client.done(f"{path}/progress", {"value": 1})


def test_what_does_not_exist(client: Client) -> None:
    refused(client.post(f"/v1/key-results/{uuid4()}/progress", {"value": 1}), 404, "unknown")
    body = {"cycle_id": str(uuid4()), "title": "x", "owner_id": "u", "level": "company"}
    answer = client.post("/v1/objectives", body)
    refused(answer, 404, "unknown")
    assert rules(answer) == {"cycle_id": "unknown"}
    supports = body | {"cycle_id": client.cycle(), "supports": [str(uuid4())]}
    assert rules(client.post("/v1/objectives", supports)) == {"supports": "unknown"}
    objective = client.objective(client.cycle())
    refused(client.post(f"/v1/key-results/{objective}/progress", {"value": 1}), 404, "unknown")


# Faults of ours


def test_a_fault_tells_nothing_of_the_inside(
    lonely: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(OkrLedger, "form_team", broken)
    answer = lonely.post("/v1/teams", {"name": "x"})
    refused(answer, 500, "fault")
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text
    assert answer.headers["X-Request-Id"] in caplog.text


def test_a_database_without_views_takes_commands_and_says_what_is_missing(lonely: Client, api_url: str) -> None:
    with psycopg.connect(api_url, autocommit=True) as connection:
        (schema,) = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'views%'").fetchone() or ()
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
    answer = lonely.get("/v1/teams")
    refused(answer, 503, "no-views")
    assert answer.headers["Retry-After"] == "1"
    assert lonely.post("/v1/teams", {"name": "x"}).status_code == 201
    ready = lonely.get("/readyz", role=None)
    assert (ready.status_code, read(ready)["reasons"]) == (503, ["the views are not built yet: run the projector"])
