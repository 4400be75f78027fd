"""Key results: what each promises and how far it has come.

The table holds the promise; the values are in `projections.values`. Attainment and pace are computed when asked, from
the rows of the moment and its clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.calendar import end_of_day
from domain.checkin import ScoreKind
from domain.feed import FeedDefined
from domain.key_result import (
    DeadlineAdjusted,
    KeyResultCheckedIn,
    KeyResultCommitted,
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultDropped,
    KeyResultOwnerChanged,
    KeyResultRephrased,
    KeyResultReplaced,
    KeyResultScored,
    KeyResultState,
    MilestoneReached,
    MilestoneStep,
    TargetAdjusted,
    TargetCorrected,
    Terms,
    WeightAdjusted,
)
from domain.measures import Direction, Milestone, attainment, milestone_attainment, pace
from domain.numbers import text
from ledger.line import as_time
from projections import reading, values
from projections.answers import Answer, Page, day, figure, measure, ref, time
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table
from projections.values import Value

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

KEY_RESULTS = Table(
    "key_results",
    """
    id                   uuid    NOT NULL,
    from_position        bigint  NOT NULL,
    begun                bigint  NOT NULL,
    objective_id         uuid    NOT NULL,
    cycle_id             uuid    NOT NULL,
    time_zone            text    NOT NULL,
    title                text    NOT NULL,
    owner_id             text    NOT NULL,
    direction            text    NOT NULL,
    baseline             numeric,
    target               numeric,
    unit                 text,
    deadline             date    NOT NULL,
    deadline_at          timestamptz NOT NULL,
    weight               numeric,
    milestones           text,
    state                text    NOT NULL,
    committed_at         timestamptz,
    committed_version    integer,
    target_version       integer,
    original_target      numeric,
    original_deadline    date,
    original_deadline_at timestamptz,
    original_weight      numeric,
    score_self           numeric,
    score_review         numeric,
    confidence           smallint,
    stated_status        text,
    replaces             uuid,
    replaced_by          uuid,
    feed_id              uuid
    """,
    key="id, from_position",
    indexes=(
        "(begun) WHERE from_position = begun",
        "(objective_id, begun) WHERE from_position = begun",
        "(cycle_id, begun) WHERE from_position = begun",
        "(owner_id)",
    ),
)
TABLES = (KEY_RESULTS,)

LIVE = (KeyResultState.COMMITTED, KeyResultState.SCORED)
COUNTED = tuple(map(str, LIVE))
"""The states in which a key result counts for its objective."""


@dataclass(slots=True)
class KeyResultRow:
    """`time_zone` is the cycle's. `committed_version` and `target_version` are those of the facts that set the
    original target and the present one; a correction names one of them."""

    id: str
    from_position: int
    begun: int
    objective_id: UUID
    cycle_id: UUID
    time_zone: str
    title: str
    owner_id: str
    direction: str
    baseline: Decimal | None
    target: Decimal | None
    unit: str | None
    deadline: date
    deadline_at: datetime
    weight: Decimal | None
    milestones: str | None
    state: str
    committed_at: datetime | None = None
    committed_version: int | None = None
    target_version: int | None = None
    original_target: Decimal | None = None
    original_deadline: date | None = None
    original_deadline_at: datetime | None = None
    original_weight: Decimal | None = None
    score_self: Decimal | None = None
    score_review: Decimal | None = None
    confidence: int | None = None
    stated_status: str | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    feed_id: UUID | str | None = None


# How facts change it


def drafted(present: Present, told: Told[Any], fact: KeyResultDrafted) -> None:
    time_zone = present.cycles[str(fact.cycle_id)].time_zone
    row = KeyResultRow(
        id=told.stream,
        from_position=told.position,
        begun=told.position,
        objective_id=fact.objective_id,
        cycle_id=fact.cycle_id,
        time_zone=time_zone,
        title=fact.title,
        owner_id=fact.owner_id,
        direction=fact.direction,
        baseline=fact.baseline,
        target=fact.target,
        unit=fact.unit,
        deadline=fact.deadline,
        deadline_at=end_of_day(fact.deadline, time_zone),
        weight=fact.weight,
        milestones=_steps(fact.milestones),
        state=KeyResultState.DRAFT,
        replaces=fact.replaces,
    )
    present.key_results.put(row, told.position)


def draft_revised(present: Present, told: Told[Any], fact: KeyResultDraftRevised) -> None:
    row = present.key_results[told.stream]
    for name in TERMS:
        value = getattr(fact, name)
        if value is not None:
            setattr(row, name, _steps(value) if name == "milestones" else value)
    for name in fact.cleared or ():
        setattr(row, name, None)
    row.deadline_at = end_of_day(row.deadline, row.time_zone)
    present.key_results.put(row, told.position)


def committed(present: Present, told: Told[Any], fact: KeyResultCommitted) -> None:
    row = present.key_results[told.stream]
    row.state = KeyResultState.COMMITTED
    row.committed_at = told.recorded_at
    row.committed_version = row.target_version = told.version
    row.original_target = fact.target
    row.original_deadline, row.original_deadline_at = fact.deadline, row.deadline_at
    row.original_weight = fact.weight
    present.key_results.put(row, told.position)


def rephrased(present: Present, told: Told[Any], fact: KeyResultRephrased) -> None:
    row = present.key_results[told.stream]
    row.title = fact.to
    present.key_results.put(row, told.position)


def owner_changed(present: Present, told: Told[Any], fact: KeyResultOwnerChanged) -> None:
    row = present.key_results[told.stream]
    row.owner_id = fact.to
    present.key_results.put(row, told.position)


def weight_adjusted(present: Present, told: Told[Any], fact: WeightAdjusted) -> None:
    row = present.key_results[told.stream]
    row.weight = fact.to
    present.key_results.put(row, told.position)


def deadline_adjusted(present: Present, told: Told[Any], fact: DeadlineAdjusted) -> None:
    row = present.key_results[told.stream]
    row.deadline = fact.to
    row.deadline_at = end_of_day(fact.to, row.time_zone)
    present.key_results.put(row, told.position)


def target_adjusted(present: Present, told: Told[Any], fact: TargetAdjusted) -> None:
    row = present.key_results[told.stream]
    row.target = fact.to
    row.target_version = told.version
    present.key_results.put(row, told.position)


def target_corrected(present: Present, told: Told[Any], fact: TargetCorrected) -> None:
    """As if it had been written down right: where it is the original one or the present one, that changes."""
    row = present.key_results[told.stream]
    if fact.corrects == row.committed_version:
        row.original_target = fact.to
    if fact.corrects == row.target_version:
        row.target = fact.to
    present.key_results.put(row, told.position)


def milestone_reached(present: Present, told: Told[Any], fact: MilestoneReached) -> None:
    row = present.key_results[told.stream]
    steps = orjson.loads(row.milestones or "[]")
    steps[fact.milestone - 1]["reached_at"] = as_time(fact.effective_at)
    row.milestones = orjson.dumps(steps).decode()
    present.key_results.put(row, told.position)


def checked_in(present: Present, told: Told[Any], fact: KeyResultCheckedIn) -> None:
    row = present.key_results[told.stream]
    row.confidence, row.stated_status = fact.confidence, fact.status
    present.key_results.put(row, told.position)


def scored(present: Present, told: Told[Any], fact: KeyResultScored) -> None:
    row = present.key_results[told.stream]
    row.state = KeyResultState.SCORED
    if fact.kind is ScoreKind.REVIEW:
        row.score_review = fact.points
    else:
        row.score_self = fact.points
    present.key_results.put(row, told.position)


def replaced(present: Present, told: Told[Any], fact: KeyResultReplaced) -> None:
    row = present.key_results[told.stream]
    row.state, row.replaced_by = KeyResultState.REPLACED, fact.successor_id
    present.key_results.put(row, told.position)


def dropped(present: Present, told: Told[Any], _: KeyResultDropped) -> None:
    row = present.key_results[told.stream]
    row.state = KeyResultState.DROPPED
    present.key_results.put(row, told.position)


def feed_defined(present: Present, told: Told[Any], fact: FeedDefined) -> None:
    row = present.key_results[str(fact.key_result_id)]
    row.feed_id = told.stream
    present.key_results.put(row, told.position)


TERMS = tuple(Terms.__dataclass_fields__)
HANDLERS: Handlers = {
    KeyResultDrafted: drafted,
    KeyResultDraftRevised: draft_revised,
    KeyResultCommitted: committed,
    KeyResultRephrased: rephrased,
    KeyResultOwnerChanged: owner_changed,
    WeightAdjusted: weight_adjusted,
    DeadlineAdjusted: deadline_adjusted,
    TargetAdjusted: target_adjusted,
    TargetCorrected: target_corrected,
    MilestoneReached: milestone_reached,
    KeyResultCheckedIn: checked_in,
    KeyResultScored: scored,
    KeyResultReplaced: replaced,
    KeyResultDropped: dropped,
    FeedDefined: feed_defined,
}


def _steps(milestones: Sequence[MilestoneStep] | None) -> str | None:
    if milestones is None:
        return None
    steps = [{"name": step.name, "weight": text(step.weight), "reached_at": None} for step in milestones]
    return orjson.dumps(steps).decode()


# Questions


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A key result at a moment, with its attainment unrounded for whoever reckons further."""

    objective_id: UUID
    is_counted: bool
    attainment: Decimal | None
    weight: Decimal | None
    answer: Answer


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The key result; None for an unknown id. Raises `BeforeCreation`."""
    if moment.effective_at is None:
        row = connection.execute(WITH_VALUE, {"id": id, "position": moment.position}, binary=True).fetchone()
        if row is not None:
            return reckoned(row, values.of_row(row, row, moment.clock), moment).answer
    row = reading.one(connection, KEY_RESULTS, id, moment)
    return None if row is None else reckon(connection, [row], moment)[0].answer


WITH_VALUE = """
    SELECT * FROM (SELECT * FROM key_results WHERE id = %(id)s AND from_position <= %(position)s
                    ORDER BY from_position DESC LIMIT 1) AS k
     CROSS JOIN LATERAL (SELECT * FROM key_result_values WHERE key_result_id = k.id AND from_position <= %(position)s
                          ORDER BY from_position DESC LIMIT 1) AS v
