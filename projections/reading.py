"""Reading rows of state as they stood at a moment: one by its id, or page by page.

Each table of state has the columns id, from_position and begun; the first row of an id has from_position = begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections.moment import BeforeCreation, Moment
from projections.tables import Table

ROWS_AT_ONCE = 100
"""So many come together where rows are taken while others are still looked for."""
R = TypeVar("R")


class BadCursor(ValueError):
    """A cursor that no page has given out."""


def one(
    connection: Connection[DictRow],
    table: Table,
    id: UUID,
    moment: Moment,
    *,
    columns: str = "row.*",
    beside: str = "",
) -> DictRow | None:
    """The row of an id, None for an unknown one. Raises `BeforeCreation` where it was begun later.

    `columns` and `beside` as in `many`.
    """
    row = connection.execute(
        f"SELECT {columns} FROM (SELECT * FROM {table.name} WHERE id = %(id)s AND from_position <= %(position)s"
        f" ORDER BY from_position DESC LIMIT 1) AS row {beside}",
        {"id": id, "position": moment.position},
    ).fetchone()
    if row is None and _is_there(connection, table, id):
        raise BeforeCreation(f"{id} was begun after position {moment.position}")
    return row


def _is_there(connection: Connection[DictRow], table: Table, id: UUID) -> bool:
    # A row without columns is an empty dict, which is false: only None says that there is no row.
    return connection.execute(f"SELECT FROM {table.name} WHERE id = %s LIMIT 1", [id]).fetchone() is not None


def many(
    connection: Connection[DictRow],
    table: Table,
    moment: Moment,
    *,
    columns: str = "row.*",
    beside: str = "",
    after: int = 0,
    limit: int | None = None,
    under: dict[str, UUID | list[str] | None] | None = None,
    sought: dict[str, Any] | None = None,
    filters: dict[str, Any] | None = None,
) -> list[DictRow]:
    """Rows in the order in which their ids were begun, from behind the position `after`.

    Of the three kinds of conditions (None asks nothing), `under` are columns that never change, with one value or
    any of several; `sought` are indexed; and `filters` are looked at row by row.

    `columns` are what is wanted of `row`, as SQL, and `beside` is what is joined to it. Rows travel as text, which is
    read faster than the binary form of as many numbers.
    """
    conditions: list[str] = []
    values: dict[str, Any] = {"position": moment.position, "after": after, "limit": limit}
    for column, value in (under or {}).items():
        if value is not None:
            any_of = f"ANY(%({column})s::uuid[])" if isinstance(value, list) else f"%({column})s"
            conditions.append(f"first.{column} = {any_of}")
            values[column] = value
    for column, value in ((sought or {}) | (filters or {})).items():
        if value is not None:
            conditions.append(f"row.{column} = %({column})s")
            values[column] = value
            if sought and column in sought:
                conditions.append(f"first.id IN (SELECT id FROM {table.name} WHERE {column} = %({column})s)")
    statement = _as_they_stood(table, columns, beside) + "".join(f"AND {condition} " for condition in conditions)
    return connection.execute(statement + "ORDER BY first.begun LIMIT %(limit)s", values).fetchall()


def of_parent(
    connection: Connection[DictRow],
    table: Table,
    moment: Moment,
    parent: str,
    ids: Sequence[UUID | str],
    *,
    columns: str,
    beside: str,
    kind: Callable[[Sequence[Any]], R],
) -> Iterator[R]:
    """All rows whose column `parent` is one of `ids`, in that order too, while the database still looks for the rest.

    Until the last one is taken the connection is of no other use. `kind` makes of a row's columns what is wanted.
    """
    # Of a single parent the index has them in order, and nothing has to be sorted before the first row comes.
    one_of, wanted = ("%(ids)s", ids[0]) if len(ids) == 1 else ("ANY(%(ids)s::uuid[])", list(ids))
    statement = f"{_as_they_stood(table, columns, beside)}AND first.{parent} = {one_of} "
    values = {"position": moment.position, "after": 0, "ids": wanted}
    with connection.cursor(row_factory=lambda _: kind) as cursor:
        yield from cursor.stream(statement + "ORDER BY first.begun", values, size=ROWS_AT_ONCE)


def _as_they_stood(table: Table, columns: str, beside: str) -> str:
    """The statement that finds for each id, from its first row, the one that held at a position; without its end."""
    return (
        f"SELECT {columns} FROM {table.name} AS first CROSS JOIN LATERAL ("
        f" SELECT * FROM {table.name} WHERE id = first.id AND from_position <= %(position)s"
        f" ORDER BY from_position DESC LIMIT 1) AS row {beside} "
        f"WHERE first.from_position = first.begun AND first.begun > %(after)s AND first.begun <= %(position)s "
    )


def behind(cursor: str | None) -> int:
    """The position behind which a page begins. `BadCursor` for what no page has given out."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18:
        raise BadCursor("this cursor was not given out by a page")
    return int(cursor)


def cut(rows: list[DictRow], limit: int, column: str = "begun") -> tuple[list[DictRow], str | None]:
    """Of `limit` + 1 rows that were asked for, those of this page; and its cursor if there are more."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], str(rows[limit - 1][column])
