"""The values of key results: what each source said, which value is in force, and for how long a limit was held.

`points` keeps every value with the moment at which it was true; a point that is corrected, or an override that ends,
gets a further row for the same position, known from the later fact on. So what was true at any moment can be asked as
of any position. `key_result_values` keeps, for each fact about a key result, the value then in force; that is all that
a question about a position needs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from domain.calendar import end_of_day
from domain.key_result import (
    DeadlineAdjusted,
    KeyResultCheckedIn,
    KeyResultCommitted,
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultDropped,
    KeyResultOwnerChanged,
    KeyResultRephrased,
    KeyResultReplaced,
    KeyResultScored,
    MilestoneReached,
    OverrideLifted,
    OverrideUntil,
    ProgressCorrected,
    ProgressOverridden,
    ProgressRecorded,
    TargetAdjusted,
    TargetCorrected,
    WeightAdjusted,
)
from domain.limits import HeldTime, holds, limit_attainment
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from domain.measures import Direction, Point, Source, value_in_force
from domain.stream import Fact
from projections.answers import time, time_of
from projections.lines import Measured, Progress, Told
from projections.moment import Moment
from projections.standing import LIMITS, NOTHING_SAID, Limit, Series, Standing, order, readings_of, said_by
from projections.tables import NULL, Copy, Rows, Table, copied

if TYPE_CHECKING:
    from projections.key_results import KeyResultRow
    from projections.present import Handlers, Present

VERSION = 1

POINTS = Table(
    "points",
    """
    key_result_id uuid        NOT NULL,
    position      bigint      NOT NULL,
    known_from    bigint      NOT NULL,
    value         numeric,
    effective_at  timestamptz NOT NULL,
    source        text        NOT NULL COLLATE "C",
    until         timestamptz,
    ends          text
    """,
    key="key_result_id, source, effective_at, position, known_from",
)
VALUES = Table(
    "key_result_values",
    """
    key_result_id      uuid    NOT NULL,
    from_position      bigint  NOT NULL,
    version            integer NOT NULL,
    value              numeric,
    value_effective_at timestamptz,
    value_source       text,
    until              timestamptz,
    then_value         numeric,
    then_effective_at  timestamptz,
    then_source        text,
    held_us            bigint,
    held_last_at       timestamptz,
    is_held            boolean
    """,
    key="key_result_id, from_position",
)
"""From `until` on, the end of the day that an override named, the value is `then_value`: no fact says so again."""
TABLES = (POINTS, VALUES)

MOST_POINTS = 100_000
"""How many points of limits are kept in mind between batches."""


class Standings:
    """The standing of each key result at hand, and the rows to be written.

    `series` are all points of a limit, where they are in mind; `recent` are those of the others that the table does not
    have yet.
    """

    def __init__(self) -> None:
        self.points = Rows(POINTS)
        self.rows = Rows(VALUES)
        self.present: dict[str, Standing] = {}
        self.series: dict[str, Series] = {}
        self.recent: dict[str, list[Point]] = {}

    def __getitem__(self, key_result_id: str) -> Standing:
        """LookupError where there is none: then facts before this one are missing."""
        try:
            return self.present[key_result_id]
        except KeyError:
            raise LookupError(f"no key result {key_result_id}, which a later fact is about") from None

    def hand_over(self) -> list[Copy]:
        """What waits, to be written."""
        self.recent.clear()
        if sum(len(series.points) for series in self.series.values()) > MOST_POINTS:
            self.series.clear()
        return self.points.hand_over() + self.rows.hand_over()

    def forget(self) -> None:
        self.present.clear()
        self.series.clear()

    def fetch(self, connection: Connection[DictRow], ids: Collection[str]) -> None:
        """Take the standings of these key results out of the tables, where they are."""
        missing = [id for id in ids if id not in self.present]
        if not missing:
            return
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(_LAST_ROWS, [missing])
            for id, cycle_id, direction, version, held_us, held_last_at, is_held, committed_at, deadline_at in cursor:
                needs_series = direction in LIMITS or committed_at is None
                standing = self.present[str(id)] = Standing(str(id), str(cycle_id), version, needs_series)
                if held_us is not None:
                    standing.held = HeldTime(committed_at, deadline_at, held_us, held_last_at, is_held)
            cursor.execute(_LAST_POINTS, [missing, list(Source)])
            for id, source, effective_at, position, value, until, ends in cursor:
                standing = self.present[str(id)]
                standing.say(Point(position, effective_at, value, Source(source), until=until), ends)
                standing.settle(effective_at)


_LAST_ROWS = """
    SELECT wanted.id, k.cycle_id, k.direction, v.version, v.held_us, v.held_last_at, v.is_held,
           k.committed_at, k.deadline_at
      FROM unnest(%s::uuid[]) AS wanted (id)
      CROSS JOIN LATERAL (SELECT * FROM key_result_values WHERE key_result_id = wanted.id
                           ORDER BY from_position DESC LIMIT 1) AS v
      CROSS JOIN LATERAL (SELECT * FROM key_results WHERE id = wanted.id
                           ORDER BY from_position DESC LIMIT 1) AS k
