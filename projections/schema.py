"""The schema of the views: all read models share it, one position and one transaction for each batch of facts.

Its name carries a number that grows whenever a read model's VERSION grows. So a program never reads tables that
another version of it has made: it builds its own beside them, and switches when they are complete.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from projections import cycles, feeds, goalposts, history, key_results, objectives, teams, tree, values
from projections.position import PROGRESS

MODELS = (cycles, teams, objectives, key_results, values, feeds, goalposts, history, tree)
TABLES = (
    *cycles.TABLES,
    *teams.TABLES,
    *objectives.TABLES,
    *key_results.TABLES,
    *values.TABLES,
    *feeds.TABLES,
    *goalposts.TABLES,
    *history.TABLES,
)

NUMBER = 1 + sum(model.VERSION - 1 for model in MODELS)
VIEWS_SCHEMA = f"views_{NUMBER}"
NEXT_SCHEMA = f"{VIEWS_SCHEMA}_next"
"""Where the views are built anew."""
OLD_SCHEMA = f"{VIEWS_SCHEMA}_old"
"""What was read until a moment ago, and is about to be dropped."""


def use(connection: Connection[Any], schema: str = VIEWS_SCHEMA) -> None:
    """Let the connection find the views' tables. Outside of a transaction, or it ends with it."""
    connection.execute("SELECT set_config('search_path', %s, false)", [schema])


def exists(connection: Connection[Any], schema: str = VIEWS_SCHEMA) -> bool:
    return connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None


def outdated(connection: Connection[Any]) -> list[str]:
    """The schemas of views that are more than one version behind ours, with what their rebuilds left."""
    rows = connection.execute(
        "SELECT nspname::text AS name FROM pg_namespace"
        " WHERE (regexp_match(nspname, '^views_([0-9]{1,9})(_next|_old)?$'))[1]::integer < %s ORDER BY nspname",
        [NUMBER - 1],
    ).fetchall()
    return [row["name"] for row in rows]


def create(connection: Connection[Any], schema: str) -> None:
    """The tables, empty and without keys, at position 0; and `use` them."""
    connection.execute(f"CREATE SCHEMA {schema}")
    use(connection, schema)
    connection.execute(PROGRESS.create)
    connection.execute("INSERT INTO progress DEFAULT VALUES")
    for table in TABLES:
        connection.execute(table.create)


def drop(connection: Connection[Any], schema: str) -> None:
    connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
