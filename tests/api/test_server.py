"""The API under gunicorn: workers that die lose nothing that was answered, and all of them count as one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from uuid import uuid4

import psycopg
import pytest

from api.metrics import SharedCells
from api.server import serve
from api.settings import ApiSettings
from tests.api.client import Client, Json
from tests.api.live import LiveServer, live_server

WRITERS = 6
EACH = 40


@pytest.fixture
def server(client: Client, api_url: str) -> Iterator[LiveServer]:
    with live_server(ApiSettings(api_url)) as server:
        yield server


def ask(server: LiveServer, method: str, path: str, token: str, body: Json | None = None, key: str = "") -> Json | None:
    """The answer of a request that was taken; None where the connection broke or it was told to come again."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    try:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
    except (OSError, HTTPException):
        return None
    if status in (409, 503):
        return None
    assert status == 200, (status, text)
    read: Json = json.loads(text)
    return read


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_double_nothing(client: Client, server: LiveServer, api_url: str) -> None:
    """Clients repeat a request under its key until it is answered, while workers are killed under them."""
    id = client.key_result()
    path, token = f"/v1/key-results/{id}/progress", client.tokens["admin"]

    def write(writer: int) -> dict[str, int]:
        answered = {}
        for number in range(EACH):
            value, key = str(1000 * writer + number), str(uuid4())
            give_up_at = time.monotonic() + 60
            while (answer := ask(server, "POST", path, token, {"value": value}, key)) is None:
                assert time.monotonic() < give_up_at, "no answer for a minute"
            answered[value] = answer["position"]
        return answered

    with ThreadPoolExecutor(WRITERS) as threads:
        writers = [threads.submit(write, writer) for writer in range(WRITERS)]
        killed = 0
        while not all(writer.done() for writer in writers):
            time.sleep(0.3)
            workers = server.workers()
            if len(workers) == 2:
                os.kill(workers[killed % 2], signal.SIGKILL)
                killed += 1
        answered = {value: position for writer in writers for value, position in writer.result().items()}
    assert killed > 2
    with psycopg.connect(api_url) as connection:
        rows = connection.execute(
            "SELECT line::jsonb -> 'data' ->> 'value', position FROM ledger.events"
            " WHERE type = 'KeyResult.ProgressRecorded' ORDER BY position"
        ).fetchall()
    assert len(rows) == WRITERS * EACH
    assert dict(rows) == answered


def test_all_workers_count_as_one(client: Client, server: LiveServer) -> None:
    for _ in range(30):
        assert ask(server, "GET", "/v1/teams", client.tokens["admin"]) is not None
    for _ in range(5):  # whichever of them answers
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        assert re.search(r'^okr_http_requests_total\{route="/v1/teams",status="200"\} 30\.0$', text, re.MULTILINE)
        assert re.search(r'^okr_http_request_seconds_bucket\{le="\+Inf",route="/v1/teams"\} 30\.0$', text, re.MULTILINE)
        assert "okr_ledger_size 0" in text
        assert "okr_views_lag_seconds 0.0" in text
        assert "python_info" not in text
        assert "process_" not in text


def test_a_worker_that_takes_a_dead_ones_place_counts_on(client: Client, server: LiveServer) -> None:
    def counted() -> float:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        found = re.search(r'^okr_http_requests_total\{route="/healthz",status="200"\} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def ask_health() -> bool:
        try:
            with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False

    assert all(ask_health() for _ in range(10))
    before = counted()
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    give_up_at = time.monotonic() + 30
    while not ask_health():
        assert time.monotonic() < give_up_at
    assert counted() >= before + 1 == 11


@pytest.mark.parametrize(
    ("request_text", "status", "slug"),
    [
        (f"GET /{'a' * 5000} HTTP/1.1\r\n\r\n", 414, "uri-too-long"),
        (f"GET / HTTP/1.1\r\nX-Long: {'a' * 9000}\r\n\r\n", 431, "request-header-fields-too-large"),
        ("GET / HTTP/1.1\r\nX-Odd: a\x01b\r\n\r\n", 400, "bad-request"),
        ("nonsense\r\n\r\n", 400, "bad-request"),
    ],
)
def test_what_is_no_request_is_answered_like_any_refusal(
    server: LiveServer, request_text: str, status: int, slug: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_text.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        body = json.loads(answer.read())
    assert answer.status == body["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["type"] == f"/problems/{slug}"


def test_it_ends_when_told(client: Client, api_url: str) -> None:
    with live_server(ApiSettings(api_url), workers=1) as server:
        assert ask(server, "GET", "/v1/teams", client.tokens["admin"]) == {"items": []}
    assert server.process.exitcode == 0


def test_threads_must_have_their_connections() -> None:
    with pytest.raises(ValueError, match="pool_size"):
        serve(ApiSettings("postgresql://nowhere", pool_size=2), "127.0.0.1:0", threads=4)


def test_slots_are_added_up() -> None:
    cells = SharedCells(3, 1)
    for slot in range(3):
        cells.add(slot, 0, slot + 1)
    assert cells.sum(0) == 6
