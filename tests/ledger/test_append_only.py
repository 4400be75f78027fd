"""What was written stays: the application's role cannot change it, and a change past it is found."""

from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from domain.application import OkrLedger
from domain.command import Actor, Command
from domain.cycle import CycleStarted
from domain.stream import Event
from ledger.datastore import become
from ledger.verify import verify

FACTS = 9


@pytest.fixture
def written_url(okr: OkrLedger, migrated_url: str) -> str:
    by = Command(Actor("anna"), datetime.now(UTC))
    for _ in range(FACTS):
        okr.save(Event(uuid4(), 1, CycleStarted()), by=by)
    return migrated_url


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.events SET type = type",
        "UPDATE ledger.events SET type = type WHERE false",
        "DELETE FROM ledger.events",
        "TRUNCATE ledger.events",
        "ALTER TABLE ledger.events DISABLE TRIGGER append_only",
        "ALTER TABLE ledger.events DISABLE TRIGGER ALL",
        "DROP TABLE ledger.events",
        "DELETE FROM ledger.head",
        "INSERT INTO ledger.head (is_head) VALUES (false)",
        "DELETE FROM ledger.streams",
    ],
)
def test_the_application_cannot_change_the_record(written_url: str, statement: str) -> None:
    with psycopg.connect(written_url) as connection:
        become(connection)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger.events SET type = type", "DELETE FROM ledger.events", "TRUNCATE ledger.events"],
)
@pytest.mark.parametrize("replication", ["origin", "replica"])
def test_the_trigger_stops_even_the_owner(written_url: str, statement: str, replication: str) -> None:
    with psycopg.connect(written_url) as connection:
        connection.execute(f"SET session_replication_role = {replication}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("tampering", "found_at"),
    [
        ("UPDATE ledger.events SET line = replace(line, 'anna', 'bert') WHERE position = 4", 4),
        (
            "UPDATE ledger.events SET line = replace(line, 'anna', 'bert'),"
            " leaf_hash = sha256('\\x00' || convert_to(replace(line, 'anna', 'bert'), 'UTF8')) WHERE position = 4",
            FACTS,
        ),
        ("DELETE FROM ledger.events WHERE position = 5", 5),
        (f"DELETE FROM ledger.events WHERE position = {FACTS}", FACTS),
        ("UPDATE ledger.events SET position = 100 WHERE position = 9", 9),
        ("UPDATE ledger.events SET recorded_at = recorded_at - interval '1 hour' WHERE position = 6", 6),
        ("UPDATE ledger.events SET stream_id = gen_random_uuid() WHERE position = 3", 3),
        (
            "UPDATE ledger.events SET position = -2 WHERE position = 2; "
            "UPDATE ledger.events SET position = 2 WHERE position = 3; "
            "UPDATE ledger.events SET position = 3 WHERE position = -2",
            2,
        ),
        ("UPDATE ledger.head SET size = 8, frontier = substr(frontier, 1, 32)", 9),
        ("UPDATE ledger.head SET frontier = substr(frontier, 33) || substr(frontier, 1, 32)", FACTS),
    ],
)
def test_what_a_superuser_changes_is_found(written_url: str, tampering: str, found_at: int) -> None:
    assert verify(written_url).is_intact
    with psycopg.connect(written_url) as connection:
        connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        connection.execute(tampering.encode())
    verdict = verify(written_url)
    assert verdict.bad_position == found_at
    assert verdict.fault


def test_an_empty_ledger_is_intact(migrated_url: str) -> None:
    assert verify(migrated_url).is_intact
