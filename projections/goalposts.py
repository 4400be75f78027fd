"""Goalposts: every target that a key result has had, and what its attainment owes to their having moved."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.goalposts import (
    AdjustmentEffect,
    Goalposts,
    TargetHistory,
    TargetInForce,
    goalposts,
    milestone_goalposts,
)
from domain.key_result import KeyResultCommitted, TargetAdjusted, TargetCorrected
from domain.measures import Direction, Point, Reading, value_in_force
from projections import key_results, reading, values
from projections.answers import Answer, figure, measure
from projections.key_results import KEY_RESULTS
from projections.lines import Told
from projections.moment import Moment
from projections.standing import readings_of
from projections.tables import Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1

TARGETS = Table(
    "targets",
    """
    key_result_id uuid    NOT NULL,
    position      bigint  NOT NULL,
    known_from    bigint  NOT NULL,
    target        numeric NOT NULL
    """,
    key="key_result_id, position, known_from",
)
"""A target stands at the position of the fact that set it; a correction is one more row there, known from later on."""
TABLES = (TARGETS,)


# How facts change it


def committed(present: Present, told: Told[Any], fact: KeyResultCommitted) -> None:
    if fact.target is not None:
        present.targets.add(told.stream, told.position, told.position, fact.target)


def adjusted(present: Present, told: Told[Any], fact: TargetAdjusted) -> None:
    present.targets.add(told.stream, told.position, told.position, fact.to)


def corrected(present: Present, told: Told[Any], fact: TargetCorrected) -> None:
    present.targets.add(told.stream, present.position_of(told.stream, fact.corrects), told.position, fact.to)


HANDLERS: Handlers = {KeyResultCommitted: committed, TargetAdjusted: adjusted, TargetCorrected: corrected}


# Questions


def get(connection: Connection[DictRow], key_result_id: UUID, moment: Moment) -> Answer | None:
    """The goalposts of a key result as they were to be seen at the moment; None for an unknown id.

    A draft has none yet: every figure is None. Raises `BeforeCreation`.
    """
    row = reading.one(connection, KEY_RESULTS, key_result_id, moment)
    if row is None:
        return None
    direction = Direction(row["direction"])
    if row["committed_at"] is None:
        return _answer(Goalposts(None, None, None, None, None, None, None, ()), {})
    if direction is Direction.MILESTONES:
        steps = None if row["milestones"] is None else orjson.loads(row["milestones"])
        return _answer(milestone_goalposts(key_results.milestones(steps), moment.known_by), {})
    targets = _targets(connection, key_result_id, moment.position)
    history = TargetHistory(
        original=targets[0].target,
        baseline=row["baseline"],
        segments=tuple(targets),
        committed_at=row["committed_at"],
        deadline_at_original=row["original_deadline_at"],
        deadline_at=row["deadline_at"],
    )
    now = moment.looked_at
    found = goalposts(direction, history, _series(connection, row, targets, moment), now)
    return _answer(found, _facts(connection, [move.position for move in found.adjustments]))


def _targets(connection: Connection[DictRow], key_result_id: UUID, position: int) -> list[TargetInForce]:
    """The targets as known at the position, each as if it had been written down right, in their order."""
    rows = connection.execute(
        "SELECT DISTINCT ON (t.position) t.position, t.target, e.recorded_at"
        " FROM targets AS t JOIN ledger.events AS e ON e.position = t.position"
        " WHERE t.key_result_id = %s AND t.known_from <= %s ORDER BY t.position, t.known_from DESC",
        [key_result_id, position],
    ).fetchall()
    return [TargetInForce(row["recorded_at"], row["target"], row["position"]) for row in rows]


def _series(
    connection: Connection[DictRow], row: DictRow, targets: list[TargetInForce], moment: Moment
) -> list[Reading]:
    """The readings that the figures look at: all of them for a limit, else those at the moves and at the end."""
    if Direction(row["direction"]).is_limit:
        return readings_of(values.points_known(connection, [row["id"]], moment.position).get(row["id"], ()))
    now = moment.looked_at
    moments = sorted({target.since for target in targets if target.since < now})
    asked = [(row["id"], at) for at in (*moments, moment.known_by)]
    *before, latest = values.said_by_then(connection, asked, moment.position)
    # What is known now counts, also where its clock ran ahead of the ledger's.
    end = max([now, *(point.effective_at for point in latest)])
    series = [Reading(at, _value(points, at)) for at, points in zip(moments, before, strict=True)]
    return [*series, Reading(now, _value(latest, end))]


def _value(points: list[Point], at: datetime) -> Decimal | None:
    point = value_in_force(points, at)
    return None if point is None else point.value


def _facts(connection: Connection[DictRow], positions: list[int | None]) -> dict[int | None, Answer]:
    """Who adjusted and why, by the position of the adjustment."""
    if not positions:
        return {}
    rows = connection.execute(
        "SELECT e.position, e.line, t.text AS reason FROM ledger.events AS e"
        " LEFT JOIN people.texts AS t ON t.position = e.position AND t.field = 'reason'"
        " WHERE e.position = ANY(%s)",
        [positions],
    ).fetchall()
    return {row["position"]: orjson.loads(row["line"]) | {"reason": row["reason"]} for row in rows}


def _answer(found: Goalposts, facts: dict[int | None, Answer]) -> Answer:
    return {
        "attainment": {
            "original": figure(found.attainment_original),
            "current": figure(found.attainment_current),
            "time_weighted": figure(found.attainment_time_weighted),
        },
        "goalpost_shift": figure(found.goalpost_shift),
        "targets": {
            "original": measure(found.target_original),
            "current": measure(found.target_current),
            "time_weighted": figure(found.target_time_weighted),
        },
        "adjustments": [_adjustment(move, facts[move.position]) for move in found.adjustments],
    }


def _adjustment(move: AdjustmentEffect, line: Answer) -> Answer:
    return {
        "position": move.position,
        "from": measure(move.from_),
        "to": measure(move.to),
        "recorded_at": line["recorded_at"],
        "effective_at": line["data"].get("effective_at"),
        "actor": line["who"],
        "reason_code": line.get("why", {}).get("code"),
        "reason": line["reason"],
        "time_share": figure(move.time_share),
        "attainment_before": figure(move.attainment_before),
        "attainment_after": figure(move.attainment_after),
        "effect": figure(move.effect),
    }
