"""Moving goalposts: what a key result's attainment owes to the value, and what to its target having moved.

Three attainments of the same value stand side by side: against the original target, against today's, and
against the mean of all targets weighted by how long each was in force. A lowered bar lifts the second at once,
the third by as much as there was time to live with it, the first never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise

from domain.limits import limit_attainment
from domain.measures import Direction, Milestone, Reading, attainment, elapsed, milestone_attainment
from domain.numbers import CONTEXT

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TargetInForce:
    """A target and since when the ledger held it (its recorded_at, never its effective_at)."""

    since: datetime
    target: Decimal
    position: int | None = None


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """The targets of one metric of a key result, from its commitment or from where the metric was redefined.

    `original` is the target fixed at commitment. A corrected target is given, here and in `segments`, as if it
    had been written down right: correcting a slip moves no goalpost. `original` is None after the metric was
    redefined, since no value of the new metric compares with it: the history of the first metric goes on
    answering for it. `baseline` is None for limits. `original_baseline` is the one fixed at commitment where
    it has been corrected. `deadline_at` is the deadline in force where it has moved.

    ValueError for a history that cannot have happened.
    """

    original: Decimal | None
    baseline: Decimal | None
    segments: tuple[TargetInForce, ...]
    committed_at: datetime
    deadline_at_original: datetime
    deadline_at: datetime | None = None
    original_baseline: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a committed key result has a target")
        if self.segments[0].since < self.committed_at:
            raise ValueError("no target is in force before the commitment")
        if self.original is not None and self.segments[0].since != self.committed_at:
            raise ValueError("the original target is in force from the commitment on")
        if any(later.since < earlier.since for earlier, later in pairwise(self.segments)):
            raise ValueError("targets stand in the order in which they came into force")
        if self.original is not None and self.original != self.segments[0].target:
            raise ValueError("the first target is the original one, after any correction")
        if self.original_baseline is not None and self.baseline is None:
            raise ValueError("a limit has no baseline")

    @property
    def deadline_in_force(self) -> datetime:
        return self.deadline_at_original if self.deadline_at is None else self.deadline_at

    @property
    def baseline_at_commitment(self) -> Decimal | None:
        return self.baseline if self.original_baseline is None else self.original_baseline


@dataclass(frozen=True, slots=True)
class AdjustmentEffect:
    """One move of the target.

    `time_share`: the share of the time from the commitment to the original deadline that had passed, 0..1.
    `attainment_before` and `attainment_after`: the moment's value against the one target and the other.
    `effect`: what the move is worth at the asked moment: that moment's value against `to`, less the same
    against `from_`. While the baseline stays, the effects of all moves sum to current less original attainment.
    """

    position: int | None
    from_: Decimal
    to: Decimal
    at: datetime
    time_share: Decimal
    attainment_before: Decimal | None
    attainment_after: Decimal | None
    effect: Decimal | None


@dataclass(frozen=True, slots=True)
class Goalposts:
    """The figures at one moment. None where there is no figure: no value, or nothing to compare with.

    `goalpost_shift` is -0.2 where the bar was lowered by 20 %, whichever way the key result runs.
    """

    attainment_original: Decimal | None
    attainment_current: Decimal | None
    attainment_time_weighted: Decimal | None
    goalpost_shift: Decimal | None
    target_original: Decimal | None
    target_current: Decimal | None
    target_time_weighted: Decimal | None
    adjustments: tuple[AdjustmentEffect, ...]


def goalposts(direction: Direction, history: TargetHistory, series: Sequence[Reading], now: datetime) -> Goalposts:
    """The goalposts as seen at `now`, from the targets and the readings known by then.

    Readings stand in the order of their effective_at. ValueError for milestones, which have no target, and
    where the direction and the baseline do not fit.
    """
    if direction is Direction.MILESTONES or direction.is_limit is not (history.baseline is None):
        raise ValueError(f"these targets are not those of direction {direction}")

    def against(target: Decimal, baseline: Decimal | None, moment: datetime) -> Decimal | None:
        if baseline is None:
            return limit_attainment(direction, target, series, history.committed_at, history.deadline_in_force, moment)
        return attainment(direction, baseline, target, _value_at(series, moment))

    def effect_of(before: TargetInForce, after: TargetInForce) -> AdjustmentEffect:
        return AdjustmentEffect(
            position=after.position,
            from_=before.target,
            to=after.target,
            at=after.since,
            time_share=elapsed(history.committed_at, history.deadline_at_original, after.since),
            attainment_before=against(before.target, history.baseline, after.since),
            attainment_after=against(after.target, history.baseline, after.since),
            effect=_difference(
                against(after.target, history.baseline, now), against(before.target, history.baseline, now)
            ),
        )

    first, *moved = history.segments
    known = [first, *(segment for segment in moved if segment.since <= now)]
    current = known[-1].target
    mean = _time_weighted(known, min(now, history.deadline_in_force))
    return Goalposts(
        attainment_original=(
            None if history.original is None else against(history.original, history.baseline_at_commitment, now)
        ),
        attainment_current=against(current, history.baseline, now),
        attainment_time_weighted=against(mean, history.baseline, now),
        goalpost_shift=_shift(direction, history, current),
        target_original=history.original,
        target_current=current,
        target_time_weighted=mean,
        adjustments=tuple(effect_of(before, after) for before, after in pairwise(known)),
    )


def milestone_goalposts(milestones: Sequence[Milestone], now: datetime) -> Goalposts:
    """Milestones have no target that could move: one attainment for all three, no shift."""
    share = milestone_attainment(milestones, now)
    return Goalposts(share, share, share, None, None, None, None, ())


def is_lowered(direction: Direction, from_: Decimal, to: Decimal) -> bool:
    """Whether the new target is easier: lower for increase and at_least, higher for decrease and at_most."""
    if direction in (Direction.INCREASE, Direction.AT_LEAST):
        return to < from_
    return to > from_


def _value_at(series: Sequence[Reading], moment: datetime) -> Decimal | None:
    value = None
    for reading in series:
        if reading.effective_at > moment:
            break
        value = reading.value
    return value


def _time_weighted(segments: Sequence[TargetInForce], end: datetime) -> Decimal:
    """The mean target from the first segment to `end`; while no time has passed, the target in force."""
    begin = segments[0].since
    if end <= begin:
        return [segment.target for segment in segments if segment.since <= begin][-1]
    edges = [min(segment.since, end) for segment in segments] + [end]
    with localcontext(CONTEXT):
        total = Decimal(0)
        for segment, (since, until) in zip(segments, pairwise(edges), strict=True):
            total += segment.target * ((until - since) // _MICROSECOND)
        return total / ((end - begin) // _MICROSECOND)


def _shift(direction: Direction, history: TargetHistory, current: Decimal) -> Decimal | None:
    """(current target - baseline) / (original target - baseline) - 1.

    A limit has no baseline, so its move is taken as a share of the original limit; None where that is 0. The
    sign says the same as elsewhere: raising an at_most limit lowers the bar.
    """
    original, baseline, first_baseline = history.original, history.baseline, history.baseline_at_commitment
    if original is None:
        return None
    with localcontext(CONTEXT):
        if baseline is None or first_baseline is None:
            if not original:
                return None
            moved = (current - original) / abs(original)
            return -moved if direction is Direction.AT_MOST else moved
        if original == first_baseline:
            return None
        return (current - baseline) / (original - first_baseline) - 1


def _difference(after: Decimal | None, before: Decimal | None) -> Decimal | None:
    if after is None or before is None:
        return None
    with localcontext(CONTEXT):
        return after - before
