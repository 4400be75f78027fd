"""Moved targets of an objective or a whole cycle: what its attainment owes to them, and each adjustment's part in it.

As `projections.goalposts` for one key result, but for many at once: objectives are read a page at a time with the same
few statements for each, and only what moved stays in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
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
from domain.measures import Direction, Point, Reading, Roll, value_in_force
from domain.moved_targets import Moved, of_cycle, of_objective, shares
from domain.numbers import CONTEXT
from projections import cycles, key_results, reading, values
from projections.answers import Answer, figure, measure, ref
from projections.key_results import COUNTED, KEY_RESULTS
from projections.moment import Moment
from projections.objectives import OBJECTIVES
from projections.standing import readings_of
from projections.values import Value

OBJECTIVES_A_PAGE = 200

_COLUMNS = f"""
    row.id, row.objective_id, row.begun, row.title, row.direction, row.state, row.baseline, row.target, row.weight,
    row.milestones, row.committed_at, row.deadline_at, row.original_deadline_at, {values.COLUMNS}
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """A key result that counts, and what became of its target."""

    row: DictRow
    posts: Goalposts


@dataclass(frozen=True, slots=True)
class _Whole:
    """An objective with the key results that count."""

    row: DictRow
    parts: list[_Part]
    moved: Moved


