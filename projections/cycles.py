"""Cycles: the periods, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.cycle import CycleClosed, CycleOpened, CycleReopened, CycleScoringBegun, CycleStarted, CycleState
from domain.stream import Fact
from projections import reading
from projections.answers import Answer, Page, day, ref
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

CYCLES = Table(
    "cycles",
    """
    id            uuid    NOT NULL,
    from_position bigint  NOT NULL,
    begun         bigint  NOT NULL,
    version       integer NOT NULL,
    name          text    NOT NULL,
    starts_on     date    NOT NULL,
    ends_on       date    NOT NULL,
    time_zone     text    NOT NULL,
    state         text    NOT NULL
    """,
    key="id, from_position",
    indexes=("(begun) WHERE from_position = begun",),
)
TABLES = (CYCLES,)


@dataclass(slots=True)
class CycleRow:
    id: str
    from_position: int
    begun: int
    version: int
    name: str
    starts_on: date
    ends_on: date
    time_zone: str
    state: str


# How facts change it


def opened(present: Present, told: Told[Any], fact: CycleOpened) -> None:
    row = CycleRow(
        id=told.stream,
        from_position=told.position,
        begun=told.position,
        version=told.version,
        name=fact.name,
        starts_on=fact.starts_on,
        ends_on=fact.ends_on,
        time_zone=fact.time_zone,
        state=CycleState.PLANNED,
    )
    present.cycles.put(row, told.position)


def turned(present: Present, told: Told[Any], fact: Fact) -> None:
    row = present.cycles[told.stream]
    row.state = TURNS[type(fact)]
    row.version = told.version
    present.cycles.put(row, told.position)


TURNS: dict[type[Fact], CycleState] = {
    CycleStarted: CycleState.RUNNING,
    CycleScoringBegun: CycleState.SCORING,
    CycleClosed: CycleState.CLOSED,
    CycleReopened: CycleState.SCORING,
}
HANDLERS: Handlers = {CycleOpened: opened, **dict.fromkeys(TURNS, turned)}


# Questions


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The cycle; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, CYCLES, id, moment)
    return None if row is None else answer(row)


def page(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, *, state: str | None = None
) -> Page:
    """Cycles in the order in which they were opened."""
    rows = reading.many(
        connection, CYCLES, moment, after=reading.behind(after), limit=limit + 1, filters={"state": state}
    )
    rows, following = reading.cut(rows, limit)
    return [answer(row) for row in rows], following


def answer(row: DictRow) -> Answer:
    return {
        "id": ref(row["id"]),
        "name": row["name"],
        "starts_on": day(row["starts_on"]),
        "ends_on": day(row["ends_on"]),
        "time_zone": row["time_zone"],
        "state": row["state"],
        "version": row["version"],
        "position": row["from_position"],
    }
