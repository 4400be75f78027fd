"""The values of key results: what each source said, which value is in force, and for how long a limit was held.

`points` keeps every value with the moment at which it was true; a point that is corrected, or an override that ends,
gets a further row for the same position, known from the later fact on. So what was true at any moment can be asked as
of any position. `key_result_values` keeps, for each fact about a key result, the value then in force; that is all that
a question about a position needs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
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
from domain.measures import Direction, Point, Source, readings, value_in_force
from domain.stream import Fact
from ledger.line import Line
from projections.moment import Moment
from projections.tables import Rows, Table

if TYPE_CHECKING:
    from projections.present import Handlers, Present

VERSION = 1
LIMITS = tuple(direction for direction in Direction if direction.is_limit)

POINTS = Table(
    "points",
    """
    key_result_id uuid        NOT NULL,
    source        text        NOT NULL COLLATE "C",
    effective_at  timestamptz NOT NULL,
    position      bigint      NOT NULL,
    known_from    bigint      NOT NULL,
    value         numeric,
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


@dataclass(slots=True)
class Standing:
    """Where the value of one key result stands: the last word of each source, and which of them is in force.

    `afterwards` is in force once the day is over until which an override holds.
    """

    version: int = 0
    person: Point | None = None
    feed: Point | None = None
    override: Point | None = None
    override_ends: str | None = None
    in_force: Point | None = None
    afterwards: Point | None = None
    held: HeldTime | None = None


class Standings:
    """The standing of each key result at hand, and the rows to be written.

    `recent` are points of limits that the table does not have yet, by their positions.
    """

    def __init__(self) -> None:
        self.points = Rows(POINTS)
        self.rows = Rows(VALUES)
        self.present: dict[UUID, Standing] = {}
        self.recent: dict[UUID, dict[int, Point]] = {}

    def __getitem__(self, key_result_id: UUID) -> Standing:
        """LookupError where there is none: then facts before this one are missing."""
        try:
            return self.present[key_result_id]
        except KeyError:
            raise LookupError(f"no key result {key_result_id}, which a later fact is about") from None

    def write(self, connection: Connection[DictRow]) -> None:
        self.points.write(connection)
        self.rows.write(connection)
        self.recent.clear()

    def fetch(self, connection: Connection[DictRow], ids: Collection[UUID]) -> None:
        """Take the standings of these key results out of the tables, where they are."""
        missing = [id for id in ids if id not in self.present]
        if not missing:
            return
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(_LAST_ROWS, [missing])
            for key_result_id, version, held_us, held_last_at, is_held, committed_at, deadline_at in cursor:
                standing = self.present[key_result_id] = Standing(version)
                if held_us is not None:
                    standing.held = HeldTime(committed_at, deadline_at, held_us, held_last_at, is_held)
            cursor.execute(_LAST_POINTS, [missing, list(Source)])
            for key_result_id, source, effective_at, position, value, until, ends in cursor:
                standing = self.present[key_result_id]
                _say(standing, Point(position, effective_at, value, Source(source), until=until), ends)
                _settle(standing, effective_at)


_LAST_ROWS = """
    SELECT wanted.id, v.version, v.held_us, v.held_last_at, v.is_held, k.committed_at, k.deadline_at
      FROM unnest(%s::uuid[]) AS wanted (id)
      CROSS JOIN LATERAL (SELECT * FROM key_result_values WHERE key_result_id = wanted.id
                           ORDER BY from_position DESC LIMIT 1) AS v
      CROSS JOIN LATERAL (SELECT committed_at, deadline_at FROM key_results WHERE id = wanted.id
                           ORDER BY from_position DESC LIMIT 1) AS k
"""
_LAST_POINTS = """
    SELECT wanted.id, p.source, p.effective_at, p.position, p.value, p.until, p.ends
      FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN unnest(%s::text[]) AS said (source)
      CROSS JOIN LATERAL (SELECT * FROM points WHERE key_result_id = wanted.id AND source = said.source
                           ORDER BY effective_at DESC, position DESC, known_from DESC LIMIT 1) AS p
"""


