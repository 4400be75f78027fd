"""The real figures and the hypothetical ones, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from domain.goal import GoalState
from domain.measures import Roll, objective_attainment, weighted_mean
from domain.scoring import GUIDE_1_5, Advice, Band, ScoringPolicy, advice, band, objective_points, points
from domain.whatif.folding import Goals, Line, Standing, When
from domain.whatif.leaving_out import LeftOut, Sieve

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Score:
    """The computed points under a policy, the band of the attainment, and what that makes people ask."""

    points: Decimal
    band: Band
    advice: Advice | None


@dataclass(frozen=True, slots=True)
class KeyResultFigures:
    """How a key result stands. `attainment` is unclamped; no score before there is an attainment."""

    state: GoalState
    value: Decimal | None
    target: Decimal | None
    weight: Decimal | None
    attainment: Decimal | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class MeanFigures:
    """How an objective stands, the weighted mean of its key results that count, or a cycle, the mean of its
    objectives, which all count the same. None where there is nothing that counts."""

    attainment: Roll | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """The same thing twice."""

    id: UUID
    objective_id: UUID
    title: str
    real: T
    hypothetical: T
    unit: str | None = None

    @property
    def is_changed(self) -> bool:
        return self.real != self.hypothetical


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: which facts are left out, and how points are computed on each side."""

    left_out: LeftOut = field(default_factory=LeftOut)
    policy: ScoringPolicy = GUIDE_1_5
    real_policy: ScoringPolicy = GUIDE_1_5


@dataclass(frozen=True, slots=True)
class Comparison:
    """`real` and `hypothetical` are of the whole scope, where it is a cycle. `left_out` counts facts."""

    key_results: tuple[Pair[KeyResultFigures], ...]
    objectives: tuple[Pair[MeanFigures], ...]
    real: MeanFigures
    hypothetical: MeanFigures
    left_out: int

    @property
    def changed_key_results(self) -> int:
        return sum(pair.is_changed for pair in self.key_results)


def compare(
    titles: Mapping[UUID, str],
    standings: Sequence[Standing],
    lines: Iterable[Line],
    asked: Asked,
    time_zone: str,
    when: When,
    last: int,
) -> Comparison:
    """Fold facts twice, all of them and those that are not left out, and reckon both.

    `titles` are those of the objectives and `standings` all key results as they are. `lines` are all facts known at the
    moment, in their order, about each goal of which something may be left out; `last` is the moment's position.
    `Invalid` names each position that cannot be left out.
    """
    real, other = Goals(time_zone), Goals(time_zone)
    sieve, left_out = Sieve(asked.left_out, last), 0
    for line in lines:
        real.take(line)
        if sieve.leaves_out(line):
            left_out += 1
        else:
            other.take(line)
    sieve.check()
    parts: dict[UUID, list[Pair[KeyResultFigures]]] = {id: [] for id in titles}
    for known in standings:
        is_folded = known.id in real.key_results
        is_so = real.key_results[known.id].standing(when) if is_folded else known
        would_be = other.key_results[known.id].standing(when) if is_folded else known
        figures, hypothetical = _figures(is_so, asked.real_policy), _figures(would_be, asked.policy)
        pair = Pair(known.id, known.objective_id, known.title, figures, hypothetical, known.unit)
        parts.setdefault(known.objective_id, []).append(pair)
    objectives = tuple(_objective(id, title, parts[id], asked) for id, title in titles.items())
    return Comparison(
        tuple(pair for own in parts.values() for pair in own),
        objectives,
        _whole([each.real for each in objectives], asked.real_policy),
        _whole([each.hypothetical for each in objectives], asked.policy),
        left_out,
    )


def _figures(known: Standing, policy: ScoringPolicy) -> KeyResultFigures:
    share = known.attainment
    score = None if share is None else _score(points(policy, share), share, policy)
    return KeyResultFigures(known.state, known.value, known.target, known.weight, share, score)


def _score(found: Decimal, share: Decimal, policy: ScoringPolicy) -> Score:
    where = band(policy, share)
    return Score(found, where, advice(where, policy))


def _objective(id: UUID, title: str, own: Sequence[Pair[KeyResultFigures]], asked: Asked) -> Pair[MeanFigures]:
    return Pair(
        id,
        id,
        title,
        _mean([pair.real for pair in own], asked.real_policy),
        _mean([pair.hypothetical for pair in own], asked.policy),
    )


def _mean(parts: Sequence[KeyResultFigures], policy: ScoringPolicy) -> MeanFigures:
    counted = [part for part in parts if part.state in (GoalState.COMMITTED, GoalState.SCORED)]
    roll = objective_attainment((part.attainment, part.weight) for part in counted)
    return MeanFigures(roll, _mean_score(roll, [(part.score, part.weight) for part in counted], policy))


def _whole(objectives: Sequence[MeanFigures], policy: ScoringPolicy) -> MeanFigures:
    counted = [(each.attainment, each.score) for each in objectives if each.attainment is not None]
    clamped = weighted_mean([(roll.clamped, None) for roll, _ in counted])
    unclamped = weighted_mean([(roll.unclamped, None) for roll, _ in counted])
    roll = None if clamped is None or unclamped is None else Roll(clamped, unclamped)
    return MeanFigures(roll, _mean_score(roll, [(score, None) for _, score in counted], policy))


def _mean_score(
    roll: Roll | None, scores: Sequence[tuple[Score | None, Decimal | None]], policy: ScoringPolicy
) -> Score | None:
    """The score of a mean. What has none yet counts as attainment 0, but where nothing has one, nor has the mean."""
    if roll is None or all(score is None for score, _ in scores):
        return None
    nothing = points(policy, Decimal(0))
    found = objective_points(policy, [(score.points if score else nothing, weight) for score, weight in scores])
    return None if found is None else _score(found, roll.clamped, policy)
