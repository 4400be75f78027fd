"""What a question of audit is shown of a cycle: objective by objective, as known at a moment.

Objectives are read a page at a time, with their key results and those of their facts that the question names: the
same few statements for each page, and never more than a page in memory. What the facts do not say (how a key result
stood just before) comes from the rows of state. A key result's own stream is short, since what feeds measure has
streams of its own; of people's progress only what may be backdated is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.audit.course import last_part_from
from domain.audit.histories import (
    Course,
    CycleHistory,
    Fall,
    Happening,
    KeyResultHistory,
    Mark,
    ObjectiveHistory,
    Part,
    Place,
    Standing,
)
from domain.audit.question import Ask, Extra, Question
from domain.audit.times import MOST_PROGRESS
from domain.cycle import CycleScoringBegun, CycleStarted, CycleState
from domain.goal import GoalState
from domain.goalposts import is_lowered
from domain.key_result import (
    DeadlineAdjusted,
    KeyResultCheckedIn,
    KeyResultCommitted,
    ProgressCorrected,
    ProgressRecorded,
    TargetAdjusted,
    TargetCorrected,
    WeightAdjusted,
)
from domain.measures import Direction, Point, Source, attainment, milestone_attainment, value_in_force
from domain.objective import Level, ObjectiveScored
from domain.stream import Fact
from projections import cycles, key_results, lines, reading, values
from projections.key_results import COUNTED, KEY_RESULTS
from projections.moment import Moment
from projections.objectives import OBJECTIVES

OBJECTIVES_A_PAGE = 200

_COLUMNS = f"""
    row.id, row.objective_id, row.begun, row.title, row.owner_id, row.direction, row.state, row.baseline, row.target,
    row.weight, row.milestones, row.committed_at, row.deadline_at, row.original_deadline_at, row.feed_id,
    row.score_self, row.score_review, {values.COLUMNS},
    (SELECT p.position FROM points AS p
      WHERE p.key_result_id = row.id AND p.source = value.value_source AND p.effective_at = value.value_effective_at
        AND p.known_from <= value.from_position
      ORDER BY p.position DESC LIMIT 1) AS said_in
"""
"""`said_in` is the fact that said the value in force."""
_JUST_BEFORE = """
    CROSS JOIN LATERAL (SELECT * FROM key_results WHERE id = {id} AND from_position < asked.position
                         ORDER BY from_position DESC LIMIT 1) AS row
    CROSS JOIN LATERAL (SELECT * FROM key_result_values
                         WHERE key_result_id = {id} AND from_position < asked.position
                         ORDER BY from_position DESC LIMIT 1) AS value