# How facts change it


def begun(present: Present, line: Line, _: KeyResultDrafted) -> None:
    present.values.present[line.stream] = standing = Standing(line.version)
    _keep(present, line, line.stream, standing)


def decided(present: Present, line: Line, _: Fact) -> None:
    """A fact that says nothing of the value."""
    standing = _at(present, line, line.stream)
    standing.version = line.version
    _keep(present, line, line.stream, standing)


def measured_otherwise(present: Present, line: Line, _: Fact) -> None:
    """A limit or a deadline now is another: how long it was held has to be reckoned again."""
    standing = _at(present, line, line.stream)
    standing.version = line.version
    _hold_again(present, line, line.stream, standing)
    _keep(present, line, line.stream, standing)


def recorded(present: Present, line: Line, fact: ProgressRecorded) -> None:
    standing = _at(present, line, line.stream)
    standing.version = line.version
    _take(present, line, line.stream, standing, Point(line.position, fact.effective_at, fact.value, Source.PERSON))


def corrected(present: Present, line: Line, fact: ProgressCorrected) -> None:
    """The right value takes the place of the wrong one, also in the order of those effective at the same moment."""
    standing = _at(present, line, line.stream)
    standing.version = line.version
    position = present.position_of(line.stream, fact.corrects)
    _take(present, line, line.stream, standing, Point(position, fact.effective_at, fact.to, Source.PERSON))


def overridden(present: Present, line: Line, fact: ProgressOverridden) -> None:
    """An override takes the place of the one before it."""
    standing = _at(present, line, line.stream)
    standing.version = line.version
    _end_override(present, line, line.stream, standing)
    until = None
    if fact.until_on is not None:
        until = end_of_day(fact.until_on, present.key_results[line.stream].time_zone)
    point = Point(line.position, fact.effective_at, fact.value, Source.OVERRIDE, until=until)
    _take(present, line, line.stream, standing, point, ends=fact.until)


def override_lifted(present: Present, line: Line, _: OverrideLifted) -> None:
    standing = _at(present, line, line.stream)
    standing.version = line.version
    if _end_override(present, line, line.stream, standing):
        _hold_again(present, line, line.stream, standing)
    _keep(present, line, line.stream, standing)


def measured(present: Present, line: Line, fact: MeasurementRecorded) -> None:
    """What messages brought; it ends an override until the next message."""
    standing = _at(present, line, fact.key_result_id)
    is_ended = standing.override_ends == OverrideUntil.NEXT_MESSAGE
    if is_ended:
        _end_override(present, line, fact.key_result_id, standing)
    point = Point(line.position, fact.effective_at, fact.value, Source.FEED)
    _take(present, line, fact.key_result_id, standing, point, hold_again=is_ended)


def window_moved(present: Present, line: Line, fact: MeasurementWindowMoved) -> None:
    """Time alone changed the number: that is no message, and an override until the next one stays."""
    standing = _at(present, line, fact.key_result_id)
    point = Point(line.position, fact.effective_at, fact.value, Source.FEED)
    _take(present, line, fact.key_result_id, standing, point)


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


def _at(present: Present, line: Line, key_result_id: UUID) -> Standing:
    """The standing at the time of this line: an override until a day that is over stands no longer."""
    standing = present.values[key_result_id]
    override = standing.override
    if override is not None and override.until is not None and override.until <= line.recorded_at:
        standing.override = standing.override_ends = None
        _settle(standing, line.recorded_at)
        _hold_again(present, line, key_result_id, standing)
    return standing


