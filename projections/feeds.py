"""Feeds: which messages count for which key result, in which revision, and whether they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.feed import FeedDefined, FeedGapFound, FeedPaused, FeedResumed, FeedRevised
from projections import reading
from projections.answers import Answer, Page, ref
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

FEEDS = Table(
    "feeds",
    """
    id            uuid    NOT NULL,
    from_position bigint  NOT NULL,
    begun         bigint  NOT NULL,
    version       integer NOT NULL,
    cycle_id      uuid    NOT NULL,
    key_result_id uuid    NOT NULL,
    name          text    NOT NULL,
    definition    text    NOT NULL,
    revision      integer NOT NULL,
    is_paused     boolean NOT NULL,
    gaps          integer NOT NULL
    """,
    key="id, from_position",
    indexes=(
        "(begun) WHERE from_position = begun",
        "(name) WHERE from_position = begun",
        "(key_result_id) WHERE from_position = begun",
    ),
)
TABLES = (FEEDS,)


@dataclass(slots=True)
class FeedRow:
    """`definition` is the JSON that the fact holds; `gaps` counts the messages' ranges found to be lost."""

    id: str
    from_position: int
    begun: int
    version: int
    cycle_id: UUID
    key_result_id: UUID
    name: str
    definition: str
    revision: int
    is_paused: bool = False
    gaps: int = 0


# How facts change it


def defined(present: Present, told: Told[Any], fact: FeedDefined) -> None:
    row = FeedRow(
        id=told.stream,
        from_position=told.position,
        begun=told.position,
        version=told.version,
        cycle_id=present.key_results[str(fact.key_result_id)].cycle_id,
        key_result_id=fact.key_result_id,
        name=fact.name,
        definition=orjson.dumps(fact.definition).decode(),
        revision=1,
    )
    present.feeds.put(row, told.position)


def revised(present: Present, told: Told[Any], fact: FeedRevised) -> None:
    row = present.feeds[told.stream]
    row.version = told.version
    row.definition, row.revision = orjson.dumps(fact.definition).decode(), fact.revision
    present.feeds.put(row, told.position)


def paused(present: Present, told: Told[Any], _: FeedPaused) -> None:
    row = present.feeds[told.stream]
    row.version = told.version
    row.is_paused = True
    present.feeds.put(row, told.position)


def resumed(present: Present, told: Told[Any], _: FeedResumed) -> None:
    row = present.feeds[told.stream]
    row.version = told.version
    row.is_paused = False
    present.feeds.put(row, told.position)


def gap_found(present: Present, told: Told[Any], _: FeedGapFound) -> None:
    row = present.feeds[told.stream]
    row.version = told.version
    row.gaps += 1
    present.feeds.put(row, told.position)


HANDLERS: Handlers = {
    FeedDefined: defined,
    FeedRevised: revised,
    FeedPaused: paused,
    FeedResumed: resumed,
    FeedGapFound: gap_found,
}


# Questions


def get(connection: Connection[DictRow], id: UUID | str, moment: Moment) -> Answer | None:
    """The feed of an id, or of a name; None where there is none. Raises `BeforeCreation`."""
    if isinstance(id, str):
        named = connection.execute("SELECT id FROM feeds WHERE name = %s AND from_position = begun", [id]).fetchone()
        if named is None:
            return None
        return get(connection, named["id"], moment)
    row = reading.one(connection, FEEDS, id, moment)
    return None if row is None else _answer(row)


def page(
    connection: Connection[DictRow],
    moment: Moment,
    after: str | None,
    limit: int,
    *,
    cycle_id: UUID | None = None,
    key_result_id: UUID | None = None,
    is_paused: bool | None = None,
) -> Page:
    """Feeds in the order in which they were defined."""
    rows = reading.many(
        connection,
        FEEDS,
        moment,
        after=reading.behind(after),
        limit=limit + 1,
        under={"cycle_id": cycle_id, "key_result_id": key_result_id},
        filters={"is_paused": is_paused},
    )
    rows, following = reading.cut(rows, limit)
    return [_answer(row) for row in rows], following


def _answer(row: DictRow) -> Answer:
    return {
        "id": ref(row["id"]),
        "name": row["name"],
        "key_result_id": ref(row["key_result_id"]),
        "cycle_id": ref(row["cycle_id"]),
        "definition": orjson.loads(row["definition"]),
        "revision": row["revision"],
        "is_paused": row["is_paused"],
        "gaps": row["gaps"],
        "version": row["version"],
        "position": row["from_position"],
    }
