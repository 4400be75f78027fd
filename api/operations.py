"""What those who run the program ask: does the process live, can it work, and the figures for Prometheus."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from psycopg.rows import dict_row, tuple_row

from api.feed_figures import feed_figures
from api.metrics import RequestMetrics, registry_of
from api.responses import json_response
from api.services import Services
from ledger.datastore import become
from ledger.migrate import schema_is_current
from projections import schema

PATHS = ("/healthz", "/readyz", "/metrics")
PATIENCE_S = 2

_LEDGER = """
    SELECT h.size, p.position,
           coalesce(extract(epoch FROM clock_timestamp() - (
               SELECT recorded_at FROM ledger.events WHERE position = p.position + 1)), 0)::float8 AS lag_s
      FROM ledger.head AS h CROSS JOIN progress AS p
"""


def register(app: Flask, services: Services, metrics: RequestMetrics) -> None:
    """Add /healthz, /readyz and /metrics; none of them needs a token."""
    registry = registry_of(metrics)

    @app.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"}, headers=_FRESH)

    @app.get("/readyz")
    def readyz() -> Response:
        reasons = why_not_ready(services)
        body: dict[str, Any] = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return json_response(body, 503 if reasons else 200, _FRESH)

    @app.get("/metrics")
    def figures() -> Response:
        text = generate_latest(registry).decode() + _ledger_figures(services)
        return Response(text, headers=_FRESH, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def why_not_ready(services: Services) -> list[str]:
    """What keeps this process from answering; nothing where it can."""
    settings = services.settings
    try:
        with psycopg.connect(settings.database_url, connect_timeout=PATIENCE_S, row_factory=tuple_row) as connection:
            become(connection)
            connection.execute(f"SET statement_timeout = '{PATIENCE_S}s'")
            if not schema_is_current(connection):
                return ["the database's schema is not this program's: run okr migrate"]
            if not schema.exists(connection):
                return ["the views are not built yet: run the projector"]
            schema.use(connection)
            with connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(_LEDGER).fetchone()
    except psycopg.Error as error:
        return [f"the database does not answer: {type(error).__name__}"]
    if row is None:
        return ["the views are not built yet: run the projector"]
    if row["lag_s"] > settings.most_lag_seconds:
        return [f"the views are {row['lag_s']:.0f} s behind the ledger: is the projector running?"]
    return []


def _ledger_figures(services: Services) -> str:
    """The ledger's size and the views' lag, as they are in the database; without it, only that it is away."""
    try:
        with services.reads.connection(timeout=PATIENCE_S) as connection:
            row = connection.execute(_LEDGER).fetchone()
            of_feeds = feed_figures(connection)
    except psycopg.Error:
        row, of_feeds = None, ""
    lines = [_gauge("okr_database_up", "Whether the database answers and the views are there", int(row is not None))]
    if row is not None:
        lines += [
            _gauge("okr_ledger_size", "Facts in the ledger", row["size"]),
            _gauge("okr_views_position", "The last position that the views know", row["position"]),
            _gauge("okr_views_lag_seconds", "Age of the oldest fact that the views lack", row["lag_s"]),
        ]
    return "".join(lines) + of_feeds


def _gauge(name: str, help: str, value: float) -> str:
    return f"# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"


_FRESH = {"Cache-Control": "no-store"}
