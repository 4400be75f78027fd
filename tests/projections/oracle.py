"""What the views must say, found the slow and plain way: fold the facts from the first on, in exact fractions.

Shares no formula with the domain and no query with the views.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from domain import key_result as kr
from domain.checkin import ScoreKind
from domain.feed import FeedDefined
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from domain.objective import (
    ObjectiveCheckedIn,
    ObjectiveCommitted,
    ObjectiveDrafted,
    ObjectiveDropped,
    ObjectiveOwnerChanged,
)
from domain.terms import Terms
from tests.projections.goals import ZONE
from tests.projections.teller import Told

TERMS = tuple(each.name for each in fields(Terms))

Answer = dict[str, Any]
LIMITS = ("at_least", "at_most")


@dataclass
class Said:
    """One value that somebody said; `until` is when an override ended or will end."""

    position: int
    effective_at: datetime
    value: Decimal | None
    source: str
    version: int = 0
    until: datetime | None = None
    ends: str | None = None


@dataclass
class Target:
    version: int
    position: int
    since: datetime
    target: Decimal


@dataclass
class KeyResult:
    objective_id: UUID
    terms: dict[str, Any]
    state: str = "draft"
    version: int = 0
    position: int = 0
    committed_at: datetime | None = None
    original_deadline: date | None = None
    original_weight: Decimal | None = None
    reached: dict[int, datetime] = field(default_factory=dict)
    scores: dict[str, Decimal] = field(default_factory=dict)
    confidence: int | None = None
    status: str | None = None
    replaced_by: UUID | None = None
    feed_id: UUID | None = None
    said: list[Said] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    @property
    def is_counted(self) -> bool:
        return self.state in ("committed", "scored")


@dataclass
class World:
    """Everything as the first facts leave it."""

    key_results: dict[UUID, KeyResult] = field(default_factory=dict)
    objectives: dict[UUID, Answer] = field(default_factory=dict)


def midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(ZONE)).astimezone(UTC)


def fold(facts: Iterable[Told]) -> World:
    world = World()
    for told in facts:
        if told.fact.TYPE.startswith("Objective."):
            _follow_objective(world.objectives, told)
        elif isinstance(told.fact, kr.KeyResultDrafted):
            terms = {name: getattr(told.fact, name) for name in TERMS}
            world.key_results[told.stream] = KeyResult(told.fact.objective_id, terms, version=1, position=told.position)
        elif isinstance(told.fact, FeedDefined):
            world.key_results[told.fact.key_result_id].feed_id = told.stream
        elif isinstance(told.fact, MeasurementRecorded | MeasurementWindowMoved):
            _follow_measurement(world.key_results[told.fact.key_result_id], told)
        elif told.fact.TYPE.startswith("KeyResult."):
            _follow_key_result(world.key_results[told.stream], told)
    return world


def _follow_objective(objectives: dict[UUID, Answer], told: Told) -> None:
    match told.fact:
        case ObjectiveDrafted():
            objectives[told.stream] = {"title": told.fact.title, "owner_id": told.fact.owner_id, "state": "draft"}
        case ObjectiveCommitted():
            objectives[told.stream]["state"] = "committed"
        case ObjectiveOwnerChanged():
            objectives[told.stream]["owner_id"] = told.fact.to
        case ObjectiveCheckedIn():
            objectives[told.stream]["confidence"] = told.fact.confidence
        case ObjectiveDropped():
            objectives[told.stream]["state"] = "dropped"
        case _:
            raise AssertionError(told.fact)
    objectives[told.stream]["version"] = told.version
    objectives[told.stream]["position"] = told.position


def _follow_measurement(key_result: KeyResult, told: Told) -> None:
    fact: Any = told.fact
    key_result.position = told.position
    if isinstance(fact, MeasurementRecorded):
        _end_overrides(key_result, told.recorded_at, only="next-message")
    key_result.said.append(Said(told.position, fact.effective_at, fact.value, "feed"))


def _end_overrides(key_result: KeyResult, at: datetime, *, only: str | None = None) -> None:
    for said in key_result.said:
        stands = said.source == "override" and (said.until is None or said.until > at)
        if stands and only in (None, said.ends):
            said.until = at


def _follow_key_result(key_result: KeyResult, told: Told) -> None:
    key_result.version, key_result.position = told.version, told.position
    fact: Any = told.fact
    match fact:
        case kr.KeyResultDraftRevised():
            for name in TERMS:
                if getattr(fact, name) is not None:
                    key_result.terms[name] = getattr(fact, name)
            for name in fact.cleared or ():
                key_result.terms[name] = None
        case kr.KeyResultCommitted():
            key_result.state, key_result.committed_at = "committed", told.recorded_at
            key_result.original_deadline, key_result.original_weight = fact.deadline, fact.weight
            if fact.target is not None:
                key_result.targets.append(Target(told.version, told.position, told.recorded_at, fact.target))
        case kr.TargetAdjusted():
            key_result.targets.append(Target(told.version, told.position, told.recorded_at, fact.to))
        case kr.TargetCorrected():
            next(target for target in key_result.targets if target.version == fact.corrects).target = fact.to
        case kr.ProgressCorrected():
            next(said for said in key_result.said if said.version == fact.corrects).value = fact.to
        case kr.ProgressRecorded():
            key_result.said.append(Said(told.position, fact.effective_at, fact.value, "person", told.version))
        case kr.ProgressOverridden():
            _end_overrides(key_result, told.recorded_at)
            until = None if fact.until_on is None else midnight_after(fact.until_on)
            key_result.said.append(
                Said(told.position, fact.effective_at, fact.value, "override", told.version, until, fact.until)
            )
        case kr.OverrideLifted():
            _end_overrides(key_result, told.recorded_at)
        case kr.WeightAdjusted() | kr.DeadlineAdjusted() | kr.KeyResultOwnerChanged() | kr.KeyResultRephrased():
            key_result.terms[_CHANGED[type(fact)]] = fact.to
        case kr.MilestoneReached():
            key_result.reached[fact.milestone] = fact.effective_at
        case kr.KeyResultCheckedIn():
            key_result.confidence, key_result.status = fact.confidence, fact.status
        case kr.KeyResultScored():
            key_result.state = "scored"
            key_result.scores["review" if fact.kind is ScoreKind.REVIEW else "self"] = fact.points
        case kr.KeyResultDropped():
            key_result.state = "dropped"
        case kr.KeyResultReplaced():
            key_result.state, key_result.replaced_by = "replaced", fact.successor_id
        case _:
            raise AssertionError(fact)
    if key_result.targets:
        key_result.terms["target"] = key_result.targets[-1].target


_CHANGED: dict[type, str] = {
    kr.WeightAdjusted: "weight",
    kr.DeadlineAdjusted: "deadline",
    kr.KeyResultOwnerChanged: "owner_id",
    kr.KeyResultRephrased: "title",
}


# The value, and what it comes to


def in_force(key_result: KeyResult, at: datetime) -> Said | None:
    """The value in force at a moment."""
    there = [s for s in key_result.said if s.effective_at <= at and (s.until is None or at < s.until)]
    if any(said.source == "override" for said in there):
        there = [said for said in there if said.source != "feed"]
    return max(there, key=lambda said: (said.effective_at, said.position), default=None)


def value_at(key_result: KeyResult, at: datetime) -> Decimal | None:
    said = in_force(key_result, at)
    return None if said is None else said.value


def attainment(key_result: KeyResult, target: Decimal | Fraction | None, at: datetime) -> Fraction | None:
    """Against any target, at a moment."""
    if key_result.committed_at is None:
        return None
    direction = key_result.terms["direction"]
    if direction == "milestones":
        steps = key_result.terms["milestones"]
        reached = sum(
            Fraction(step.weight)
            for number, step in enumerate(steps, 1)
            if number in key_result.reached and key_result.reached[number] <= at
        )
        return Fraction(reached) / sum(Fraction(step.weight) for step in steps)
    assert target is not None
    if direction in LIMITS:
        return _held_share(key_result, Fraction(target), at)
    value = value_at(key_result, at)
    if value is None:
        return None
    baseline = Fraction(key_result.terms["baseline"])
    return (Fraction(value) - baseline) / (Fraction(target) - baseline)


def _held_share(key_result: KeyResult, limit: Fraction, at: datetime) -> Fraction:
    """Look at each stretch of time in which nothing changes."""
    begin = key_result.committed_at
    assert begin is not None
    end = min(at, midnight_after(key_result.terms["deadline"]))
    if end <= begin:
        return Fraction(0)
    edges = {begin, end}
    for said in key_result.said:
        edges |= {moment for moment in (said.effective_at, said.until) if moment is not None and begin < moment < end}
    stretches = sorted(edges)
    held = timedelta()
    for since, until in itertools.pairwise(stretches):
        value = value_at(key_result, since)
        if value is not None:
            holds = value >= limit if key_result.terms["direction"] == "at_least" else value <= limit
            held += (until - since) if holds else timedelta()
    return Fraction(held // timedelta(microseconds=1), (end - begin) // timedelta(microseconds=1))


def share_of_time(since: datetime, until: datetime, at: datetime) -> Fraction:
    passed = min(max(at, since), until) - since
    return Fraction(passed // timedelta(microseconds=1), (until - since) // timedelta(microseconds=1))


def roll_up(key_results: Iterable[KeyResult], at: datetime) -> tuple[Fraction, Fraction] | None:
    """The clamped and the unclamped mean; whoever has no weight counts as the mean of the weights above zero."""
    counted = [key_result for key_result in key_results if key_result.is_counted]
    weights = [None if k.terms["weight"] is None else Fraction(k.terms["weight"]) for k in counted]
    given = [weight for weight in weights if weight]
    usual = sum(given, Fraction(0)) / len(given) if given else Fraction(1)
    whole = sum((usual if weight is None else weight for weight in weights), Fraction(0))
    if not counted or not whole:
        return None
    clamped = unclamped = Fraction(0)
    for key_result, weight in zip(counted, weights, strict=True):
        share = attainment(key_result, key_result.terms["target"], at) or Fraction(0)
        part = (usual if weight is None else weight) / whole
        unclamped += share * part
        clamped += min(max(share, Fraction(0)), Fraction(1)) * part
    return clamped, unclamped


# As it must stand in answers


def shown(figure: Fraction | None) -> str | None:
    if figure is None:
        return None
    exact = Decimal(figure.numerator * 10**40 // figure.denominator) / Decimal(10**40)
    return f"{exact.quantize(Decimal('0.000001'), rounding=ROUND_HALF_EVEN) + 0:f}"


def state(key_result: KeyResult, at: datetime) -> Answer:
    """The part of a key result's answer that follows from the facts."""
    terms, said = key_result.terms, in_force(key_result, at)
    share = attainment(key_result, terms["target"], at)
    has_terms = key_result.committed_at is not None
    return {
        "title": terms["title"],
        "owner_id": terms["owner_id"],
        "target": _text(terms["target"]),
        "deadline": terms["deadline"].isoformat(),
        "weight": _text(terms["weight"]),
        "state": key_result.state,
        "value": None if said is None else _text(said.value),
        "value_effective_at": None if said is None else said.effective_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "value_source": None if said is None else said.source,
        "attainment": shown(share),
        "pace": _pace(key_result, share, at) if key_result.is_counted else None,
        "original": {
            "target": _text(key_result.targets[0].target) if key_result.targets else None,
            "deadline": key_result.original_deadline.isoformat() if key_result.original_deadline else None,
            "weight": _text(key_result.original_weight),
        }
        if has_terms
        else None,
        "score": {"self": _text(key_result.scores.get("self")), "review": _text(key_result.scores.get("review"))}
        if key_result.scores
        else None,
        "confidence": key_result.confidence,
        "stated_status": key_result.status,
        "replaced_by": None if key_result.replaced_by is None else str(key_result.replaced_by),
        "feed_id": None if key_result.feed_id is None else str(key_result.feed_id),
        "version": key_result.version,
        "position": key_result.position,
    }


