"""A key result as it stands at a position that the views have not reached yet.

Recording progress is what most commands are, and their answers need not wait for the views: of a person's values
the latest counts, so the facts that the views still lack can be laid over what they have. Where other facts are
among those, or it matters for how long a value stood, there is no answer yet.
"""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.key_result import ProgressRecorded
from domain.measures import Direction, Source
from ledger.line import Line, as_time, parse_line
from ledger.mapper import read_fact
from projections import values
from projections.answers import Answer
from projections.key_results import COLUMNS, reckoned
from projections.moment import Moment
from projections.values import Value

MOST_LACKING = 1_000
"""Facts of the whole ledger that the views may lack: beyond it, looking through them is no quick answer."""

# The key result as far as the views know it, and the facts about it that they lack; in any case the fact at the
# position itself, which has the time. A feed's facts are in streams of their own and name the key result.
_FORESEEN = f"""
    SELECT {COLUMNS}, p.position AS reached, lacking.lines
      FROM progress AS p
     CROSS JOIN LATERAL (SELECT * FROM key_results WHERE id = %(id)s AND from_position <= %(position)s
                          ORDER BY from_position DESC LIMIT 1) AS row
     {values.IN_FORCE}
     CROSS JOIN LATERAL (
           SELECT array_agg(line ORDER BY e.position) AS lines FROM ledger.events AS e
            WHERE e.position > least(p.position, %(position)s - 1) AND e.position <= %(position)s
              AND (e.stream_id = %(id)s OR e.position = %(position)s
                   OR (e.type IN ('Feed.Defined', 'Measurement.Recorded', 'Measurement.WindowMoved')
                       AND strpos(e.line, %(named)s) > 0))) AS lacking
     WHERE p.position > %(position)s - %(most)s
"""


def key_result_at(connection: Connection[DictRow], id: UUID, position: int) -> Answer | None:
    """The key result at the position, with the time of the fact there as its clock; None where one has to wait."""
    row = connection.execute(
        _FORESEEN,
        {"position": position, "id": id, "most": MOST_LACKING, "named": f'"key_result_id":"{id}"'},
        prepare=True,
        binary=True,
    ).fetchone()
    if row is None or row["lines"] is None:
        return None
    lines = [parse_line(line) for line in row["lines"]]
    if lines[-1].position != position:
        return None
    moment = Moment(position, lines[-1].recorded_at, is_now=False)
    value = values.of_row(row, moment.clock)
    for line in lines:
        if line.position <= row["reached"]:
            continue
        if line.stream != id or line.type != ProgressRecorded.TYPE or Direction(row["direction"]).is_limit:
            return None
        value = _with_progress(value, line)
    return reckoned(row, value, moment).answer


def _with_progress(value: Value, line: Line) -> Value:
    """The value after one more of a person's: it counts unless one that was true later is known."""
    fact = read_fact(line.type, line.schema, line.data)
    if not isinstance(fact, ProgressRecorded):
        raise TypeError(f"{line.type} is no progress of a person")
    value = value._replace(version=line.version, position=line.position)
    effective_at = as_time(fact.effective_at)
    if value.effective_at is not None and effective_at < value.effective_at:  # texts of the same length
        return value
    return value._replace(value=fact.value, effective_at=effective_at, source=str(Source.PERSON))
