"""Key results: what each promises and how far it has come.

The table holds the promise; the values are in `projections.values`. Attainment and pace are computed when asked, from
the rows of the moment and its clock. What of an answer follows from the promise alone is written once, when it
changes, as the JSON text that every later answer begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.calendar import end_of_day
from domain.checkin import ScoreKind
from domain.feed import FeedDefined
from domain.goal import GoalState
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
    MilestoneReached,
    TargetAdjusted,
    TargetCorrected,
    WeightAdjusted,
)
from domain.measures import Direction, Expectation, Milestone, attainment, expectation, milestone_attainment
from domain.numbers import text
from domain.terms import MilestoneStep, Terms
from ledger.line import as_time
from projections import reading, scores, values
from projections.answers import Answer, Page, day, figure, measure, quoted, ref, time, written
from projections.lines import Told
from projections.moment import Moment
from projections.tables import Table
from projections.values import Value

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 2

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
    feed_id              uuid,
    members              text    NOT NULL
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

LIVE = (GoalState.COMMITTED, GoalState.SCORED)
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

    @property
    def members(self) -> str:
        """The members of its answer that neither a value nor the clock decides, as a JSON object."""
        return written(
            {
                "id": self.id,
                "objective_id": str(self.objective_id),
                "cycle_id": str(self.cycle_id),
                "title": self.title,
                "owner_id": self.owner_id,
                "direction": self.direction,
                "unit": self.unit,
                "baseline": measure(self.baseline),
                "target": measure(self.target),
                "deadline": day(self.deadline),
                "weight": measure(self.weight),
                "state": self.state,
                "original": self._original,
                "score": score(self),
                "confidence": self.confidence,
                "stated_status": self.stated_status,
                "replaces": ref(self.replaces),
                "replaced_by": ref(self.replaced_by),
                "feed_id": ref(self.feed_id),
                "committed_at": time(self.committed_at),
            }
        )

    @property
    def _original(self) -> Answer | None:
        if self.committed_at is None:
            return None
        return {
            "target": measure(self.original_target),
            "deadline": day(self.original_deadline),
            "weight": measure(self.original_weight),
        }


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
        state=GoalState.DRAFT,
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
    row.state = GoalState.COMMITTED
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
    row.state = GoalState.SCORED
    if fact.kind is ScoreKind.REVIEW:
        row.score_review = fact.points
    else:
        row.score_self = fact.points
    present.key_results.put(row, told.position)


def replaced(present: Present, told: Told[Any], fact: KeyResultReplaced) -> None:
    row = present.key_results[told.stream]
    row.state, row.replaced_by = GoalState.REPLACED, fact.successor_id
    present.key_results.put(row, told.position)


def dropped(present: Present, told: Told[Any], _: KeyResultDropped) -> None:
    row = present.key_results[told.stream]
    row.state = GoalState.DROPPED
    present.key_results.put(row, told.position)


def feed_defined(present: Present, told: Told[Any], fact: FeedDefined) -> None:
    row = present.key_results[str(fact.key_result_id)]
    row.feed_id = told.stream
    present.key_results.put(row, told.position)


TERMS = tuple(each.name for each in fields(Terms))
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


OWN_COLUMNS = """
    row.id::text, row.objective_id::text, row.begun, row.direction, row.state, row.baseline, row.target, row.weight,
    row.milestones, row.committed_at, row.deadline_at, row.members
"""
COLUMNS = f"{OWN_COLUMNS}, {values.COLUMNS}"
"""What an answer is made of, as SQL: of the `row` of a key result and of its `value`."""


class Found(NamedTuple):
    """A row with the COLUMNS. In a tree there are a thousand of them, and a dict for each would cost more than all
    figures."""

    id: str
    objective_id: str
    begun: int
    direction: str
    state: str
    baseline: Decimal | None
    target: Decimal | None
    weight: Decimal | None
    milestones: str | None
    committed_at: datetime | None
    deadline_at: datetime
    members: str
    version: int
    position: int
    value: Decimal | None
    value_effective_at: str | None
    value_source: str | None
    until: datetime | None
    then_value: Decimal | None
    then_effective_at: str | None
    then_source: str | None
    held_us: int | None
    held_last_at: datetime | None
    is_held: bool | None

    @classmethod
    def of(cls, row: DictRow) -> Found:
        return cls._make(map(row.__getitem__, cls._fields))


class Reckoned(NamedTuple):
    """A key result at a moment: its answer as JSON text, and its attainment unrounded for whoever reckons further."""

    objective_id: str
    is_counted: bool
    attainment: Decimal | None
    weight: Decimal | None
    text: str

    @property
    def answer(self) -> Answer:
        answer: Answer = orjson.loads(self.text)
        return answer


DIRECTIONS = {str(direction): direction for direction in Direction}


def get(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """The key result; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, KEY_RESULTS, id, moment, columns=COLUMNS, beside=values.IN_FORCE)
    return None if row is None else _reckon(connection, [Found.of(row)], moment)[0].answer


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
        columns=COLUMNS,
        beside=values.IN_FORCE,
        after=reading.behind(after),
        limit=limit + 1,
        under={"cycle_id": cycle_id, "objective_id": objective_id},
        sought={"owner_id": owner_id},
        filters={"state": state},
    )
    rows, following = reading.cut(rows, limit)
    return [item.answer for item in _reckon(connection, list(map(Found.of, rows)), moment)], following