"""


def cycle_history(connection: Connection[DictRow], cycle_id: UUID, moment: Moment) -> CycleHistory | None:
    """The cycle and since when it runs; None for an unknown one. Raises `BeforeCreation`."""
    row = reading.one(connection, cycles.CYCLES, cycle_id, moment)
    if row is None:
        return None
    turned = {
        row["type"]: _place(row)
        for row in connection.execute(
            "SELECT position, recorded_at, type, line FROM ledger.events"
            " WHERE stream_id = %s AND type = ANY(%s) AND position <= %s",
            [cycle_id, [CycleStarted.TYPE, CycleScoringBegun.TYPE], moment.position],
        )
    }
    return CycleHistory(
        id=cycle_id,
        name=row["name"],
        state=CycleState(row["state"]),
        started=turned.get(CycleStarted.TYPE),
        scoring=turned.get(CycleScoringBegun.TYPE),
    )


def with_leads(connection: Connection[DictRow], cycle: CycleHistory, moment: Moment) -> CycleHistory:
    """The cycle, with those who lead the teams at the top."""
    rows = connection.execute(
        "SELECT DISTINCT row.lead_id FROM teams AS first CROSS JOIN LATERAL (SELECT * FROM teams"
        " WHERE id = first.id AND from_position <= %(position)s ORDER BY from_position DESC LIMIT 1) AS row"
        " WHERE first.from_position = first.begun AND first.begun <= %(position)s"
        " AND row.parent_id IS NULL AND row.lead_id IS NOT NULL ORDER BY row.lead_id",
        {"position": moment.position},
    )
    return replace(cycle, leads=tuple(row["lead_id"] for row in rows))


def objectives_of(
    connection: Connection[DictRow], question: Question, ask: Ask, moment: Moment
) -> Iterator[ObjectiveHistory]:
    """The objectives of the cycle in the order of their drafts, each with what the question must be shown."""
    after = 0
    while rows := reading.many(
        connection, OBJECTIVES, moment, after=after, limit=OBJECTIVES_A_PAGE, under={"cycle_id": ask.cycle.id}
    ):
        yield from _Page(connection, question, ask, moment, rows).histories()
        after = rows[-1]["begun"]


class _Page:
    """Some objectives with their key results, and what the question must be shown of them."""

    def __init__(
        self, connection: Connection[DictRow], question: Question, ask: Ask, moment: Moment, rows: list[DictRow]
    ) -> None:
        self.connection = connection
        self.extras = question.extras
        self.ask = ask
        self.moment = moment
        self.objectives = rows
        self.key_results: dict[UUID, DictRow] = {
            row["id"]: row
            for row in reading.many(
                connection,
                KEY_RESULTS,
                moment,
                columns=_COLUMNS,
                beside=values.IN_FORCE,
                under={"objective_id": [str(row["id"]) for row in rows]},
            )
        }
        self.kinds: set[type[Fact]] = {KeyResultCommitted, *question.facts}

    def histories(self) -> Iterator[ObjectiveHistory]:
        """The objectives in their order."""
        facts = self._facts()
        commitments = {id: next((each for each in said if _is(each, KeyResultCommitted)), None)
                       for id, said in facts.items()}  # fmt: skip
        if Extra.EARLIER in self.extras:
            self._join_earlier(facts)
        if Extra.PROGRESS in self.extras:
            for id, said in self._backdated_progress().items():
                facts.setdefault(id, []).extend(said)
        falls = self._falls(facts) if Extra.FALLS in self.extras else {}
        courses = self._courses() if Extra.COURSE in self.extras else {}
        of_objective: dict[UUID, list[KeyResultHistory]] = {}
        for id, row in self.key_results.items():
            committed = commitments.get(id)
            of_objective.setdefault(row["objective_id"], []).append(
                KeyResultHistory(
                    id=id,
                    objective_id=row["objective_id"],
                    title=row["title"],
                    owner_id=row["owner_id"],
                    now=_standing(row, self.moment.clock),
                    begun=row["begun"],
                    committed=committed,
                    facts=_in_order(facts.get(id, ())),
                    falls=tuple(falls.get(id, ())),
                    course=courses.get(id),
                )
            )
        for row in self.objectives:
            own = list(facts.get(row["id"], ()))
            parts = of_objective.get(row["id"], [])
            if Extra.AMONG in self.extras:
                own += [each for part in parts for each in part.facts if _is(each, WeightAdjusted)]
            yield ObjectiveHistory(
                id=row["id"],
                title=row["title"],
                owner_id=row["owner_id"],
                level=Level(row["level"]),
                team_id=row["team_id"],
                supports=tuple(row["supports"]),
                is_live=row["state"] not in (GoalState.REPLACED, GoalState.DROPPED),
                begun=row["begun"],
                facts=_in_order(own),
                key_results=tuple(parts),
            )

    # Facts, and how it stood just before each

    def _facts(self) -> dict[UUID, list[Happening]]:
        """The facts of the wanted kinds, of each stream in their order."""
        streams = [row["id"] for row in self.objectives] + list(self.key_results)
        rows = self.connection.execute(
            "SELECT stream_id, position, recorded_at, type, line FROM ledger.events"
            " WHERE stream_id = ANY(%s) AND type = ANY(%s) AND position <= %s ORDER BY position",
            [streams, [kind.TYPE for kind in self.kinds], self.moment.position],
        ).fetchall()
        found = []
        for row in rows:
            _, fact = lines.read(row["type"], row["line"])
            place = _place(row)
            found.append(
                Happening(
                    position=place.position, at=place.at, actor_id=place.actor_id, about=row["stream_id"], fact=fact
                )
            )
        found = self._with_standings(found)
        if Extra.AMONG in self.extras:
            found = self._with_those_among(found)
        facts: dict[UUID, list[Happening]] = {}
        for happening in found:
            facts.setdefault(happening.about, []).append(happening)
        return facts

    def _with_standings(self, found: list[Happening]) -> list[Happening]:
        asked = {
            number: each
            for number, each in enumerate(found)
            if each.about in self.key_results and not _is(each, KeyResultCommitted, KeyResultCheckedIn)
        }
        rows = self._just_before(
            [each.about for each in asked.values()], [each.position for each in asked.values()], "asked.id"
        )
        for number, row in zip(asked, rows, strict=True):
            found[number] = replace(found[number], before=_standing(row, found[number].at))
        return found

    def _just_before(self, ids: Sequence[UUID], positions: Sequence[int], id: str, join: str = "") -> list[DictRow]:
        if not ids:
            return []
        return self.connection.execute(
            f"SELECT asked.number, {_COLUMNS} FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY"
            f" AS asked (id, position, number) {join} {_JUST_BEFORE.format(id=id)} ORDER BY asked.number, row.begun",
            [list(ids), list(positions)],
        ).fetchall()

    def _with_those_among(self, found: list[Happening]) -> list[Happening]:
        """Moves of weight and scores of objectives, with the key results that counted just before."""
        asked = [number for number, each in enumerate(found) if _is(each, WeightAdjusted, ObjectiveScored)]
        objectives = [self._objective_of(found[number].about) for number in asked]
        rows = self._just_before(
            objectives,
            [found[number].position for number in asked],
            "first.id",
            "JOIN key_results AS first ON first.objective_id = asked.id AND first.from_position = first.begun"
            " AND first.begun < asked.position",
        )
        among: dict[int, list[Part]] = {}
        for row in rows:
            number = asked[row["number"] - 1]
            if row["state"] in COUNTED:
                standing = _standing(row, found[number].at)
                part = Part(id=row["id"], title=row["title"], attainment=standing.attainment, weight=row["weight"])
                among.setdefault(number, []).append(part)
        for number, parts in among.items():
            found[number] = replace(found[number], among=tuple(parts))
        return found

    def _objective_of(self, id: UUID) -> UUID:
        row = self.key_results.get(id)
        return id if row is None else row["objective_id"]

    # What comes before a fact

    def _join_earlier(self, facts: dict[UUID, list[Happening]]) -> None:
        corrections = [
            (id, number, each.fact.corrects)
            for id, said in facts.items()
            for number, each in enumerate(said)
            if isinstance(each.fact, TargetCorrected | ProgressCorrected)
        ]
        if corrections:
            rows = self.connection.execute(
                "SELECT e.position, e.recorded_at, e.line FROM unnest(%s::uuid[], %s::integer[]) WITH ORDINALITY"
                " AS asked (id, version, number) JOIN ledger.events AS e"
                " ON e.stream_id = asked.id AND e.stream_version = asked.version ORDER BY asked.number",
                [[id for id, _, _ in corrections], [version for _, _, version in corrections]],
            )
            for (id, number, _), row in zip(corrections, rows, strict=True):
                facts[id][number] = replace(facts[id][number], earlier=_place(row))
        for said in facts.values():
            last: dict[type[Fact], Place] = {}
            for number, each in enumerate(said):
                if isinstance(each.fact, KeyResultCommitted):
                    last = dict.fromkeys((TargetAdjusted, WeightAdjusted, DeadlineAdjusted), each)
                elif type(each.fact) in last:
                    said[number] = replace(each, earlier=last[type(each.fact)])
                    last[type(each.fact)] = each

    def _backdated_progress(self) -> dict[UUID, list[Happening]]:
        """What people recorded late, or as true before their last word was known: the latest of each key result."""
        rows = self.connection.execute(
            _BACKDATED,
            {
                "ids": list(self.key_results),
                "position": self.moment.position,
                "late": self.ask.span("more_than_days"),
                "most": MOST_PROGRESS,
                "source": Source.PERSON,
            },
        )
        found: dict[UUID, list[Happening]] = {}
        for row in rows:
            place, earlier = _place(row), None
            if row["earlier_position"] is not None:
                earlier = Place(position=row["earlier_position"], at=row["earlier_at"], actor_id="")
            found.setdefault(row["key_result_id"], []).append(
                Happening(
                    position=place.position,
                    at=place.at,
                    actor_id=place.actor_id,
                    about=row["key_result_id"],
                    fact=ProgressRecorded(value=row["value"], effective_at=row["effective_at"]),
                    earlier=earlier,
                )
            )
        return found

    def _falls(self, facts: Mapping[UUID, list[Happening]]) -> dict[UUID, list[Fall]]:
        """Of each lowered target: the last fact before it, and not too long before, that made the value worse."""
        asked = [
            (id, each, Direction(self.key_results[id]["direction"]))
            for id, said in facts.items()
            for each in said
            if isinstance(each.fact, TargetAdjusted)
            and is_lowered(Direction(self.key_results[id]["direction"]), each.fact.from_, each.fact.to)
        ]
        if not asked:
            return {}
        fresh = self.ask.span("within_days")
        rows = self.connection.execute(
            _FALLS,
            [
                [id for id, _, _ in asked],
                [each.position for _, each, _ in asked],
                [each.at - fresh for _, each, _ in asked],
                [direction in (Direction.INCREASE, Direction.AT_LEAST) for _, _, direction in asked],
            ],
        )
        found: dict[UUID, list[Fall]] = {}
        for row in rows:
            place = _place(row)
            fall = Fall(
                position=place.position, at=place.at, actor_id=place.actor_id, from_=row["before"], to=row["value"]
            )
            found.setdefault(row["id"], []).append(fall)
        return found

    # The course

    def _courses(self) -> dict[UUID, Course]:
        """How far each key result had come when its last part began, and at its end."""
        found: dict[UUID, Course] = {}
        asked: list[tuple[UUID, datetime]] = []
        for id, row in self.key_results.items():
            if row["committed_at"] is None or Direction(row["direction"]).is_limit:
                continue
            begin, end = self._last_part(row)
            if row["milestones"] is not None:
                steps = key_results.milestones(orjson.loads(row["milestones"]))
                marks = [Mark(attainment=milestone_attainment(steps, at) or Decimal(0)) for at in (begin, end)]
                found[id] = Course(last_part_from=begin, then=marks[0], end=marks[1])
            else:
                asked += [(id, begin), (id, end)]
        said = values.said_by_then(self.connection, [*asked], self.moment.position) if asked else []
        marks = [self._mark(id, value_in_force(points, at)) for (id, at), points in zip(asked, said, strict=True)]
        for (id, begin), then, last in zip(asked[::2], marks[::2], marks[1::2], strict=True):
            found[id] = Course(last_part_from=begin, then=then, end=last)
        return found

    def _last_part(self, row: DictRow) -> tuple[datetime, datetime]:
        begin = last_part_from(row["committed_at"], row["original_deadline_at"], self.ask.number("last_share"))
        return begin, min(self.moment.clock, max(row["deadline_at"], row["original_deadline_at"]))

    def _mark(self, id: UUID, point: Point | None) -> Mark:
        row = self.key_results[id]
        if point is None:
            return Mark(attainment=Decimal(0))
        share = attainment(Direction(row["direction"]), row["baseline"], row["target"], point.value)
        return Mark(attainment=share or Decimal(0), position=point.position)


_BACKDATED = """
    WITH said AS (
        SELECT p.key_result_id, p.position, p.value, p.effective_at, e.recorded_at,
               lag(p.position) OVER each_one AS earlier_position, lag(e.recorded_at) OVER each_one AS earlier_at
          FROM points AS p JOIN ledger.events AS e ON e.position = p.position
         WHERE p.key_result_id = ANY(%(ids)s) AND p.source = %(source)s AND p.known_from = p.position
           AND p.position <= %(position)s
        WINDOW each_one AS (PARTITION BY p.key_result_id ORDER BY p.position)
    ), late AS (
        SELECT *, row_number() OVER (PARTITION BY key_result_id ORDER BY position DESC) AS number FROM said
         WHERE recorded_at - effective_at > %(late)s OR effective_at < earlier_at
    )
    SELECT late.*, e.line FROM late JOIN ledger.events AS e ON e.position = late.position WHERE number <= %(most)s
