"""Commands for who runs the program: the schema, tokens, read models, the record's integrity, the settings."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
import psycopg

from cli import running
from cli import settings as door
from cli.expiry import expiry
from cli.output import Failure, json_option, progress_bar, say, show_json, show_table
from ledger import tokens
from ledger.datastore import become
from ledger.line import as_time
from ledger.merkle import Frontier
from ledger.migrate import migrate as bring_to_schema
from ledger.tokens import Role
from ledger.verify import verify as verify_record


@click.command()
def migrate() -> None:
    """Bring the database to this program's schema.

    Safe to repeat, and when several start it at once. Needs a user who may create schemas and roles:
    OKR_MIGRATE_URL, else OKR_DATABASE_URL.

    \b
    Example:
      OKR_DATABASE_URL=postgresql://okr@db.example/okr okr migrate
    """
    applied = bring_to_schema(running.migrate_url(door.read()), told=lambda name: say(f"applying {name}"))
    say(f"applied {len(applied)} steps." if applied else "nothing to do: the schema is current.")


@click.group()
def token() -> None:
    """Make, list and revoke API tokens.

    A token speaks for one actor in one role. Its text is shown once, when it is made: only its hash is kept.
    """


@token.command("create")
@click.option("--actor", "actor_id", required=True, metavar="ID", help="For whom: an opaque id, no name or address.")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default="member", show_default=True, help="What it may."
)
@click.option("--expires", metavar="WHEN", help="30d, 12h, 4w, a day or a moment; without it the token does not end.")
@click.option("--name", metavar="TEXT", help="What it is for, so that the list can be read.")
@json_option
def create_token(actor_id: str, role: str, expires: str | None, name: str | None, as_json: bool) -> None:
    """Make a token and print it, once.

    \b
    Examples:
      okr token create --actor li.wei --role member --expires 30d
      okr token create --actor dashboard --role viewer --name "wall screen"
    """
    try:
        expires_at = None if expires is None else expiry(expires, datetime.now(UTC))
    except ValueError as rule:
        raise click.BadParameter(str(rule), param_hint="--expires") from None
    with _database() as connection:
        text, id = tokens.create_token(connection, actor_id, role, expires_at, name)
    if as_json:
        show_json({"id": id, "token": text, "actor_id": actor_id, "role": role, "expires_at": _time(expires_at)})
    else:
        click.echo(text)
        click.echo("Keep it now: it is not shown again.", err=True)


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """Show all tokens, without their texts.

    \b
    Example:
      okr token list
    """
    now = datetime.now(UTC)
    with _database() as connection:
        found = tokens.list_tokens(connection)
    if as_json:
        show_json([{name: _plain(value) for name, value in asdict(each).items()} for each in found])
        return
    show_table(
        ["id", "actor", "role", "name", "holds", "expires", "last used"],
        [
            [
                str(each.id),
                each.actor_id,
                each.role,
                each.name,
                "yes" if each.holds_at(now) else "revoked" if each.revoked_at else "expired",
                _minute(each.expires_at),
                _minute(each.last_used_at),
            ]
            for each in found
        ],
        empty="There is no token yet: `okr token create --actor ID` makes one.",
    )


@token.command("revoke")
@click.argument("id", type=click.UUID)
def revoke_token(id: UUID) -> None:
    """Take a token back, at once and for ever.

    \b
    Example:
      okr token revoke 0198c1f2-5a3b-4c1d-9e8f-0a1b2c3d4e5f
    """
    with _database() as connection:
        revoked = tokens.revoke(connection, id)
    if not revoked:
        raise Failure(f"no token {id} that still holds: `okr token list` shows them all.")
    say(f"revoked {id}.")


@click.group()
def ledger() -> None:
    """Look at the record itself: its size and root, and whether every line is as it was written."""


@ledger.command("status")
@json_option
def ledger_status(as_json: bool) -> None:
    """Show the record's size, root and last time.

    \b
    Example:
      okr ledger status --json
    """
    with _database() as connection:
        row = connection.execute("SELECT size, recorded_at, frontier FROM ledger.head").fetchone()
    if row is None:
        raise Failure("the ledger has no head row: run `okr migrate`.")
    size, recorded_at, frontier = row
    root = Frontier(size, bytes(frontier)).root().hex()
    if as_json:
        show_json({"size": size, "root": root, "recorded_at": _time(recorded_at) if size else None})
        return
    say(f"{size} facts" + (f", the last at {_minute(recorded_at)}" if size else "") + f"\nroot {root}")


@ledger.command("verify")
@json_option
def ledger_verify(as_json: bool) -> None:
    """Read every line and recompute every hash and the root.

    Writes nothing and holds nobody up. Exit code 1, with the first position that does not add up, when a line
    was changed, moved, taken away or slipped in.

    \b
    Example:
      okr ledger verify
    """
    with progress_bar("verifying") as progress:
        verdict = verify_record(running.database_url(door.read()), progress=progress)
    if as_json:
        show_json(
            {
                "is_intact": verdict.is_intact,
                "size": verdict.size,
                "root": verdict.root.hex(),
                "bad_position": verdict.bad_position,
                "fault": verdict.fault,
            }
        )
    elif verdict.is_intact:
        say(f"intact: {verdict.size} lines, root {verdict.root.hex()}")
    if not verdict.is_intact:
        raise Failure(f"the record is not intact at position {verdict.bad_position}: {verdict.fault}.")


@click.command()
@click.option("--markdown", is_flag=True, help="Print the table as the documentation has it.")
@json_option
def settings(markdown: bool, as_json: bool) -> None:
    """List every setting: environment variable, default, meaning, and its value here.

    Secrets are not printed. Each of them may stand in a file instead, named by the variable with _FILE.

    \b
    Examples:
      okr settings
      OKR_PORT=9000 okr settings --json
    """
    if markdown:
        click.echo(door.reference(), nl=False)
        return
    here = door.read()
    rows = [(each, _shown(each, getattr(here, each.field))) for each in door.TABLE]
    if as_json:
        show_json(
            [
                {
                    "name": each.name,
                    "kind": each.kind.name,
                    "default": each.default,
                    "otherwise": each.otherwise or None,
                    "read_by": each.read_by,
                    "meaning": each.meaning,
                    "is_secret": each.is_secret,
                    "value": value,
                }
                for each, value in rows
            ]
        )
        return
    show_table(
        ["setting", "value here", "default", "read by", "meaning"],
        [[each.name, value, each.shown_default, each.read_by, each.meaning] for each, value in rows],
        empty="",
    )


def _shown(setting: door.Setting, value: Any) -> str | None:
    if value is None:
        return None
    if setting.is_secret:
        return "(set)"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _database() -> psycopg.Connection[Any]:
    """A connection as the application's role, which may touch no more than the program itself."""
    connection = psycopg.connect(running.database_url(door.read()), connect_timeout=5)
    become(connection)
    return connection


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else as_time(moment)


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> Any:
    return as_time(value) if isinstance(value, datetime) else value
