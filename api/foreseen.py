"""A key result as it stands at a position that the views have not reached yet.

Recording progress is what most commands are, and their answers need not wait for the views: of a person's values
the latest counts, so the facts that the views still lack can be laid over what they have. Where other facts are
among those, or it matters for how long a value stood, the answer waits like all others.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.key_result import ProgressRecorded
from domain.measures import Direction, Source
from ledger.line import parse_line
from ledger.mapper import read_fact
from projections import key_results, reading, values
from projections.answers import Answer
from projections.key_results import KEY_RESULTS
from projections.moment import BeforeCreation, Moment
from projections.values import Value

MOST_LACKING = 1_000
"""Facts of the whole ledger that the views may lack: beyond it, looking through them is no quick answer."""

# The facts about the key result that the views lack, and in any case the one at the position itself. A feed's facts
# are in streams of their own and name the key result.
_LACKING = """
    SELECT p.position AS reached, e.position, e.stream_id, e.type, e.recorded_at, e.line
      FROM progress AS p
      LEFT JOIN ledger.events AS e
             ON e.position > least(p.position, %(position)s - 1) AND e.position <= %(position)s
            AND p.position > %(position)s - %(most)s
            AND (e.stream_id = %(id)s OR e.position = %(position)s
                 OR (e.type IN ('Feed.Defined', 'Measurement.Recorded', 'Measurement.WindowMoved')
                     AND strpos(e.line, %(named)s) > 0))
     ORDER BY e.position
"""


def key_result_at(connection: Connection[DictRow], id: UUID, position: int) -> Answer | None:
    """The key result at the position, with the time of the fact there as its clock; None where one has to wait."""
    lacking = connection.execute(
        _LACKING,
        {"position": position, "id": id, "most": MOST_LACKING, "named": f'"key_result_id":"{id}"'},
        prepare=True,
    ).fetchall()
    if not lacking or lacking[-1]["position"] != position:
        return None
    reached = lacking[0]["reached"]
    clock = lacking[-1]["recorded_at"]
    moment = Moment(min(reached, position), clock, is_now=False)
    try:
        row = reading.one(connection, KEY_RESULTS, id, moment)
    except BeforeCreation:
        return None
    if row is None:
        return None
    value = values.at(connection, [row], moment)[id]
    for event in lacking:
        if event["position"] <= reached:
            continue
        if event["stream_id"] != id or event["type"] != ProgressRecorded.TYPE or Direction(row["direction"]).is_limit:
            return None
        value = _with_progress(value, event["line"])
    return key_results.reckoned(row, value, replace(moment, position=position)).answer


def _with_progress(value: Value, text: str) -> Value:
    """The value after one more of a person's: it counts unless one that was true later is known."""
    line = parse_line(text)
    fact = read_fact(line.type, line.schema, line.data)
    if not isinstance(fact, ProgressRecorded):
        raise TypeError(f"{line.type} is no progress of a person")
    value = replace(value, version=line.version, position=line.position)
    if value.effective_at is not None and fact.effective_at < value.effective_at:
        return value
    return replace(value, value=fact.value, effective_at=fact.effective_at, source=str(Source.PERSON))
