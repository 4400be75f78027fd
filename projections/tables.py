"""The tables of the read models, and the way of rows into them.

A row of state says from which position on it holds; it holds until the next row of the same id. Rows are only ever
added, so "as of position P" is one step in an index: the last row of the id with from_position <= P. Nothing has to
be closed, a reader needs no snapshot, and building anew writes exactly what following the ledger wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

NULL = "\\N"
"""How COPY reads that a column is null."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns as SQL, its primary key, and what each further index is on."""

    name: str
    columns: str
    key: str
    indexes: tuple[str, ...] = ()

    @property
    def create(self) -> str:
        """Without its keys: a table is filled faster before it has them."""
        return f"CREATE TABLE {self.name} ({self.columns})"

    def add_keys(self, connection: Connection[Any]) -> None:
        """Give it the primary key and the indexes that reading it, and following the ledger, rely on."""
        connection.execute(f"ALTER TABLE {self.name} ADD PRIMARY KEY ({self.key})")
        for spec in self.indexes:
            connection.execute(f"CREATE INDEX ON {self.name} {spec}")


class Rows:
    """Rows on their way into one table, given in the order of its columns."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.waiting: list[str] = []

    def add(self, *values: object) -> None:
        self.waiting.append(copied(values))

    def hand_over(self) -> list[Copy]:
        """What waits, to be written; none where nothing does."""
        waiting, self.waiting = self.waiting, []
        return [(self.table.name, "\n".join(waiting))] if waiting else []


Copy = tuple[str, str]
"""The name of a table and rows for it, as COPY reads them."""


def write(connection: Connection[DictRow], copies: Iterable[Copy]) -> None:
    """Write rows, in the caller's transaction."""
    for table, text in copies:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            copy.write(text)


class WriterBeside:
    """Writes rows over a connection of its own while the caller goes on: one batch at a time, each a transaction."""

    def __init__(self, connection: Connection[DictRow]) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rows")
        self._last: Future[None] | None = None

    def begin(self, copies: Iterable[Copy]) -> None:
        """Begin to write these as soon as the ones before are written. Raises what has gone wrong with those."""
        self.finish()
        self._last = self._thread.submit(self._write, copies)

    def finish(self) -> None:
        """Wait until everything is written. Raises what has gone wrong."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        self._thread.shutdown()

    def _write(self, copies: Iterable[Copy]) -> None:
        with self._connection.transaction():
            write(self._connection, copies)


class State(Protocol):
    """A row of state, field by field as the columns of its table."""

    id: str
    from_position: int


S = TypeVar("S", bound=State)


class States(Rows, Generic[S]):
    """Rows of state of one kind: the present one of each id, as far as it is at hand, and those to be written.

    A row is changed in place and then `put`, which keeps how it stands at that position. The table's last columns may
    follow from the others: they are properties of the row, named in `derived`, and written but never fetched.
    """

    def __init__(self, table: Table, kind: Callable[..., S], derived: Sequence[str] = ()) -> None:
        super().__init__(table)
        self.kind = kind
        self.present: dict[str, S] = {}
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        self._columns = ", ".join(names)
        self._values: Callable[[S], tuple[object, ...]] = attrgetter(*names, *derived)

    def __getitem__(self, id: str) -> S:
        """The present row. LookupError where there is none: then facts before this one are missing."""
        try:
            return self.present[id]
        except KeyError:
            raise LookupError(f"{self.table.name} has no {id}, which a later fact is about") from None

    def put(self, row: S, position: int) -> None:
        row.from_position = position
        self.present[row.id] = row
        self.add(*self._values(row))

    def fetch(self, connection: Connection[DictRow], ids: Collection[str]) -> None:
        """Take the present rows of these ids out of the table, where it has them."""
        missing = [id for id in ids if id not in self.present]
        if not missing:
            return
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                f"SELECT row.* FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN LATERAL ("
                f" SELECT {self._columns} FROM {self.table.name} WHERE id = wanted.id"
                f" ORDER BY from_position DESC LIMIT 1) AS row",
                [missing],
            )
            for values in cursor:
                row = self.kind(str(values[0]), *values[1:])
                self.present[row.id] = row


def copied(values: Iterable[object]) -> str:
    """One row as COPY reads it."""
    return "\t".join([_WRITERS[type(value)](value) for value in values])


class _Writers(dict[type, Callable[[Any], str]]):
    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for base in kind.__mro__[1:]:
            if base in self:
                self[kind] = self[base]
                return self[kind]
        raise TypeError(f"no column holds a {kind.__name__}")


def escaped(value: str) -> str:
    """A text as COPY reads it."""
    if "\\" in value or "\t" in value or "\n" in value or "\r" in value:
        return value.translate(_ESCAPES)
    return value


def _write_array(values: Iterable[object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


_WRITERS = _Writers(
    {
        type(None): lambda _: NULL,
        str: escaped,
        int: str,
        bool: lambda value: "t" if value else "f",
        Decimal: lambda value: format(value, "f"),
        datetime: datetime.isoformat,
        date: date.isoformat,
        UUID: str,
        tuple: _write_array,
        list: _write_array,
    }
)