def _take(
    present: Present,
    line: Line,
    key_result_id: UUID,
    standing: Standing,
    point: Point,
    *,
    ends: str | None = None,
    hold_again: bool = False,
) -> None:
    """Take in a point, new or corrected. `ends` says what ends an override."""
    _write_point(present, line, key_result_id, point, ends)
    _say(standing, point, ends)
    is_newest = standing.override is None and (standing.in_force is None or _order(point) > _order(standing.in_force))
    if is_newest:
        standing.in_force = point
    else:
        _settle(standing, line.recorded_at)
    if standing.held is not None:
        held, terms = standing.held, present.key_results[key_result_id]
        is_next = held.last_at is None or held.last_at <= point.effective_at
        if is_newest and is_next and not hold_again and terms.target is not None:
            is_held = holds(Direction(terms.direction), terms.target, point.value)
            standing.held = held.advance(point.effective_at, is_held)
        else:
            _hold_again(present, line, key_result_id, standing)
    _keep(present, line, key_result_id, standing)


def _say(standing: Standing, point: Point, ends: str | None) -> None:
    """Let the point be the last word of its source, unless a later one is known."""
    match point.source:
        case Source.PERSON:
            if standing.person is None or _order(point) >= _order(standing.person):
                standing.person = point
        case Source.FEED:
            if standing.feed is None or _order(point) >= _order(standing.feed):
                standing.feed = point
        case Source.OVERRIDE:
            standing.override, standing.override_ends = point, ends


def _end_override(present: Present, line: Line, key_result_id: UUID, standing: Standing) -> bool:
    """End the override that stands; whether there was one."""
    if standing.override is None:
        return False
    ended = replace(standing.override, until=line.recorded_at)
    _write_point(present, line, key_result_id, ended, standing.override_ends)
    standing.override = standing.override_ends = None
    _settle(standing, line.recorded_at)
    return True


def _order(point: Point) -> tuple[datetime, int]:
    return point.effective_at, point.position


def _settle(standing: Standing, now: datetime) -> None:
    """Find the value in force, and the one after the day until which an override holds."""
    said = [point for point in (standing.person, standing.feed, standing.override) if point is not None]
    # What is known counts, also where its clock runs ahead of the ledger's.
    now = max([now, *(point.effective_at for point in said)])
    standing.in_force = value_in_force(said, now)
    standing.afterwards = None
    if standing.override is not None and standing.override.until is not None:
        standing.afterwards = value_in_force([point for point in said if point is not standing.override], now)


def _hold_again(present: Present, line: Line, key_result_id: UUID, standing: Standing) -> None:
    """Reckon from all points for how long a committed limit was held."""
    terms = present.key_results[key_result_id]
    direction = Direction(terms.direction)
    if terms.committed_at is None or terms.target is None or not direction.is_limit:
        return
    points = present.points_of(key_result_id) | present.values.recent.get(key_result_id, {})
    now = max([line.recorded_at, *(point.effective_at for point in points.values())])
    series = [reading for reading in readings(points.values()) if reading.effective_at <= now]
    standing.held = HeldTime.of(direction, terms.target, series, terms.committed_at, terms.deadline_at)


def _write_point(present: Present, line: Line, key_result_id: UUID, point: Point, ends: str | None) -> None:
    present.values.points.add(
        key_result_id,
        point.source,
        point.effective_at,
        point.position,
        line.position,
        point.value,
        point.until,
        ends,
    )
    terms = present.key_results[key_result_id]
    # A draft may still become a limit.
    if terms.committed_at is None or terms.direction in LIMITS:
        present.values.recent.setdefault(key_result_id, {})[point.position] = point


def _keep(present: Present, line: Line, key_result_id: UUID, standing: Standing) -> None:
    value, then, held = standing.in_force, standing.afterwards, standing.held
    present.values.rows.add(
        key_result_id,
        line.position,
        standing.version,
        *((None, None, None) if value is None else (value.value, value.effective_at, value.source)),
        standing.override.until if standing.override is not None else None,
        *((None, None, None) if then is None else (then.value, then.effective_at, then.source)),
        *((None, None, None) if held is None else (held.held_us, held.last_at, held.is_held)),
    )


