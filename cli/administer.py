"""Commands for who runs the program: the schema, tokens, read models, the record's integrity, the settings."""

from __future__ import annotations

from typing import Any

import click
import psycopg

from cli import running
from cli import settings as door
from cli.output import Failure, json_option, minute, progress_bar, say, show_json, show_table
from ledger.durable import await_disk
from ledger.line import as_time
from ledger.merkle import Frontier
from ledger.migrate import migrate as bring_to_schema
from ledger.verify import verify as verify_record
from projections import schema
from projections.rebuild import RebuildRunning, rebuild


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
def ledger() -> None:
    """Look at the record itself: its size, its root, its integrity."""


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
        await_disk(connection)  # somebody may keep what is shown
    if row is None:
        raise Failure("the ledger has no head row: run `okr migrate`.")
    size, recorded_at, frontier = row
    root = Frontier(size, bytes(frontier)).root().hex()
    if as_json:
        show_json({"size": size, "root": root, "recorded_at": as_time(recorded_at) if size else None})
        return
    say(f"{size} facts" + (f", the last at {minute(recorded_at)}" if size else "") + f"\nroot {root}")


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


@click.group()
def views() -> None:
    """Look at the read models, or build them anew.

    They are computed from the ledger: whatever happens to them, nothing is lost.
    """


@views.command("status")
@json_option
def views_status(as_json: bool) -> None:
    """Show how far the views have read the ledger.

    \b
    Example:
      okr views status --json
    """
    with _database() as connection:
        if not schema.exists(connection):
            raise Failure("the views are not built yet: `okr project` builds them, and so does `okr views rebuild`.")
        schema.use(connection)
        row = connection.execute("SELECT p.position, h.size FROM progress AS p CROSS JOIN ledger.head AS h").fetchone()
    position, size = row or (0, 0)
    if as_json:
        show_json({"schema": schema.VIEWS_SCHEMA, "position": position, "ledger_size": size, "behind": size - position})
    else:
        say(f"{schema.VIEWS_SCHEMA}: {position} of {size} facts" + (" (current)" if position == size else ""))


@views.command("rebuild")
def views_rebuild() -> None:
    """Build the views anew from the ledger, beside the live ones, and switch when they are complete.

    Readers notice nothing. Works while the projector runs.

    \b
    Example:
      okr views rebuild
    """
    try:
        with progress_bar("rebuilding") as progress:
            position = rebuild(running.database_url(door.read()), progress=progress)
    except RebuildRunning:
        raise Failure("somebody else is building the views anew: wait for that one.") from None
    say(f"rebuilt {schema.VIEWS_SCHEMA} from {position} facts.")


@click.command()
@json_option
def settings(as_json: bool) -> None:
    """List every setting: environment variable, default, meaning, and its value here.

    Secrets are not printed. Each of them may stand in a file instead, named by the variable with _FILE.

    \b
    Examples:
      okr settings
      OKR_PORT=9000 okr settings --json
    """
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
    return running.connection(running.database_url(door.read()))
