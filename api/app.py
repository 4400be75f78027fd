"""The HTTP API as a WSGI application."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from api import (
    audit,
    cycles,
    dead_letters,
    events,
    key_results,
    objectives,
    operations,
    problems,
    proofs,
    teams,
    whatif,
)
from api.audit_answers import AUDIT_SCHEMAS
from api.documentation import specify
from api.metrics import ELSEWHERE, RequestMetrics, SharedCells
from api.proofs import PROOF_SCHEMAS
from api.services import attach, open_services
from api.settings import ApiSettings
from api.whatif_answers import WHAT_IF_SCHEMAS

ROUTES = (
    cycles.routes,
    teams.routes,
    objectives.routes,
    key_results.routes,
    dead_letters.routes,  # with those of the feeds themselves
    events.routes,
    audit.routes,
    proofs.routes,
    whatif.routes,
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Ordinal(BaseConverter):
    """A number that counts from 1, of at most four digits."""

    regex = "[1-9][0-9]{0,3}"
    part_isolating = True

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: Any) -> str:
        return str(value)


def create_app(settings: ApiSettings, cells: SharedCells | None = None, slot: int = 0) -> Flask:
    """The application. Call it after a fork: it opens connections, when they are first needed.

    `cells` and `slot`: where this process counts its requests, if it shares memory with others.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.url_map.merge_slashes = False
    app.url_map.converters["ordinal"] = Ordinal
    app.url_map.converters["question"] = audit.QuestionName
    services = open_services(settings)
    attach(app, services)
    problems.register(app)
    api = specify(app)
    api.register_converter(Ordinal, lambda _: {"type": "integer", "minimum": 1, "maximum": 9999})
    api.register_converter(audit.QuestionName, audit.question_names)
    for name, schema in {**AUDIT_SCHEMAS, **PROOF_SCHEMAS, **WHAT_IF_SCHEMAS}.items():
        api.spec.components.schema(name, schema)
    for routes in ROUTES:
        api.register_blueprint(routes)
    paths = {rule.rule for rule in app.url_map.iter_rules()} | set(operations.PATHS)
    metrics = RequestMetrics(sorted(paths), cells, slot)
    operations.register(app, services, metrics)
    _trace(app, metrics)
    return app


def _trace(app: Flask, metrics: RequestMetrics) -> None:
    """Give each request an id that its answer, the log and the ledger have; count it and its time."""

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        said = request.headers.get("X-Request-Id", "")
        g.request_id = said if _REQUEST_ID.fullmatch(said) else uuid.uuid4().hex

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        rule = request.url_rule
        metrics.count(rule.rule if rule else ELSEWHERE, response.status_code, time.perf_counter() - g.started)
        return response
