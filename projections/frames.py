"""Frames of a replay: the states that differ from the frame before, and the facts that fell into it.

The rows and facts of the whole span are read once and folded forward, so what a frame costs is what happened in it.
The first frame is whole. Later ones have the whole state of what facts were recorded about, and of the others the
`figures` that moved with time, or of objectives with their key results: {id, attainment, pace}. Put together, they
say what the tree says at that moment, but for `pace.elapsed` and `pace.expected`: these follow from the clock alone,
so by themselves they are no news, and stand as of the frame that shows the pace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections import cycles, history, key_results, objectives, reading, values
from projections.answers import Answer, time
from projections.cycles import CYCLES
from projections.key_results import KEY_RESULTS
from projections.moment import Moment
from projections.objectives import OBJECTIVES
from projections.sentences import sentence
from projections.stops import About, Stop
from projections.tables import Table
from projections.values import VALUES
from projections.world import World

MOST_FACTS = 25
"""How many facts of a frame are told, the newest; those that say more than a value before all others."""

_JUST_VALUES = ["KeyResult.ProgressRecorded", "Measurement.Recorded", "Measurement.WindowMoved"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is replayed: the whole of a cycle, or one objective of it with its key results; when it was begun."""

    cycle: DictRow
    begun: int
    objective_id: UUID | None
    about: About

    @classmethod
    def of_cycle(cls, cycle: DictRow) -> Self:
        about = About("h.cycle_id = %(cycle_id)s", {"cycle_id": cycle["id"]}, cycle["time_zone"])
        return cls(cycle, cycle["begun"], None, about)

    @classmethod
    def of_objective(cls, connection: Connection[DictRow], cycle: DictRow, objective: DictRow, last: int) -> Self:
        id = objective["id"]
        subjects = [id, *_begun(connection, KEY_RESULTS, "objective_id", id, last)]
        about = About("h.subject_id = ANY(%(subjects)s::uuid[])", {"subjects": subjects}, cycle["time_zone"])
        return cls(cycle, objective["begun"], id, about)


def frames(
    connection: Connection[DictRow], scope: Scope, at: Sequence[Stop], *, after: int | None = None
) -> Iterator[Answer]:
    """The frames at these stops. `after`: the position of the stop before the first one, where there was one."""
    if not at:
        return
    told = _facts(connection, scope.about, at, at[0].position if after is None else after)
    cycle_rows, goal_rows, part_rows, value_rows = _rows(connection, scope, at)
    world = World()
    for index, stop in enumerate(at):
        moment = Moment(stop.position, stop.clock)
        turned = cycle_rows.get(index)
        facts = told.get(index, [])
        yield {
            "number": stop.number,
            "moment": time(stop.clock),
            "position": stop.position,
            "cycle": cycles.answer(turned[-1]) if turned else None,
            **world.goes_on(moment, goal_rows.get(index, ()), part_rows.get(index, ()), value_rows.get(index, ())),
            "facts": [_fact(item) for _, item in facts],
            "fact_count": facts[0][0] if facts else 0,
        }


# What is read


ByFrame = dict[int, list[DictRow]]

_FRAME = "width_bucket(position - 1, %(positions)s::bigint[])"
"""The number, from 0, of the first frame that knows a position."""


