"""The databases that tests stand on: fresh, apart from each other, and able to crash."""

import psycopg
import pytest

from tests.support.postgres_server import TestPostgres, own_server, shared_server


def test_a_database_is_empty_and_recent_enough(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.info.server_version >= 150000
        assert connection.execute("SELECT to_regnamespace('ledger') IS NULL").fetchone() == (True,)


def test_databases_share_nothing(postgres: TestPostgres) -> None:
    one, two = postgres.new_database(), postgres.new_database()
    with psycopg.connect(one) as connection:
        connection.execute("CREATE TABLE here ()")
    with psycopg.connect(two) as connection:
        assert connection.execute("SELECT to_regclass('here') IS NULL").fetchone() == (True,)
    postgres.drop_database(one)
    postgres.drop_database(two)


def test_a_copy_has_the_templates_rows_and_does_not_change_it(postgres: TestPostgres) -> None:
    template = postgres.new_database()
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE prepared AS SELECT 7 AS n")
    copy = postgres.new_database(template)
    with psycopg.connect(copy) as connection:
        assert connection.execute("UPDATE prepared SET n = 8 RETURNING n").fetchone() == (8,)
    with psycopg.connect(template) as connection:
        assert connection.execute("SELECT n FROM prepared").fetchone() == (7,)
    postgres.drop_database(copy)
    postgres.drop_database(template)


def test_dropping_does_not_wait_for_a_forgotten_connection(postgres: TestPostgres) -> None:
    url = postgres.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        postgres.drop_database(url)
        connection.close()


def test_two_hundred_connections_fit(postgres: TestPostgres, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT current_setting('max_connections')::int").fetchone()
        assert row is not None
        assert row[0] >= 200


def test_a_crash_loses_only_what_was_not_committed() -> None:
    with own_server() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        unfinished = psycopg.connect(server.url)
        unfinished.execute("INSERT INTO kept VALUES (8)")
        server.stop_immediate()
        unfinished.close()
        server.start_again()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_on_somebody_elses_server_nothing_is_left(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKR_TEST_DATABASE_URL", postgres.server_url)
    with shared_server() as theirs:
        url = theirs.new_database()
        with psycopg.connect(url) as connection:
            name = connection.info.dbname
    with psycopg.connect(postgres.server_url) as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None
