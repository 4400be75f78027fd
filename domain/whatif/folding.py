"""Goals folded from the facts about them: what they come to, where facts may be missing.

The figures come from `domain.measures` and `domain.limits`, as those of the read models do; with every fact there,
both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain import measures
from domain.calendar import end_of_day
from domain.goal import GoalState
from domain.key_result import (
    DeadlineAdjusted,
    KeyResultCommitted,
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultDropped,
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
from domain.limits import limit_attainment
from domain.measures import Direction, Milestone, Point, Source, milestone_attainment, readings
from domain.stream import Fact
from domain.terms import Terms

_TERMS = tuple(each.name for each in fields(Terms))


@dataclass(frozen=True, slots=True)
class Measured:
    """Of what a feed measured: for which key result, the value, when it was true. `is_message`: messages brought it,
    and not time alone."""

    key_result_id: UUID
    value: Decimal | None
    effective_at: datetime
    is_message: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A fact in its place in the ledger; of a measurement only what it measured."""

    position: int
    at: datetime
    stream: UUID
    version: int
    fact: Fact | Measured

    @property
    def about(self) -> UUID:
        """The goal that the fact is about."""
        return self.fact.key_result_id if isinstance(self.fact, Measured) else self.stream


@dataclass(frozen=True, slots=True)
class When:
    """The moment of the figures: it is `clock`, or with `effective_at` the question is what was true then."""

    clock: datetime
    effective_at: datetime | None = None

    @property
    def known_by(self) -> datetime:
        """Up to when what happened counts; without `effective_at` all that is known does."""
        return _ALWAYS if self.effective_at is None else self.effective_at


_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """A key result as it stands at a moment; `attainment` is unclamped and unrounded."""

    id: UUID
    objective_id: UUID
    title: str
    unit: str | None
    state: GoalState
    value: Decimal | None
    target: Decimal | None
    weight: Decimal | None
    attainment: Decimal | None