"""
_LAST_POINTS = """
    SELECT wanted.id, p.source, p.effective_at, p.position, p.value, p.until, p.ends
      FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN unnest(%s::text[]) AS said (source)
      CROSS JOIN LATERAL (SELECT * FROM points WHERE key_result_id = wanted.id AND source = said.source
                           ORDER BY effective_at DESC, position DESC, known_from DESC LIMIT 1) AS p
"""


# How facts change it


def begun(present: Present, told: Told[Any], fact: KeyResultDrafted) -> None:
    present.values.present[told.stream] = standing = Standing(told.stream, str(fact.cycle_id), told.version)
    present.values.series[told.stream] = Series()
    _keep(present, told, standing)


def time_passes(present: Present, told: Told[Any], fact: Any) -> None:
    """Before anything else: an override until a day that is over stands no longer."""
    standing = present.values[fact.key_result_id if isinstance(fact, Measured) else told.stream]
    override = standing.override
    if override is not None and override.until is not None and override.until <= told.recorded_at:
        standing.override = standing.override_ends = None
        standing.settle(told.recorded_at)
        _hold_again(present, told, standing)


def decided(present: Present, told: Told[Any], _: Fact) -> None:
    """A fact that says nothing of the value."""
    _keep(present, told, _decided(present, told))


def measured_otherwise(present: Present, told: Told[Any], _: Fact) -> None:
    """A limit or a deadline now is another: how long it was held has to be reckoned again."""
    standing = _decided(present, told)
    if present.key_results[told.stream].direction in LIMITS:
        _hold_again(present, told, standing)
    else:
        standing.needs_series = False
        present.values.series.pop(told.stream, None)
    _keep(present, told, standing)


def recorded(present: Present, told: Told[Any], fact: Progress) -> None:
    standing = _decided(present, told)
    point = Point(told.position, datetime.fromisoformat(fact.effective_at), Decimal(fact.value), Source.PERSON)
    _take(present, told, standing, point, f"{fact.value}\t{fact.effective_at}\t{Source.PERSON}")


def corrected(present: Present, told: Told[Any], fact: ProgressCorrected) -> None:
    """The right value takes the place of the wrong one, also in the order of those effective at the same moment."""
    standing = _decided(present, told)
    position = present.position_of(told.stream, fact.corrects)
    point = Point(position, fact.effective_at, fact.to, Source.PERSON)
    _take(present, told, standing, point, said_by(point), hold_again=True)


def overridden(present: Present, told: Told[Any], fact: ProgressOverridden) -> None:
    """An override takes the place of the one before it."""
    standing = _decided(present, told)
    _end_override(present, told, standing)
    until = None
    if fact.until_on is not None:
        until = end_of_day(fact.until_on, present.key_results[told.stream].time_zone)
    point = Point(told.position, fact.effective_at, fact.value, Source.OVERRIDE, until=until)
    _take(present, told, standing, point, said_by(point), ends=fact.until, hold_again=True)


def override_lifted(present: Present, told: Told[Any], _: OverrideLifted) -> None:
    standing = _decided(present, told)
    if standing.override is not None:
        _end_override(present, told, standing)
        _hold_again(present, told, standing)
    _keep(present, told, standing)


def measured(present: Present, told: Told[Any], fact: Measured) -> None:
    """What messages brought; it ends an override until the next message."""
    standing = present.values[fact.key_result_id]
    is_ended = standing.override_ends == OverrideUntil.NEXT_MESSAGE
    if is_ended:
        _end_override(present, told, standing)
    _measure(present, told, standing, fact, hold_again=is_ended)


def window_moved(present: Present, told: Told[Any], fact: Measured) -> None:
    """Time alone changed the number: that is no message, and an override until the next one stays."""
    _measure(present, told, present.values[fact.key_result_id], fact)


HANDLERS: Handlers = {
    KeyResultDrafted: begun,
    **dict.fromkeys(
        (
            KeyResultDraftRevised,
            KeyResultRephrased,
            KeyResultOwnerChanged,
            WeightAdjusted,
            MilestoneReached,
            KeyResultCheckedIn,
            KeyResultScored,
            KeyResultReplaced,
            KeyResultDropped,
        ),
        decided,
    ),
    **dict.fromkeys((KeyResultCommitted, TargetAdjusted, TargetCorrected, DeadlineAdjusted), measured_otherwise),
    ProgressRecorded: recorded,
    ProgressCorrected: corrected,
    ProgressOverridden: overridden,
    OverrideLifted: override_lifted,
    MeasurementRecorded: measured,
    MeasurementWindowMoved: window_moved,
}


def _decided(present: Present, told: Told[Any]) -> Standing:
    """The standing of the key result whose own fact this is."""
    standing = present.values[told.stream]
    standing.version = told.version
    return standing


def _measure(
    present: Present, told: Told[Any], standing: Standing, fact: Measured, *, hold_again: bool = False
) -> None:
    value = None if fact.value is None else Decimal(fact.value)
    point = Point(told.position, datetime.fromisoformat(fact.effective_at), value, Source.FEED)
    said = f"{fact.value or NULL}\t{fact.effective_at}\t{Source.FEED}"
    _take(present, told, standing, point, said, hold_again=hold_again)


def _take(
    present: Present,
    told: Told[Any],
    standing: Standing,
    point: Point,
    said: str,
    *,
    ends: str | None = None,
    hold_again: bool = False,
) -> None:
    """Take in a point, new or corrected, and what it says as COPY reads it. `ends` says what ends an override."""
    _write_point(present, told, standing, point, said, ends)
    standing.say(point, ends)
    if standing.override is not None or point.position != told.position:
        standing.settle(told.recorded_at)
    elif standing.in_force is None or order(point) > order(standing.in_force):
        standing.in_force, standing.said = point, said
    if standing.held is not None:
        if hold_again or standing.override is not None:
            _hold_again(present, told, standing)
        else:
            _hold_on(present, told, standing, standing.held, point)
    _keep(present, told, standing)


def _end_override(present: Present, told: Told[Any], standing: Standing) -> None:
    if standing.override is not None:
        ended = replace(standing.override, until=told.recorded_at)
        _write_point(present, told, standing, ended, said_by(ended), standing.override_ends)
        standing.override = standing.override_ends = None
        standing.settle(told.recorded_at)


def _hold_on(present: Present, told: Told[Any], standing: Standing, held: HeldTime, point: Point) -> None:
    """Let the held time follow one more point while no override stands."""
    limit = _limit(present.key_results[standing.subject])
    if limit is None:
        return
    if held.last_at is None or held.last_at <= point.effective_at:
        standing.held = limit.next(held, point)
        return
    nearest = present.points_around(standing.subject, point)
    if nearest.has_overrides:
        _hold_again(present, told, standing)
    else:
        standing.held = limit.late(held, nearest, point)


def _hold_again(present: Present, told: Told[Any], standing: Standing) -> None:
    """Reckon from all points for how long a committed limit was held."""
    limit = _limit(present.key_results[standing.subject])
    if limit is not None:
        standing.held = limit.all(present.series_of(standing.subject), told.recorded_at)


def _limit(terms: KeyResultRow) -> Limit | None:
    if terms.direction not in LIMITS or terms.committed_at is None or terms.target is None:
        return None
    return Limit(Direction(terms.direction), terms.target, terms.committed_at, terms.deadline_at)


# Most facts are values: their rows are written by hand, in a third of the time that `tables.copied` takes.


def _write_point(
    present: Present, told: Told[Any], standing: Standing, point: Point, said: str, ends: str | None = None
) -> None:
    """A point, as it is known from this line on."""
    until = NULL if point.until is None else copied([point.until])
    present.values.points.waiting.append(
        f"{standing.subject}\t{point.position}\t{told.position}\t{said}\t{until}\t{ends or NULL}"
    )
    if standing.needs_series:
        series = present.values.series.get(standing.subject)
        if series is not None:
            series.put(point)
        else:
            present.values.recent.setdefault(standing.subject, []).append(point)


def _keep(present: Present, told: Told[Any], standing: Standing) -> None:
    """How the value stands at this line."""
    later, held = NOTHING_LATER, NOTHING_SAID
    if standing.override is not None and standing.override.until is not None:
        later = f"{copied([standing.override.until])}\t{said_by(standing.afterwards)}"
    if standing.held is not None:
        held = copied((standing.held.held_us, standing.held.last_at, standing.held.is_held))
    present.values.rows.waiting.append(
        f"{standing.subject}\t{told.position}\t{standing.version}\t{standing.said}\t{later}\t{held}"
    )


NOTHING_LATER = f"{NULL}\t{NOTHING_SAID}"


# Questions


COLUMNS = f"""
    value.version, value.from_position AS position, value.value, {time_of("value.value_effective_at")},
    value.value_source, value.until, value.then_value, {time_of("value.then_effective_at")}, value.then_source,
    value.held_us, value.held_last_at, value.is_held
