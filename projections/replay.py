"""Replay: a cycle or an objective, frame by frame, between two moments.

A page of it names its span once: the end of a replay that goes to now stays where it was when the first page was
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.calendar import end_of_day, start_of_day
from projections import cycles, reading
from projections.answers import Answer, ref, time
from projections.cycles import CYCLES
from projections.frames import Scope, frames
from projections.moment import BadMoment, FutureMoment, Moment, resolve
from projections.objectives import OBJECTIVES
from projections.stops import Span, Step, span_of, stops


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a replay. Without `from_` and `to` it goes through the whole cycle, as far as it has come."""

    step: Step
    limit: int
    from_: datetime | None = None
    to: datetime | None = None
    cursor: str | None = None


def of_cycle(connection: Connection[DictRow], id: UUID, asked: Asked, moment: Moment) -> Answer | None:
    """{cycle, objective_id, step, from, to, frames, next} (`projections.frames`); None for an unknown cycle.

    Nothing is shown of the time before it was opened. Raises `BadMoment`, `FutureMoment`, `BadCursor`,
    `ViewsBehind`.
    """
    cycle = reading.one(connection, CYCLES, id, moment)
    return None if cycle is None else _page(connection, Scope.of_cycle(cycle), asked, moment)


def of_objective(connection: Connection[DictRow], id: UUID, asked: Asked, moment: Moment) -> Answer | None:
    """The same of one objective with its key results, from when it was drafted."""
    objective = reading.one(connection, OBJECTIVES, id, moment)
    if objective is None:
        return None
    cycle = reading.one(connection, CYCLES, objective["cycle_id"], moment)
    if cycle is None:
        return None
    scope = Scope.of_objective(connection, cycle, objective, moment.position)
    return _page(connection, scope, asked, moment)


def _page(connection: Connection[DictRow], scope: Scope, asked: Asked, moment: Moment) -> Answer:
    span = _whole(connection, scope, asked, moment) if asked.cursor is None else span_of(asked.cursor)
    found = stops(connection, scope.about, asked.step, span, asked.limit + 1) if span.last <= moment.position else []
    if not found:
        raise reading.BadCursor("this cursor was not given out by a page")
    here = found[: asked.limit]
    answer: Answer = {
        "cycle": cycles.answer(scope.cycle),
        "objective_id": ref(scope.objective_id),
        "step": asked.step.text,
        "from": time(span.from_),
        "to": time(span.to),
        "frames": list(frames(connection, scope, here, after=span.after)),
    }
    if len(found) > asked.limit:
        answer["next"] = span.going_on(found[-1].number, here[-1].position).cursor
    return answer


def _whole(connection: Connection[DictRow], scope: Scope, asked: Asked, moment: Moment) -> Span:
    """From the first day of the cycle, or from its first fact if that is later, to its last day or its last fact."""
    begun_at = _recorded_at(connection, scope.begun)
    first_day = start_of_day(scope.cycle["starts_on"], scope.cycle["time_zone"])
    if asked.to is None:
        latest = _last_fact(connection, scope, moment) or begun_at
        over = max(end_of_day(scope.cycle["ends_on"], scope.cycle["time_zone"]), latest)
        # A fact may be newer than the clock of who asks.
        to, last = min(over, max(moment.clock, latest)), moment.position
    else:
        if asked.to > moment.clock:
            raise FutureMoment("to lies in the future")
        to, last = asked.to, min(resolve(connection, now=moment.clock, as_of=asked.to).position, moment.position)
    if (asked.from_ or begun_at) > to:
        raise BadMoment("to lies before from, or before anything had begun")
    from_ = max(asked.from_ or first_day, begun_at)
    return Span(begun_at if from_ > to else from_, to, last)


def _recorded_at(connection: Connection[DictRow], position: int) -> datetime:
    (row,) = connection.execute("SELECT recorded_at FROM ledger.events WHERE position = %s", [position]).fetchall()
    recorded_at: datetime = row["recorded_at"]
    return recorded_at


def _last_fact(connection: Connection[DictRow], scope: Scope, moment: Moment) -> datetime | None:
    row = connection.execute(
        "SELECT e.recorded_at FROM history AS h JOIN ledger.events AS e USING (position)"
        " WHERE h.cycle_id = %s AND h.position <= %s ORDER BY h.position DESC LIMIT 1",
        [scope.cycle["id"], moment.position],
    ).fetchone()
    return None if row is None else row["recorded_at"]
