"""The same request again happens once: what a command answered is kept under the client's Idempotency-Key.

The key is claimed first of all locks, in the transaction of the fact, and what was answered is stored in it.
A request that comes while its twin is still at work is refused rather than kept waiting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Request
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from api.problems import Problem

KEPT_DAYS = 7
PURGED_AT_ONCE = 3

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# One statement. The row is looked up by a snapshot from before the lock: what was stored in between is found by the
# primary key when this request stores its own.
_CLAIM = """
    SELECT pg_try_advisory_xact_lock(%s) AS is_ours, k.request_hash, k.status, k.headers, k.answer
      FROM (VALUES (1)) AS one (row)
      LEFT JOIN people.idempotency_keys AS k
             ON k.actor_id = %s AND k.key = %s AND k.created_at > now() - make_interval(days => %s)
"""
# Each new key takes a few that are past their time away with it, so that nobody else has to.
_KEEP = """
    WITH past AS (
        DELETE FROM people.idempotency_keys AS k USING (
            SELECT actor_id, key FROM people.idempotency_keys
             WHERE created_at <= now() - make_interval(days => %(days)s)
               AND (actor_id, key) <> (%(actor_id)s, %(key)s)
             ORDER BY created_at LIMIT %(purged)s FOR UPDATE SKIP LOCKED) AS old
         WHERE k.actor_id = old.actor_id AND k.key = old.key)
    INSERT INTO people.idempotency_keys AS k (actor_id, key, request_hash, status, headers, answer)
    VALUES (%(actor_id)s, %(key)s, %(hash)s, %(status)s, %(headers)s, %(answer)s)
    ON CONFLICT (actor_id, key) DO UPDATE
       SET request_hash = excluded.request_hash, status = excluded.status, headers = excluded.headers,
           answer = excluded.answer, created_at = now()
     WHERE k.created_at <= now() - make_interval(days => %(days)s)
"""


class KeyTaken(Exception):
    """The request's twin has stored its answer a moment ago: look again."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command led to: which resource, at which version, with which position; and how it is answered."""

    status: int
    resource: str
    id: UUID
    version: int
    position: int
    location: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"ETag": f'"v{self.version}"', "Okr-Position": str(self.position), "Cache-Control": "no-store"}
        if self.location is not None:
            headers["Location"] = self.location
        return headers


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request. `request_hash` covers method, address, If-Match and body."""

    actor_id: str
    key: str
    request_hash: bytes

    @classmethod
    def of(cls, request: Request, actor_id: str) -> IdempotencyKey | None:
        """The key that a request brings; 400 for one that is none."""
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if _KEY.fullmatch(key) is None:
            raise Problem(
                400,
                "bad-idempotency-key",
                "The Idempotency-Key cannot be read",
                "it has 1 to 255 visible ASCII characters",
            )
        asked = (request.method, request.full_path, request.headers.get("If-Match", ""))
        digest = sha256("\n".join(asked).encode("utf-8", "surrogatepass") + b"\n" + request.get_data())
        return cls(actor_id, key, digest.digest())

    def claim(self, connection: Connection[DictRow]) -> Done | None:
        """Take the key for this transaction; what was done under it before, if anything was.

        409 while another request with it is at work; 422 where it was used for a different request.
        """
        row = connection.execute(_CLAIM, [self._lock, self.actor_id, self.key, KEPT_DAYS], prepare=True).fetchone()
        if row is None or not row["is_ours"]:
            raise Problem(
                409,
                "request-in-progress",
                "The same request is at work",
                "a request with this Idempotency-Key has not been answered yet: try again shortly",
                {"Retry-After": "1"},
            )
        if row["request_hash"] is None:
            return None
        if bytes(row["request_hash"]) != self.request_hash:
            raise Problem(
                422,
                "idempotency-key-reused",
                "This Idempotency-Key was used before",
                "it belongs to a different request: take a new key for each request",
            )
        kept: dict[str, Any] = row["answer"]
        return Done(
            status=row["status"],
            resource=kept["resource"],
            id=UUID(kept["id"]),
            version=kept["version"],
            position=kept["position"],
            location=row["headers"].get("Location"),
        )

    def keep(self, connection: Connection[DictRow], done: Done) -> None:
        """Store what was done. `KeyTaken` where a twin came first."""
        stored = connection.execute(
            _KEEP,
            {
                "actor_id": self.actor_id,
                "key": self.key,
                "hash": self.request_hash,
                "status": done.status,
                "headers": Jsonb(done.headers),
                "answer": Jsonb(
                    {
                        "resource": done.resource,
                        "id": str(done.id),
                        "version": done.version,
                        "position": done.position,
                    }
                ),
                "days": KEPT_DAYS,
                "purged": PURGED_AT_ONCE,
            },
            prepare=True,
        )
        if stored.rowcount == 0:
            raise KeyTaken

    @property
    def _lock(self) -> int:
        digest = sha256(f"{self.actor_id}\n{self.key}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)