def of_one_objective(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """What an objective's attainment owes to moved targets; None for an unknown id. Raises `BeforeCreation`."""
    row = reading.one(connection, OBJECTIVES, id, moment)
    if row is None:
        return None
    wholes = list(_wholes(connection, [row], moment))
    effects = [each for whole in wholes for each in _effects(whole, Decimal(1))]
    return {
        "objective_id": ref(id),
        **_figures(wholes[0].moved if wholes else None),
        "adjustments": _adjustments(connection, effects),
        "position": moment.position,
    }


def of_one_cycle(connection: Connection[DictRow], id: UUID, moment: Moment) -> Answer | None:
    """How much of a cycle's success is moved target; None for an unknown id. Raises `BeforeCreation`.

    `objectives` are those of which a target moved.
    """
    if reading.one(connection, cycles.CYCLES, id, moment) is None:
        return None
    all_moved: list[Moved] = []
    touched: list[_Whole] = []
    after = 0
    while rows := reading.many(
        connection, OBJECTIVES, moment, after=after, limit=OBJECTIVES_A_PAGE, under={"cycle_id": id}
    ):
        for whole in _wholes(connection, rows, moment):
            all_moved.append(whole.moved)
            if any(part.posts.adjustments for part in whole.parts):
                touched.append(whole)
        after = rows[-1]["begun"]
    count = Decimal(len(all_moved) or 1)
    effects = [each for whole in touched for each in _effects(whole, 1 / count)]
    moved = of_cycle(all_moved)
    return {
        "cycle_id": ref(id),
        "sentence": _sentence(moved, len(effects)),
        **_figures(moved),
        "objective_count": len(all_moved),
        "objectives": [
            {"objective_id": ref(each.row["id"]), "title": each.row["title"], **_figures(each.moved)}
            for each in touched
        ],
        "adjustments": _adjustments(connection, effects),
        "position": moment.position,
    }


def _wholes(connection: Connection[DictRow], rows: list[DictRow], moment: Moment) -> Iterator[_Whole]:
    """Of these objectives those that have key results which count."""
    found = reading.many(
        connection,
        KEY_RESULTS,
        moment,
        columns=_COLUMNS,
        beside=values.IN_FORCE,
        under={"objective_id": [str(row["id"]) for row in rows]},
    )
    counted = [row for row in found if row["state"] in COUNTED]
    posts = _goalposts(connection, counted, moment)
    parts: dict[UUID, list[_Part]] = {}
    for row in counted:
        parts.setdefault(row["objective_id"], []).append(_Part(row, posts[row["id"]]))
    for row in rows:
        own = parts.get(row["id"], [])
        moved = of_objective([(part.posts, part.row["weight"]) for part in own])
        if moved is not None:
            yield _Whole(row, own, moved)


# The goalposts of many key results


def _goalposts(connection: Connection[DictRow], rows: list[DictRow], moment: Moment) -> dict[UUID, Goalposts]:
    targets = _targets(connection, [row["id"] for row in rows], moment.position)
    moved = [row for row in rows if len(targets.get(row["id"], ())) > 1]
    series = _series(connection, moved, targets, moment)
    in_force = dict(zip([row["id"] for row in rows], values.at(connection, rows, moment), strict=True))
    found = {}
    for row in rows:
        id, direction = row["id"], Direction(row["direction"])
        if id in series:
            history = _history(row, targets[id])
            found[id] = goalposts(direction, history, series[id], moment.looked_at)
        else:
            found[id] = _unmoved(row, direction, targets.get(id, []), in_force[id], moment)
    return found


def _unmoved(
    row: DictRow, direction: Direction, targets: list[TargetInForce], value: Value, moment: Moment
) -> Goalposts:
    """Where the target never moved, all three attainments are the same."""
    if direction is Direction.MILESTONES:
        steps = [] if row["milestones"] is None else orjson.loads(row["milestones"])
        return milestone_goalposts(key_results.milestones(steps), moment.known_by)
    if direction.is_limit:
        target = targets[0].target
        return Goalposts(value.held, value.held, value.held, Decimal(0), target, target, target, ())
    return goalposts(direction, _history(row, targets), [Reading(_EVER, value.value)], moment.looked_at)


def _history(row: DictRow, targets: list[TargetInForce]) -> TargetHistory:
    return TargetHistory(
        original=targets[0].target,
        baseline=row["baseline"],
        segments=tuple(targets),
        committed_at=row["committed_at"],
        deadline_at_original=row["original_deadline_at"],
        deadline_at=row["deadline_at"],
    )


def _targets(connection: Connection[DictRow], ids: list[UUID], position: int) -> dict[UUID, list[TargetInForce]]:
    """The targets of each as known at the position, each as if it had been written down right, in their order."""
    rows = connection.execute(
        "SELECT DISTINCT ON (t.key_result_id, t.position) t.key_result_id, t.position, t.target, e.recorded_at"
        " FROM targets AS t JOIN ledger.events AS e ON e.position = t.position"
        " WHERE t.key_result_id = ANY(%s) AND t.known_from <= %s"
        " ORDER BY t.key_result_id, t.position, t.known_from DESC",
        [ids, position],
    )
    found: dict[UUID, list[TargetInForce]] = {}
    for row in rows:
        segment = TargetInForce(row["recorded_at"], row["target"], row["position"])
        found.setdefault(row["key_result_id"], []).append(segment)
    return found


def _series(
    connection: Connection[DictRow],
    moved: list[DictRow],
    targets: dict[UUID, list[TargetInForce]],
    moment: Moment,
) -> dict[UUID, list[Reading]]:
    """The readings that the figures of moved targets look at: all of a limit's, else those at the moves and the end."""
    limits = [row["id"] for row in moved if Direction(row["direction"]).is_limit]
    found: dict[UUID, list[Reading]] = {id: [] for id in limits}
    if limits:
        points = values.points_known(connection, limits, moment.position)
        found |= {id: readings_of(known) for id, known in points.items()}
    now = moment.looked_at
    asked: list[tuple[UUID | str, datetime]] = []
    for row in moved:
        if row["id"] not in found:
            moves = sorted({target.since for target in targets[row["id"]] if target.since < now})
            asked += [(row["id"], at) for at in (*moves, moment.known_by)]
    said = values.said_by_then(connection, asked, moment.position) if asked else []
    for (id, at), known in zip(asked, said, strict=True):
        # What is known now counts, also where its clock ran ahead of the ledger's.
        end = max([now, *(point.effective_at for point in known)]) if at == moment.known_by else at
        found.setdefault(UUID(str(id)), []).append(Reading(min(at, now), _value(known, min(at, end))))
    return found


def _value(points: list[Point], at: datetime) -> Decimal | None:
    point = value_in_force(points, at)
    return None if point is None else point.value


_EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


# The answer


@dataclass(frozen=True, slots=True)
class _Effect:
    """An adjustment, and what it is worth to the key result, to its objective and to the whole that is asked about."""

    row: DictRow
    move: AdjustmentEffect
    on_objective: Decimal | None
    on_whole: Decimal | None


def _effects(whole: _Whole, share: Decimal) -> Iterator[_Effect]:
    """The adjustments under an objective; `share` is the objective's in the whole that is asked about."""
    weights = shares({part.row["id"]: part.row["weight"] for part in whole.parts})
    with localcontext(CONTEXT):
        for part in whole.parts:
            for move in part.posts.adjustments:
                worth = None if move.effect is None else move.effect * weights[part.row["id"]]
                yield _Effect(part.row, move, worth, None if worth is None else worth * share)


def _figures(moved: Moved | None) -> Answer:
    return {
        "attainment": {
            "original": _roll(None if moved is None else moved.original),
            "current": _roll(None if moved is None else moved.current),
            "time_weighted": _roll(None if moved is None else moved.time_weighted),
        },
        "owed_to_moved_targets": figure(None if moved is None else moved.owed),
        "owed_share": figure(None if moved is None else moved.owed_share),
        "goalpost_shift": figure(None if moved is None else moved.goalpost_shift),
    }


def _roll(roll: Roll | None) -> Answer | None:
    return None if roll is None else {"clamped": figure(roll.clamped), "unclamped": figure(roll.unclamped)}


def _sentence(moved: Moved | None, adjustments: int) -> str:
    if moved is None:
        return "Nothing in this cycle is committed yet."
    original, current = (roll.clamped * 100 for roll in (moved.original, moved.current))
    said = f"{current:.1f} % is reached against today's targets and {original:.1f} % against those that were promised"
    if not adjustments:
        return f"{said}: no target was moved."
    times = "once" if adjustments == 1 else f"{adjustments} times"
    return f"{said}: {moved.owed * 100:.1f} points are owed to targets that were moved, {times}."


def _adjustments(connection: Connection[DictRow], effects: list[_Effect]) -> list[Answer]:
    """Each adjustment with who and why, the one that is worth most first."""
    positions = [effect.move.position for effect in effects]
    rows = connection.execute("SELECT position, line FROM ledger.events WHERE position = ANY(%s)", [positions])
    line_at = {row["position"]: orjson.loads(row["line"]) for row in rows}
    effects = sorted(effects, key=lambda each: (-abs(each.on_whole or Decimal(0)), each.move.position or 0))
    return [_adjustment(effect, line_at[effect.move.position]) for effect in effects]


def _adjustment(effect: _Effect, line: Answer) -> Answer:
    return {
        "key_result_id": ref(effect.row["id"]),
        "objective_id": ref(effect.row["objective_id"]),
        "title": effect.row["title"],
        "position": effect.move.position,
        "from": measure(effect.move.from_),
        "to": measure(effect.move.to),
        "recorded_at": line["recorded_at"],
        "actor": line["who"],
        "reason_code": line.get("why", {}).get("code"),
        "time_share": figure(effect.move.time_share),
        "effect": figure(effect.move.effect),
        "effect_on_objective": figure(effect.on_objective),
        "effect_on_whole": figure(effect.on_whole),
    }
