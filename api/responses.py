"""Answers as JSON, and the headers that say what they are an answer about."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from flask import Request, Response
from werkzeug.http import http_date

from projections.moment import Moment

JSON = "application/json"
LONG = 365 * 24 * 3600


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status=status, headers=headers, content_type=JSON)


def answered(
    request: Request,
    body: bytes,
    moment: Moment,
    *,
    version: int | None = None,
    has_texts: bool = False,
    content_type: str = JSON,
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer to a question about a moment.

    The ETag follows from the content, and begins with the version where the answer is about one stream, so that it
    serves as If-Match. What can never change is kept long; what holds people's texts, which may be erased, is asked
    for again each time; what may still change is not kept at all.
    """
    tag = urlsafe_b64encode(sha256(body).digest()[:15]).decode()
    etag = f'"{tag}"' if version is None else f'"v{version}.{tag}"'
    sent = {"ETag": etag, "Okr-Position": str(moment.position), "Cache-Control": caching(moment, has_texts=has_texts)}
    if not moment.is_now:
        sent["Memento-Datetime"] = memento(moment.clock)
    sent.update(headers or {})
    known = request.headers.get("If-None-Match")
    if known is not None and (known.strip() == "*" or etag in [each.strip() for each in known.split(",")]):
        return Response(status=304, headers=sent)
    return Response(body, headers=sent, content_type=content_type)


def caching(moment: Moment, *, has_texts: bool) -> str:
    """How long an answer about this moment may be kept, and by whom."""
    if not moment.is_final:
        return "no-store"
    return "private, no-cache" if has_texts else f"private, max-age={LONG}, immutable"


def memento(clock: datetime) -> str:
    """The moment as RFC 7089 writes it, to the second."""
    return http_date(clock)
