"""What one would write by hand for the present alone: tables without history, and one query for each question.

It answers the same members as the product does: measures and figures as exact texts, what was promised at commitment,
attainment, pace and computed score of each key result, the means of each objective. All arithmetic is PostgreSQL's,
done in the query. It answers the same requests, so it looks up whose token it is, and refuses whoever has none.

What it does less: it knows neither the past nor limits, milestones and overrides, keeps no record of who read people's
words or when a token was used, does not say up to which fact it knows, and its answers have no ETag.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import psycopg
from flask import Flask, Response, abort, request
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from benchmarks.data import World
from domain.calendar import end_of_day

TABLES = """
    CREATE TABLE tokens (
        token_hash bytea PRIMARY KEY, actor_id text NOT NULL, role text NOT NULL, revoked_at timestamptz
    );
    CREATE TABLE cycles (
        id uuid PRIMARY KEY, name text NOT NULL, starts_on date NOT NULL, ends_on date NOT NULL,
        time_zone text NOT NULL, state text NOT NULL, version int NOT NULL, position bigint NOT NULL
    );
    CREATE TABLE objectives (
        id uuid PRIMARY KEY, cycle_id uuid NOT NULL REFERENCES cycles, title text NOT NULL, description text,
        owner_id text NOT NULL, level text NOT NULL, team_id uuid, supports uuid[] NOT NULL, state text NOT NULL,
        score_self numeric, score_review numeric, confidence int, stated_status text, replaces uuid, replaced_by uuid,
        version int NOT NULL, position bigint NOT NULL
    );
    CREATE INDEX ON objectives (cycle_id);
    CREATE TABLE key_results (
        id uuid PRIMARY KEY, objective_id uuid NOT NULL REFERENCES objectives, cycle_id uuid NOT NULL,
        title text NOT NULL, owner_id text NOT NULL, direction text NOT NULL, unit text, baseline numeric,
        target numeric, value numeric, value_effective_at timestamptz, value_source text, deadline date NOT NULL,
        deadline_at timestamptz NOT NULL, weight numeric, state text NOT NULL, milestones text,
        original_target numeric, original_deadline date, original_weight numeric, score_self numeric,
        score_review numeric, confidence int, stated_status text, replaces uuid, replaced_by uuid, feed_id uuid,
        version int NOT NULL, position bigint NOT NULL, committed_at timestamptz
    );
    CREATE INDEX ON key_results (cycle_id);
    CREATE INDEX ON key_results (objective_id);
"""
TOKEN = "SELECT actor_id, role FROM tokens WHERE token_hash = %s AND revoked_at IS NULL"
BAND = """
    CASE WHEN {share} BETWEEN 0.60 AND 0.70 THEN 'ideal' WHEN {share} >= 1 THEN 'conservative'
         WHEN {share} < 0.5 THEN 'below_half' WHEN {share} > 0.70 THEN 'above' ELSE 'below' END AS band,
    CASE WHEN {share} >= 1 THEN 'goal_too_conservative' WHEN {share} < 0.5 THEN 'goal_or_execution' END AS advice
"""
CYCLE = "SELECT * FROM cycles WHERE id = %s"
KEY_RESULTS = """
    WITH known AS (
        SELECT *, (value - baseline) / (target - baseline) AS share,
               least(1, greatest(0, extract(epoch FROM now() - committed_at)
                                    / extract(epoch FROM deadline_at - committed_at))) AS elapsed
          FROM key_results WHERE {which})
    SELECT id, objective_id, cycle_id, title, owner_id, direction, unit, baseline::text, target::text, value::text,
           value_effective_at, value_source, deadline, weight::text, state, milestones,
           round(share, 6)::text AS attainment, round(elapsed, 6)::text AS elapsed,
           CASE WHEN share >= 1 THEN 'achieved' WHEN share >= 0.9 * elapsed THEN 'on_track'
                WHEN share >= 0.6 * elapsed THEN 'at_risk' ELSE 'behind' END AS status,
           round(least(5, greatest(1, 5 * share)), 1)::text AS points, {band},
           original_target::text, original_deadline, original_weight::text, score_self::text, score_review::text,
           confidence, stated_status, replaces, replaced_by, feed_id, version, position, committed_at
      FROM known ORDER BY position
"""
ONE = KEY_RESULTS.format(which="id = %s", band=BAND.format(share="share"))
ALL = KEY_RESULTS.format(which="cycle_id = %s", band=BAND.format(share="share"))
OBJECTIVES = f"""
    WITH parts AS (SELECT objective_id, weight, (value - baseline) / (target - baseline) AS attainment
                     FROM key_results WHERE cycle_id = %(cycle)s)
    SELECT o.id, o.cycle_id, o.title, o.description, o.owner_id, o.level, o.team_id, o.supports, o.state,
           round(s.clamped, 6)::text AS clamped, round(s.unclamped, 6)::text AS unclamped,
           round(s.points, 1)::text AS points, {BAND.format(share="s.clamped")},
           o.score_self::text, o.score_review::text, o.confidence, o.stated_status, o.replaces, o.replaced_by,
           o.version, o.position
      FROM objectives AS o
      JOIN (SELECT objective_id,
                   sum(weight * least(1, greatest(0, attainment))) / sum(weight) AS clamped,
                   sum(weight * attainment) / sum(weight) AS unclamped,
                   sum(weight * round(least(5, greatest(1, 5 * attainment)), 1)) / sum(weight) AS points
              FROM parts GROUP BY objective_id) AS s ON s.objective_id = o.id
     WHERE o.cycle_id = %(cycle)s ORDER BY o.position
