"""Fixtures that every test may ask for: real servers, fresh databases, topics of one's own."""

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import TestPostgres, shared_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """The PostgreSQL server of this run; `new_database(template=...)` copies a prepared database."""
    with shared_server() as server:
        yield server


@pytest.fixture
def database_url(postgres: TestPostgres) -> Iterator[str]:
    """URL of an empty database that is dropped after the test, connections or not."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)
