"""How far a key result and its objective have come.

From the facts to a figure: which value is in force, the attainment of each direction (limits that are held
have `domain.limits`), the roll-up of an objective, and the pace. Attainment is a share, 1 for all of it, and
is not clamped: 1.3 and -0.25 are answers. None says that there is no figure, which differs from 0. Moments
are aware UTC datetimes; clocks are arguments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from operator import mul

from domain.numbers import CONTEXT, quotient

_NONE, _ALL = Decimal(0), Decimal(1)
_MICROSECOND = timedelta(microseconds=1)


class Direction(StrEnum):
    """What it means for a key result to come closer to its target."""

    INCREASE = "increase"
    DECREASE = "decrease"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MILESTONES = "milestones"

    @property
    def is_limit(self) -> bool:
        """Whether the target is a limit to hold all the time, rather than a place to arrive at."""
        return self is Direction.AT_LEAST or self is Direction.AT_MOST


_ARRIVING = (Direction.INCREASE, Direction.DECREASE)

# Which value is in force


class Source(StrEnum):
    """Who says a value: a person, a feed, or a person in place of the feed."""

    PERSON = "person"
    FEED = "feed"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Point:
    """One recorded value; None where a feed has nothing left to measure. `until` is the moment from which an
    override no longer stands: the end of the day that it named, or when it was lifted; None while nobody knows of
    an end."""

    position: int
    effective_at: datetime
    value: Decimal | None
    source: Source
    is_corrected: bool = False
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.source is not Source.OVERRIDE:
            raise ValueError("only an override ends; any other value stands until the next")


@dataclass(frozen=True, slots=True)
class Reading:
    """From `effective_at` until the next reading this value was in force; None: no value was."""

    effective_at: datetime
    value: Decimal | None


def value_in_force(points: Iterable[Point], effective_at: datetime) -> Point | None:
    """The point whose value was true at `effective_at`, as far as these points know.

    Of those not corrected and effective by then, the one with the greatest (effective_at, position). While an
    override stands no measurement of a feed counts, however late; a person's later progress does. An override
    that stands no longer counts as little as a corrected point.
    """
    candidates = [
        point
        for point in points
        if not point.is_corrected
        and point.effective_at <= effective_at
        and (point.until is None or effective_at < point.until)
    ]
    if any(point.source is Source.OVERRIDE for point in candidates):
        candidates = [point for point in candidates if point.source is not Source.FEED]
    return max(candidates, key=_order_of_force, default=None)


def readings(points: Iterable[Point]) -> list[Reading]:
    """What `value_in_force` answers over all time: one reading for each moment at which it may change."""
    waiting = sorted((point for point in points if not point.is_corrected), key=_order_of_force, reverse=True)
    moments = {point.effective_at for point in waiting} | {point.until for point in waiting if point.until}
    series: list[Reading] = []
    latest: dict[Source, Point] = {}
    overrides: list[Point] = []
    for moment in sorted(moments):
        while waiting and waiting[-1].effective_at <= moment:
            point = waiting.pop()
            if point.source is Source.OVERRIDE:
                overrides.append(point)
            else:
                latest[point.source] = point
        in_force = value_in_force([*latest.values(), *overrides], moment)
        series.append(Reading(moment, in_force.value if in_force else None))
    return series


def _order_of_force(point: Point) -> tuple[datetime, int]:
    return point.effective_at, point.position


# From a baseline to a target


def attainment(direction: Direction, baseline: Decimal, target: Decimal, value: Decimal | None) -> Decimal | None:
    """(value - baseline) / (target - baseline), for increase and decrease alike.

    None where there is no value, and where baseline and target are the same, so that there is no way to go.
    ValueError for the directions that are measured otherwise.
    """
    if direction not in _ARRIVING:
        raise ValueError(f"{direction} is not measured from a baseline to a target")
    if value is None or target == baseline:
        return None
    return quotient(CONTEXT.subtract(value, baseline), CONTEXT.subtract(target, baseline))


# Milestones


@dataclass(frozen=True, slots=True)
class Milestone:
    """A named step, its weight (any unit; only ratios matter), and when it was reached."""

    name: str
    weight: Decimal
    reached_at: datetime | None = None


def milestone_attainment(milestones: Sequence[Milestone], now: datetime) -> Decimal | None:
    """Weight of those reached by `now` / weight of all. None where nothing has weight."""
    with localcontext(CONTEXT):
        whole = sum((step.weight for step in milestones), _NONE)
        reached = (step.weight for step in milestones if step.reached_at is not None and step.reached_at <= now)
        return sum(reached, _NONE) / whole if whole else None


# The objective


@dataclass(frozen=True, slots=True)
class Roll:
    """An objective's attainment: each key result clamped to 0..1, and beside it the same without clamping."""

    clamped: Decimal
    unclamped: Decimal


