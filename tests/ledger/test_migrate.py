"""Migrations: once each, safe when several start, refused on a newer schema."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import psycopg
import pytest

from ledger.migrate import MigrationRefused, known_migrations, migrate, schema_is_current


def test_several_start_at_once_and_each_step_is_applied_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(migrate, [database_url] * 8))
    names = [migration.name for migration in known_migrations()]
    assert sorted(chain.from_iterable(applied)) == names
    with psycopg.connect(database_url) as connection:
        assert schema_is_current(connection)


def test_a_second_run_changes_nothing(database_url: str) -> None:
    assert migrate(database_url)
    assert migrate(database_url) == []


def test_a_newer_schema_is_refused(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO public.okr_migrations (number, name, sha256) VALUES (9999, '9999_later', '')")
    with pytest.raises(MigrationRefused, match="schema 9999"):
        migrate(database_url)
    with psycopg.connect(database_url) as connection:
        assert not schema_is_current(connection)


def test_an_empty_database_is_not_current(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert not schema_is_current(connection)


def test_a_step_that_was_changed_after_it_was_applied_is_refused(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE public.okr_migrations SET sha256 = sha256(sha256) WHERE number = 1")
        assert not schema_is_current(connection)
    with pytest.raises(MigrationRefused, match="given another 0001_ledger"):
        migrate(database_url)
