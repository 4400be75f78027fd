"""The moments at which a replay stops: every so many hours or days, at each fact, or at each adjustment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import DictRow

from domain.calendar import zone
from projections.reading import BadCursor

FACTS = "facts"
ADJUSTMENTS = "adjustments"
USUAL_STEP = "P1D"
STEP_PATTERN = r"^(facts|adjustments|P[1-7]D|PT(16[0-8]|1[0-5][0-9]|[1-9][0-9]?)H)$"
STEP_RULE = "a step is `facts`, `adjustments`, P1D to P7D, or PT1H to PT168H"

ADJUSTING = (
    "KeyResult.TargetAdjusted",
    "KeyResult.TargetCorrected",
    "KeyResult.DeadlineAdjusted",
    "KeyResult.WeightAdjusted",
    "KeyResult.OwnerChanged",
    "KeyResult.Rephrased",
    "KeyResult.Replaced",
    "KeyResult.Dropped",
    "Objective.OwnerChanged",
    "Objective.Rephrased",
    "Objective.Replaced",
    "Objective.Dropped",
)
"""What changes a promise after it was made."""

_STEP = re.compile(STEP_PATTERN)
_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,17})\.([0-9]{1,17})\.([0-9]{1,18})\.([0-9]{1,18})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class BadStep(ValueError):
    """No replay goes in such steps."""


@dataclass(frozen=True, slots=True)
class Step:
    """`every` is None where a replay stops at facts: all of them, or those of the `types`."""

    text: str
    every: timedelta | None = None
    types: tuple[str, ...] | None = None


def step_of(text: str) -> Step:
    """The step that a text names. Raises `BadStep`."""
    if _STEP.fullmatch(text) is None:
        raise BadStep(STEP_RULE)
    if text == FACTS:
        return Step(text)
    if text == ADJUSTMENTS:
        return Step(text, types=ADJUSTING)
    count = int(text.strip("PTDH"))
    return Step(text, timedelta(hours=count) if "T" in text else timedelta(days=count))


class Stop(NamedTuple):
    """A moment of a replay: the facts up to `position` are known, and the clock says `clock`."""

    number: int
    position: int
    clock: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where a replay goes; `last` is the position that is known at its end.

    It is at stop `number` next; `after` is the position of the stop before, None at the beginning.
    """

    from_: datetime
    to: datetime
    last: int
    number: int = 0
    after: int | None = None

    def going_on(self, number: int, after: int) -> Span:
        """The same at a later stop."""
        return Span(self.from_, self.to, self.last, number, after)

    @property
    def cursor(self) -> str:
        """The span as text, by which the next page goes on where this one ended."""
        begin, end = ((moment - _EPOCH) // _MICROSECOND for moment in (self.from_, self.to))
        return f"{self.number}.{begin}.{end}.{self.last}.{self.after or 0}"


def span_of(cursor: str) -> Span:
    """The span that a cursor names. Raises `BadCursor`."""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadCursor("this cursor was not given out by a page")
    number, begin, end, last, after = (int(part) for part in found.groups())
    if begin > end or after > last or number == 0:
        raise BadCursor("this cursor was not given out by a page")
    return Span(_EPOCH + begin * _MICROSECOND, _EPOCH + end * _MICROSECOND, last, number, after)


@dataclass(frozen=True, slots=True)
class About:
    """What a replay is about: a condition on rows `h` of the history, with its values; and where days begin."""

    condition: str
    values: dict[str, object]
    time_zone: str


def stops(connection: Connection[DictRow], about: About, step: Step, span: Span, limit: int) -> list[Stop]:
    """At most `limit` stops from where the span is, the first of all at its `from_` and the last at its `to`.

    Whole days pass as they do on the clocks of the time zone.
    """
    if step.every is not None:
        times = stop_times(span, step.every, zone(about.time_zone), limit)
        return _known(connection, span, times)
    found = _known(connection, span, [span.from_]) if span.number == 0 else []
    after = found[0].position if found else span.after
    rows = connection.execute(
        f"SELECT h.position, e.recorded_at FROM history AS h JOIN ledger.events AS e USING (position)"
        f" WHERE {about.condition} AND h.position > %(after)s AND h.position <= %(last)s"
        f" {'' if step.types is None else 'AND h.type = ANY(%(types)s)'} ORDER BY h.position LIMIT %(limit)s",
        {**about.values, "after": after, "last": span.last, "types": list(step.types or ()), "limit": limit},
    ).fetchall()
    number = span.number + len(found)
    found += [Stop(number + index, row["position"], row["recorded_at"]) for index, row in enumerate(rows)]
    if len(rows) < limit:
        found.append(Stop(number + len(rows), span.last, span.to))
    return found[:limit]


def stop_times(span: Span, every: timedelta, rules: ZoneInfo, limit: int) -> list[datetime]:
    """The next moments of the span, at most `limit`; after the last whole step comes the end."""
    times: list[datetime] = []
    if span.number > (span.to - span.from_) // every + 2:  # no page goes there; a change of clocks may add a step
        return times
    is_days = every % timedelta(days=1) == timedelta(0)
    begin = span.from_.astimezone(rules if is_days else UTC)
    for number in range(span.number, span.number + limit):
        moment = (begin + number * every).astimezone(UTC)
        if moment >= span.to:
            # The end itself, unless the page before had it.
            if number == 0 or (begin + (number - 1) * every).astimezone(UTC) < span.to:
                times.append(span.to)
            break
        times.append(moment)
    return times


def _known(connection: Connection[DictRow], span: Span, times: list[datetime]) -> list[Stop]:
    """The stops at these moments, with what was known at each."""
    rows = connection.execute(
        "SELECT coalesce((SELECT position FROM ledger.events WHERE recorded_at <= asked.at"
        " ORDER BY recorded_at DESC, position DESC LIMIT 1), 0) AS position"
        " FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS asked (at, number) ORDER BY asked.number",
        [times],
    ).fetchall()
    return [
        Stop(span.number + index, min(row["position"], span.last), moment)
        for index, (moment, row) in enumerate(zip(times, rows, strict=True))
    ]