"""


def make(url: str, world: World, token: str) -> None:
    """The tables, filled with the world as it stands, and one token."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("INSERT INTO tokens VALUES (%s, 'root', 'admin')", [_digest(token)])
        _fill(connection, world)
        connection.execute("VACUUM ANALYZE")


def _fill(connection: Connection[Any], world: World) -> None:
    cycle = world.cycle
    days = (cycle.starts_on, cycle.ends_on, cycle.time_zone)
    _insert(connection, "cycles", [(cycle.id, "A quarter", *days, cycle.state, 2, 0)])
    now = datetime.now(UTC)
    objectives, key_results = [], []
    for position, each in enumerate(world.objectives):
        said = each.wording
        stated = (said.level, said.team_id, list(said.supports or ()), each.state)
        unsaid = (None,) * 6
        objectives.append((each.id, cycle.id, said.title, None, said.owner_id, *stated, *unsaid, 2, position))
    for position, key_result in enumerate(world.key_results):
        terms = key_result.terms
        said_of_it = (terms.title, terms.owner_id, terms.direction, terms.unit, terms.baseline, terms.target)
        value = (key_result.last_value or Decimal(0), now, "person")
        deadline = (terms.deadline, end_of_day(terms.deadline, cycle.time_zone), terms.weight)
        original = (terms.target, terms.deadline, terms.weight)
        nothing = (None, None, 5, None, None, None, None)
        place = (key_result.version, position, now - timedelta(days=1))
        ids = (key_result.id, key_result.objective_id, cycle.id)
        key_results.append((*ids, *said_of_it, *value, *deadline, key_result.state, None, *original, *nothing, *place))
    _insert(connection, "objectives", objectives)
    _insert(connection, "key_results", key_results)


def _insert(connection: Connection[Any], table: str, rows: Sequence[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)


def create_app(url: str) -> Flask:
    """The service that answers both questions."""
    app = Flask(__name__)
    pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
        url, kwargs={"autocommit": True, "row_factory": dict_row}, min_size=1, max_size=8, open=True
    )

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/v1/key-results/<uuid:id>")
    def show(id: UUID) -> Response:
        with pool.connection() as connection:
            _admit(connection)
            found = connection.execute(ONE, [id], prepare=True).fetchone()
        return _json(None if found is None else _key_result(found))

    @app.get("/v1/cycles/<uuid:id>/tree")
    def tree(id: UUID) -> Response:
        with pool.connection() as connection:
            _admit(connection)
            answer = _tree(connection, id)
        return _json(answer)

    return app


def _admit(connection: Connection[DictRow]) -> None:
    text = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if connection.execute(TOKEN, [_digest(text)], prepare=True).fetchone() is None:
        abort(401)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _json(answer: dict[str, Any] | None) -> Response:
    return Response(orjson.dumps(answer, option=orjson.OPT_UTC_Z), mimetype="application/json")


def _tree(connection: Connection[DictRow], cycle_id: UUID) -> dict[str, Any]:
    cycle = connection.execute(CYCLE, [cycle_id], prepare=True).fetchone()
    branches = connection.execute(OBJECTIVES, {"cycle": cycle_id}, prepare=True).fetchall()
    of = {branch["id"]: branch for branch in branches}
    for branch in branches:
        branch["attainment"] = {"clamped": branch.pop("clamped"), "unclamped": branch.pop("unclamped")}
        branch["computed"] = {name: branch.pop(name) for name in ("points", "band", "advice")}
        branch["score"] = _score(branch)
        branch["key_results"] = []
    for row in connection.execute(ALL, [cycle_id], prepare=True).fetchall():
        of[row["objective_id"]]["key_results"].append(_key_result(row))
    return {"cycle": cycle, "objectives": branches}


def _key_result(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it stands in answers: what belongs together is an object of its own."""
    elapsed = row.pop("elapsed")
    row["pace"] = {"elapsed": elapsed, "expected": elapsed, "status": row.pop("status")}
    row["computed"] = {name: row.pop(name) for name in ("points", "band", "advice")}
    row["original"] = {name: row.pop(f"original_{name}") for name in ("target", "deadline", "weight")}
    row["score"] = _score(row)
    return row


def _score(row: dict[str, Any]) -> dict[str, Any] | None:
    own, review = row.pop("score_self"), row.pop("score_review")
    return None if own is None and review is None else {"self": own, "review": review}
