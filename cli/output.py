"""What commands say: one JSON document for programs, tables and bars for a terminal, plain columns for a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class Failure(click.ClickException):
    """A command could not do its work: one or two sentences that say what to do next. Exit code 1."""


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")


def screen() -> Console:
    """Where readable output goes; colours only on a terminal."""
    return Console(highlight=False)


def say(text: str | Text = "") -> None:
    """A line for a person, never broken, so that it can be copied; square brackets in it mean nothing."""
    screen().print(Text(text) if isinstance(text, str) else text, soft_wrap=True)


def show_json(document: Any) -> None:
    """Print a JSON document: indented, in UTF-8."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text | None]], *, empty: str) -> None:
    """Rows under their columns' names; `empty` where there are none. An absent value is a dash."""
    if not rows:
        say(empty)
        return
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        _show_columns([[Text(name) for name in columns], *cells])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*row)
    screen().print(table)


def minute(moment: datetime | None) -> str | None:
    """A moment as tables show it: to the minute, in UTC."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def bar(share: Decimal, width: int = 20) -> Text:
    """A bar of that many cells, filled from the left by the share (0 to 1)."""
    filled = int(max(Decimal(0), min(Decimal(1), share)) * width)
    return Text("█" * filled, style="green").append("░" * (width - filled), style="dim")


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, moved by calling `(done, total)`; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _cell(value: str | Text | None) -> Text:
    return value if isinstance(value, Text) else Text("-" if value is None else value)


def _show_columns(rows: list[list[Text]]) -> None:
    widths = [max(cell_len(row[column].plain) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        padded = [cell.plain + " " * (width - cell_len(cell.plain)) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())
