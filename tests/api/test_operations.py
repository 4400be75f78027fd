"""What those who run it ask: alive, able to work, and how it goes when the database is not there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Thread

import psycopg
import pytest

from api.app import create_app
from api.operations import why_not_ready
from api.services import services_of
from api.settings import ApiSettings
from projections.runner import Projector
from tests.api.client import Client, read
from tests.support.postgres_server import TestPostgres

NOWHERE = "postgresql://okr@127.0.0.1:1/okr"


@pytest.fixture
def stranded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of an API whose database is not there."""
    monkeypatch.setattr("api.services.CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr("ledger.datastore.CONNECT_TIMEOUT", 0.3)
    app = create_app(ApiSettings(NOWHERE))
    yield Client(app, {"admin": "okr_whatever"})
    services_of(app).close()


def test_alive_and_ready(client: Client) -> None:
    alive, ready = client.get("/healthz", role=None), client.get("/readyz", role=None)
    assert (alive.status_code, read(alive)) == (200, {"status": "ok"})
    assert (ready.status_code, read(ready)) == (200, {"status": "ready", "reasons": []})
    assert ready.headers["Cache-Control"] == "no-store"


def test_without_a_database_it_lives_and_says_so(stranded: Client) -> None:
    assert stranded.get("/healthz", role=None).status_code == 200
    ready = stranded.get("/readyz", role=None)
    assert ready.status_code == 503
    assert "the database does not answer" in read(ready)["reasons"][0]
    figures = stranded.get("/metrics", role=None)
    assert "okr_database_up 0" in figures.text
    for answer in (stranded.get("/v1/cycles"), stranded.post("/v1/teams", {"name": "x"})):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert read(answer)["type"] == "/problems/database-unavailable"
        assert "okr@127.0.0.1" not in answer.text


def test_an_old_schema_is_not_ready(postgres: TestPostgres, database_url: str) -> None:
    app = create_app(ApiSettings(database_url))
    try:
        # The role is of the whole server; only the tables are missing here.
        assert why_not_ready(services_of(app)) == ["the database's schema is not this program's: run okr migrate"]
    finally:
        services_of(app).close()


def test_a_projector_that_stands_still_is_told_and_one_that_runs_again_too(lonely: Client, api_url: str) -> None:
    lonely.post("/v1/teams", {"name": "Compilers"})
    app = create_app(ApiSettings(api_url, most_lag_seconds=0.05))
    try:
        time.sleep(0.1)
        (reason,) = why_not_ready(services_of(app))
        assert "behind the ledger" in reason
        figures = lonely.get("/metrics", role=None).text
        assert "okr_ledger_size 1" in figures
        assert "okr_views_position 0" in figures
        stop = Event()
        thread = Thread(target=Projector(api_url).run, args=[stop], daemon=True)
        thread.start()
        give_up_at = time.monotonic() + 10
        while why_not_ready(services_of(app)) and time.monotonic() < give_up_at:
            time.sleep(0.02)
        stop.set()
        thread.join(10)
        assert why_not_ready(services_of(app)) == []
    finally:
        services_of(app).close()


def test_a_database_that_was_away_is_used_again(client: Client, api_url: str) -> None:
    """Every connection of every pool is ended at once, several times over."""
    for number in range(3):
        with psycopg.connect(api_url, autocommit=True) as connection:
            # With a time to wait: without one the servers are only asked to end.
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert client.post("/v1/teams", {"name": f"Team {number}"}).status_code == 201
        assert client.get("/v1/teams").status_code == 200
