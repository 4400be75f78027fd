"""API tokens: 256 random bits of which only the SHA-256 is kept, each for one actor in one role.

The text is shown once, when the token is made. A token names an actor id; what a role may do is the API's table.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import dict_row

from domain.command import opaque_id

PREFIX = "okr_"
USE_NOTED_EVERY = timedelta(minutes=1)

COLUMNS = "id, actor_id, role, name, created_at, expires_at, revoked_at, last_used_at"
"""What `token_of` needs of a row of people.tokens."""


class Role(StrEnum):
    """What a token is for."""

    VIEWER = "viewer"
    MEMBER = "member"
    AUDITOR = "auditor"
    FEED_ADMIN = "feed-admin"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: all but its text."""

    id: UUID
    actor_id: str
    role: Role
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def holds_at(self, now: datetime) -> bool:
        """Whether it is neither revoked nor past its expiry."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_token(
    connection: Connection[Any],
    actor_id: str,
    role: Role | str,
    expires_at: datetime | None = None,
    name: str | None = None,
) -> tuple[str, UUID]:
    """Make a token: its text, which nobody can read again, and its id.

    ValueError for an unknown role and for an expiry without time zone; `domain.errors.Invalid` for an actor id
    that is not opaque.
    """
    opaque_id(actor_id, "actor_id")
    role = Role(role)
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueError("expires_at is an aware datetime")
    text = PREFIX + secrets.token_urlsafe(32)
    id = uuid4()
    connection.execute(
        "INSERT INTO people.tokens (id, token_hash, actor_id, role, name, expires_at) VALUES (%s, %s, %s, %s, %s, %s)",
        [id, digest(text), actor_id, role, name, expires_at],
    )
    return text, id


def revoke(connection: Connection[Any], id: UUID) -> bool:
    """Revoke a token at once and for ever; whether there was one that was not revoked yet."""
    done = connection.execute(
        "UPDATE people.tokens SET revoked_at = clock_timestamp() WHERE id = %s AND revoked_at IS NULL", [id]
    )
    return done.rowcount == 1


def list_tokens(connection: Connection[Any]) -> list[Token]:
    """All tokens, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM people.tokens ORDER BY created_at, id")
        return [token_of(row) for row in cursor]


def find(connection: Connection[Any], token_text: str) -> Token | None:
    """The token of that text, whether it still holds or not; the same work for any text."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM people.tokens WHERE token_hash = %s", [digest(token_text)], prepare=True)
        row = cursor.fetchone()
    return None if row is None else token_of(row)


def note_use(connection: Connection[Any], token: Token, now: datetime) -> None:
    """Keep when the token was last used, to the minute. Never waits, neither for a lock nor for the disk."""
    if token.last_used_at is not None and now - token.last_used_at < USE_NOTED_EVERY:
        return
    connection.execute(
        "UPDATE people.tokens SET last_used_at = %s FROM set_config('synchronous_commit', 'off', true)"
        " WHERE id = (SELECT id FROM people.tokens WHERE id = %s FOR UPDATE SKIP LOCKED)",
        [now, token.id],
    )


def digest(text: str) -> bytes:
    """What is kept of a token's text."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def token_of(row: dict[str, Any]) -> Token:
    """The token of a row with COLUMNS and perhaps others."""
    return Token(**{name: row[name] for name in _FIELDS} | {"role": Role(row["role"])})


_FIELDS = tuple(COLUMNS.split(", "))
