"""The ledger's lines, in order: what everything else is computed from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Response, request
from psycopg import Connection
from psycopg.rows import DictRow

from api import documentation
from api.access import EXPORTED_LINES, note_access, note_reading
from api.auth import Scope, authenticate
from api.endpoints import Routes, next_address
from api.fields import MOST_POSITION, Count, Id, Words
from api.parameters import LONGEST_FILTER, MOST_ITEMS, USUAL_ITEMS, Parameters
from api.responses import JSON
from api.services import services
from ledger.durable import await_disk
from ledger.line import as_time
from projections.answers import Answer

NDJSON = "application/x-ndjson"

routes = Routes("events", "The lines of the ledger")


class Lines(Parameters):
    """Which lines."""

    after_position = Count(
        least=0, most=MOST_POSITION, load_default=0, metadata={"description": "only lines behind this position"}
    )
    limit = Count(least=1, most=MOST_ITEMS, load_default=USUAL_ITEMS)
    type = Words(longest=LONGEST_FILTER, metadata={"description": "only facts of this type"})
    stream = Id(metadata={"description": "only facts of this stream"})


_PARAMETERS = Lines()


@routes.get("")  # type: ignore[untyped-decorator] # flask-smorest has no types
@routes.doc(  # type: ignore[untyped-decorator]
    **documentation.of_question(
        "Events", Lines, is_page=True, is_state=False, more_types={NDJSON: {"schema": {"type": "string"}}}
    )
)
def list_events() -> Response:
    """The lines of the ledger, in order; as application/x-ndjson the raw lines alone.

    The texts of people stand beside the line, as far as they were not erased; that they were read is kept.
    """
    now = datetime.now(UTC)
    with services().reads.connection() as connection:
        caller = authenticate(connection, request, now)
        caller.must_hold(Scope.OKR_READ)
        asked = _PARAMETERS.read(request)
        rows = _lines(connection, asked)
        has_more = len(rows) > asked["limit"]
        rows = rows[: asked["limit"]]
        await_disk(connection)
        is_raw = request.accept_mimetypes.best_match([JSON, NDJSON]) == NDJSON
        items = [] if is_raw else _with_texts(connection, rows)
        note_reading(connection, caller.actor.id, request.path, items)
        if is_raw and rows:
            span = f"{request.path} at positions {rows[0]['position']}..{rows[-1]['position']}"
            note_access(connection, caller.actor.id, EXPORTED_LINES, span)
    last = rows[-1]["position"] if rows else asked["after_position"]
    headers = {"Okr-Position": str(last), "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if has_more:
        headers["Link"] = f'<{next_address(after_position=str(last))}>; rel="next"'
    if is_raw:
        return Response("".join(row["line"] + "\n" for row in rows), headers=headers, content_type=NDJSON)
    body: Answer = {"items": items}
    if has_more:
        body["next"] = str(last)
    return Response(orjson.dumps(body), headers=headers, content_type=JSON)


def _lines(connection: Connection[DictRow], asked: dict[str, Any]) -> list[DictRow]:
    statement = (
        "SELECT position, stream_id, stream_version, type, recorded_at, line, leaf_hash FROM ledger.events"
        " WHERE position > %(after_position)s"
    )
    if "type" in asked:
        statement += " AND type = %(type)s"
    if "stream" in asked:
        statement += " AND stream_id = %(stream)s"
    asked = {**asked, "most": asked["limit"] + 1}
    return connection.execute(statement + " ORDER BY position LIMIT %(most)s", asked).fetchall()


def _with_texts(connection: Connection[DictRow], rows: list[DictRow]) -> list[Answer]:
    texts: dict[int, dict[str, str]] = {row["position"]: {} for row in rows}
    said = connection.execute("SELECT position, field, text FROM people.texts WHERE position = ANY(%s)", [list(texts)])
    for row in said:
        texts[row["position"]][row["field"]] = row["text"]
    return [
        {
            "position": row["position"],
            "stream_id": str(row["stream_id"]),
            "stream_version": row["stream_version"],
            "type": row["type"],
            "recorded_at": as_time(row["recorded_at"]),
            "line": row["line"],
            "leaf_hash": bytes(row["leaf_hash"]).hex(),
            "texts": texts[row["position"]],
        }
        for row in rows
    ]
