"""Scores: how an attainment becomes points, and what the points ask in the retrospective.

A score serves the retrospective, never reward or punishment. A policy is data, so that a past cycle can be
looked at under another one; `domain.scoring_data` reads one that somebody wrote down. A person's score stands beside
the computed points; neither replaces the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from domain.measures import weighted_mean
from domain.numbers import CONTEXT, plain

MOST_DECIMALS = 6


class Band(StrEnum):
    """Where an attainment lies, from the least to the most."""

    BELOW_HALF = "below_half"
    BELOW = "below"
    IDEAL = "ideal"
    ABOVE = "above"
    CONSERVATIVE = "conservative"


class Advice(StrEnum):
    """What a band makes people talk about. The words are the interface's, in each of its languages."""

    GOAL_TOO_CONSERVATIVE = "goal_too_conservative"
    """The goal may have been too conservative."""
    GOAL_OR_EXECUTION = "goal_or_execution"
    """Ask: was the goal unreasonable, or the execution?"""


USUAL_ADVICE = ((Band.BELOW_HALF, Advice.GOAL_OR_EXECUTION), (Band.CONSERVATIVE, Advice.GOAL_TOO_CONSERVATIVE))


Fault = tuple[str, str, str]
"""The field that is wrong, the rule as a slug, and a sentence."""


class BadPolicy(ValueError):
    """Nobody could be scored under this policy; `faults` are all that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(message for _, _, message in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class ScoringPolicy:
    """points = offset + factor x attainment, clamped to minimum..maximum, with `decimals` digits after the point.

    `ideal_low`..`ideal_high` is the band of attainment that says the goal was well chosen, both ends in it. `advice`
    names what a band makes people ask; a band that is not there asks nothing. `BadPolicy` for one under which nobody
    could be scored.
    """

    name: str
    minimum: Decimal
    maximum: Decimal
    decimals: int
    factor: Decimal
    offset: Decimal = Decimal(0)
    ideal_low: Decimal = Decimal("0.60")
    ideal_high: Decimal = Decimal("0.70")
    advice: tuple[tuple[Band, Advice], ...] = USUAL_ADVICE

    def __post_init__(self) -> None:
        if found := self._faults():
            raise BadPolicy(found)

    def _faults(self) -> list[Fault]:
        numbers = ("minimum", "maximum", "factor", "offset", "ideal_low", "ideal_high")
        found: list[Fault] = [
            (name, "measure", "a scoring policy is made of numbers")
            for name in numbers
            if not getattr(self, name).is_finite()
        ]
        if found:
            return found
        if self.minimum >= self.maximum:
            found.append(("minimum", "scale", "a scale has its minimum below its maximum"))
        if self.factor <= 0:
            found.append(("factor", "above_zero", "more attainment gives more points: the factor is above 0"))
        if not 0 <= self.decimals <= MOST_DECIMALS:
            found.append(("decimals", "decimals", f"points have 0 to {MOST_DECIMALS} decimals"))
        if self.ideal_low > self.ideal_high:
            found.append(("ideal_low", "ideal_band", "the ideal band begins at or below its end"))
        return found


GUIDE_1_5 = ScoringPolicy("guide_1_5", Decimal(1), Decimal(5), decimals=1, factor=Decimal(5))
UNIT_0_1 = ScoringPolicy("unit_0_1", Decimal(0), Decimal(1), decimals=1, factor=Decimal(1))
HUNDRED_0_100 = ScoringPolicy("hundred_0_100", Decimal(0), Decimal(100), decimals=0, factor=Decimal(100))

BUILT_IN = {policy.name: policy for policy in (GUIDE_1_5, UNIT_0_1, HUNDRED_0_100)}
"""The policies that need no definition. GUIDE_1_5, of the practice guide, is the default."""


def points(policy: ScoringPolicy, attainment: Decimal) -> Decimal:
    """The computed points, rounded half to even after clamping, with exactly the policy's decimals.

    Attainment is unclamped, 1 for all. Whether no value counts 0 is for the caller to say.
    """
    with localcontext(CONTEXT):
        return _on_scale(policy, policy.offset + policy.factor * attainment)


def objective_points(policy: ScoringPolicy, scores: Sequence[tuple[Decimal, Decimal | None]]) -> Decimal | None:
    """The weighted mean over (score, weight) of the key results, where no person scored the objective.

    Weights as in `weighted_mean`; None where nothing has weight.
    """
    mean = weighted_mean(scores)
    return None if mean is None else _on_scale(policy, mean)


def band(policy: ScoringPolicy, attainment: Decimal) -> Band:
    """The band of an attainment, taken before any rounding.

    The policy's ideal band goes first; beside it, 1 and more is conservative and less than 0.5 is below half.
    """
    if policy.ideal_low <= attainment <= policy.ideal_high:
        return Band.IDEAL
    if attainment >= 1:
        return Band.CONSERVATIVE
    if attainment < Decimal("0.5"):
        return Band.BELOW_HALF
    return Band.ABOVE if attainment > policy.ideal_high else Band.BELOW


def advice(found: Band, policy: ScoringPolicy = GUIDE_1_5) -> Advice | None:
    """What the policy makes people ask about an attainment in this band; None where there is nothing to ask."""
    return dict(policy.advice).get(found)


def _on_scale(policy: ScoringPolicy, score: Decimal) -> Decimal:
    clamped = min(max(score, policy.minimum), policy.maximum)
    with localcontext(CONTEXT):
        return plain(clamped.quantize(Decimal(1).scaleb(-policy.decimals), rounding=ROUND_HALF_EVEN))
