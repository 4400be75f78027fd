"""How values stand in answers: decimals and ids as texts, times in UTC with six decimals and Z."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from domain import numbers
from ledger.line import as_time

Answer = dict[str, Any]
"""A JSON object. What is absent stands there as None. Parts that are JSON text already are `orjson.Fragment`s."""

Page = tuple[list[Answer], str | None]
"""The items of a page, and the cursor of the next one where there is one."""


def written(members: Answer | list[Answer]) -> str:
    """The JSON text of an object or a list."""
    return orjson.dumps(members).decode()


def quoted(text: str | None) -> str:
    """A text in which nothing needs escaping, as JSON: a measure, a figure, a time, a word of ours."""
    return "null" if text is None else f'"{text}"'


def joined(said: str, further: Answer) -> str:
    """The JSON text of one object that has the members of a written one, of which there are some, and further ones."""
    return f"{said[:-1]},{written(further)[1:]}"


def measure(value: Decimal | None) -> str | None:
    """A number as people or feeds wrote it."""
    return None if value is None else numbers.text(value)


@lru_cache(maxsize=4096)  # of the goals of a cycle many have come equally far in time
def figure(value: Decimal | None) -> str | None:
    """A computed number, with six decimals."""
    return None if value is None else str(numbers.shown(value))


def time(moment: datetime | None) -> str | None:
    return None if moment is None else as_time(moment)


def time_of(column: str) -> str:
    """The same as SQL: the time in a column with a qualified name, under its own name."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {column.partition(".")[2]}"""


def day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def ref(id: UUID | str | None) -> str | None:
    return None if id is None else str(id)