"""
IN_FORCE = """
    CROSS JOIN LATERAL (SELECT * FROM key_result_values
                         WHERE key_result_id = row.id AND from_position <= %(position)s
                         ORDER BY from_position DESC LIMIT 1) AS value
"""
"""Joins to each `row` of a key result the one row that says the value then in force."""


class Value(NamedTuple):
    """The value in force at a moment, since when as it stands in answers. `held` is the attainment of a limit;
    `version` and `position` are the key result's and that of the last fact about it, its measurement's included."""

    version: int
    position: int
    value: Decimal | None
    effective_at: str | None
    source: str | None
    held: Decimal | None


def at(connection: Connection[DictRow], rows: Sequence[DictRow], moment: Moment) -> list[Value]:
    """The value at the moment of each of these rows, which are key results with the COLUMNS of their values."""
    if moment.effective_at is None:
        return [of_row(row, moment.clock) for row in rows]
    said = said_by_then(connection, [(row["id"], moment.effective_at) for row in rows], moment.position)
    held = _held_by_then(connection, rows, moment.position, moment.effective_at)
    return [
        _value(row, value_in_force(points, moment.effective_at), held.get(row["id"]))
        for row, points in zip(rows, said, strict=True)
    ]


def _value(row: DictRow, point: Point | None, held: Decimal | None) -> Value:
    if point is None:
        return Value(row["version"], row["position"], None, None, None, held)
    return Value(row["version"], row["position"], point.value, time(point.effective_at), str(point.source), held)


def of_row(row: DictRow, clock: datetime) -> Value:
    """What the row of a key result with the COLUMNS of its value says at that clock."""
    version, position, held = row["version"], row["position"], None
    is_over = row["until"] is not None and row["until"] <= clock
    if row["held_us"] is not None:
        known = HeldTime(row["committed_at"], row["deadline_at"], row["held_us"], row["held_last_at"], row["is_held"])
        if is_over:
            is_held = holds(Direction(row["direction"]), row["target"], row["then_value"])
            known = known.advance(max(row["until"], known.last_at or row["until"]), is_held)
        held = known.at(clock)
    if is_over:
        return Value(version, position, row["then_value"], row["then_effective_at"], row["then_source"], held)
    return Value(version, position, row["value"], row["value_effective_at"], row["value_source"], held)


def said_by_then(
    connection: Connection[DictRow], asked: Sequence[tuple[UUID | str, datetime]], position: int
) -> list[list[Point]]:
    """For each key result and moment asked: the last word of each source by then, as far as known at the position."""
    ids, moments = [id for id, _ in asked], [moment for _, moment in asked]
    found: list[list[Point]] = [[] for _ in asked]
    for row in connection.execute(_SAID_BY, [ids, moments, list(Source), position]):
        found[row["number"] - 1].append(_point(row))
    return found


_SAID_BY = """
    SELECT asked.number, p.*
      FROM unnest(%s::uuid[], %s::timestamptz[]) WITH ORDINALITY AS asked (id, moment, number)
     CROSS JOIN unnest(%s::text[]) AS said (source)
     CROSS JOIN LATERAL (SELECT * FROM points
                          WHERE key_result_id = asked.id AND source = said.source
                            AND effective_at <= asked.moment AND known_from <= %s
                          ORDER BY effective_at DESC, position DESC, known_from DESC LIMIT 1) AS p
