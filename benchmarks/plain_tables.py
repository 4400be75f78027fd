"""What one would write by hand for the present alone: two tables without history, and one query for each question.

The arithmetic is PostgreSQL's and done in the query: attainment of each key result, and the mean of each objective.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import psycopg
from flask import Flask, Response
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from benchmarks.data import World

TABLES = """
    CREATE TABLE objectives (
        id uuid PRIMARY KEY, cycle_id uuid NOT NULL, title text NOT NULL, owner_id text NOT NULL, state text NOT NULL,
        position bigint NOT NULL
    );
    CREATE INDEX ON objectives (cycle_id);
    CREATE TABLE key_results (
        id uuid PRIMARY KEY, objective_id uuid NOT NULL REFERENCES objectives, cycle_id uuid NOT NULL,
        title text NOT NULL, owner_id text NOT NULL, direction text NOT NULL, unit text, baseline numeric,
        target numeric, value numeric, value_effective_at timestamptz, deadline date NOT NULL, weight numeric,
        state text NOT NULL, version int NOT NULL, position bigint NOT NULL, committed_at timestamptz
    );
    CREATE INDEX ON key_results (cycle_id);
    CREATE INDEX ON key_results (objective_id);
"""
ONE = """
    SELECT *, round((value - baseline) / (target - baseline), 6) AS attainment FROM key_results WHERE id = %s
"""
OBJECTIVES = """
    WITH parts AS (SELECT objective_id, weight, (value - baseline) / (target - baseline) AS attainment
                     FROM key_results WHERE cycle_id = %(cycle)s)
    SELECT o.*, round(s.clamped, 6) AS clamped, round(s.unclamped, 6) AS unclamped
      FROM objectives AS o
      JOIN (SELECT objective_id,
                   sum(weight * least(1, greatest(0, attainment))) / sum(weight) AS clamped,
                   sum(weight * attainment) / sum(weight) AS unclamped
              FROM parts GROUP BY objective_id) AS s ON s.objective_id = o.id
     WHERE o.cycle_id = %(cycle)s ORDER BY o.position
"""
KEY_RESULTS = """
    SELECT *, round((value - baseline) / (target - baseline), 6) AS attainment
      FROM key_results WHERE cycle_id = %(cycle)s ORDER BY position
"""


def make(url: str, world: World) -> None:
    """The tables, filled with the world as it stands."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        _fill(connection, world)
        connection.execute("VACUUM ANALYZE")


def _fill(connection: Connection[Any], world: World) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO objectives VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (o.id, world.cycle.id, o.wording.title, o.wording.owner_id, o.state, position)
                for position, o in enumerate(world.objectives)
            ],
        )
        rows = []
        for position, key_result in enumerate(world.key_results):
            terms = key_result.terms
            said = (terms.title, terms.owner_id, terms.direction, terms.unit, terms.baseline, terms.target)
            value = key_result.last_value or Decimal(0)
            place = (key_result.state, key_result.version, position)
            rows.append(
                (key_result.id, key_result.objective_id, world.cycle.id, *said, value, terms.deadline, 1, *place)
            )
        cursor.executemany(
            "INSERT INTO key_results VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now(), %s, %s, %s, %s, %s, now())",
            rows,
        )


def create_app(url: str) -> Flask:
    """The service that answers both questions."""
    app = Flask(__name__)
    pool = ConnectionPool(url, kwargs={"autocommit": True, "row_factory": dict_row}, min_size=1, max_size=8, open=True)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/v1/key-results/<uuid:id>")
    def show(id: UUID) -> Response:
        with pool.connection() as connection:
            found = connection.execute(ONE, [id], prepare=True).fetchone()
        return Response(orjson.dumps(found, default=str), mimetype="application/json")

    @app.get("/v1/cycles/<uuid:id>/tree")
    def tree(id: UUID) -> Response:
        with pool.connection() as connection:
            answer = _tree(connection, id)
        return Response(orjson.dumps(answer, default=str), mimetype="application/json")

    return app


def _tree(connection: Connection[Any], cycle_id: UUID) -> dict[str, Any]:
    branches = connection.execute(OBJECTIVES, {"cycle": cycle_id}, prepare=True).fetchall()
    of = {branch["id"]: branch for branch in branches}
    for branch in branches:
        branch["key_results"] = []
    for row in connection.execute(KEY_RESULTS, {"cycle": cycle_id}, prepare=True):
        of[row["objective_id"]]["key_results"].append(row)
    return {"objectives": branches}