"""
"""One key result with its value in one row. Both have a from_position: that of the value is the one that is read."""


def page(
    connection: Connection[DictRow],
    moment: Moment,
    after: str | None,
    limit: int,
    *,
    cycle_id: UUID | None = None,
    objective_id: UUID | None = None,
    owner_id: str | None = None,
    state: str | None = None,
) -> Page:
    """Key results in the order in which they were drafted."""
    rows = reading.many(
        connection,
        KEY_RESULTS,
        moment,
        after=reading.behind(after),
        limit=limit + 1,
        under={"cycle_id": cycle_id, "objective_id": objective_id},
        sought={"owner_id": owner_id},
        filters={"state": state},
    )
    rows, following = reading.cut(rows, limit)
    return [item.answer for item in reckon(connection, rows, moment)], following


def reckon(connection: Connection[DictRow], rows: list[DictRow], moment: Moment) -> list[Reckoned]:
    """The rows with their values and figures, in the same order; the same few statements for any number."""
    known = values.at(connection, rows, moment)
    return [reckoned(row, known[row["id"]], moment) for row in rows]


def reckoned(row: dict[str, Any], value: Value, moment: Moment) -> Reckoned:
    """A row of the table with its value."""
    direction = Direction(row["direction"])
    steps = _steps_by(row["milestones"], moment)
    share = _attainment(row, direction, steps, value, moment)
    is_live = row["state"] in COUNTED
    return Reckoned(
        objective_id=row["objective_id"],
        is_counted=is_live,
        attainment=share,
        weight=row["weight"],
        answer={
            "id": ref(row["id"]),
            "objective_id": ref(row["objective_id"]),
            "cycle_id": ref(row["cycle_id"]),
            "title": row["title"],
            "owner_id": row["owner_id"],
            "direction": row["direction"],
            "unit": row["unit"],
            "baseline": measure(row["baseline"]),
            "target": measure(row["target"]),
            "value": measure(value.value),
            "value_effective_at": time(value.effective_at),
            "value_source": value.source,
            "deadline": day(row["deadline"]),
            "weight": measure(row["weight"]),
            "state": row["state"],
            "milestones": steps,
            "attainment": figure(share),
            "pace": _pace(row, direction, share, moment) if is_live else None,
            "original": _original(row),
            "score": score(row),
            "confidence": row["confidence"],
            "stated_status": row["stated_status"],
            "replaces": ref(row["replaces"]),
            "replaced_by": ref(row["replaced_by"]),
            "feed_id": ref(row["feed_id"]),
            "version": value.version,
            "position": value.position,
            "committed_at": time(row["committed_at"]),
        },
    )


def _attainment(
    row: dict[str, Any], direction: Direction, steps: list[Answer] | None, value: Value, moment: Moment
) -> Decimal | None:
    if row["committed_at"] is None:
        return None
    if direction is Direction.MILESTONES:
        return milestone_attainment(milestones(steps), moment.known_by)
    if direction.is_limit:
        return value.held
    return attainment(direction, row["baseline"], row["target"], value.value)


def _steps_by(milestones: str | None, moment: Moment) -> list[Answer] | None:
    """The milestones; those that were reached after the moment asked for are not reached."""
    if milestones is None:
        return None
    steps: list[Answer] = orjson.loads(milestones)
    by = as_time(moment.known_by)
    for step in steps:
        if step["reached_at"] is not None and step["reached_at"] > by:
            step["reached_at"] = None
    return steps


def milestones(steps: list[Answer] | None) -> list[Milestone]:
    """The milestones of a row, as the domain reckons with them."""
    return [
        Milestone(
            step["name"],
            Decimal(step["weight"]),
            None if step["reached_at"] is None else datetime.fromisoformat(step["reached_at"]),
        )
        for step in steps or ()
    ]


def _pace(row: dict[str, Any], direction: Direction, share: Decimal | None, moment: Moment) -> Answer:
    found = pace(share, row["committed_at"], row["deadline_at"], moment.looked_at, direction)
    return {"elapsed": figure(found.elapsed), "expected": figure(found.expected), "status": str(found.status)}


def _original(row: dict[str, Any]) -> Answer | None:
    if row["committed_at"] is None:
        return None
    return {
        "target": measure(row["original_target"]),
        "deadline": day(row["original_deadline"]),
        "weight": measure(row["original_weight"]),
    }


def score(row: dict[str, Any]) -> Answer | None:
    """The last score of each kind; None where there is none."""
    if row["score_self"] is None and row["score_review"] is None:
        return None
    return {"self": measure(row["score_self"]), "review": measure(row["score_review"])}