class KeyResult:
    """A key result as the facts so far leave it.

    A fact about one that is missing changes nothing: without the progress its correction says nothing either.
    """

    def __init__(self, line: Line, drafted: KeyResultDrafted, time_zone: str) -> None:
        self.id = line.stream
        self.objective_id = drafted.objective_id
        self.terms = Terms(**{name: getattr(drafted, name) for name in _TERMS})
        self.state = GoalState.DRAFT
        self.committed_at: datetime | None = None
        self.reached: dict[int, datetime] = {}
        self._time_zone = time_zone
        self._targets: dict[int, Decimal] = {}  # by the version that set them
        self._points: dict[int, Point] = {}  # by their position
        self._said: dict[int, int] = {}  # the positions of a person's progress, by version
        self._override: Point | None = None
        self._override_until: OverrideUntil | None = None

    @property
    def target(self) -> Decimal | None:
        """The target in force."""
        return list(self._targets.values())[-1] if self._targets else self.terms.target

    def value(self, when: When) -> Decimal | None:
        """The value in force."""
        point = measures.value_in_force(self._points.values(), self._end(when))
        return None if point is None else point.value

    def attainment(self, when: When) -> Decimal | None:
        """Unclamped, 1 for all. None for a draft and where there is no figure yet."""
        direction, target, baseline = self.terms.direction, self.target, self.terms.baseline
        if self.committed_at is None:
            return None
        if direction is Direction.MILESTONES:
            return milestone_attainment(self._milestones(), when.known_by)
        if target is None:
            return None
        if direction.is_limit:
            deadline_at = end_of_day(self.terms.deadline, self._time_zone)
            series = readings(self._points.values())
            return limit_attainment(direction, target, series, self.committed_at, deadline_at, self._end(when))
        return None if baseline is None else measures.attainment(direction, baseline, target, self.value(when))

    def standing(self, when: When) -> Standing:
        """How it stands at the moment."""
        terms, value, share = self.terms, self.value(when), self.attainment(when)
        return Standing(
            self.id, self.objective_id, terms.title, terms.unit, self.state, value, self.target, terms.weight, share
        )

    def take(self, line: Line) -> None:
        """Follow one fact more."""
        match line.fact:
            case ProgressRecorded() as fact:
                self._said[line.version] = line.position
                self._say(line.position, fact.effective_at, fact.value, Source.PERSON)
            case Measured() as fact:
                if fact.is_message and self._override_until is OverrideUntil.NEXT_MESSAGE:
                    self._end_override(line.at)
                self._say(line.position, fact.effective_at, fact.value, Source.FEED)
            case ProgressCorrected() as fact:
                if fact.corrects in self._said:
                    self._say(self._said[fact.corrects], fact.effective_at, fact.to, Source.PERSON)
            case ProgressOverridden() as fact:
                self._end_override(line.at)
                until = None if fact.until_on is None else end_of_day(fact.until_on, self._time_zone)
                self._override = Point(line.position, fact.effective_at, fact.value, Source.OVERRIDE, until=until)
                self._override_until = fact.until
                self._points[line.position] = self._override
            case OverrideLifted():
                self._end_override(line.at)
            case MilestoneReached() as fact:
                self.reached[fact.milestone] = fact.effective_at
            case _:
                self._take_terms(line)

    def _take_terms(self, line: Line) -> None:
        match line.fact:
            case KeyResultDraftRevised() as fact:
                changes: dict[str, Any] = dict.fromkeys(fact.cleared or ())
                changes |= {name: getattr(fact, name) for name in _TERMS if getattr(fact, name) is not None}
                self.terms = replace(self.terms, **changes)
            case KeyResultCommitted() as fact:
                self.state, self.committed_at = GoalState.COMMITTED, line.at
                if fact.target is not None:
                    self._targets[line.version] = fact.target
            case TargetAdjusted() as fact:
                self._targets[line.version] = fact.to
            case TargetCorrected() as fact:
                if fact.corrects in self._targets:
                    self._targets[fact.corrects] = fact.to
            case WeightAdjusted() as fact:
                self.terms = replace(self.terms, weight=fact.to)
            case DeadlineAdjusted() as fact:
                self.terms = replace(self.terms, deadline=fact.to)
            case KeyResultRephrased() as fact:
                self.terms = replace(self.terms, title=fact.to)
            case KeyResultScored():
                self.state = GoalState.SCORED
            case KeyResultReplaced():
                self.state = GoalState.REPLACED
            case KeyResultDropped():
                self.state = GoalState.DROPPED

    def _say(self, position: int, effective_at: datetime, value: Decimal | None, source: Source) -> None:
        self._points[position] = Point(position, effective_at, value, source)

    def _end_override(self, at: datetime) -> None:
        """Let the override, if it still stands, stand no longer."""
        override = self._override
        if override is not None and (override.until is None or override.until > at):
            self._points[override.position] = replace(override, until=at)
        self._override = self._override_until = None

    def _end(self, when: When) -> datetime:
        """The moment at which the value counts. What is known counts, also where its clock ran ahead."""
        if when.effective_at is not None:
            return when.effective_at
        return max([when.clock, *(point.effective_at for point in self._points.values())])

    def _milestones(self) -> list[Milestone]:
        steps = self.terms.milestones or ()
        return [Milestone(step.name, step.weight, self.reached.get(number)) for number, step in enumerate(steps, 1)]


class Goals:
    """The key results that the facts so far make."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        self.key_results: dict[UUID, KeyResult] = {}

    def take(self, line: Line) -> None:
        """Follow one fact more; one that is not about a key result changes nothing here."""
        if isinstance(line.fact, KeyResultDrafted):
            self.key_results[line.stream] = KeyResult(line, line.fact, self.time_zone)
        elif line.about in self.key_results:
            self.key_results[line.about].take(line)
