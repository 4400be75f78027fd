"""Objectives: what is to be achieved, and how far its key results have come."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.checkin import ScoreKind
from domain.measures import objective_attainment
from domain.objective import (
    ObjectiveCheckedIn,
    ObjectiveCommitted,
    ObjectiveDrafted,
    ObjectiveDraftRevised,
    ObjectiveDropped,
    ObjectiveOwnerChanged,
    ObjectiveRephrased,
    ObjectiveReplaced,
    ObjectiveScored,
    ObjectiveState,
)
from projections import key_results, reading
from projections.answers import Answer, Page, figure, ref
from projections.key_results import KEY_RESULTS, Reckoned, score
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

OBJECTIVES = Table(
    "objectives",
    """
    id            uuid    NOT NULL,
    from_position bigint  NOT NULL,
    begun         bigint  NOT NULL,
    version       integer NOT NULL,
    cycle_id      uuid    NOT NULL,
    title         text    NOT NULL,
    described_at  bigint,
    owner_id      text    NOT NULL,
    level         text    NOT NULL,
    team_id       uuid,
    supports      uuid[]  NOT NULL,
    state         text    NOT NULL,
    score_self    numeric,
    score_review  numeric,
    confidence    smallint,
    stated_status text,
    replaces      uuid,
    replaced_by   uuid
    """,
    key="id, from_position",
    indexes=(
        "(begun) WHERE from_position = begun",
        "(cycle_id, begun) WHERE from_position = begun",
        "(owner_id)",
        "(team_id)",
    ),
)
TABLES = (OBJECTIVES,)


@dataclass(slots=True)
class ObjectiveRow:
    """`described_at` is the position of the fact that holds the description: its words are joined when read."""

    id: str
    from_position: int
    begun: int
    version: int
    cycle_id: UUID
    title: str
    described_at: int | None
    owner_id: str
    level: str
    team_id: UUID | None
    supports: tuple[UUID, ...]
    state: str
    score_self: Decimal | None = None
    score_review: Decimal | None = None
    confidence: int | None = None
    stated_status: str | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None


# How facts change it


def drafted(present: Present, told: Told[Any], fact: ObjectiveDrafted) -> None:
    row = ObjectiveRow(
        id=told.stream,
        from_position=told.position,
        begun=told.position,
        version=told.version,
        cycle_id=fact.cycle_id,
        title=fact.title,
        described_at=None if fact.description is None else told.position,
        owner_id=fact.owner_id,
        level=fact.level,
        team_id=fact.team_id,
        supports=tuple(fact.supports or ()),
        state=ObjectiveState.DRAFT,
        replaces=fact.replaces,
    )
    present.objectives.put(row, told.position)


def draft_revised(present: Present, told: Told[Any], fact: ObjectiveDraftRevised) -> None:
    row = present.objectives[told.stream]
    for name in ("title", "owner_id", "level", "team_id", "supports"):
        value = getattr(fact, name)
        if value is not None:
            setattr(row, name, value)
    if fact.description is not None:
        row.described_at = told.position
    for name in fact.cleared or ():
        match name:
            case "description":
                row.described_at = None
            case "supports":
                row.supports = ()
            case _:
                setattr(row, name, None)
    _keep(present, told, row)


def committed(present: Present, told: Told[Any], _: ObjectiveCommitted) -> None:
    row = present.objectives[told.stream]
    row.state = ObjectiveState.COMMITTED
    _keep(present, told, row)


def rephrased(present: Present, told: Told[Any], fact: ObjectiveRephrased) -> None:
    row = present.objectives[told.stream]
    row.title = fact.to
    _keep(present, told, row)


def owner_changed(present: Present, told: Told[Any], fact: ObjectiveOwnerChanged) -> None:
    row = present.objectives[told.stream]
    row.owner_id = fact.to
    _keep(present, told, row)


def checked_in(present: Present, told: Told[Any], fact: ObjectiveCheckedIn) -> None:
    row = present.objectives[told.stream]
    row.confidence, row.stated_status = fact.confidence, fact.status
    _keep(present, told, row)


def scored(present: Present, told: Told[Any], fact: ObjectiveScored) -> None:
    row = present.objectives[told.stream]
    row.state = ObjectiveState.SCORED
    if fact.kind is ScoreKind.REVIEW:
        row.score_review = fact.points
    else:
        row.score_self = fact.points
    _keep(present, told, row)


def replaced(present: Present, told: Told[Any], fact: ObjectiveReplaced) -> None:
    row = present.objectives[told.stream]
    row.state, row.replaced_by = ObjectiveState.REPLACED, fact.successor_id
    _keep(present, told, row)


def dropped(present: Present, told: Told[Any], _: ObjectiveDropped) -> None:
    row = present.objectives[told.stream]
    row.state = ObjectiveState.DROPPED
    _keep(present, told, row)


HANDLERS: Handlers = {
    ObjectiveDrafted: drafted,
    ObjectiveDraftRevised: draft_revised,
    ObjectiveCommitted: committed,
    ObjectiveRephrased: rephrased,
    ObjectiveOwnerChanged: owner_changed,
    ObjectiveCheckedIn: checked_in,
    ObjectiveScored: scored,
    ObjectiveReplaced: replaced,
    ObjectiveDropped: dropped,
}


def _keep(present: Present, told: Told[Any], row: ObjectiveRow) -> None:
    row.version = told.version
    present.objectives.put(row, told.position)


# Questions

PartsOf = dict[UUID, list[Reckoned]]
"""The key results of each objective."""


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The objective; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, OBJECTIVES, id, moment)
    if row is None:
        return None
    return answers(connection, [row], _parts(connection, [row], moment))[0]


def page(
    connection: Connection[DictRow],
    moment: Moment,
    after: str | None,
    limit: int,
    *,
    cycle_id: UUID | None = None,
    owner_id: str | None = None,
    team_id: UUID | None = None,
    level: str | None = None,
    state: str | None = None,
) -> Page:
    """Objectives in the order in which they were drafted."""
    rows = reading.many(
        connection,
        OBJECTIVES,
        moment,
        after=reading.behind(after),
        limit=limit + 1,
        under={"cycle_id": cycle_id},
        sought={"owner_id": owner_id, "team_id": team_id},
        filters={"level": level, "state": state},
    )
    rows, following = reading.cut(rows, limit)
    return answers(connection, rows, _parts(connection, rows, moment)), following


def answers(connection: Connection[DictRow], rows: list[DictRow], parts: PartsOf) -> list[Answer]:
    """The objectives of these rows, with what their key results come to."""
    described = [row["described_at"] for row in rows if row["described_at"] is not None]
    descriptions = {}
    if described:
        said = connection.execute(
            "SELECT position, text FROM people.texts WHERE field = 'description' AND position = ANY(%s)", [described]
        )
        descriptions = {row["position"]: row["text"] for row in said}
    return [_answer(row, descriptions.get(row["described_at"]), parts.get(row["id"], [])) for row in rows]


def by_objective(reckoned: list[Reckoned]) -> PartsOf:
    parts: PartsOf = {}
    for part in reckoned:
        parts.setdefault(part.objective_id, []).append(part)
    return parts


def _parts(connection: Connection[DictRow], rows: list[DictRow], moment: Moment) -> PartsOf:
    """The key results of these objectives, of all of them at once."""
    if not rows:
        return {}
    found = reading.many(connection, KEY_RESULTS, moment, under={"objective_id": [row["id"] for row in rows]})
    return by_objective(key_results.reckon(connection, found, moment))


def _answer(row: DictRow, description: str | None, parts: list[Reckoned]) -> Answer:
    roll = objective_attainment((part.attainment, part.weight) for part in parts if part.is_counted)
    return {
        "id": ref(row["id"]),
        "cycle_id": ref(row["cycle_id"]),
        "title": row["title"],
        "description": description,
        "owner_id": row["owner_id"],
        "level": row["level"],
        "team_id": ref(row["team_id"]),
        "supports": [ref(id) for id in row["supports"]],
        "state": row["state"],
        "attainment": None if roll is None else {"clamped": figure(roll.clamped), "unclamped": figure(roll.unclamped)},
        "score": score(row),
        "confidence": row["confidence"],
        "stated_status": row["stated_status"],
        "replaces": ref(row["replaces"]),
        "replaced_by": ref(row["replaced_by"]),
        "version": row["version"],
        "position": row["from_position"],
    }
