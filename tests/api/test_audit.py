"""Questions of audit by way of the API: from commands through the ledger and the projector to the answer."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from domain.audit.questions import QUESTIONS
from tests.api.client import Client, Json, ago, read, rules

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}
ASKED = "/v1/audit/questions"


@pytest.fixture
def lowered(client: Client) -> Json:
    """A key result that was lowered to what it had reached after a check-in without confidence, then scored high."""
    id = client.key_result()
    path = f"/v1/key-results/{id}"
    state = client.state(path)
    return {
        "id": id,
        "cycle": state["cycle_id"],
        "committed": state["position"],
        "value": client.done(f"{path}/progress", {"value": 45, "effective_at": ago(days=1)})["position"],
        "news": client.done(f"{path}/check-ins", {"progress": "Bad", "confidence": 2})["position"],
        "lowered": client.done(f"{path}/target-adjustments", {"target": 50, **WHY})["position"],
        "scored": client.done(f"{path}/scores", {"points": "5", "kind": "self"})["position"],
    }


def ask(client: Client, name: str, lowered: Json, more: str = "") -> Json:
    return client.state(f"{ASKED}/{name}?cycle_id={lowered['cycle']}{more}")


def test_the_questions_name_themselves(client: Client) -> None:
    items = client.state(ASKED)["items"]
    assert [item["name"] for item in items] == list(QUESTIONS)
    late = items[0]
    assert late["parameters"][0]["name"] == "after_share"
    assert (late["parameters"][0]["default"], late["family"]) == ("0.75", "facts")


def test_from_the_ledger_to_the_answer(client: Client, lowered: Json) -> None:
    found = ask(client, "lowered_to_reach", lowered)
    positions = [lowered["committed"], lowered["value"], lowered["lowered"]]
    assert found["count"] == 1
    assert found["items"][0]["key_result_id"] == lowered["id"]
    assert found["items"][0]["positions"] == positions
    assert found["items"][0]["figures"]["attainment_after"] == "0.900000"
    assert found["items"][0]["sentence"] == "lowered from 100 to 50 when it stood at 45"
    assert found["sentence"].startswith("1 of 1 committed key results had their target lowered to what was reached")
    assert found["parameters"] == {"within_share": "0.10"}
    assert found["position"] == lowered["scored"]
    assert ask(client, "lowered_after_bad_news", lowered)["count"] == 1
    assert ask(client, "scored_above", lowered)["count"] == 1
    assert ask(client, "lowered_late", lowered)["count"] == 0
    assert ask(client, "lowered_late", lowered, "&after_share=0")["count"] == 1


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_answers(client: Client, lowered: Json, name: str) -> None:
    found = ask(client, name, lowered)
    assert found["sentence"]
    assert found["count"] == len(found["items"])


def test_as_of_before_and_after(client: Client, lowered: Json) -> None:
    before = client.get(f"{ASKED}/lowered_to_reach?cycle_id={lowered['cycle']}&as_of_position={lowered['lowered'] - 1}")
    assert read(before)["count"] == 0
    assert before.headers["Okr-Position"] == str(lowered["lowered"] - 1)
    assert "Memento-Datetime" in before.headers
    assert before.headers["Cache-Control"] == "private, no-cache"
    assert ask(client, "lowered_to_reach", lowered, f"&as_of_position={lowered['lowered']}")["count"] == 1


def test_what_cannot_be_asked(client: Client, lowered: Json) -> None:
    cycle = f"cycle_id={lowered['cycle']}"
    for query, field in [
        ("", "cycle_id"),
        (f"{cycle}&weeks=2", "weeks"),
        (f"{cycle}&after_share=1.5", "after_share"),
        (f"{cycle}&after_share=x", "after_share"),
        (f"{cycle}&after_share=-0.1", "after_share"),
        (f"{cycle}&effective_at=2026-01-01T00:00:00Z", "effective_at"),
        (f"{cycle}&after_share=1&after_share=1", "after_share"),
    ]:
        answer = client.get(f"{ASKED}/lowered_late?{query}")
        assert answer.status_code == 400, (query, answer.text)
        assert field in rules(answer), query
    unknown = client.get(f"{ASKED}/lowered_lately?{cycle}")
    assert (unknown.status_code, "lowered_late" in read(unknown)["detail"]) == (404, True)
    assert client.get(f"{ASKED}/lowered_late?cycle_id={uuid4()}").status_code == 404
    early = client.get(f"{ASKED}/silent?{cycle}&as_of=2020-01-01T00:00:00Z")
    assert read(early)["type"] == "/problems/before-creation"


def test_who_asked_is_kept(client: Client, lowered: Json, api_url: str) -> None:
    path = f"{ASKED}/silent?cycle_id={lowered['cycle']}&weeks=3"
    client.get(path, role="auditor")
    client.get(path, role="viewer")
    client.get(f"{ASKED}/silent?cycle_id={uuid4()}", role="auditor")
    with psycopg.connect(api_url) as connection:
        rows = connection.execute("SELECT actor_id, action, subject FROM people.access_log").fetchall()
    assert rows == [("auditor", "asked-audit", path)]


def test_findings_come_in_pages(client: Client, lowered: Json) -> None:
    path = f"/v1/key-results/{lowered['id']}/target-adjustments"
    client.done(path, {"target": 49, **WHY})
    first = client.get(f"{ASKED}/lowered_to_reach?cycle_id={lowered['cycle']}&limit=1")
    assert (read(first)["count"], len(read(first)["items"])) == (2, 1)
    following = first.headers["Link"].partition(";")[0].strip("<>")
    second = client.state(following)
    assert [item["figures"]["to"] for item in second["items"]] == ["49"]
    assert "next" not in second
