"""The `okr` command: what it can do, by topic, and what it answers when something is in the way."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click
import psycopg

from cli.output import Failure
from cli.settings import BadSetting
from cli.trial import TrialError
from domain.errors import Refusal
from ledger.migrate import MigrationRefused

TOPICS: dict[str, dict[str, str]] = {
    "Try it": {
        "up": "cli.up",
        "demo": "cli.demonstrate",
    },
    "Look at goals": {
        "tree": "cli.look",
        "show": "cli.look",
        "history": "cli.look",
        "goalposts": "cli.look",
        "replay": "cli.replay.command",
        "diff": "cli.audit",
        "what-if": "cli.whatif",
    },
    "Audit": {
        "audit": "cli.audit",
    },
    "Let business systems write": {
        "feeds": "cli.feeds",
    },
    "Prove it": {
        "export": "cli.bundles",
        "verify": "cli.bundles",
    },
    "Run the processes": {
        "serve": "cli.serve",
        "project": "cli.serve",
        "feed": "cli.serve",
        "seal": "cli.sealing",
        "trial-broker": "cli.serve",
    },
    "Administer": {
        "migrate": "cli.administer",
        "token": "cli.token",
        "key": "cli.sealing",
        "views": "cli.administer",
        "ledger": "cli.proving",
        "settings": "cli.administer",
    },
}
"""Each command under its topic, with the module in which it lies; imported only when it is asked for."""


class Okr(click.Group):
    """The commands by topic, and refusals and broken connections told in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return [name for commands in TOPICS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for commands in TOPICS.values():
            if cmd_name in commands:
                command = getattr(importlib.import_module(commands[cmd_name]), cmd_name.replace("-", "_"))
                return command if isinstance(command, click.Command) else None
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for topic, names in TOPICS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(topic):
                formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in commands if command])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BadSetting, TrialError, MigrationRefused) as refusal:
            raise Failure(str(refusal)) from None
        except Refusal as refusal:
            raise Failure(f"refused: {refusal}.") from None
        except psycopg.OperationalError as error:
            raise Failure(f"cannot work with the database: {_first_line(error)}") from error
        except psycopg.errors.UndefinedTable as error:
            raise Failure(f"the database lacks a table ({_first_line(error)}): run `okr migrate`.") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise Failure(
                f"the database does not let us ({_first_line(error)}): name a user who may in OKR_MIGRATE_URL and"
                " run `okr migrate`."
            ) from error


@click.group(cls=Okr, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="okr-ledger", message="%(package)s %(version)s")
def main() -> None:
    """Objectives and key results on an append-only ledger.

    `okr up` starts everything on this machine: a database, a broker, the API and the workers. `okr tree` shows
    the goals. Each command explains itself: `okr COMMAND --help`. The settings are environment variables:
    `okr settings` lists them.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a character gets a question mark


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main(prog_name="okr")
