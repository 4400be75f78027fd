"""Teams: who leads them, and the tree in which they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.team import TeamFormed
from projections import reading
from projections.answers import Answer, Page, ref
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

TEAMS = Table(
    "teams",
    """
    id            uuid    NOT NULL,
    from_position bigint  NOT NULL,
    begun         bigint  NOT NULL,
    version       integer NOT NULL,
    name          text    NOT NULL,
    parent_id     uuid,
    lead_id       text
    """,
    key="id, from_position",
    indexes=("(begun) WHERE from_position = begun",),
)
TABLES = (TEAMS,)


@dataclass(slots=True)
class TeamRow:
    id: str
    from_position: int
    begun: int
    version: int
    name: str
    parent_id: UUID | None
    lead_id: str | None


# How facts change it


def formed(present: Present, told: Told[Any], fact: TeamFormed) -> None:
    row = TeamRow(told.stream, told.position, told.position, told.version, fact.name, fact.parent_id, fact.lead_id)
    present.teams.put(row, told.position)


HANDLERS: Handlers = {TeamFormed: formed}


# Questions


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The team; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, TEAMS, id, moment)
    return None if row is None else _answer(row)


def page(
    connection: Connection[DictRow],
    moment: Moment,
    after: str | None,
    limit: int,
    *,
    parent_id: UUID | None = None,
    lead_id: str | None = None,
) -> Page:
    """Teams in the order in which they were formed."""
    rows = reading.many(
        connection,
        TEAMS,
        moment,
        after=reading.behind(after),
        limit=limit + 1,
        filters={"parent_id": parent_id, "lead_id": lead_id},
    )
    rows, following = reading.cut(rows, limit)
    return [_answer(row) for row in rows], following


def _answer(row: DictRow) -> Answer:
    return {
        "id": ref(row["id"]),
        "name": row["name"],
        "parent_id": ref(row["parent_id"]),
        "lead_id": row["lead_id"],
        "version": row["version"],
        "position": row["from_position"],
    }
