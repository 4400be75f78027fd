"""Weight that moved from what lags to what leads: it lifts an objective without any progress."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from decimal import Decimal, localcontext
from uuid import UUID

from domain.audit.histories import Happening, ObjectiveHistory, Part
from domain.audit.question import (
    Ask,
    Extra,
    Finding,
    Parameter,
    Question,
    Summary,
    about_objective,
    of_all,
    often,
    percent,
    points,
)
from domain.key_result import WeightAdjusted
from domain.measures import objective_attainment
from domain.moved_targets import shares
from domain.numbers import CONTEXT

Weights = Mapping[UUID, Decimal | None]
Move = tuple[Happening, WeightAdjusted]


def _weight_moved(objectives: Iterable[ObjectiveHistory], ask: Ask) -> Generator[Finding, None, Summary]:
    looked_at = concerned = times = 0
    for objective in objectives:
        looked_at += 1
        before = times
        for moves in _together(objective.facts, ask):
            found = _moved(objective, moves, ask)
            if found is not None:
                times += 1
                yield found
        concerned += times > before
    return Summary(
        sentence=f"{of_all(concerned, looked_at, 'objectives')} had weight moved from a lagging to a leading key result"
        f"{often(times, concerned)}.",
        figures={"objectives": looked_at, "concerned": concerned},
    )


def _together(facts: Iterable[Happening], ask: Ask) -> Iterator[list[Move]]:
    """The moves of weight, those together that were made within a short time: they are one decision."""
    group: list[Move] = []
    for happening in facts:
        fact = happening.fact
        if not isinstance(fact, WeightAdjusted):
            continue
        if group and happening.at - group[0][0].at > ask.span("within_hours"):
            yield group
            group = []
        group.append((happening, fact))
    if group:
        yield group


def _moved(objective: ObjectiveHistory, moves: list[Move], ask: Ask) -> Finding | None:
    """What a decision about weights moved, if it went from a lagging key result to a leading one."""
    last, said_last = moves[-1]
    parts = last.among
    after = {part.id: part.weight for part in parts}
    before = dict(after)
    after[last.about] = said_last.to
    for move, fact in reversed(moves):
        if move.about in before:  # one that was dropped between two moves of the same decision counts no more
            before[move.about] = fact.from_
    lost, gained = _losers_and_gainers(parts, before, after)
    if not lost or not gained:
        return None
    laggard, leader = min(lost, key=_reached), max(gained, key=_reached)
    rise = _rise(parts, before, after)
    if _reached(laggard) >= _reached(leader) or rise <= ask.number("more_than_rise"):
        return None
    return about_objective(
        objective,
        f"weight went from “{laggard.title}” at {percent(_reached(laggard))} to “{leader.title}” at"
        f" {percent(_reached(leader))}: the objective rose by {points(rise)} without progress",
        [move.position for move, _ in moves],
        {
            "lagging_key_result_id": str(laggard.id),
            "leading_key_result_id": str(leader.id),
            "lagging_attainment": _reached(laggard),
            "leading_attainment": _reached(leader),
            "rise": rise,
            "at": last.at,
        },
    )


def _losers_and_gainers(parts: tuple[Part, ...], before: Weights, after: Weights) -> tuple[list[Part], list[Part]]:
    """The key results that count less than before, and those that count more. Only shares of the whole say so: a
    weight that is lowered lifts those of all others."""
    was, is_now = shares(before), shares(after)
    lost = [part for part in parts if is_now[part.id] < was[part.id]]
    gained = [part for part in parts if is_now[part.id] > was[part.id]]
    return lost, gained


def _reached(part: Part) -> Decimal:
    return min(max(part.attainment or Decimal(0), Decimal(0)), Decimal(1))


def _rise(parts: tuple[Part, ...], before: Weights, after: Weights) -> Decimal:
    """By how much the objective's attainment rose while the key results stood where they stood."""
    first = objective_attainment((part.attainment, before[part.id]) for part in parts)
    last = objective_attainment((part.attainment, after[part.id]) for part in parts)
    if first is None or last is None:
        return Decimal(0)
    with localcontext(CONTEXT):
        return last.clamped - first.clamped


WEIGHT_MOVED = Question(
    name="weight_moved",
    finds="weight moved after the commitment from a lagging to a leading key result of the same objective",
    find=_weight_moved,
    parameters=(
        Parameter(
            "within_hours", Decimal(24), Decimal(0), Decimal(24 * 31), "hours", "moves within so long are one decision"
        ),
        Parameter(
            "more_than_rise",
            Decimal(0),
            Decimal(0),
            Decimal(1),
            "share",
            "only if the objective's attainment rose by more than that",
        ),
    ),
    facts=(WeightAdjusted,),
    extras=frozenset({Extra.AMONG}),
)