"""


def _held_by_then(
    connection: Connection[DictRow], rows: Sequence[DictRow], position: int, effective_at: datetime
) -> dict[str, Decimal | None]:
    """The attainment of the committed limits, from what was known at the position.

    A row has taken in all that was known. So it answers for every moment from its last reading on; only for earlier
    ones all points have to be looked at.
    """
    limits = {row["id"]: row for row in rows if row["held_us"] is not None}
    earlier = [id for id, row in limits.items() if row["held_last_at"] and row["held_last_at"] > effective_at]
    held = {id: of_row(row, effective_at).held for id, row in limits.items()}
    points = points_known(connection, earlier, position) if earlier else {}
    for id, known in points.items():
        limit = limits[str(id)]
        held[str(id)] = limit_attainment(
            Direction(limit["direction"]),
            limit["target"],
            readings_of(known),
            limit["committed_at"],
            limit["deadline_at"],
            effective_at,
        )
    return held


def points_known(
    connection: Connection[DictRow], key_result_ids: Sequence[UUID | str], position: int
) -> dict[UUID, list[Point]]:
    """All points of each key result as they were known at the position."""
    rows = connection.execute(
        "SELECT DISTINCT ON (key_result_id, source, effective_at, position) * FROM points"
        " WHERE key_result_id = ANY(%s::uuid[]) AND known_from <= %s"
        " ORDER BY key_result_id, source, effective_at, position, known_from DESC",
        [list(key_result_ids), position],
        binary=True,
    )
    found: dict[UUID, list[Point]] = {}
    for row in rows:
        found.setdefault(row["key_result_id"], []).append(_point(row))
    return found


def points_around(connection: Connection[DictRow], key_result_id: str, point: Point) -> list[Point]:
    """The last point of each source up to this one in their order, and the first behind it, as known now."""
    asked = {"id": key_result_id, "sources": list(Source), "at": point.effective_at, "position": point.position}
    return [_point(row) for row in connection.execute(_AROUND, asked, binary=True)]


_AROUND = """
    SELECT p.* FROM unnest(%(sources)s::text[]) AS said (source) CROSS JOIN LATERAL (
        (SELECT * FROM points
          WHERE key_result_id = %(id)s::uuid AND source = said.source
            AND (effective_at, position) <= (%(at)s, %(position)s)
          ORDER BY effective_at DESC, position DESC, known_from DESC LIMIT 1)
        UNION ALL
        (SELECT * FROM points
          WHERE key_result_id = %(id)s::uuid AND source = said.source
            AND (effective_at, position) > (%(at)s, %(position)s)
          ORDER BY effective_at, position, known_from DESC LIMIT 1)
    ) AS p
"""


def _point(row: DictRow) -> Point:
    return Point(row["position"], row["effective_at"], row["value"], Source(row["source"]), until=row["until"])
