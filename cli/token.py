"""Commands for API tokens: made, listed, revoked. They work on the database, so they need no token themselves."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
import psycopg

from cli import running, settings
from cli.expiry import expiry
from cli.output import Failure, json_option, minute, say, show_json, show_table
from ledger import tokens
from ledger.line import as_time
from ledger.tokens import Role


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
      okr token create --actor u-1042 --role member --expires 30d
      okr token create --actor dashboard --role viewer --name "wall screen"
    """
    try:
        expires_at = None if expires is None else expiry(expires, datetime.now(UTC))
    except ValueError as rule:
        raise click.BadParameter(str(rule), param_hint="--expires") from None
    with _database() as connection:
        text, id = tokens.create_token(connection, actor_id, role, expires_at, name)
    if as_json:
        show_json(
            {
                "id": id,
                "token": text,
                "actor_id": actor_id,
                "role": role,
                "expires_at": expires_at and as_time(expires_at),
            }
        )
    else:
        click.echo(text)
        click.echo("Keep it now: it is not shown again.", err=True)


@token.command("list")
@click.option("--all", "with_ended", is_flag=True, help="Also those that are revoked or expired.")
@json_option
def list_tokens(with_ended: bool, as_json: bool) -> None:
    """Show the tokens that hold, without their texts.

    \b
    Examples:
      okr token list
      okr token list --all --json
    """
    now = datetime.now(UTC)
    with _database() as connection:
        found = [each for each in tokens.list_tokens(connection) if with_ended or each.holds_at(now)]
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
                minute(each.expires_at),
                minute(each.last_used_at),
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


def _database() -> psycopg.Connection[Any]:
    return running.connection(running.database_url(settings.read()))


def _plain(value: Any) -> Any:
    return as_time(value) if isinstance(value, datetime) else value