def _rows(connection: Connection[DictRow], scope: Scope, at: Sequence[Stop]) -> tuple[ByFrame, ...]:
    """The rows of cycle, objectives, key results and values that are new in each frame; in the first, all in force.

    In the first frame the rows of key results have their values with them.
    """
    first, last = Moment(at[0].position, at[0].clock), at[-1].position
    cycle_id, objective_id = scope.cycle["id"], scope.objective_id
    column, id = ("cycle_id", cycle_id) if objective_id is None else ("objective_id", objective_id)
    goals = [objective_id] if objective_id else _begun(connection, OBJECTIVES, "cycle_id", cycle_id, last)
    parts = _begun(connection, KEY_RESULTS, column, id, last)
    cycle = _later(connection, CYCLES, "id", "row.*", [cycle_id], at)
    goal = _later(connection, OBJECTIVES, "id", objectives.COLUMNS, goals, at)
    part = _later(connection, KEY_RESULTS, "id", key_results.OWN_COLUMNS, parts, at)
    value = _later(connection, VALUES, "key_result_id", _VALUE_COLUMNS, parts, at)
    ids = [str(each) for each in goals]
    cycle[0] = reading.many(connection, CYCLES, first, under={"id": cycle_id})
    goal[0] = reading.many(connection, OBJECTIVES, first, columns=objectives.COLUMNS, under={"id": ids})
    part[0] = reading.many(
        connection, KEY_RESULTS, first, columns=key_results.COLUMNS, beside=values.IN_FORCE, under={column: id}
    )
    return cycle, goal, part, value


def _begun(connection: Connection[DictRow], table: Table, column: str, id: UUID, last: int) -> list[UUID]:
    """The ids of what was begun up to a position under a cycle or an objective."""
    rows = connection.execute(
        f"SELECT id FROM {table.name} WHERE {column} = %s AND from_position = begun AND begun <= %s", [id, last]
    )
    return [row["id"] for row in rows]


_VALUE_COLUMNS = f"value.key_result_id::text AS id, {values.COLUMNS}"


def _later(
    connection: Connection[DictRow], table: Table, key: str, columns: str, ids: list[UUID], at: Sequence[Stop]
) -> ByFrame:
    """Of each id the last row in each frame but the first."""
    name = "value" if table is VALUES else "row"
    rows = connection.execute(
        f"SELECT {name}.frame, {columns} FROM ("
        f" SELECT DISTINCT ON ({key}, frame) *, {_FRAME} AS frame"
        f" FROM (SELECT *, from_position AS position FROM {table.name}) AS line"
        f" WHERE {key} = ANY(%(ids)s::uuid[]) AND from_position > %(first)s AND from_position <= %(last)s"
        f" ORDER BY {key}, frame, from_position DESC) AS {name}",
        {
            "ids": ids,
            "positions": [stop.position for stop in at],
            "first": at[0].position,
            "last": at[-1].position,
        },
    )
    found: ByFrame = {}
    for row in rows:
        found.setdefault(row["frame"], []).append(row)
    return found


def _facts(
    connection: Connection[DictRow], about: About, at: Sequence[Stop], after: int
) -> dict[int, list[tuple[int, Answer]]]:
    """The facts of each frame in their order, each with the number of all of its frame."""
    rows = connection.execute(
        f"SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY frame) AS in_frame, row_number() OVER ("
        f"  PARTITION BY frame ORDER BY type = ANY(%(values)s), position DESC) AS number"
        f" FROM (SELECT h.*, {_FRAME} AS frame FROM history AS h"
        f"  WHERE {about.condition} AND h.position > %(after)s AND h.position <= %(last)s) AS each) AS counted"
        f" WHERE number <= %(most)s ORDER BY position",
        {
            **about.values,
            "positions": [stop.position for stop in at],
            "after": after,
            "last": at[-1].position,
            "values": _JUST_VALUES,
            "most": MOST_FACTS,
        },
    ).fetchall()
    found: dict[int, list[tuple[int, Answer]]] = {}
    for row, item in zip(rows, history.items(connection, rows), strict=True):
        found.setdefault(row["frame"], []).append((row["in_frame"], item))
    return found


def _fact(item: Answer) -> Answer:
    """What a replay tells of a fact; its history tells all of it."""
    return {name: item[name] for name in _TOLD} | {"sentence": sentence(item)}


_TOLD = (
    "position",
    "type",
    "subject",
    "actor",
    "recorded_at",
    "effective_at",
    "from",
    "to",
    "reason_code",
    "reason",
    "texts",
)
