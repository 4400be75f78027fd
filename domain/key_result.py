"""A key result: the measure of an objective.

Read from top to bottom: what can happen to a key result, who decides what under which rules, and what each fact
changes. What it promises stands in `domain.terms`. While it is a draft everything may change freely. Committing it
fixes the *original* target, weight and deadline; from then on each of them moves only by a fact of its own that says
why.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.checkin import ScoreKind, StatedStatus, check_in_texts, checked_confidence, checked_points
from domain.command import Command, opaque_id
from domain.cycle import EARLIEST_DAY, CycleTerms
from domain.errors import Breach, Breaches, Forbidden, conflict, invalid
from domain.goal import Goal, GoalState, must_differ
from domain.measures import Direction
from domain.stream import Event, Fact, Text, fact
from domain.terms import MilestoneStep, Terms, check_deadline, check_target, check_weight
from domain.words import title, words

CORRECTION_GRACE = timedelta(hours=24)


class OverrideUntil(StrEnum):
    """How long a person's value stands before the feed's."""

    STICKY = "sticky"
    NEXT_MESSAGE = "next-message"
    DATE = "date"


# What can happen to a key result


@fact("KeyResult.Drafted")
class KeyResultDrafted(Fact):
    objective_id: UUID
    cycle_id: UUID
    title: str
    owner_id: str
    direction: Direction
    baseline: Decimal | None = None
    target: Decimal | None = None
    unit: str | None = None
    deadline: date
    weight: Decimal | None = None
    milestones: tuple[MilestoneStep, ...] | None = None
    replaces: UUID | None = None


@fact("KeyResult.DraftRevised")
class KeyResultDraftRevised(Fact):
    """Only what changed is there; `cleared` names what was taken away."""

    title: str | None = None
    owner_id: str | None = None
    direction: Direction | None = None
    baseline: Decimal | None = None
    target: Decimal | None = None
    unit: str | None = None
    deadline: date | None = None
    weight: Decimal | None = None
    milestones: tuple[MilestoneStep, ...] | None = None
    cleared: tuple[str, ...] | None = None


@fact("KeyResult.Committed")
class KeyResultCommitted(Fact):
    """Repeats what was promised, so that this line alone tells it."""

    baseline: Decimal | None = None
    target: Decimal | None = None
    deadline: date
    weight: Decimal | None = None


@fact("KeyResult.Rephrased")
class KeyResultRephrased(Fact):
    from_: str
    to: str


@fact("KeyResult.OwnerChanged")
class KeyResultOwnerChanged(Fact):
    from_: str
    to: str


@fact("KeyResult.WeightAdjusted")
class WeightAdjusted(Fact):
    from_: Decimal | None = None
    to: Decimal
    effective_at: datetime | None = None


@fact("KeyResult.DeadlineAdjusted")
class DeadlineAdjusted(Fact):
    from_: date
    to: date
    effective_at: datetime | None = None


@fact("KeyResult.TargetAdjusted")
class TargetAdjusted(Fact):
    from_: Decimal
    to: Decimal
    effective_at: datetime | None = None


@fact("KeyResult.TargetCorrected")
class TargetCorrected(Fact):
    """The target that the fact of version `corrects` set was written down wrongly."""

    corrects: int
    from_: Decimal
    to: Decimal


@fact("KeyResult.ProgressRecorded")
class ProgressRecorded(Fact):
    """A person's value. `from_` is the person's last value, where there was one."""

    from_: Decimal | None = None
    value: Decimal
    effective_at: datetime
    note: Text | None = None
    source_title: Text | None = None
    source_url: Text | None = None


@fact("KeyResult.ProgressCorrected")
class ProgressCorrected(Fact):
    """The value of the progress of version `corrects` was wrong; it was true at the same moment as that."""

    corrects: int
    from_: Decimal
    to: Decimal
    effective_at: datetime


@fact("KeyResult.ProgressOverridden")
class ProgressOverridden(Fact):
    value: Decimal
    effective_at: datetime
    until: OverrideUntil
    until_on: date | None = None


@fact("KeyResult.OverrideLifted")
class OverrideLifted(Fact):
    pass


@fact("KeyResult.MilestoneReached")
class MilestoneReached(Fact):
    """`milestone` counts from 1."""

    milestone: int
    effective_at: datetime
    note: Text | None = None


@fact("KeyResult.CheckedIn")
class KeyResultCheckedIn(Fact):
    progress: Text
    problem: Text | None = None
    support_needed: Text | None = None
    confidence: int
    status: StatedStatus | None = None


@fact("KeyResult.Scored")
class KeyResultScored(Fact):
    points: Decimal
    kind: ScoreKind
    comment: Text | None = None


@fact("KeyResult.Replaced")
class KeyResultReplaced(Fact):
    successor_id: UUID


@fact("KeyResult.Dropped")
class KeyResultDropped(Fact):
    pass


def not_in_future(effective_at: datetime, by: Command, field: str = "effective_at") -> datetime:
    """The moment itself; `Invalid` when it has not come yet, or lies before anything that is measured here."""
    if effective_at.date() < EARLIEST_DAY:
        invalid(field, "calendar", f"{field} lies after {EARLIEST_DAY}")
    if effective_at > by.now:
        invalid(field, "not_in_future", f"{field} must not lie in the future")
    return effective_at


# Who decides what, under which rules


class KeyResult(Goal):
    """Decisions about one key result. Each refuses by a `Refusal`, or lets exactly one fact happen.

    The use case holds the cycle open and says who is responsible (`by.must_be_one_of`) before it asks.
    """

    NOUN = "key result"

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.objective_id: UUID
        self.cycle_id: UUID
        self.terms: Terms
        self.last_value: Decimal | None = None
        self.last_value_set_by = 0
        self.is_overridden = False
        self.reached: set[int] = set()
        self.target_set_by = 0
        self.corrected: dict[int, Decimal] = {}

    def draft(self, objective_id: UUID, terms: Terms, cycle: CycleTerms, *, replaces: UUID | None = None) -> None:
        """Draft a measure for an objective; what it promises must be measurable and lie in the cycle."""
        terms = terms.checked(cycle)
        self._happens(
            KeyResultDrafted(objective_id=objective_id, cycle_id=cycle.id, replaces=replaces, **terms.given())
        )

    def revise(self, changes: dict[str, Any], cycle: CycleTerms) -> None:
        """Change any of the draft's terms: `changes` maps a field of Terms to its value, None to take it away."""
        self._must_be_draft("a committed key result changes by adjustments, each with its reason")
        if told := self.terms.difference(self.terms.changed(changes).checked(cycle)):
            self._happens(KeyResultDraftRevised(**told))

    def commit(self, by: Command, cycle: CycleTerms) -> None:
        """Promise it. Target, weight and deadline as they stand now are the original ones for ever."""
        self._must_be_committable()
        if cycle.deadline_at(self.terms.deadline) <= by.now:
            invalid("deadline", "deadline_passed", "a key result is committed before its deadline")
        terms = self.terms
        self._happens(
            KeyResultCommitted(
                baseline=terms.baseline, target=terms.target, deadline=terms.deadline, weight=terms.weight
            )
        )

    def rephrase(self, new_title: str, by: Command) -> None:
        self._must_be_live("be rephrased")
        by.must_say_why()
        breaches = Breaches()
        new_title = title(new_title, "title", breaches)
        breaches.refuse_if_any()
        must_differ("title", self.terms.title, new_title)
        self._happens(KeyResultRephrased(from_=self.terms.title, to=new_title))

    def change_owner(self, owner_id: str, by: Command) -> None:
        self._must_be_live("change its owner")
        by.must_say_why()
        opaque_id(owner_id, "owner_id")
        must_differ("owner_id", self.terms.owner_id, owner_id)
        self._happens(KeyResultOwnerChanged(from_=self.terms.owner_id, to=owner_id))

    def adjust_target(self, target: Decimal, by: Command, *, effective_at: datetime | None = None) -> None:
        """Move the goalpost, visibly. The target stays on its side of the baseline."""
        self._must_be_live("have its target adjusted")
        by.must_say_why()
        present = self._checked_new_target(target)
        if effective_at is not None:
            not_in_future(effective_at, by)
        must_differ("target", present, target)
        self._happens(TargetAdjusted(from_=present, to=target, effective_at=effective_at))

    def adjust_weight(self, weight: Decimal, by: Command, *, effective_at: datetime | None = None) -> None:
        self._must_be_live("have its weight adjusted")
        by.must_say_why()
        breaches = Breaches()
        check_weight(weight, breaches)
        breaches.refuse_if_any()
        if effective_at is not None:
            not_in_future(effective_at, by)
        must_differ("weight", self.terms.weight, weight)
        self._happens(WeightAdjusted(from_=self.terms.weight, to=weight, effective_at=effective_at))

    def adjust_deadline(
        self, deadline: date, by: Command, cycle: CycleTerms, *, effective_at: datetime | None = None
    ) -> None:
        self._must_be_live("have its deadline adjusted")
        by.must_say_why()
        breaches = Breaches()
        check_deadline(deadline, cycle, breaches)
        breaches.refuse_if_any()
        if cycle.deadline_at(deadline) <= by.now:
            invalid("deadline", "deadline_passed", "a deadline is moved to a day that has not passed")
        if effective_at is not None:
            not_in_future(effective_at, by)
        must_differ("deadline", self.terms.deadline, deadline)
        self._happens(DeadlineAdjusted(from_=self.terms.deadline, to=deadline, effective_at=effective_at))

    def correct(self, mistake: Event, by: Command, *, target: Decimal | None, value: Decimal | None) -> None:
        """Put right what was written down wrongly in `mistake`, a recorded fact of this stream.

        A commitment or target adjustment is corrected by `target`, a person's progress by `value`. Within 24
        hours by whoever is responsible, later by an admin only.
        """
        self._must_be_live("be corrected")
        by.must_say_why()
        self._must_be_in_grace(mistake, by)
        version = mistake.originator_version
        match mistake.fact:
            case KeyResultCommitted(target=Decimal() as written) | TargetAdjusted(to=written):
                if target is None:
                    invalid("target", "required", "a target is corrected by naming the right target")
                self._checked_new_target(target)
                written = self.corrected.get(version, written)
                must_differ("target", written, target)
                self._happens(TargetCorrected(corrects=version, from_=written, to=target))
            case ProgressRecorded(value=written, effective_at=effective_at):
                if value is None:
                    invalid("value", "required", "progress is corrected by naming the right value")
                written = self.corrected.get(version, written)
                must_differ("value", written, value)
                self._happens(ProgressCorrected(corrects=version, from_=written, to=value, effective_at=effective_at))
            case _:
                invalid(
                    "corrects",
                    "correctable",
                    "only a commitment, a target or a person's progress is corrected",
                )

    def record_progress(
        self,
        value: Decimal,
        by: Command,
        *,
        effective_at: datetime | None = None,
        note: str | None = None,
        source_title: str | None = None,
        source_url: str | None = None,
    ) -> None:
        """Record what a person measured; `effective_at` is when it was true (now, where not said)."""
        self._must_take_values("record progress")
        self._happens(
            ProgressRecorded(
                from_=self.last_value,
                value=value,
                effective_at=not_in_future(effective_at or by.now, by),
                note=words(note, "note"),
                source_title=words(source_title, "source.title"),
                source_url=words(source_url, "source.url"),
            )
        )

    def override(
        self,
        value: Decimal,
        by: Command,
        cycle: CycleTerms,
        *,
        until: OverrideUntil = OverrideUntil.STICKY,
        until_on: date | None = None,
    ) -> None:
        """Put a person's value before the feed's: until lifted, until the next message, or through a day."""
        self._must_take_values("be overridden")
        by.must_give_words()
        if (until is OverrideUntil.DATE) is not (until_on is not None):
            invalid("until", "until", "until is sticky, next-message or a day")
        if until_on is not None and until_on > cycle.ends_on:
            invalid("until", "until_in_cycle", f"an override ends with the cycle, on {cycle.ends_on}, at the latest")
        if until_on is not None and cycle.deadline_at(until_on) <= by.now:
            invalid("until", "not_in_past", "the day until which an override holds has not passed")
        self._happens(ProgressOverridden(value=value, effective_at=by.now, until=until, until_on=until_on))

    def lift_override(self, by: Command) -> None:
        self._must_be_live("have its override lifted")
        by.must_give_words()
        if not self.is_overridden:
            conflict("not_overridden", "this key result has no override to lift")
        self._happens(OverrideLifted())

    def reach_milestone(
        self, number: int, by: Command, *, effective_at: datetime | None = None, note: str | None = None
    ) -> None:
        """Say that the milestone of that number, counted from 1, is reached."""
        self._must_be_live("reach a milestone")
        steps = self.terms.milestones or ()
        if not 1 <= number <= len(steps):
            invalid("n", "milestone", f"this key result has {len(steps)} milestones, counted from 1")
        if number in self.reached:
            conflict("already_reached", f"milestone {number} is reached already")
        self._happens(
            MilestoneReached(
                milestone=number,
                effective_at=not_in_future(effective_at or by.now, by),
                note=words(note, "note"),
            )
        )

    def check_in(
        self,
        *,
        progress: str,
        confidence: int,
        problem: str | None = None,
        support_needed: str | None = None,
        status: StatedStatus | None = None,
    ) -> None:
        """The weekly word: progress, problem, support needed, and confidence from 0 to 10."""
        self._must_be_live("be checked in on")
        self._happens(
            KeyResultCheckedIn(
                **check_in_texts(progress, problem, support_needed),
                confidence=checked_confidence(confidence),
                status=status,
            )
        )

    def score(self, points: Decimal, kind: ScoreKind, by: Command, *, comment: str | None = None) -> None:
        """Give points. The last score of each kind counts; a review is never the owner's own."""
        self._must_be_live("be scored")
        self._must_not_be_own_review(kind, self.terms.owner_id, by)
        self._happens(KeyResultScored(points=checked_points(points), kind=kind, comment=words(comment, "comment")))

    def replace_by(self, successor_id: UUID, by: Command) -> None:
        """End it in favour of a successor; its history stays beside the successor's."""
        self._must_be_live("be replaced")
        by.must_say_why()
        self._happens(KeyResultReplaced(successor_id=successor_id))

    def drop(self, by: Command) -> None:
        """Give it up. A draft may be dropped without a reason."""
        self._must_be_droppable(by)
        self._happens(KeyResultDropped())

    def _must_take_values(self, action: str) -> None:
        self._must_be_live(action)
        if self.terms.direction is Direction.MILESTONES:
            conflict("measured_by_milestones", "this key result is measured by its milestones, not by a value")

    def _checked_new_target(self, target: Decimal) -> Decimal:
        present = self.terms.target
        if present is None:
            conflict("no_target", "a key result of milestones has no target")
        if self.terms.baseline is not None:
            breaches = Breaches()
            check_target(self.terms.direction, self.terms.baseline, target, breaches)
            breaches.refuse_if_any()
        return present

    def _must_be_in_grace(self, mistake: Event, by: Command) -> None:
        if mistake.recorded_at is None:
            raise ValueError("only a recorded fact can be corrected")
        if by.now - mistake.recorded_at > CORRECTION_GRACE and not by.actor.is_admin:
            raise Forbidden(
                Breach("corrects", "correction_grace", "after 24 hours only an admin corrects; adjust instead")
            )

    # What each fact changes

    def _apply(self, fact: Fact) -> None:
        match fact:
            case KeyResultDrafted():
                self.objective_id = fact.objective_id
                self.cycle_id = fact.cycle_id
                self.terms = Terms.of(fact)
            case KeyResultDraftRevised():
                self.terms = self.terms.revised(fact)
            case KeyResultCommitted():
                self.state = GoalState.COMMITTED
                self.target_set_by = self.version + 1
            case KeyResultRephrased():
                self.terms = replace(self.terms, title=fact.to)
            case KeyResultOwnerChanged():
                self.terms = replace(self.terms, owner_id=fact.to)
            case WeightAdjusted():
                self.terms = replace(self.terms, weight=fact.to)
            case DeadlineAdjusted():
                self.terms = replace(self.terms, deadline=fact.to)
            case TargetAdjusted():
                self.terms = replace(self.terms, target=fact.to)
                self.target_set_by = self.version + 1
            case TargetCorrected():
                self.corrected[fact.corrects] = fact.to
                if fact.corrects == self.target_set_by:
                    self.terms = replace(self.terms, target=fact.to)
            case ProgressRecorded():
                self.last_value = fact.value
                self.last_value_set_by = self.version + 1
            case ProgressCorrected():
                self.corrected[fact.corrects] = fact.to
                if fact.corrects == self.last_value_set_by:
                    self.last_value = fact.to
            case ProgressOverridden():
                self.is_overridden = True
            case OverrideLifted():
                self.is_overridden = False
            case MilestoneReached():
                self.reached.add(fact.milestone)
            case KeyResultScored():
                self.state = GoalState.SCORED
            case KeyResultReplaced():
                self.state = GoalState.REPLACED
            case KeyResultDropped():
                self.state = GoalState.DROPPED
