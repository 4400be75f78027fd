"""Every refusal as a problem document (RFC 9457), and the one table that maps what went wrong to an answer.

A problem's `type` is /problems/ and a short name that stays the same; `errors` names each field and rule.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from eventsourcing import persistence
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from domain import errors
from domain.feeds import definition as feed_definition
from domain.feeds.definition import BadDefinition
from ledger.recorder import ClockBehind, LineTooLong
from projections.moment import BadMoment, BeforeCreation, FutureMoment, ViewsBehind
from projections.reading import BadCursor

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "1"

_log = logging.getLogger("okr.api")


class Problem(Exception):
    """An answer that says no: status, the type's short name, a title for its kind, a sentence for this case."""

    def __init__(self, status: int, slug: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors: list[dict[str, str | None]] = []
        self.headers = headers or {}

    def add(self, field: str | None, rule: str, message: str) -> None:
        """Name one broken rule, and the field where there is one."""
        self.errors.append({"field": field, "rule": rule, "message": message})

    def response(self) -> Response:
        body: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        if request_id := g.get("request_id"):
            body["request_id"] = request_id
        return Response(
            orjson.dumps(body),
            status=self.status,
            headers={"Cache-Control": "no-store", **self.headers},
            content_type=MEDIA_TYPE,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    """What an error becomes. Without a slug, the first broken rule gives it."""

    error: type[Exception]
    status: int
    slug: str | None
    title: str
    detail: str | None = None


_AWAY = ("database-unavailable", "The database does not answer", "the database does not answer in time: try again")
_TABLE = (
    _Row(errors.Invalid, 422, "invalid-values", "Some values break a rule"),
    _Row(BadDefinition, 422, "invalid-values", "Some values break a rule"),
    _Row(LineTooLong, 422, "line-too-long", "This is too long to be recorded"),
    _Row(errors.Conflict, 409, None, "The state as it stands does not allow this"),
    _Row(errors.Forbidden, 403, None, "You may not do this"),
    _Row(errors.Unknown, 404, "unknown", "There is no such thing"),
    _Row(BeforeCreation, 404, "before-creation", "It did not exist at that moment"),
    _Row(errors.Stale, 412, "stale-version", "It has changed since you looked at it"),
    _Row(FutureMoment, 400, "future-moment", "That moment has not come yet"),
    _Row(BadMoment, 400, "bad-moment", "There is no such moment"),
    _Row(BadCursor, 400, "bad-cursor", "There is no such page"),
    _Row(ViewsBehind, 503, "views-behind", "The views have not got there yet"),
    _Row(psycopg.errors.UndefinedTable, 503, "no-views", "The views are not built yet", "run the projector"),
    _Row(ClockBehind, 503, "clock-behind", "The database's clock is behind the ledger", "nothing is recorded for now"),
    _Row(persistence.OperationalError, 503, *_AWAY),
    _Row(persistence.InterfaceError, 503, *_AWAY),
    _Row(psycopg.OperationalError, 503, *_AWAY),
    _Row(psycopg.InterfaceError, 503, *_AWAY),
)

ANSWERED = tuple(row.error for row in _TABLE)
"""The errors that have a row; whatever else is raised is a fault of ours, 500."""


def problem_of(error: Exception) -> Problem:
    """The problem that an error becomes. LookupError where the table has no row for it."""
    if isinstance(error, Problem):
        return error
    row = next((row for row in _TABLE if isinstance(error, row.error)), None)
    if row is None:
        raise LookupError(type(error).__name__)
    slug = row.slug
    breaches: Sequence[errors.Breach | feed_definition.Problem] = ()
    if isinstance(error, errors.Refusal):
        breaches = error.breaches
        slug = slug or error.rule.replace("_", "-")
    elif isinstance(error, BadDefinition):
        breaches = error.problems
    headers = {"Retry-After": RETRY_AFTER} if row.status == 503 else None
    problem = Problem(row.status, slug or "refused", row.title, row.detail or str(error), headers)
    for breach in breaches:
        problem.add(breach.field, breach.rule, breach.message)
    return problem


def register(app: Flask) -> None:
    """Make every error of the application answer as a problem document."""

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        status = error.code or 500
        slug, detail = _HTTP.get(status, ("http-error", error.description or error.name))
        problem = Problem(status, slug, error.name, detail)
        # werkzeug's own answer knows which methods are allowed.
        allowed = dict(error.get_headers()).get("Allow")
        if allowed is not None:
            problem.headers["Allow"] = allowed
        return problem.response()

    @app.errorhandler(Exception)
    def of_any(error: Exception) -> Response:
        try:
            problem = problem_of(error)
        except LookupError:
            _log.exception("request %s failed", g.get("request_id"))
            problem = Problem(500, "fault", "Something went wrong here", "this is a fault of the server; its log has"
                              " the details under the request's id")  # fmt: skip
        if problem.status == 503:
            _log.warning("request %s: %s", g.get("request_id"), error)
        return problem.response()


_HTTP = {
    400: ("bad-request", "the request cannot be understood"),
    404: ("no-such-address", "nothing is at this address"),
    405: ("method-not-allowed", "this address does not take that method"),
    413: ("too-large", "the body is larger than this server reads"),
}