def under(
    connection: Connection[DictRow],
    moment: Moment,
    parent: str,
    ids: Sequence[UUID | str],
) -> dict[str, list[Reckoned]]:
    """All key results of cycles or of objectives, whichever column `parent` is: those of each objective, in the order
    of their drafts."""
    rows = reading.of_parent(
        connection, KEY_RESULTS, moment, parent, ids, columns=COLUMNS, beside=values.IN_FORCE, kind=Found._make
    )
    parts: dict[str, list[Reckoned]] = {}
    for part in _reckon(connection, rows, moment):
        parts.setdefault(part.objective_id, []).append(part)
    return parts


def reckoned(row: DictRow, value: Value, moment: Moment) -> Reckoned:
    """A row with the COLUMNS, and the value that is in force at the moment."""
    return _reckoned(Found.of(row), value, moment)


def _reckon(connection: Connection[DictRow], rows: Iterable[Found], moment: Moment) -> list[Reckoned]:
    """Rows reckoned in the same order; the same few statements for any number."""
    if moment.effective_at is None:
        return [_reckoned(row, _value(row, moment.clock), moment) for row in rows]
    rows = list(rows)
    found = values.at(connection, [row._asdict() for row in rows], moment)
    return [_reckoned(row, value, moment) for row, value in zip(rows, found, strict=True)]


def _value(row: Found, clock: datetime) -> Value:
    """The value in force; without detours where time alone does not change it."""
    if row.until is not None or row.held_us is not None:
        return values.of_row(row._asdict(), clock)
    return Value(row.version, row.position, row.value, row.value_effective_at, row.value_source, None)


def _reckoned(row: Found, value: Value, moment: Moment) -> Reckoned:
    steps, share, pace = None, None, "null"
    if row.milestones is not None:
        steps = _steps_by(row.milestones, moment)
    if row.committed_at is not None:
        direction = DIRECTIONS[row.direction]
        if steps is not None:
            share = milestone_attainment(milestones(steps), moment.known_by)
        elif direction.is_limit or row.baseline is None or row.target is None:
            share = value.held
        else:
            share = attainment(direction, row.baseline, row.target, value.value)
        if row.state in COUNTED:
            expected, shown = _expectation(row.committed_at, row.deadline_at, moment.looked_at, direction.is_limit)
            pace = f'{{{shown},"status":"{expected.status(share)}"}}'
    # Put together by hand: in a tree of a thousand, a call of orjson for each would take as long as all figures.
    text = (
        f'{row.members[:-1]},"value":{quoted(measure(value.value))},"value_effective_at":{quoted(value.effective_at)},'
        f'"value_source":{quoted(value.source)},"milestones":{"null" if steps is None else written(steps)},'
        f'"attainment":{quoted(figure(share))},"computed":{"null" if share is None else scores.of_share(share).text},'
        f'"pace":{pace},"version":{value.version},"position":{value.position}}}'
    )
    return Reckoned(row.objective_id, row.state in COUNTED, share, row.weight, text)


@lru_cache(maxsize=1024)  # what was committed at once is mostly due at once
def _expectation(
    committed_at: datetime, deadline_at: datetime, now: datetime, is_limit: bool
) -> tuple[Expectation, str]:
    """What may be expected, and how its figures stand in answers."""
    found = expectation(committed_at, deadline_at, now, is_limit=is_limit)
    return found, f'"elapsed":{quoted(figure(found.elapsed))},"expected":{quoted(figure(found.expected))}'


def _steps_by(milestones: str, moment: Moment) -> list[Answer]:
    """The milestones; those that were reached after the moment asked for are not reached."""
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


def score(row: Scored) -> Answer | None:
    """The last score of each kind; None where there is none."""
    if row.score_self is None and row.score_review is None:
        return None
    return {"self": measure(row.score_self), "review": measure(row.score_review)}


class Scored(Protocol):
    """What people score: a key result or an objective."""

    score_self: Decimal | None
    score_review: Decimal | None
