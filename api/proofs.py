"""What the sealer has signed, and proofs about lines and sizes of the ledger (RFC 6962), for who trusts nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Response, request
from psycopg import Connection
from psycopg.rows import DictRow

from api import documentation
from api.auth import Scope, authenticate
from api.endpoints import Routes
from api.fields import MOST_POSITION, Count
from api.parameters import Parameters
from api.problems import Problem
from api.responses import JSON
from api.services import services
from ledger.checkpoints import read_checkpoint
from ledger.line import as_time
from ledger.proofs import MissingTile
from ledger.tiles import stored_tree

PLAIN = "text/plain"

routes = Routes("ledger", "Checkpoints and proofs of the ledger")

_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SIZE = {"type": "integer", "minimum": 1}


def _whole(description: str, members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": members, "required": list(members)}


PROOF_SCHEMAS = {
    "Checkpoint": _whole(
        "What was signed last; `note` is the whole of it, a C2SP tlog-checkpoint in a signed note.",
        {
            "origin": {"type": "string"},
            "size": _SIZE,
            "root": _HASH,
            "note": {"type": "string"},
            "sealed_at": {"type": "string", "format": "date-time"},
        },
    ),
    "InclusionProof": _whole(
        "The hashes that lead from a line to the root over so many lines, the lowest first.",
        {
            "position": _SIZE,
            "size": _SIZE,
            "leaf_hash": _HASH,
            "hashes": {"type": "array", "items": _HASH},
            "root": _HASH,
        },
    ),
    "ConsistencyProof": _whole(
        "The hashes that lead to both roots, where the smaller ledger is the beginning of the larger one.",
        {
            "from": _SIZE,
            "to": _SIZE,
            "hashes": {"type": "array", "items": _HASH},
            "root_from": _HASH,
            "root_to": _HASH,
        },
    ),
}


class Nothing(Parameters):
    """No parameters."""


class OfSize(Parameters):
    """In the tree of which size."""

    size = Count(
        least=1, most=MOST_POSITION, metadata={"description": "lines in the tree; the last checkpoint's without it"}
    )


class Sizes(Parameters):
    """From which size to which."""

    from_ = Count(least=1, most=MOST_POSITION, required=True, data_key="from", metadata={"description": "lines then"})
    to = Count(least=1, most=MOST_POSITION, metadata={"description": "lines later; the last checkpoint's without it"})


@routes.get("/checkpoint")  # type: ignore[untyped-decorator] # flask-smorest has no types
@routes.doc(  # type: ignore[untyped-decorator]
    **documentation.of_question(
        "Checkpoint", Nothing, is_state=False, more_types={PLAIN: {"schema": {"type": "string"}}}
    )
)
def last_checkpoint() -> Response:
    """What the sealer has signed last: the signed note itself, or as application/json what it says."""
    with services().reads.connection() as connection:
        _let_in(connection)
        Nothing().read(request)
        sealed = _last_sealed(connection)
    headers = {**_headers(sealed["size"]), "Vary": "Accept"}
    if request.accept_mimetypes.best_match([PLAIN, JSON]) != JSON:
        return Response(sealed["note"], headers=headers, content_type=f"{PLAIN}; charset=utf-8")
    checkpoint = read_checkpoint(sealed["note"])
    body = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "note": sealed["note"],
        "sealed_at": as_time(sealed["sealed_at"]),
    }
    return Response(orjson.dumps(body), headers=headers, content_type=JSON)


@routes.get("/proofs/inclusion/<int:position>")  # type: ignore[untyped-decorator]
@routes.doc(**documentation.of_question("InclusionProof", OfSize, is_state=False))  # type: ignore[untyped-decorator]
def inclusion_proof(position: int) -> Response:
    """The proof that the line at a position is in the tree of a size that was sealed."""
    with services().reads.connection() as connection:
        _let_in(connection)
        asked = OfSize().read(request)
        sealed = int(_last_sealed(connection)["size"])
        size = int(asked.get("size", sealed))
        _must_be_sealed(max(size, position), sealed)
        if not 1 <= position <= size:
            raise _cannot_be("size", f"position {position} is not among the first {size} lines")
        row = connection.execute("SELECT leaf_hash FROM ledger.events WHERE position = %s", [position]).fetchone()
        if row is None:
            raise Problem(404, "unknown", "There is no such thing", f"there is no line at position {position}")
        tree = stored_tree(connection)
        try:
            body = {
                "position": position,
                "size": size,
                "leaf_hash": bytes(row["leaf_hash"]).hex(),
                "hashes": [each.hex() for each in tree.inclusion(position - 1, size)],
                "root": tree.root(size).hex(),
            }
        except MissingTile as error:
            raise _not_ready(error) from None
    return Response(orjson.dumps(body), headers=_headers(size), content_type=JSON)


@routes.get("/proofs/consistency")  # type: ignore[untyped-decorator]
@routes.doc(**documentation.of_question("ConsistencyProof", Sizes, is_state=False))  # type: ignore[untyped-decorator]
def consistency_proof() -> Response:
    """The proof that the ledger of one size is the beginning of that of another, both sealed."""
    with services().reads.connection() as connection:
        _let_in(connection)
        asked = Sizes().read(request)
        sealed = int(_last_sealed(connection)["size"])
        old, new = int(asked["from_"]), int(asked.get("to", sealed))
        _must_be_sealed(max(old, new), sealed)
        if old > new:
            raise _cannot_be("from", f"{old} lines are more than {new}")
        tree = stored_tree(connection)
        try:
            body = {
                "from": old,
                "to": new,
                "hashes": [each.hex() for each in tree.consistency(old, new)],
                "root_from": tree.root(old).hex(),
                "root_to": tree.root(new).hex(),
            }
        except MissingTile as error:
            raise _not_ready(error) from None
    return Response(orjson.dumps(body), headers=_headers(new), content_type=JSON)


def _let_in(connection: Connection[DictRow]) -> None:
    authenticate(connection, request, datetime.now(UTC)).must_hold(Scope.OKR_READ)


def _last_sealed(connection: Connection[DictRow]) -> DictRow:
    row = connection.execute(
        "SELECT size, note, sealed_at FROM ledger.checkpoints ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise Problem(404, "not-sealed-yet", "Nothing has been sealed", "no checkpoint has been signed: run `okr seal`")
    return row


def _must_be_sealed(size: int, sealed: int) -> None:
    if size > sealed:
        detail = f"{sealed} lines have been sealed so far, not {size}"
        raise Problem(404, "not-sealed-yet", "So much has not been sealed yet", detail)


def _cannot_be(field: str, detail: str) -> Problem:
    problem = Problem(400, "bad-parameters", "The address asks for something that cannot be", detail)
    problem.add(field, "out_of_range", detail)
    return problem


def _not_ready(error: MissingTile) -> Problem:
    detail = f"{error}: the sealer makes the tiles anew"
    return Problem(503, "tiles-not-ready", "The proof cannot be made yet", detail, {"Retry-After": "10"})


def _headers(size: int) -> dict[str, str]:
    return {"Okr-Position": str(size), "Cache-Control": "private, no-cache"}
