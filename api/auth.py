"""Who calls, and what they may: bearer tokens (RFC 6750) and one table of roles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import Request
from psycopg import Connection

from api.problems import Problem
from domain.command import Actor, ActorKind
from ledger.tokens import Role, Token, find, note_use

REALM = 'Bearer realm="okr"'


class Scope(StrEnum):
    """What a token may be for. Whose objective it is decides further, in the domain."""

    OKR_READ = "okr:read"
    """See all state, history, texts and the ledger's lines."""
    OKR_WRITE = "okr:write"
    """Draft, commit, record, adjust, check in, score."""
    OKR_ADMIN = "okr:admin"
    """Make and turn cycles, make teams."""
    FEEDS_WRITE = "feeds:write"
    """Define, revise, pause and resume feeds."""
    AUDIT_READ = "audit:read"
    """Ask the questions of audit."""
    AUDIT_EXPORT = "audit:export"
    """Take the whole trail out."""


SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.OKR_READ}),
    Role.MEMBER: frozenset({Scope.OKR_READ, Scope.OKR_WRITE}),
    Role.AUDITOR: frozenset({Scope.OKR_READ, Scope.AUDIT_READ, Scope.AUDIT_EXPORT}),
    Role.FEED_ADMIN: frozenset({Scope.OKR_READ, Scope.FEEDS_WRITE}),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the domain knows them, and the scopes of their token."""

    actor: Actor
    scopes: frozenset[Scope]

    def must_hold(self, *scopes: Scope) -> None:
        """403 with none of the scopes."""
        if self.scopes.isdisjoint(scopes):
            named = " or ".join(scopes)
            raise _refused(403, "insufficient-scope", f"this needs a token with the scope {named}", " ".join(scopes))


def authenticate(connection: Connection[Any], request: Request, now: datetime) -> Caller:
    """The caller that the Authorization header names; 401 where it names none, or one whose token no longer holds."""
    return admit(connection, find(connection, token_text(request)), now)


def token_text(request: Request) -> str:
    """The text that calls itself a token; 401 where there is none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise _refused(401, "not-authenticated", "this needs an API token: Authorization: Bearer okr_…")
    return text.strip()


def admit(connection: Connection[Any], token: Token | None, now: datetime) -> Caller:
    """Whoever the token was made for; 401 where there is none or it no longer holds."""
    if token is None or not token.holds_at(now):
        raise _refused(401, "invalid-token", "this token is unknown, expired or revoked")
    note_use(connection, token, now)
    return Caller(_actor(token), SCOPES[token.role])


def _actor(token: Token) -> Actor:
    return Actor(token.actor_id, ActorKind.TOKEN, is_admin=token.role is Role.ADMIN)


def _refused(status: int, slug: str, detail: str, scope: str | None = None) -> Problem:
    challenge = REALM
    if slug != "not-authenticated":
        challenge += f', error="{slug.replace("-", "_")}"'
    if scope is not None:
        challenge += f', scope="{scope}"'
    title = "You may not do this" if status == 403 else "Who are you?"
    return Problem(status, slug, title, detail, {"WWW-Authenticate": challenge})