def objective_attainment(items: Iterable[tuple[Decimal | None, Decimal | None]]) -> Roll | None:
    """The weighted mean over (attainment, weight) of the key results that count; no attainment counts 0.

    Weights as in `weighted_mean`. None where there are no key results or none has weight.
    """
    counted = [(_NONE if share is None else share, weight) for share, weight in items]
    with localcontext(CONTEXT):
        weights = _weights([weight for _, weight in counted])
        shares = [share for share, _ in counted]
        unclamped = _mean(shares, weights)
        within = [_NONE if share < _NONE else _ALL if share > _ALL else share for share in shares]
        clamped = unclamped if within == shares else _mean(within, weights)
    return None if clamped is None or unclamped is None else Roll(clamped, unclamped)


def weighted_mean(items: Sequence[tuple[Decimal, Decimal | None]]) -> Decimal | None:
    """The mean over (figure, weight). Weights are a ratio and need not sum to anything.

    Without any weight all count the same. Where only some have one, each of the others counts as the mean of
    those given above zero, so that a forgotten weight neither hides a figure nor lets it rule. None where all
    have weight zero or there is nothing.
    """
    with localcontext(CONTEXT):
        return _mean([figure for figure, _ in items], _weights([weight for _, weight in items]))


def _weights(given: Sequence[Decimal | None]) -> list[Decimal]:
    """Every weight, those that were not given filled in. In the CONTEXT of the caller, as `_mean`."""
    above_zero = [weight for weight in given if weight]
    usual = sum(above_zero, _NONE) / len(above_zero) if above_zero else _ALL
    return [usual if weight is None else weight for weight in given]


def _mean(figures: Sequence[Decimal], weights: Sequence[Decimal]) -> Decimal | None:
    whole = sum(weights, _NONE)
    return sum(map(mul, figures, weights), _NONE) / whole if whole else None


# The pace


class PaceStatus(StrEnum):
    """The computed status. What the owner says of the status is another matter and stands beside it."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BEHIND = "behind"
    ACHIEVED = "achieved"


ON_TRACK_FROM = Decimal("0.9")
AT_RISK_FROM = Decimal("0.6")


@dataclass(frozen=True, slots=True)
class Pace:
    """`elapsed` is the share of the time that has passed, `expected` the attainment that it lets expect."""

    elapsed: Decimal
    expected: Decimal
    status: PaceStatus


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one may expect at a moment of every key result with the same commitment, deadline and kind of direction.

    `elapsed` and `expected` as in `Pace`; the other attainments are those from which on it is in the better status.
    Without `may_be_achieved` no attainment is enough yet.
    """

    elapsed: Decimal
    expected: Decimal
    on_track_from: Decimal
    at_risk_from: Decimal
    may_be_achieved: bool

    def status(self, share: Decimal | None) -> PaceStatus:
        """How an attainment compares with it; no attainment counts 0."""
        reached = _NONE if share is None else share
        if reached >= _ALL and self.may_be_achieved:
            return PaceStatus.ACHIEVED
        if reached >= self.on_track_from:
            return PaceStatus.ON_TRACK
        return PaceStatus.AT_RISK if reached >= self.at_risk_from else PaceStatus.BEHIND


def elapsed(committed_at: datetime, deadline_at: datetime, now: datetime) -> Decimal:
    """The share of the time from the commitment to the deadline that has passed at `now`, 0..1."""
    if now >= deadline_at:
        return _ALL
    if now <= committed_at:
        return _NONE
    return quotient(
        Decimal((now - committed_at) // _MICROSECOND), Decimal((deadline_at - committed_at) // _MICROSECOND)
    )


def expectation(committed_at: datetime, deadline_at: datetime, now: datetime, *, is_limit: bool) -> Expectation:
    """What time lets expect: `elapsed`, of limits always 1.

    Achieved from attainment 1 on, for limits not before the deadline; else on track from 0.9 of the expected, at
    risk from 0.6 of it, behind below.
    """
    passed = elapsed(committed_at, deadline_at, now)
    expected = _ALL if is_limit else passed
    return Expectation(
        elapsed=passed,
        expected=expected,
        on_track_from=CONTEXT.multiply(ON_TRACK_FROM, expected),
        at_risk_from=CONTEXT.multiply(AT_RISK_FROM, expected),
        may_be_achieved=not is_limit or now >= deadline_at,
    )


def pace(
    share: Decimal | None, committed_at: datetime, deadline_at: datetime, now: datetime, direction: Direction
) -> Pace:
    """How the attainment compares with the time that has passed, by `expectation`."""
    expected = expectation(committed_at, deadline_at, now, is_limit=direction.is_limit)
    return Pace(expected.elapsed, expected.expected, expected.status(share))
