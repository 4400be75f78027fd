"""The API on a real database with a projector beside it, and a token for each role."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import psycopg
import pytest

from api.app import create_app
from api.services import services_of
from api.settings import ApiSettings
from ledger.migrate import migrate
from ledger.recorder import CHANNEL
from ledger.tokens import Role, create_token
from projections.runner import Projector, rebuild
from tests.api.client import Client
from tests.support.postgres_server import TestPostgres


@pytest.fixture(scope="session")
def api_template(postgres: TestPostgres) -> tuple[str, dict[str, str]]:
    """A migrated database with empty views and a token for each role, whose actor has the role's name."""
    url = postgres.new_database()
    migrate(url)
    rebuild(url)
    with psycopg.connect(url, autocommit=True) as connection:
        tokens = {str(role): create_token(connection, str(role), role)[0] for role in Role}
    return url, tokens


@pytest.fixture
def api_url(postgres: TestPostgres, api_template: tuple[str, dict[str, str]]) -> Iterator[str]:
    """URL of a copy of that database, dropped after the test."""
    url = postgres.new_database(template=api_template[0])
    yield url
    postgres.drop_database(url)


@pytest.fixture
def projector(api_url: str) -> Iterator[None]:
    """A projector that keeps the views of `api_url` current."""
    stop = Event()
    thread = Thread(target=Projector(api_url).run, args=[stop], daemon=True)
    thread.start()
    yield
    stop.set()
    with psycopg.connect(api_url, autocommit=True) as connection:
        connection.execute(f"NOTIFY {CHANNEL}")  # it would otherwise hear of the end at its next poll
    thread.join(timeout=10)


@pytest.fixture
def lonely(api_url: str, api_template: tuple[str, dict[str, str]]) -> Iterator[Client]:
    """A client of an API whose views nobody keeps current."""
    app = create_app(ApiSettings(api_url, wait_seconds=0.1, fresh_seconds=0.05))
    yield Client(app, api_template[1])
    services_of(app).close()


@pytest.fixture
def client(api_url: str, projector: None, api_template: tuple[str, dict[str, str]]) -> Iterator[Client]:
    """A client of the whole."""
    app = create_app(ApiSettings(api_url))
    yield Client(app, api_template[1])
    services_of(app).close()
