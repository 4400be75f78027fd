"""Questions: about now, about then, about what was true; waiting for a position; pages; how long answers keep."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

from projections.runner import Projector
from tests.api.client import Client, Json, ago, read

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}


def recorded_at(client: Client, position: int) -> datetime:
    event = client.state(f"/v1/events?after_position={position - 1}&limit=1")["items"][0]
    return datetime.fromisoformat(event["recorded_at"])


@pytest.fixture
def grown(client: Client) -> Json:
    """A key result at 10, then 20, then with its target lowered; the positions of the three facts."""
    id = client.key_result()
    path = f"/v1/key-results/{id}"
    return {
        "path": path,
        "ten": client.done(f"{path}/progress", {"value": 10, "effective_at": ago(days=2)})["position"],
        "twenty": client.done(f"{path}/progress", {"value": 20, "effective_at": ago(days=1)})["position"],
        "lowered": client.done(f"{path}/target-adjustments", {"target": 50, **WHY})["position"],
    }


def test_as_of_a_position(client: Client, grown: Json) -> None:
    then = client.get(f"{grown['path']}?as_of_position={grown['ten']}")
    assert (read(then)["value"], read(then)["target"], read(then)["version"]) == ("10", "100", 3)
    assert then.headers["Okr-Position"] == str(grown["ten"])
    assert "Memento-Datetime" in then.headers
    now = client.get(grown["path"])
    assert (read(now)["value"], read(now)["target"]) == ("20", "50")
    assert "Memento-Datetime" not in now.headers


def test_as_of_a_moment_knows_what_was_recorded_by_then(client: Client, grown: Json) -> None:
    moment = recorded_at(client, grown["ten"])
    for written in (quote(moment.isoformat()), moment.isoformat()):  # the second: + has become a space
        then = client.get(f"{grown['path']}?as_of={written}")
        assert read(then)["value"] == "10"
        assert then.headers["Okr-Position"] == str(grown["ten"])
        stamp = datetime.strptime(then.headers["Memento-Datetime"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert stamp == moment.replace(microsecond=0)
    before = quote((moment - timedelta(microseconds=1)).isoformat())
    assert client.state(f"{grown['path']}?as_of={before}")["value"] is None


def test_what_was_true_then_as_is_known_now(client: Client, grown: Json) -> None:
    assert client.state(f"{grown['path']}?effective_at={quote(ago(hours=36))}")["value"] == "10"
    assert client.state(f"{grown['path']}?effective_at={quote(ago(days=3))}")["value"] is None
    both = f"{grown['path']}?as_of_position={grown['ten']}&effective_at={quote(ago(hours=12))}"
    assert client.state(both)["value"] == "10"


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("as_of=2100-01-01T00:00:00Z", "future-moment"),
        ("effective_at=2100-01-01T00:00:00Z", "future-moment"),
        ("as_of_position=999999", "bad-moment"),
        ("as_of=2026-01-01T00:00:00Z&as_of_position=1", "bad-moment"),
        ("as_of=yesterday", "bad-parameters"),
        ("as_of=2026-01-01T00:00:00", "bad-parameters"),
        ("as_of_position=0", "bad-parameters"),
        ("as_of_position=1e3", "bad-parameters"),
        ("as_of_position=" + "9" * 5000, "bad-parameters"),
        ("as_of_position=1&as_of_position=2", "bad-parameters"),
        ("as_off=2026-01-01T00:00:00Z", "bad-parameters"),
    ],
)
def test_moments_that_cannot_be(client: Client, grown: Json, query: str, slug: str) -> None:
    answer = client.get(f"{grown['path']}?{query}")
    assert (answer.status_code, read(answer)["type"]) == (400, f"/problems/{slug}")


def test_before_it_was_created_differs_from_unknown(client: Client, grown: Json) -> None:
    early = client.get(f"{grown['path']}?as_of_position=1")
    assert (early.status_code, read(early)["type"]) == (404, "/problems/before-creation")
    nobody = client.get(f"/v1/key-results/{uuid4()}")
    assert (nobody.status_code, read(nobody)["type"]) == (404, "/problems/unknown")
    for path in (f"/v1/key-results/{uuid4()}/history", f"/v1/cycles/{uuid4()}/tree", f"/v1/objectives/{uuid4()}"):
        assert client.get(path).status_code == 404
    assert client.get("/v1/key-results/no-uuid").status_code == 404


def test_how_long_answers_keep(client: Client, grown: Json) -> None:
    def caching(path: str) -> str:
        return client.get(path).headers["Cache-Control"]

    final, last = f"as_of_position={grown['ten']}", f"as_of_position={grown['lowered']}"
    assert caching(f"{grown['path']}?{final}") == "private, max-age=31536000, immutable"
    assert caching(f"{grown['path']}?{last}") == "no-store"
    assert caching(grown["path"]) == "no-store"
    assert caching(f"{grown['path']}/history?{final}") == "private, no-cache"
    assert caching(f"{grown['path']}/goalposts?{final}") == "private, no-cache"
    objective = client.state(grown["path"])["objective_id"]
    assert caching(f"/v1/objectives/{objective}?{final}") == "private, no-cache"


def test_a_strong_tag_changes_with_the_answer(client: Client, grown: Json) -> None:
    path = f"{grown['path']}?as_of_position={grown['ten']}"
    first, again = client.get(path), client.get(path)
    tag = first.headers["ETag"]
    assert again.headers["ETag"] == tag
    same = client.get(path, headers={"If-None-Match": f'"x", {tag}'})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    assert client.get(grown["path"], headers={"If-None-Match": tag}).status_code == 200


def test_an_erased_text_changes_the_tag(client: Client, grown: Json, api_url: str) -> None:
    path = f"{grown['path']}/history?as_of_position={grown['lowered']}"
    before = client.get(path)
    assert WHY["reason"] in before.text
    with psycopg.connect(api_url, autocommit=True) as connection:
        connection.execute("DELETE FROM people.texts")
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert WHY["reason"] not in after.text


# Waiting


def test_a_read_waits_for_the_position_that_it_names(lonely: Client, api_url: str) -> None:
    team = read(lonely.post("/v1/teams", {"name": "Compilers"}))
    path, headers = f"/v1/teams/{team['id']}", {"Okr-Min-Position": str(team["position"])}
    behind = lonely.get(path, headers=headers)
    assert (behind.status_code, read(behind)["type"]) == (503, "/problems/views-behind")
    assert behind.headers["Retry-After"] == "1"
    stale = lonely.get(path)
    assert (stale.status_code, lonely.get("/v1/teams").headers["Okr-Position"]) == (404, "0")

    stop = Event()
    thread = Thread(target=Projector(api_url).run, args=[stop], daemon=True)
    thread.start()
    try:
        give_up_at = time.monotonic() + 10
        while lonely.get(path, headers=headers).status_code == 503 and time.monotonic() < give_up_at:
            pass
        answer = lonely.get(path, headers=headers)
        assert (answer.status_code, answer.headers["Okr-Position"]) == (200, "1")
    finally:
        stop.set()
        thread.join(10)


def test_who_writes_reads_their_own_writes_without_naming_a_position(client: Client) -> None:
    id = client.key_result()
    for value in range(1, 30):
        client.done(f"/v1/key-results/{id}/progress", {"value": value})
        assert client.state(f"/v1/key-results/{id}")["value"] == str(value)


def test_nobody_waits_for_a_projector_that_stands_still(lonely: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.moments.STANDSTILL", timedelta(0))
    lonely.post("/v1/teams", {"name": "Compilers"})
    monkeypatch.setattr("api.moments.wait_for", lambda *_: pytest.fail("it waits"))
    assert lonely.get("/v1/teams").headers["Okr-Position"] == "0"


@pytest.mark.parametrize("header", ["-1", "x", "1.5", "", "9" * 30])
def test_what_is_no_position(lonely: Client, header: str) -> None:
    answer = lonely.get("/v1/teams", headers={"Okr-Min-Position": header})
    assert (answer.status_code, read(answer)["type"]) == (400, "/problems/bad-min-position")


def test_a_position_that_the_ledger_does_not_have(lonely: Client) -> None:
    answer = lonely.get("/v1/teams", headers={"Okr-Min-Position": "17"})
    assert (answer.status_code, read(answer)["type"]) == (400, "/problems/bad-moment")


# Pages


def test_lists_come_in_pages(client: Client) -> None:
    names = [f"Team {number}" for number in range(5)]
    for name in names:
        client.done("/v1/teams", {"name": name})
    seen, path = [], "/v1/teams?limit=2"
    while path:
        answer = client.get(path)
        seen += [team["name"] for team in read(answer)["items"]]
        link = answer.headers.get("Link")
        assert (link is None) is ("next" not in read(answer))
        path = "" if link is None else link.partition(";")[0].strip("<>")
    assert seen == names


def test_lists_are_filtered_by_their_fields(client: Client) -> None:
    id = client.key_result(owner_id="u-7")
    objective = client.state(f"/v1/key-results/{id}")["objective_id"]
    other = client.draft(objective, owner_id="u-8")

    def ids(path: str) -> set[str]:
        return {item["id"] for item in client.state(path)["items"]}

    assert ids("/v1/key-results?owner_id=u-7") == {id}
    assert ids("/v1/key-results?state=draft") == {other}
    assert ids(f"/v1/key-results?objective_id={objective}") == {id, other}
    assert ids("/v1/objectives?level=department&state=committed") == {objective}
    assert ids("/v1/objectives?level=company") == set()
    assert len(ids("/v1/cycles?state=running")) == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=nobody%27s", "cursor=%00", "state=lost", "owner_id=%00", "x=1"]
)
def test_pages_that_cannot_be(lonely: Client, query: str) -> None:
    answer = lonely.get(f"/v1/key-results?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.content_type == "application/problem+json"


def test_history_is_filtered(client: Client, grown: Json) -> None:
    def positions(query: str) -> list[int]:
        return [item["position"] for item in client.state(f"{grown['path']}/history?{query}")["items"]]

    assert positions("type=KeyResult.ProgressRecorded") == [grown["twenty"], grown["ten"]]
    assert positions("actor=member") == []
    moment = quote(recorded_at(client, grown["twenty"]).isoformat())
    assert positions(f"from={moment}") == [grown["lowered"], grown["twenty"]]
    assert positions(f"to={moment}&limit=1") == [grown["twenty"]]
    assert positions(f"as_of_position={grown['ten']}")[0] == grown["ten"]


# The ledger's lines


def test_events_come_in_order_with_their_texts(client: Client, grown: Json) -> None:
    page = client.state("/v1/events?limit=3")
    assert [item["position"] for item in page["items"]] == [1, 2, 3]
    assert page["next"] == "3"
    (lowered,) = client.state("/v1/events?type=KeyResult.TargetAdjusted")["items"]
    assert lowered["position"] == grown["lowered"]
    assert lowered["texts"] == {"reason": WHY["reason"]}
    stream = grown["path"].rpartition("/")[2]
    items = client.state(f"/v1/events?stream={stream}")["items"]
    assert [item["stream_version"] for item in items] == [1, 2, 3, 4, 5]


def test_events_as_raw_lines(client: Client, grown: Json) -> None:
    answer = client.get("/v1/events?limit=4", headers={"Accept": "application/x-ndjson"})
    assert answer.content_type == "application/x-ndjson"
    lines = answer.text.splitlines()
    assert lines == [item["line"] for item in client.state("/v1/events?limit=4")["items"]]
    assert answer.headers["Link"] == '</v1/events?limit=4&after_position=4>; rel="next"'


def test_reading_texts_is_kept_and_reading_figures_is_not(client: Client, grown: Json, api_url: str) -> None:
    client.get(grown["path"])
    client.get(f"{grown['path']}/goalposts")
    client.get("/v1/events?limit=2", role="viewer")
    client.get(f"{grown['path']}/history", role="auditor")
    client.get("/v1/events", role="viewer")
    with psycopg.connect(api_url) as connection:
        rows = connection.execute("SELECT actor_id, action, subject FROM people.access_log ORDER BY id").fetchall()
    assert rows == [
        (rows[0][0], "read-texts", f"{grown['path']}/goalposts"),
        ("auditor", "read-texts", f"{grown['path']}/history at positions {grown['lowered']}..{grown['lowered']}"),
        ("viewer", "read-texts", f"/v1/events at positions {grown['lowered']}..{grown['lowered']}"),
    ]
