"""Versioned migrations: SQL files applied in order, each once, each in its own transaction with its record.

Safe when several start at once (an advisory lock), and refused on a database that a newer program has migrated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

import psycopg
from psycopg.rows import class_row

OLDEST_POSTGRESQL = 150000
MIGRATION_LOCK = 0x6F6B72_01
LOCK_WAIT = "60s"


class MigrationRefused(Exception):
    """The database cannot be migrated by this program; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, its name and its SQL."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """SHA-256 of the SQL: a database remembers what it was given under that number."""
        return sha256(self.sql.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Applied:
    number: int
    sha256: bytes


def known_migrations() -> list[Migration]:
    """The steps that this program knows, in order."""
    files = sorted(
        (file for file in resources.files("ledger").joinpath("migrations").iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    steps = [
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in files
    ]
    if [step.number for step in steps] != list(range(1, len(steps) + 1)):
        raise RuntimeError("migrations are numbered 0001, 0002 … without a gap")
    return steps


def migrate(url: str, *, told: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring the database to this program's schema; the names of the steps applied, none where it was there.

    `url` is of a user who may create schemas and roles. Raises `MigrationRefused`.
    """
    steps = known_migrations()
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        _check_server(connection)
        connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        applied = []
        done = _applied(connection)
        if done and max(done) > len(steps):
            raise MigrationRefused(
                f"the database has schema {max(done)}, this program knows {len(steps)}: run the newer program"
            )
        for step in steps:
            if done.get(step.number, step.checksum) != step.checksum:
                raise MigrationRefused(
                    f"the database was given another {step.name} than this program has: they do not belong together"
                )
        for step in steps:
            if step.number in done:
                continue
            told(step.name)
            with connection.transaction():
                _prepare_roles(connection)
                connection.execute(step.sql.encode())
                connection.execute(
                    "INSERT INTO public.okr_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                    [step.number, step.name, step.checksum],
                )
            applied.append(step.name)
        return applied


def schema_is_current(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether the database has exactly the steps that this program knows."""
    return _applied(connection, create=False) == {step.number: step.checksum for step in known_migrations()}


def _check_server(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    if connection.info.server_version < OLDEST_POSTGRESQL:
        raise MigrationRefused("PostgreSQL 15 or newer is needed")
    encoding = connection.execute("SHOW server_encoding").fetchone()
    if encoding != ("UTF8",):
        raise MigrationRefused("the database must be encoded in UTF8: the ledger keeps exact bytes")


def _applied(connection: psycopg.Connection[tuple[object, ...]], *, create: bool = True) -> dict[int, bytes]:
    """The checksums of the steps that the database has been given, by number."""
    if create:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.okr_migrations ("
            " number integer PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute("GRANT SELECT ON public.okr_migrations TO PUBLIC")
    elif connection.execute("SELECT to_regclass('public.okr_migrations')").fetchone() == (None,):
        return {}
    with connection.cursor(row_factory=class_row(_Applied)) as cursor:
        rows = cursor.execute("SELECT number, sha256 FROM public.okr_migrations").fetchall()
    return {row.number: row.sha256 for row in rows}


def _prepare_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Roles belong to the whole server: another database's migration may make them at the same moment."""
    for role in ("okr_app", "okr_sealer"):
        connection.execute(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    connection.execute(
        "DO $$ BEGIN EXECUTE format('GRANT okr_app, okr_sealer TO %I', current_user); "
        "EXCEPTION WHEN OTHERS THEN RAISE WARNING 'cannot grant the roles to %: %', current_user, SQLERRM; END $$"
    )
    # Read models are disposable: the application makes and drops their schemas itself.
    connection.execute(
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO okr_app', current_database()); END $$"
    )
