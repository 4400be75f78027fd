"""Scores above what the numbers give, and numbers that were put up before the scoring."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from decimal import Decimal, localcontext

from domain.audit.histories import Happening, KeyResultHistory, ObjectiveHistory
from domain.audit.question import (
    Ask,
    Extra,
    Figures,
    Finding,
    Parameter,
    Question,
    Summary,
    about_objective,
    finding,
    in_words,
    key_result_by_key_result,
    number,
    of_all,
)
from domain.checkin import ScoreKind
from domain.goalposts import is_lowered
from domain.key_result import KeyResultScored, ProgressOverridden
from domain.measures import Source
from domain.numbers import CONTEXT
from domain.objective import ObjectiveScored
from domain.scoring import GUIDE_1_5, objective_points, points

Scored = KeyResultScored | ObjectiveScored

# Above the computed points


def _scored_above(objectives: Iterable[ObjectiveHistory], ask: Ask) -> Generator[Finding, None, Summary]:
    scored = above = 0
    with localcontext(CONTEXT):
        allowed = ask.number("above_share") * (GUIDE_1_5.maximum - GUIDE_1_5.minimum)
    for objective in objectives:
        subjects: list[ObjectiveHistory | KeyResultHistory] = [objective, *objective.key_results]
        for subject, score, fact in [(each, *score) for each in subjects for score in _that_count(each.facts)]:
            computed = _computed(score)
            if computed is None:
                continue
            scored += 1
            excess = fact.points - computed
            if excess <= allowed:
                continue
            above += 1
            said = (
                f"{fact.kind} score {number(fact.points)} where the numbers give {number(computed)}"
                f" ({number(excess)} more)"
            )
            figures: Figures = {
                "kind": str(fact.kind),
                "points": fact.points,
                "computed_points": computed,
                "excess": excess,
                "scored_by": score.actor_id,
                "at": score.at,
            }
            if isinstance(subject, KeyResultHistory):
                yield finding(subject, said, [score.position, score.standing.position], figures)
            else:
                yield about_objective(subject, said, [score.position], figures)
    return Summary(
        sentence=f"{of_all(above, scored, 'scores')} lie more than {number(allowed)} points above what the numbers"
        " give.",
        figures={"scores": scored, "concerned": above},
    )


def _that_count(facts: Iterable[Happening]) -> list[tuple[Happening, Scored]]:
    """The last score of each kind."""
    last: dict[ScoreKind, tuple[Happening, Scored]] = {}
    for happening in facts:
        if isinstance(happening.fact, KeyResultScored | ObjectiveScored):
            last[happening.fact.kind] = (happening, happening.fact)
    return sorted(last.values(), key=lambda each: each[0].position)


def _computed(score: Happening) -> Decimal | None:
    """What the numbers gave when the score was given, by the default policy; no value counts 0."""
    if isinstance(score.fact, KeyResultScored):
        return points(GUIDE_1_5, score.standing.attainment or Decimal(0))
    return objective_points(
        GUIDE_1_5, [(points(GUIDE_1_5, part.attainment or Decimal(0)), part.weight) for part in score.among]
    )


SCORED_ABOVE = Question(
    name="scored_above",
    finds="scores of people that lie above the computed points",
    find=_scored_above,
    parameters=(
        Parameter(
            "above_share",
            Decimal("0.10"),
            Decimal(0),
            Decimal(1),
            "share",
            "only if it is above by more than this share of the scale",
        ),
    ),
    facts=(KeyResultScored, ObjectiveScored),
    extras=frozenset({Extra.AMONG}),
)


# Put up before the scoring


def _override_before_score(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    scores = list(key_result.of(KeyResultScored))
    for override, fact in key_result.of(ProgressOverridden):
        standing = override.standing
        following = next((each for each in scores if each[0].position > override.position), None)
        if following is None:
            continue
        score, scored = following
        if (
            score.at - override.at > ask.span("within_days")
            or score.standing.value_source is not Source.OVERRIDE
            or not standing.has_feed
            or standing.value is None
            or not is_lowered(standing.direction, fact.value, standing.value)
        ):
            continue
        yield finding(
            key_result,
            f"automatic value {number(standing.value)} overridden by {number(fact.value)}"
            f" {in_words(score.at - override.at)} before the score {number(scored.points)}",
            [override.position, score.position, standing.position],
            {
                "from": standing.value,
                "to": fact.value,
                "points": scored.points,
                "at": override.at,
                "scored_at": score.at,
            },
        )


OVERRIDE_BEFORE_SCORE = Question(
    name="override_before_score",
    finds="automatic values that a person overrode with a better one shortly before the scoring",
    find=key_result_by_key_result(
        _override_before_score,
        lambda ask: (
            f"had an automatic value overridden upward in the last {number(ask.number('within_days'))} days before"
            " a score"
        ),
    ),
    parameters=(
        Parameter("within_days", Decimal(14), Decimal(0), Decimal(366), "days", "at most so long before the score"),
    ),
    facts=(ProgressOverridden, KeyResultScored),
)
