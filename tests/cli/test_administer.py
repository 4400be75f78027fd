"""The commands of who runs the program, each as a process of its own on a real database."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from cli.expiry import RULE, expiry
from domain.application import OkrLedger
from domain.command import Actor, Command
from tests.cli.command import okr
from tests.support.postgres_server import TestPostgres

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def open_cycle(url: str) -> None:
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": url}) as application:
        application.open_cycle(
            uuid4(),
            name="Q3",
            starts_on=NOW.date(),
            ends_on=NOW.date() + timedelta(90),
            time_zone="Asia/Shanghai",
            by=Command(Actor("admin", is_admin=True), NOW),
        )


def test_migrate_brings_the_schema_and_may_be_repeated(database_url: str) -> None:
    first, second = okr("migrate", database_url=database_url), okr("migrate", database_url=database_url)
    assert first.returncode == 0
    assert "applying 0001_ledger" in first.stdout
    assert second.stdout == "nothing to do: the schema is current.\n"


def test_migrate_takes_the_url_of_who_may(database_url: str) -> None:
    assert okr("migrate", migrate_url=database_url, database_url="postgresql://nobody@127.0.0.1:1/x").returncode == 0


def test_a_token_is_shown_once_and_listed_without_its_text(migrated_url: str) -> None:
    made = okr("token", "create", "--actor", "li.wei", "--name", "Li's laptop", database_url=migrated_url)
    text = made.stdout.strip()
    assert made.returncode == 0
    assert len(text) > 40
    assert "not shown again" in made.stderr
    listed = okr("token", "list", database_url=migrated_url)
    assert text not in listed.stdout
    assert "li.wei" in listed.stdout
    assert "Li's laptop" in listed.stdout


def test_a_token_is_revoked_once(migrated_url: str) -> None:
    made = json.loads(
        okr("token", "create", "--actor", "a", "--expires", "30d", "--json", database_url=migrated_url).stdout
    )
    assert timedelta(days=29) < datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC) < timedelta(days=31)
    assert okr("token", "revoke", made["id"], database_url=migrated_url).returncode == 0
    again = okr("token", "revoke", made["id"], database_url=migrated_url)
    assert again.returncode == 1
    assert "okr token list" in again.stderr
    (listed,) = json.loads(okr("token", "list", "--all", "--json", database_url=migrated_url).stdout)
    assert listed["revoked_at"] is not None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("4w", NOW + timedelta(weeks=4)),
        ("2026-07-31", datetime(2026, 8, 1, tzinfo=UTC)),
        ("2026-07-31T18:00:00+08:00", datetime(2026, 7, 31, 10, tzinfo=UTC)),
    ],
)
def test_when_a_token_ends(text: str, moment: datetime) -> None:
    assert expiry(text, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "0d", "2026-13-01", "9999-12-31", "2026-07-31T18:00"])
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(ValueError, match="write 30d"):
        expiry(text, NOW)


def test_an_end_lies_ahead() -> None:
    with pytest.raises(ValueError, match="2026-06-30 is over already"):
        expiry("2026-06-30", NOW)


def test_a_bad_end_is_a_misuse(migrated_url: str) -> None:
    result = okr("token", "create", "--actor", "a", "--expires", "soon", database_url=migrated_url)
    assert result.returncode == 2
    assert " ".join(result.stderr.split()).endswith(RULE)


def test_an_actor_is_an_opaque_id(migrated_url: str) -> None:
    result = okr("token", "create", "--actor", "li@example.com", database_url=migrated_url)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: refused: actor_id must be an opaque id")


def test_an_intact_ledger_is_said_to_be(migrated_url: str) -> None:
    open_cycle(migrated_url)
    result = okr("ledger", "verify", "--json", database_url=migrated_url)
    assert result.returncode == 0
    verdict = json.loads(result.stdout)
    assert verdict["is_intact"] is True
    status = json.loads(okr("ledger", "status", "--json", database_url=migrated_url).stdout)
    assert (status["size"], status["root"]) == (1, verdict["root"])
    assert okr("ledger", "verify", database_url=migrated_url).stdout.startswith("intact: 1 lines, root ")


def test_a_changed_line_is_found(postgres: TestPostgres, migrated_url: str) -> None:
    open_cycle(migrated_url)
    with psycopg.connect(migrated_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        owner.execute("UPDATE ledger.events SET line = replace(line, 'Q3', 'Q4')")
    result = okr("ledger", "verify", database_url=migrated_url)
    assert result.returncode == 1
    assert result.stderr == "Error: the record is not intact at position 1: the line does not give its leaf hash.\n"


def test_no_database_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    result = okr("ledger", "status", data_dir=str(tmp_path_factory.mktemp("nothing")))
    assert result.returncode == 1
    assert result.stderr == "Error: no database: start `okr up` in another terminal, or set OKR_DATABASE_URL.\n"


def test_an_unreachable_database_is_told_without_its_password() -> None:
    result = okr("ledger", "status", database_url="postgresql://okr:hunter2@127.0.0.1:1/okr")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: cannot work with the database: ")
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_database_is_told_what_to_do(database_url: str) -> None:
    result = okr("ledger", "status", database_url=database_url)
    assert result.returncode == 1
    assert "okr migrate" in result.stderr


def test_a_user_who_may_not_is_told_whom_to_name(postgres: TestPostgres, database_url: str) -> None:
    user = f"okr_weak_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {user} LOGIN".encode())
        result = okr("migrate", database_url=database_url.replace("postgres@", f"{user}@"))
        owner.execute(f"DROP ROLE {user}".encode())
    assert result.returncode == 1
    assert "OKR_MIGRATE_URL" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_setting_stops_the_start() -> None:
    result = okr("ledger", "status", port="http")
    assert result.returncode == 1
    assert result.stderr == "Error: OKR_PORT is a port: a number from 1 to 65535, not 'http'.\n"


def test_settings_are_listed_without_secrets() -> None:
    result = okr("settings", database_url="postgresql://okr:hunter2@db/okr", port="9000")
    assert "hunter2" not in result.stdout
    assert "9000" in result.stdout


def test_views_are_rebuilt_and_their_place_is_told(migrated_url: str) -> None:
    open_cycle(migrated_url)
    missing = okr("views", "status", database_url=migrated_url)
    assert missing.returncode == 1
    assert "okr views rebuild" in missing.stderr
    rebuilt = okr("views", "rebuild", database_url=migrated_url)
    assert rebuilt.returncode == 0
    assert rebuilt.stdout.endswith(" from 1 facts.\n")
    status = json.loads(okr("views", "status", "--json", database_url=migrated_url).stdout)
    assert (status["position"], status["ledger_size"], status["behind"]) == (1, 1, 0)
