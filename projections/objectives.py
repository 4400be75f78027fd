"""Objectives: what is to be achieved, and how far its key results have come."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.checkin import ScoreKind
from domain.goal import GoalState
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
)
from projections import key_results, reading, scores
from projections.answers import Answer, Page, figure, joined, ref, written
from projections.key_results import Reckoned, score
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 2

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
    replaced_by   uuid,
    members       text    NOT NULL
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

    @property
    def members(self) -> str:
        """The members of its answer that follow from its own facts alone, as a JSON object."""
        return written(
            {
                "id": self.id,
                "cycle_id": str(self.cycle_id),
                "title": self.title,
                "owner_id": self.owner_id,
                "level": self.level,
                "team_id": ref(self.team_id),
                "supports": [str(id) for id in self.supports],
                "state": self.state,
                "score": score(self),
                "confidence": self.confidence,
                "stated_status": self.stated_status,
                "replaces": ref(self.replaces),
                "replaced_by": ref(self.replaced_by),
                "version": self.version,
                "position": self.from_position,
            }
        )


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
        state=GoalState.DRAFT,
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
    row.state = GoalState.COMMITTED
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
    row.state = GoalState.SCORED
    if fact.kind is ScoreKind.REVIEW:
        row.score_review = fact.points
    else:
        row.score_self = fact.points
    _keep(present, told, row)


def replaced(present: Present, told: Told[Any], fact: ObjectiveReplaced) -> None:
    row = present.objectives[told.stream]
    row.state, row.replaced_by = GoalState.REPLACED, fact.successor_id
    _keep(present, told, row)


def dropped(present: Present, told: Told[Any], _: ObjectiveDropped) -> None:
    row = present.objectives[told.stream]
    row.state = GoalState.DROPPED
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

COLUMNS = """
    row.id::text, row.begun, row.members,
    (SELECT text FROM people.texts WHERE position = row.described_at AND field = 'description') AS description
"""


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The objective; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, OBJECTIVES, id, moment, columns=COLUMNS)
    return None if row is None else _answers(connection, [row], moment)[0]


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
        columns=COLUMNS,
        after=reading.behind(after),
        limit=limit + 1,
        under={"cycle_id": cycle_id},
        sought={"owner_id": owner_id, "team_id": team_id},
        filters={"level": level, "state": state},
    )
    rows, following = reading.cut(rows, limit)
    return _answers(connection, rows, moment), following


def branches(connection: Connection[DictRow], cycle_id: UUID, moment: Moment) -> list[orjson.Fragment]:
    """The objectives of a cycle, each with its `key_results`, as JSON text."""
    rows = reading.many(connection, OBJECTIVES, moment, columns=COLUMNS, under={"cycle_id": cycle_id})
    parts_of = key_results.under(connection, moment, "cycle_id", [cycle_id])
    return [_branch(row, parts_of.get(row["id"], [])) for row in rows]


def _branch(row: DictRow, parts: list[Reckoned]) -> orjson.Fragment:
    said = orjson.Fragment(f"[{','.join([part.text for part in parts])}]")
    return orjson.Fragment(joined(row["members"], reckoned(row, parts) | {"key_results": said}))


def _answers(connection: Connection[DictRow], rows: list[DictRow], moment: Moment) -> list[Answer]:
    """The objectives of these rows, with what their key results come to, of all of them at once."""
    parts_of = key_results.under(connection, moment, "objective_id", [row["id"] for row in rows]) if rows else {}
    return [orjson.loads(row["members"]) | reckoned(row, parts_of.get(row["id"], [])) for row in rows]


def reckoned(row: DictRow, parts: list[Reckoned]) -> Answer:
    """The members that its own facts do not decide: words that may be erased, and what its key results come to."""
    counted = [(part.attainment, part.weight) for part in parts if part.is_counted]
    roll = objective_attainment(counted)
    return {
        "description": row["description"],
        "attainment": None if roll is None else {"clamped": figure(roll.clamped), "unclamped": figure(roll.unclamped)},
        "computed": None if roll is None else scores.of_parts(counted, roll.clamped),
    }