def _pace(key_result: KeyResult, share: Fraction | None, at: datetime) -> Answer:
    deadline = midnight_after(key_result.terms["deadline"])
    assert key_result.committed_at is not None
    elapsed = share_of_time(key_result.committed_at, deadline, at)
    is_limit = key_result.terms["direction"] in LIMITS
    expected, reached = (Fraction(1) if is_limit else elapsed), share or Fraction(0)
    if reached >= 1 and (not is_limit or at >= deadline):
        status = "achieved"
    elif reached >= expected * Fraction(9, 10):
        status = "on_track"
    else:
        status = "at_risk" if reached >= expected * Fraction(6, 10) else "behind"
    return {"elapsed": shown(elapsed), "expected": shown(expected), "status": status}


def goalposts(key_result: KeyResult, at: datetime) -> Answer:
    """The figures of moving goalposts; for a committed key result that has a target."""
    committed_at = key_result.committed_at
    assert committed_at is not None
    assert key_result.original_deadline is not None
    targets = [key_result.targets[0], *(target for target in key_result.targets[1:] if target.since <= at)]
    original, current = targets[0].target, targets[-1].target
    mean = _mean_target(targets, min(at, midnight_after(key_result.terms["deadline"])))
    baseline = Fraction(key_result.terms["baseline"] or 0)
    if key_result.terms["direction"] in LIMITS:
        shift = (Fraction(current) - Fraction(original)) / abs(Fraction(original))
        shift = -shift if key_result.terms["direction"] == "at_most" else shift
    else:
        shift = (Fraction(current) - baseline) / (Fraction(original) - baseline) - 1
    return {
        "attainment": {
            "original": shown(attainment(key_result, original, at)),
            "current": shown(attainment(key_result, current, at)),
            "time_weighted": shown(attainment(key_result, mean, at)),
        },
        "goalpost_shift": shown(shift),
        "targets": {"original": _text(original), "current": _text(current), "time_weighted": shown(mean)},
        "adjustments": [
            _adjustment(key_result, before.target, after, at) for before, after in itertools.pairwise(targets)
        ],
    }


def _adjustment(key_result: KeyResult, before: Decimal, after: Target, at: datetime) -> Answer:
    assert key_result.committed_at is not None
    assert key_result.original_deadline is not None
    deadline = midnight_after(key_result.original_deadline)
    worth = [attainment(key_result, target, at) for target in (before, after.target)]
    return {
        "position": after.position,
        "from": _text(before),
        "to": _text(after.target),
        "time_share": shown(share_of_time(key_result.committed_at, deadline, after.since)),
        "attainment_before": shown(attainment(key_result, before, after.since)),
        "attainment_after": shown(attainment(key_result, after.target, after.since)),
        "effect": None if worth[0] is None or worth[1] is None else shown(worth[1] - worth[0]),
    }


def _mean_target(targets: Sequence[Target], end: datetime) -> Fraction:
    begin = targets[0].since
    if end <= begin:
        return Fraction([target for target in targets if target.since <= begin][-1].target)
    total = Fraction(0)
    for number, target in enumerate(targets):
        until = targets[number + 1].since if number + 1 < len(targets) else end
        stretch = min(until, end) - min(target.since, end)
        total += Fraction(target.target) * (stretch // timedelta(microseconds=1))
    return total / ((end - begin) // timedelta(microseconds=1))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
