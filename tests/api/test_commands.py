"""Commands: once under a key, on the version that was looked at, and answered even when the views are behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from api import commands
from api.idempotency import KEPT_DAYS, Done, IdempotencyKey
from api.resources import KEY_RESULT
from api.services import services_of
from domain.application import OkrLedger, Outcome
from domain.command import Actor, Command
from domain.errors import conflict
from tests.api.client import Client, day, read, rules

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}


def facts(url: str, kind: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.events WHERE type = %s", [kind]).fetchone()
    assert row is not None
    return int(row[0])


# Idempotency


def test_the_same_request_again_happens_once_and_gets_the_same_answer(client: Client, api_url: str) -> None:
    id = client.key_result()
    path, body, headers = f"/v1/key-results/{id}/progress", {"value": 5}, {"Idempotency-Key": "k-1"}
    first = client.post(path, body, headers=headers)
    client.done(path, {"value": 6})
    again = client.post(path, body, headers=headers)
    assert (again.status_code, again.text) == (first.status_code, first.text)
    for name in ("ETag", "Okr-Position"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert facts(api_url, "KeyResult.ProgressRecorded") == 2


def test_what_was_created_once_has_the_same_id(client: Client) -> None:
    body = {"name": "2026 Q2", "starts_on": day(60), "ends_on": day(150), "time_zone": "UTC"}
    first, again = (client.post("/v1/cycles", body, headers={"Idempotency-Key": "c"}) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.headers["Location"] == again.headers["Location"]
    assert read(first) == read(again)
    assert len(client.state("/v1/cycles")["items"]) == 1


def test_a_key_belongs_to_one_request_of_one_actor(client: Client, api_url: str) -> None:
    id = client.key_result(owner_id="member")
    path, headers = f"/v1/key-results/{id}/progress", {"Idempotency-Key": "k"}
    assert client.post(path, {"value": 5}, headers=headers).status_code == 200
    for other_path, body, more in (
        (path, {"value": 6}, {}),
        (path, {"value": 5}, {"If-Match": '"v3"'}),
        (f"/v1/key-results/{id}/check-ins", {"value": 5}, {}),
    ):
        if "check-ins" in other_path:
            body = {"progress": "x", "confidence": 5}  # type: ignore[dict-item]
        answer = client.post(other_path, body, headers=headers | more)
        assert (answer.status_code, read(answer)["type"]) == (422, "/problems/idempotency-key-reused")
    assert client.post(path, {"value": 5}, headers=headers, role="member").status_code == 200
    assert facts(api_url, "KeyResult.ProgressRecorded") == 2


def test_only_what_happened_is_kept(client: Client) -> None:
    objective, headers = client.objective(client.cycle()), {"Idempotency-Key": "k"}
    id = client.draft(objective)
    assert client.post(f"/v1/key-results/{id}/progress", {"value": 5}, headers=headers).status_code == 409
    client.done(f"/v1/objectives/{objective}/commit")
    assert client.post(f"/v1/key-results/{id}/progress", {"value": 5}, headers=headers).status_code == 200


def test_a_twin_that_is_at_work_is_not_waited_for(client: Client, api_url: str) -> None:
    id = client.key_result()
    barrier, statuses = Barrier(8), []

    def send() -> int:
        barrier.wait()
        answer = client.post(f"/v1/key-results/{id}/progress", {"value": 5}, headers={"Idempotency-Key": "same"})
        return answer.status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = [future.result() for future in [threads.submit(send) for _ in range(8)]]
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    assert facts(api_url, "KeyResult.ProgressRecorded") == 1


def test_whoever_is_refused_for_what_its_twin_has_just_done_gets_the_answer_of_the_twin(client: Client) -> None:
    here, id = services_of(client.app), UUID(client.key_result())
    key = IdempotencyKey("anna", "same", b"hash")
    of_the_twin = Done(200, KEY_RESULT.name, id, 3, 7)

    def decide(okr: OkrLedger, by: Command) -> Outcome:
        with here.reads.connection() as its_connection:
            key.keep(its_connection, of_the_twin)
        conflict("reached", "the twin has reached this milestone")

    with here.reads.connection() as connection:
        by = Command(Actor("anna"), datetime.now(UTC))
        told = commands.run(here, connection, by, decide, KEY_RESULT, key=key, queue=id, is_created=False)
    assert told == (of_the_twin, True)


def test_keys_are_forgotten_after_their_days(client: Client, api_url: str) -> None:
    id = client.key_result()
    path = f"/v1/key-results/{id}/progress"
    with psycopg.connect(api_url, autocommit=True) as connection:
        for key in ("old-1", "old-2", "fresh"):
            client.post(path, {"value": 5}, headers={"Idempotency-Key": key})
        connection.execute(
            "UPDATE people.idempotency_keys SET created_at = created_at - %s WHERE key LIKE 'old%%'",
            [timedelta(days=KEPT_DAYS, seconds=1)],
        )
        reused = client.post(path, {"value": 7}, headers={"Idempotency-Key": "old-1"})
        assert (reused.status_code, read(reused)["value"]) == (200, "7")
        rows = connection.execute("SELECT key FROM people.idempotency_keys ORDER BY key").fetchall()
    assert [key for (key,) in rows] == ["fresh", "old-1"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä"])
def test_what_is_no_key(lonely: Client, key: str) -> None:
    answer = lonely.post("/v1/teams", {"name": "x"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, read(answer)["type"]) == (400, "/problems/bad-idempotency-key")


# Versions


def test_if_match_names_the_version_that_was_looked_at(client: Client) -> None:
    id = client.key_result()
    path = f"/v1/key-results/{id}/target-adjustments"
    seen = client.get(f"/v1/key-results/{id}").headers["ETag"]
    assert seen.startswith('"v2.')
    first = client.post(path, {"target": 80, **WHY}, headers={"If-Match": seen})
    assert (first.status_code, first.headers["ETag"]) == (200, '"v3"')
    late = client.post(path, {"target": 70, **WHY}, headers={"If-Match": '"v2"'})
    assert (late.status_code, read(late)["type"]) == (412, "/problems/stale-version")
    assert client.post(path, {"target": 70, **WHY}, headers={"If-Match": '"v3"'}).status_code == 200
    assert client.post(path, {"target": 60, **WHY}, headers={"If-Match": "*"}).status_code == 200
    assert client.post(path, {"target": 50, **WHY}).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [('"v2', 400), ("v2", 400), ("", 400), ('"v2", "v3"', 400), ('W/"v2"', 412), ('"other"', 412), ('"v0"', 412)],
)
def test_other_tags(client: Client, header: str, status: int) -> None:
    id = client.key_result()
    answer = client.post(f"/v1/key-results/{id}/progress", {"value": 1}, headers={"If-Match": header})
    assert answer.status_code == status


def test_a_version_has_no_meaning_where_something_is_created(lonely: Client) -> None:
    answer = lonely.post("/v1/teams", {"name": "x"}, headers={"If-Match": '"v1"'})
    assert (answer.status_code, read(answer)["type"]) == (400, "/problems/no-version-here")


def test_of_many_who_looked_at_one_version_one_succeeds(client: Client, api_url: str) -> None:
    id, barrier = client.key_result(), Barrier(8)

    def adjust(target: int) -> int:
        barrier.wait()
        path, body = f"/v1/key-results/{id}/target-adjustments", {"target": target, **WHY}
        return client.post(path, body, headers={"If-Match": '"v2"'}).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(adjust, range(50, 58)))
    assert statuses == [200] + [412] * 7
    assert facts(api_url, "KeyResult.TargetAdjusted") == 1


def test_many_who_named_no_version_all_succeed(client: Client, api_url: str) -> None:
    id = client.key_result()

    def record(value: int) -> int:
        return client.post(f"/v1/key-results/{id}/progress", {"value": value}).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(record, range(80)))
    assert statuses == [200] * 80
    assert facts(api_url, "KeyResult.ProgressRecorded") == 80


# Ids


def test_an_id_may_be_brought_and_serves_once(client: Client) -> None:
    id = str(uuid4())
    body = {"id": id, "name": "Compilers"}
    assert client.done("/v1/teams", body)["id"] == id
    again = client.post("/v1/teams", body)
    assert (again.status_code, read(again)["type"], rules(again)) == (409, "/problems/id-taken", {"id": "id_taken"})
    made = UUID(client.done("/v1/teams", {"name": "Linkers"})["id"])
    assert made.version == 7


def test_of_many_who_bring_one_id_one_succeeds(client: Client) -> None:
    cycle, id, barrier = client.cycle(), str(uuid4()), Barrier(8)

    def draft(_: int) -> int:
        barrier.wait()
        body = {"id": id, "cycle_id": cycle, "title": "x", "owner_id": "u-1", "level": "company"}
        return client.post("/v1/objectives", body).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(draft, range(8))) == [201] + [409] * 7


# The answer


def test_a_command_is_answered_also_while_the_views_are_behind(lonely: Client) -> None:
    answer = lonely.post("/v1/teams", {"name": "Compilers"})
    assert answer.status_code == 201
    receipt = read(answer)
    assert receipt == {"id": receipt["id"], "version": 1, "position": 1}
    assert answer.headers["Location"] == f"/v1/teams/{receipt['id']}"
    assert (answer.headers["ETag"], answer.headers["Okr-Position"]) == ('"v1"', "1")


def test_what_changes_nothing_is_answered_with_the_state(client: Client) -> None:
    id = client.draft(client.objective(client.cycle()))
    answer = client.post(f"/v1/key-results/{id}/revisions", {"target": "100"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["ETag"], read(answer)["target"]) == (200, '"v1"', "100")
    assert client.post(f"/v1/key-results/{id}/revisions", {"target": "100"}, headers={"Idempotency-Key": "k"}).text == (
        answer.text
    )


def test_the_ledger_has_who_why_and_the_request(client: Client) -> None:
    id = client.key_result()
    answer = client.post(
        f"/v1/key-results/{id}/target-adjustments", {"target": 80, **WHY}, headers={"X-Request-Id": "trace-7.a"}
    )
    assert answer.headers["X-Request-Id"] == "trace-7.a"
    (item, *_) = client.state(f"/v1/key-results/{id}/history")["items"]
    assert item["actor"] == {"id": "admin", "kind": "token"}
    assert (item["reason"], item["reason_code"]) == (WHY["reason"], WHY["reason_code"])
    event = client.state(f"/v1/events?after_position={item['position'] - 1}")["items"][0]
    assert '"request_id":"trace-7.a"' in event["line"]
    assert WHY["reason"] not in event["line"]
    odd = client.get("/healthz", headers={"X-Request-Id": "not\tone"})
    assert len(odd.headers["X-Request-Id"]) == 32


def test_a_closed_cycle_takes_nothing(client: Client, api_url: str) -> None:
    """Eight write while a ninth closes: what was written has a position before Closed."""
    id = client.key_result()
    cycle = client.state(f"/v1/key-results/{id}")["cycle_id"]
    client.done(f"/v1/cycles/{cycle}/scoring")
    barrier = Barrier(9)

    def write(value: int) -> list[int]:
        barrier.wait()
        path = f"/v1/key-results/{id}/progress"
        return [client.post(path, {"value": value + step}).status_code for step in range(15)]

    def close() -> list[int]:
        barrier.wait()
        return [client.post(f"/v1/cycles/{cycle}/close").status_code]

    with ThreadPoolExecutor(9) as threads:
        writers = [threads.submit(write, 100 * number) for number in range(8)]
        closed = threads.submit(close)
        statuses = [status for writer in writers for status in writer.result()]
    assert closed.result() == [200]
    assert set(statuses) <= {200, 409}
    assert client.post(f"/v1/key-results/{id}/progress", {"value": 1}).status_code == 409
    with psycopg.connect(api_url, row_factory=dict_row) as connection:
        row = connection.execute(
            "SELECT max(position) AS last, max(position) FILTER (WHERE type = 'Cycle.Closed') AS closed,"
            " count(*) FILTER (WHERE type = 'KeyResult.ProgressRecorded') AS written FROM ledger.events"
        ).fetchone()
    assert row is not None
    assert row["closed"] == row["last"]
    assert row["written"] == statuses.count(200)
