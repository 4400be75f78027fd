"""Arrays for PostgreSQL as text: many times faster to make, for long lists, than one parameter for each element."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def plain(values: Iterable[object]) -> str:
    """An array of what needs no quotes: numbers, booleans, hex digits. None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def moments(values: Iterable[datetime | None]) -> str:
    """An array of times."""
    return "{" + ",".join(["NULL" if value is None else value.isoformat() for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts, whatever they contain."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
