"""Fixtures that every test may ask for: real servers, fresh databases, topics of one's own."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from domain.application import OkrLedger
from ledger.migrate import migrate
from tests.support.kafka_jars import KafkaUnavailableError
from tests.support.kafka_server import KafkaServer, kafka_server
from tests.support.postgres_server import TestPostgres, passable_directory, shared_server

NO_BROKER = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """The PostgreSQL server of this run; `new_database(template=...)` copies a prepared database."""
    with shared_server() as server:
        yield server


@pytest.fixture
def passable_dir() -> Iterator[Path]:
    """A directory of the test's own in which a PostgreSQL can be started, also when we are root."""
    with passable_directory() as directory:
        yield directory


@pytest.fixture
def database_url(postgres: TestPostgres) -> Iterator[str]:
    """URL of an empty database that is dropped after the test, connections or not."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def migrated_template(postgres: TestPostgres) -> str:
    """A migrated, empty ledger, to be copied by `migrated_url`. Nobody stays connected to it."""
    url = postgres.new_database()
    migrate(url)
    return url


@pytest.fixture
def migrated_url(postgres: TestPostgres, migrated_template: str) -> Iterator[str]:
    """URL of a database with an empty ledger, dropped after the test."""
    url = postgres.new_database(template=migrated_template)
    with psycopg.connect(url) as connection:  # a copy keeps its rows and tables, but no rights on the database itself
        connection.execute(f'GRANT CREATE ON DATABASE "{connection.info.dbname}" TO okr_app')
    yield url
    postgres.drop_database(url)


@pytest.fixture
def okr(migrated_url: str) -> Iterator[OkrLedger]:
    """The use cases on an empty ledger."""
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": migrated_url}) as application:
        yield application


@pytest.fixture(scope="session")
def _kafka_of_this_run(pytestconfig: pytest.Config) -> Iterator[KafkaServer]:
    try:
        with kafka_server() as server:
            yield server
    except KafkaUnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytestconfig.stash[NO_BROKER] = str(reason)
        pytest.skip(f"no Apache Kafka here: {reason}")


@pytest.fixture
def kafka(_kafka_of_this_run: KafkaServer) -> KafkaServer:
    """The real broker of this run, running, also after a test that killed it."""
    _kafka_of_this_run.start()
    return _kafka_of_this_run


class TopicFactory(Protocol):
    def __call__(self, name: str = "topic", *, partitions: int = 1, **configs: str | int) -> str: ...


@pytest.fixture
def topic(kafka: KafkaServer) -> TopicFactory:
    """Creates topics: `topic("deals", partitions=3, retention_ms=1000)` returns a name nobody else has."""

    def create(name: str = "topic", *, partitions: int = 1, **configs: str | int) -> str:
        unique = f"{name}-{secrets.token_hex(4)}"
        kafka.create_topic(unique, partitions, **configs)
        return unique

    return create


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test that uses the broker, before `-m` selects."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says once, and loudly, that the tests against a real broker did not run."""
    reason = config.stash.get(NO_BROKER, None)
    if reason is not None:
        terminalreporter.write_line(
            f"NOTHING WAS TESTED AGAINST A REAL KAFKA: {reason}; or let OKR_TEST_KAFKA name a broker.",
            red=True,
            bold=True,
        )