# Questions


@dataclass(frozen=True, slots=True)
class Value:
    """The value in force at a moment. `held` is the attainment of a limit; `version` and `position` are the key
    result's and that of the last fact about it, its measurement's included."""

    version: int
    position: int
    value: Decimal | None
    effective_at: datetime | None
    source: str | None
    held: Decimal | None


def at(connection: Connection[DictRow], key_results: Sequence[DictRow], moment: Moment) -> dict[UUID, Value]:
    """The values of these key results (rows of their table) at the moment, by id."""
    ids = [row["id"] for row in key_results]
    rows = connection.execute(_ROWS_AT, [ids, moment.position]).fetchall()
    terms = {row["id"]: row for row in key_results}
    if moment.effective_at is None:
        return {row["key_result_id"]: _value(row, terms[row["key_result_id"]], moment.clock) for row in rows}
    said = said_by(connection, [(id, moment.effective_at) for id in ids], moment.position)
    in_force = {id: value_in_force(points, moment.effective_at) for id, points in zip(ids, said, strict=True)}
    found = {}
    for row in rows:
        id = row["key_result_id"]
        point = in_force[id]
        held = _held_until(connection, terms[id], moment.position, moment.effective_at)
        if point is None:
            found[id] = Value(row["version"], row["from_position"], None, None, None, held)
        else:
            found[id] = Value(
                row["version"], row["from_position"], point.value, point.effective_at, str(point.source), held
            )
    return found


_ROWS_AT = """
    SELECT v.* FROM unnest(%s::uuid[]) AS wanted (id)
     CROSS JOIN LATERAL (SELECT * FROM key_result_values WHERE key_result_id = wanted.id AND from_position <= %s
                          ORDER BY from_position DESC LIMIT 1) AS v
"""


def _value(row: DictRow, terms: DictRow, clock: datetime) -> Value:
    is_over = row["until"] is not None and row["until"] <= clock
    prefix = "then" if is_over else "value"
    held = None
    if row["held_us"] is not None:
        known = HeldTime(
            terms["committed_at"], terms["deadline_at"], row["held_us"], row["held_last_at"], row["is_held"]
        )
        if is_over:
            is_held = holds(Direction(terms["direction"]), terms["target"], row["then_value"])
            known = known.advance(max(row["until"], known.last_at or row["until"]), is_held)
        held = known.at(clock)
    return Value(
        row["version"],
        row["from_position"],
        row["then_value" if is_over else "value"],
        row[f"{prefix}_effective_at"],
        row[f"{prefix}_source"],
        held,
    )


def said_by(
    connection: Connection[DictRow], asked: Sequence[tuple[UUID, datetime]], position: int
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


def _held_until(
    connection: Connection[DictRow], terms: DictRow, position: int, effective_at: datetime
) -> Decimal | None:
    direction = Direction(terms["direction"])
    if terms["committed_at"] is None or not direction.is_limit:
        return None
    series = readings(points_known(connection, terms["id"], position).values())
    return limit_attainment(
        direction, terms["target"], series, terms["committed_at"], terms["deadline_at"], effective_at
    )


def points_known(connection: Connection[DictRow], key_result_id: UUID, position: int) -> dict[int, Point]:
    """All points of a key result as they were known at the position, by their own positions."""
    rows = connection.execute(
        "SELECT DISTINCT ON (source, effective_at, position) * FROM points"
        " WHERE key_result_id = %s AND known_from <= %s"
        " ORDER BY source, effective_at, position, known_from DESC",
        [key_result_id, position],
    ).fetchall()
    return {row["position"]: _point(row) for row in rows}


def _point(row: DictRow) -> Point:
    return Point(row["position"], row["effective_at"], row["value"], Source(row["source"]), until=row["until"])
