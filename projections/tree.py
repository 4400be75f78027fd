"""The whole of a cycle at one moment: its objectives with their key results."""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections import cycles, objectives
from projections.answers import Answer
from projections.moment import Moment

VERSION = 1


def tree(connection: Connection[DictRow], cycle_id: UUID, moment: Moment) -> Answer | None:
    """{cycle, objectives: [objective + key_results: [...]]}; None for an unknown cycle. Raises `BeforeCreation`.

    The objectives are ready JSON texts, to be sent as they are.

    A fixed number of statements, whatever the size. They need no common snapshot: rows are only added, and the
    moment's position says which of them count.
    """
    cycle = cycles.get(connection, cycle_id, moment)
    if cycle is None:
        return None
    return {"cycle": cycle, "objectives": objectives.branches(connection, cycle_id, moment)}