"""
_FALLS = """
    SELECT asked.id, fall.before, fall.value, e.position, e.recorded_at, e.line
      FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[], %s::boolean[]) AS asked (id, position, since, is_rising)
     CROSS JOIN LATERAL (
        SELECT coalesce(max(from_position), 0) AS position FROM key_result_values
         WHERE key_result_id = asked.id AND from_position <= (
            SELECT position FROM ledger.events WHERE recorded_at < asked.since
             ORDER BY recorded_at DESC, position DESC LIMIT 1)) AS first
     CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT from_position, value, lag(value) OVER (ORDER BY from_position) AS before FROM key_result_values
             WHERE key_result_id = asked.id AND from_position >= first.position AND from_position < asked.position
        ) AS moves
         WHERE CASE WHEN asked.is_rising THEN value < before ELSE value > before END
         ORDER BY from_position DESC LIMIT 1) AS fall
      JOIN ledger.events AS e ON e.position = fall.from_position
"""
"""The row before the span is looked at too: the first move within it is one from there."""


def _standing(row: DictRow, clock: datetime) -> Standing:
    """A key result as a row with the _COLUMNS says, at that clock."""
    direction = Direction(row["direction"])
    value = values.of_row(row, clock)
    steps = [] if row["milestones"] is None else key_results.milestones(orjson.loads(row["milestones"]))
    share: Decimal | None = None
    if row["committed_at"] is not None:
        if direction is Direction.MILESTONES:
            share = milestone_attainment(steps, clock)
        elif direction.is_limit:
            share = value.held
        else:
            share = attainment(direction, row["baseline"], row["target"], value.value)
    return Standing(
        direction=direction,
        deadline_at=row["deadline_at"],
        is_counted=row["state"] in COUNTED,
        baseline=row["baseline"],
        target=row["target"],
        weight=row["weight"],
        value=value.value,
        value_source=None if value.source is None else Source(value.source),
        attainment=share,
        has_feed=row["feed_id"] is not None,
        committed_at=row["committed_at"],
        original_deadline_at=row["original_deadline_at"],
        score=row["score_self"] if row["score_review"] is None else row["score_review"],
        steps=len(steps),
        position=value.position if row["said_in"] is None or _is_over(row, clock) else row["said_in"],
    )


def _is_over(row: DictRow, clock: datetime) -> bool:
    """Whether the value is that of an override which no longer stands."""
    return row["until"] is not None and row["until"] <= clock


def _place(row: DictRow) -> Place:
    return Place(position=row["position"], at=row["recorded_at"], actor_id=orjson.loads(row["line"])["who"]["id"])


def _is(happening: Happening, *kinds: type[Fact]) -> bool:
    return isinstance(happening.fact, kinds)


def _in_order(facts: Sequence[Happening]) -> tuple[Happening, ...]:
    return tuple(sorted(facts, key=lambda each: each.position))
