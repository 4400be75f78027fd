"""The whole of a cycle at one moment: its objectives with their key results."""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections import cycles, key_results, objectives, reading
from projections.answers import Answer
from projections.key_results import KEY_RESULTS
from projections.moment import Moment
from projections.objectives import OBJECTIVES

VERSION = 1


def tree(connection: Connection[DictRow], cycle_id: UUID, moment: Moment) -> Answer | None:
    """{cycle, objectives: [objective + key_results: [...]]}; None for an unknown cycle. Raises `BeforeCreation`.

    A fixed number of statements, whatever the size. They need no common snapshot: rows are only added, and the
    moment's position says which of them count.
    """
    cycle = cycles.get(connection, cycle_id, moment)
    if cycle is None:
        return None
    rows = reading.many(connection, OBJECTIVES, moment, under={"cycle_id": cycle_id})
    parts = key_results.reckon(
        connection, reading.many(connection, KEY_RESULTS, moment, under={"cycle_id": cycle_id}), moment
    )
    parts_of = objectives.by_objective(parts)
    branches = objectives.answers(connection, rows, parts_of)
    for row, branch in zip(rows, branches, strict=True):
        branch["key_results"] = [part.answer for part in parts_of.get(row["id"], ())]
    return {"cycle": cycle, "objectives": branches}
