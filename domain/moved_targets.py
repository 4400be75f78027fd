"""Moved targets of a whole objective or cycle: how much of its success is owed to them.

An objective is the weighted mean of its key results and a cycle the mean of its objectives, each three times: against
the original targets, against today's, and against those weighted by time. Weights are those of today throughout, so
that what differs is owed to targets alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TypeVar

from domain.goalposts import Goalposts
from domain.measures import Roll, objective_attainment, weighted_mean
from domain.numbers import CONTEXT, quotient

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Moved:
    """The three attainments, and by how much the bar stands higher or lower in the mean (-0.2: 20 % lower).

    `goalpost_shift` is None where nothing has a bar that could be compared, as milestones have none.
    """

    original: Roll
    current: Roll
    time_weighted: Roll
    goalpost_shift: Decimal | None

    @property
    def owed(self) -> Decimal:
        """How much of the attainment, clamped, is owed to targets that moved; below 0 where they were raised."""
        with localcontext(CONTEXT):
            return self.current.clamped - self.original.clamped

    @property
    def owed_share(self) -> Decimal | None:
        """The same as a share of the attainment; None where nothing is attained."""
        return quotient(self.owed, self.current.clamped) if self.current.clamped > 0 else None


def of_objective(parts: Sequence[tuple[Goalposts, Decimal | None]]) -> Moved | None:
    """Over (goalposts, weight) of the key results that count; no attainment counts 0.

    None where there are none or none has weight, as for `objective_attainment`.
    """
    original = objective_attainment((posts.attainment_original, weight) for posts, weight in parts)
    current = objective_attainment((posts.attainment_current, weight) for posts, weight in parts)
    mean = objective_attainment((posts.attainment_time_weighted, weight) for posts, weight in parts)
    if original is None or current is None or mean is None:
        return None
    shifts = [(posts.goalpost_shift, weight) for posts, weight in parts if posts.goalpost_shift is not None]
    return Moved(original, current, mean, weighted_mean(shifts))


def of_cycle(objectives: Iterable[Moved]) -> Moved | None:
    """Over objectives, which all count the same. None where there are none."""
    found = list(objectives)
    if not found:
        return None
    shifts = [each.goalpost_shift for each in found if each.goalpost_shift is not None]
    return Moved(
        _mean(each.original for each in found),
        _mean(each.current for each in found),
        _mean(each.time_weighted for each in found),
        weighted_mean([(shift, None) for shift in shifts]),
    )


def shares(weights: Mapping[K, Decimal | None]) -> dict[K, Decimal]:
    """The share of each in the whole, as `weighted_mean` takes it; all 0 where nothing has weight."""
    with localcontext(CONTEXT):
        given = [weight for weight in weights.values() if weight]
        usual = sum(given, Decimal(0)) / len(given) if given else Decimal(1)
        counted = {key: usual if weight is None else weight for key, weight in weights.items()}
        whole = sum(counted.values(), Decimal(0))
        return {key: weight / whole if whole else Decimal(0) for key, weight in counted.items()}


def _mean(rolls: Iterable[Roll]) -> Roll:
    found = list(rolls)
    with localcontext(CONTEXT):
        return Roll(
            sum((roll.clamped for roll in found), Decimal(0)) / len(found),
            sum((roll.unclamped for roll in found), Decimal(0)) / len(found),
        )
