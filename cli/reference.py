"""The parts of the documentation that are made from the program: docs/settings.md and docs/commands.md."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from cli import settings
from cli.main import TOPICS, main

_MADE = "<!-- Made by `make docs` from the program: change it there. -->"

SETTINGS = f"""{_MADE}
# Settings

All settings are environment variables, read once when a process starts; one that breaks its rule stops the start with
a sentence that names it. A variable that is empty says nothing. Each secret may stand in a file instead, named by the
variable with `_FILE`. `okr settings` shows the values here.

"""

COMMANDS = f"""{_MADE}
# Commands

Each explains itself: `okr COMMAND --help`. Those that print data take `--json`. Exit code 0: done; 1: not done, and a
sentence on the standard error says what to do next; 2: the command line was not understood.

"""


def settings_page() -> str:
    """docs/settings.md"""
    return SETTINGS + settings.as_markdown()


def commands_page() -> str:
    """docs/commands.md"""
    context = click.Context(main, info_name="okr")
    parts = [COMMANDS.rstrip()]
    for topic, names in TOPICS.items():
        parts.append(f"## {topic}")
        for name in names:
            command = main.get_command(context, name)
            if command is not None:
                parts += _described(command, f"okr {name}")
    return "\n\n".join(parts) + "\n"


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups before what is in them."""
    context = click.Context(main, info_name="okr")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is not None:
            yield from _with_inner(f"okr {name}", command)


def _with_inner(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for sub, each in command.commands.items():
            yield from _with_inner(f"{name} {sub}", each)


def _described(command: click.Command, name: str) -> list[str]:
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command))])
    said, _, examples = inspect.cleandoc(command.help or "").partition("\b\n")
    parts = [f"### `{usage}`", said.strip()]
    options = [
        f"- `{', '.join(option.opts)}`: {option.help}"
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and option.help
    ]
    if options:
        parts.append("\n".join(options))
    if examples:
        shown = textwrap.dedent(examples.partition("\n")[2]).rstrip()
        parts.append(f"```console\n{textwrap.indent(shown, '$ ')}\n```")
    if isinstance(command, click.Group):
        for sub, each in command.commands.items():
            parts += _described(each, f"{name} {sub}")
    return parts


if __name__ == "__main__":
    Path("docs/settings.md").write_text(settings_page(), encoding="utf-8")
    Path("docs/commands.md").write_text(commands_page(), encoding="utf-8")
