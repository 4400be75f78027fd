"""Tokens: shown once, kept as a hash, expired, revoked, and never slow to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from domain.errors import Invalid
from ledger.datastore import become
from ledger.tokens import Role, create_token, find, list_tokens, note_use, revoke
from tests.api.client import Client, read

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(migrated_url) as connection:
        become(connection)
        yield connection


def test_only_the_hash_is_kept(connection: Connection[Any]) -> None:
    text, id = create_token(connection, "u-1", Role.MEMBER, name="laptop")
    assert text.startswith("okr_")
    assert len(text) == len("okr_") + 43
    row = connection.execute("SELECT token_hash, tokens::text FROM people.tokens AS tokens").fetchone()
    assert row is not None
    assert row[0] == sha256(text.encode()).digest()
    assert text not in row[1]
    found = find(connection, text)
    assert found is not None
    assert (found.id, found.actor_id, found.role, found.name) == (id, "u-1", Role.MEMBER, "laptop")
    assert [token.id for token in list_tokens(connection)] == [id]
    assert find(connection, text + "x") is None
    assert find(connection, "\ud800") is None


def test_it_holds_until_it_expires_or_is_revoked(connection: Connection[Any]) -> None:
    text, id = create_token(connection, "u-1", "viewer", NOW)
    token = find(connection, text)
    assert token is not None
    assert token.holds_at(NOW - timedelta(seconds=1))
    assert not token.holds_at(NOW)
    assert revoke(connection, id)
    assert not revoke(connection, id)
    token = find(connection, text)
    assert token is not None
    assert not token.holds_at(NOW - timedelta(days=1))


def test_its_last_use_is_kept_to_the_minute(connection: Connection[Any]) -> None:
    text, _ = create_token(connection, "u-1", Role.MEMBER)

    def use(now: datetime) -> datetime | None:
        token = find(connection, text)
        assert token is not None
        note_use(connection, token, now)
        (kept,) = list_tokens(connection)
        return kept.last_used_at

    assert use(NOW) == NOW
    assert use(NOW + timedelta(seconds=59)) == NOW
    assert use(NOW + timedelta(seconds=60)) == NOW + timedelta(seconds=60)


def test_noting_a_use_waits_for_nobody(connection: Connection[Any], migrated_url: str) -> None:
    text, id = create_token(connection, "u-1", Role.MEMBER)
    token = find(connection, text)
    assert token is not None
    with psycopg.connect(migrated_url) as other:
        other.execute("SELECT FROM people.tokens WHERE id = %s FOR UPDATE", [id])
        connection.execute("SET lock_timeout = '100ms'")
        note_use(connection, token, NOW)
    (kept,) = list_tokens(connection)
    assert kept.last_used_at is None


def test_what_is_no_token_to_make(connection: Connection[Any]) -> None:
    with pytest.raises(Invalid):
        create_token(connection, "Anna Li", Role.MEMBER)
    with pytest.raises(ValueError, match="owner"):
        create_token(connection, "u-1", "owner")
    with pytest.raises(ValueError, match="aware"):
        create_token(connection, "u-1", Role.MEMBER, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, 'Bearer realm="okr"'),
        ("Basic dXNlcjpwYXNz", 'Bearer realm="okr"'),
        ("Bearer", 'Bearer realm="okr", error="invalid_token"'),
        ("Bearer okr_nobody", 'Bearer realm="okr", error="invalid_token"'),
        ("bearer \u00e4\u00f6", 'Bearer realm="okr", error="invalid_token"'),
    ],
)
def test_without_a_token_that_holds(lonely: Client, header: str | None, challenge: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = lonely.get("/v1/cycles", role=None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge
    assert answer.content_type == "application/problem+json"
    assert read(answer)["status"] == 401


def test_expired_and_revoked_tokens_end_at_once(lonely: Client, api_url: str) -> None:
    with psycopg.connect(api_url, autocommit=True) as connection:
        expired, _ = create_token(connection, "u-9", Role.ADMIN, datetime.now(UTC) - timedelta(seconds=1))
        text, id = create_token(connection, "u-9", Role.ADMIN)
        lonely.tokens |= {"expired": expired, "revoked": text}
        assert lonely.get("/v1/cycles", role="expired").status_code == 401
        assert lonely.get("/v1/cycles", role="revoked").status_code == 200
        revoke(connection, id)
        assert lonely.get("/v1/cycles", role="revoked").status_code == 401
