"""A key result: the measure of an objective.

Read from top to bottom: what can happen to a key result, what it consists of, who decides what under which
rules, and what each fact changes. While it is a draft everything may change freely. Committing it fixes the
*original* target, weight and deadline; from then on each of them moves only by a fact of its own that says why.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.checkin import ScoreKind, StatedStatus, check_in_texts, checked_confidence, checked_points
from domain.command import Command, opaque_id
from domain.cycle import EARLIEST_DAY, CycleTerms
from domain.errors import Breach, Breaches, Forbidden, conflict, invalid
from domain.measures import Direction
from domain.stream import Aggregate, Event, Fact, Text, fact
from domain.words import UNIT_LENGTH, title, words

CORRECTION_GRACE = timedelta(hours=24)
MOST_MILESTONES = 50
HIGHEST_WEIGHT = Decimal(1_000_000)


class KeyResultState(StrEnum):
    """Where a key result stands. REPLACED and DROPPED are ends; a SCORED one may still be scored again."""

    DRAFT = "draft"
    COMMITTED = "committed"
    SCORED = "scored"
    REPLACED = "replaced"
    DROPPED = "dropped"


class OverrideUntil(StrEnum):
    """How long a person's value stands before the feed's."""

    STICKY = "sticky"
    NEXT_MESSAGE = "next-message"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneStep:
    """A named step of a milestones key result and its share of the whole."""

    name: str
    weight: Decimal


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


# What it consists of


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a key result promises: the measure, by when, and how much it counts."""

    title: str
    owner_id: str
    direction: Direction
    baseline: Decimal | None = None
    target: Decimal | None = None
    unit: str | None = None
    deadline: date
    weight: Decimal | None = None
    milestones: tuple[MilestoneStep, ...] | None = None

    def checked(self, cycle: CycleTerms) -> Terms:
        """These terms, put in order; `Invalid` with every breach where they make no measurable promise."""
        breaches = Breaches()
        terms = replace(self, title=title(self.title, "title", breaches))
        opaque_id(self.owner_id, "owner_id")
        if self.unit is not None:
            terms = replace(terms, unit=title(self.unit, "unit", breaches, limit=UNIT_LENGTH))
        if self.direction is Direction.INCREASE and self.baseline is None:
            terms = replace(terms, baseline=Decimal(0))
        terms._check_measure(breaches)
        _check_weight(self.weight, breaches)
        _check_deadline(self.deadline, cycle, breaches)
        breaches.refuse_if_any()
        return terms

    def _check_measure(self, breaches: Breaches) -> None:
        if self.direction is Direction.MILESTONES:
            self._check_milestones(breaches)
            return
        if self.milestones is not None:
            breaches.add("milestones", "measure", f"a key result of direction {self.direction} has no milestones")
        if self.target is None:
            breaches.add("target", "measure", f"direction {self.direction} needs a target")
        elif self.direction in (Direction.AT_LEAST, Direction.AT_MOST):
            if self.baseline is not None:
                breaches.add("baseline", "measure", "a limit to hold has no baseline")
        elif self.baseline is None:
            breaches.add("baseline", "measure", "direction decrease needs the baseline it starts from")
        else:
            _check_target(self.direction, self.baseline, self.target, breaches)

    def _check_milestones(self, breaches: Breaches) -> None:
        for field, value in (("target", self.target), ("baseline", self.baseline)):
            if value is not None:
                breaches.add(field, "measure", f"a key result of milestones has no {field}")
        if not self.milestones:
            breaches.add("milestones", "measure", "direction milestones needs at least one milestone")
        elif len(self.milestones) > MOST_MILESTONES:
            breaches.add("milestones", "length", f"there are at most {MOST_MILESTONES} milestones")
        else:
            for number, step in enumerate(self.milestones):
                title(step.name, f"milestones.{number}.name", breaches)
                if not 0 < step.weight <= HIGHEST_WEIGHT:
                    breaches.add(f"milestones.{number}.weight", "weight", "a milestone's weight is above 0")


def _check_target(direction: Direction, baseline: Decimal, target: Decimal, breaches: Breaches) -> None:
    if target == baseline:
        breaches.add("target", "target_equals_baseline", "the target must differ from the baseline")
    elif (target > baseline) is not (direction is Direction.INCREASE):
        breaches.add(
            "target",
            "target_across_baseline",
            f"to {direction}, the target must lie on that side of the baseline",
        )


def _check_weight(weight: Decimal | None, breaches: Breaches) -> None:
    if weight is not None and not 0 <= weight <= HIGHEST_WEIGHT:
        breaches.add("weight", "weight", f"a weight lies between 0 and {HIGHEST_WEIGHT}")


def _check_deadline(deadline: date, cycle: CycleTerms, breaches: Breaches) -> None:
    if not cycle.starts_on <= deadline <= cycle.ends_on:
        breaches.add(
            "deadline",
            "deadline_in_cycle",
            f"the deadline lies in the cycle: {cycle.starts_on} to {cycle.ends_on}",
        )


def not_in_future(effective_at: datetime, by: Command, field: str = "effective_at") -> datetime:
    """The moment itself; `Invalid` when it has not come yet, or lies before anything that is measured here."""
    if effective_at.date() < EARLIEST_DAY:
        invalid(field, "calendar", f"{field} lies after {EARLIEST_DAY}")
    if effective_at > by.now:
        invalid(field, "not_in_future", f"{field} must not lie in the future")
    return effective_at


# Who decides what, under which rules


class KeyResult(Aggregate):
    """Decisions about one key result. Each refuses by a `Refusal`, or lets exactly one fact happen.

    The use case holds the cycle open and says who is responsible (`by.must_be_one_of`) before it asks.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.objective_id: UUID
        self.cycle_id: UUID
        self.terms: Terms
        self.state = KeyResultState.DRAFT
        self.last_value: Decimal | None = None
        self.last_value_set_by = 0
        self.is_overridden = False
        self.reached: set[int] = set()
        self.target_set_by = 0
        self.corrected: dict[int, Decimal] = {}

    @property
    def is_ended(self) -> bool:
        """Replaced or dropped: nothing happens to it any more."""
        return self.state in (KeyResultState.REPLACED, KeyResultState.DROPPED)

    @property
    def is_live(self) -> bool:
        """Committed and not ended: it takes progress, adjustments and scores."""
        return self.state in (KeyResultState.COMMITTED, KeyResultState.SCORED)

    def draft(self, objective_id: UUID, terms: Terms, cycle: CycleTerms, *, replaces: UUID | None = None) -> None:
        """Draft a measure for an objective; what it promises must be measurable and lie in the cycle."""
        terms = terms.checked(cycle)
        self._happens(
            KeyResultDrafted(objective_id=objective_id, cycle_id=cycle.id, replaces=replaces, **_as_mapping(terms))
        )

    def revise(self, changes: dict[str, Any], cycle: CycleTerms) -> None:
        """Change any of the draft's terms: `changes` maps a field of Terms to its value, None to take it away."""
        if self.state is not KeyResultState.DRAFT:
            conflict("not_draft", "a committed key result changes by adjustments, each with its reason")
        for required in ("title", "owner_id", "direction", "deadline"):
            if required in changes and changes[required] is None:
                invalid(required, "required", f"{required} cannot be taken away")
        revised = replace(self.terms, **changes).checked(cycle)
        before, after = _as_mapping(self.terms), _as_mapping(revised)
        changed = {
            name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        }
        if not changed:
            return
        cleared = tuple(sorted(name for name, value in changed.items() if value is None))
        self._happens(KeyResultDraftRevised(**changed, cleared=cleared or None))

    def commit(self, by: Command, cycle: CycleTerms) -> None:
        """Promise it. Target, weight and deadline as they stand now are the original ones for ever."""
        if self.state is not KeyResultState.DRAFT:
            conflict("not_draft", f"only a draft is committed; this key result is {self.state}")
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
        self._must_differ("title", self.terms.title, new_title)
        self._happens(KeyResultRephrased(from_=self.terms.title, to=new_title))

    def change_owner(self, owner_id: str, by: Command) -> None:
        self._must_be_live("change its owner")
        by.must_say_why()
        opaque_id(owner_id, "owner_id")
        self._must_differ("owner_id", self.terms.owner_id, owner_id)
        self._happens(KeyResultOwnerChanged(from_=self.terms.owner_id, to=owner_id))

    def adjust_target(self, target: Decimal, by: Command, *, effective_at: datetime | None = None) -> None:
        """Move the goalpost, visibly. The target stays on its side of the baseline."""
        self._must_be_live("have its target adjusted")
        by.must_say_why()
        present = self._checked_new_target(target)
        if effective_at is not None:
            not_in_future(effective_at, by)
        self._must_differ("target", present, target)
        self._happens(TargetAdjusted(from_=present, to=target, effective_at=effective_at))

    def adjust_weight(self, weight: Decimal, by: Command, *, effective_at: datetime | None = None) -> None:
        self._must_be_live("have its weight adjusted")
        by.must_say_why()
        breaches = Breaches()
        _check_weight(weight, breaches)
        breaches.refuse_if_any()
        if effective_at is not None:
            not_in_future(effective_at, by)
        self._must_differ("weight", self.terms.weight, weight)
        self._happens(WeightAdjusted(from_=self.terms.weight, to=weight, effective_at=effective_at))

    def adjust_deadline(
        self, deadline: date, by: Command, cycle: CycleTerms, *, effective_at: datetime | None = None
    ) -> None:
        self._must_be_live("have its deadline adjusted")
        by.must_say_why()
        breaches = Breaches()
        _check_deadline(deadline, cycle, breaches)
        breaches.refuse_if_any()
        if cycle.deadline_at(deadline) <= by.now:
            invalid("deadline", "deadline_passed", "a deadline is moved to a day that has not passed")
        if effective_at is not None:
            not_in_future(effective_at, by)
        self._must_differ("deadline", self.terms.deadline, deadline)
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
                self._must_differ("target", written, target)
                self._happens(TargetCorrected(corrects=version, from_=written, to=target))
            case ProgressRecorded(value=written, effective_at=effective_at):
                if value is None:
                    invalid("value", "required", "progress is corrected by naming the right value")
                written = self.corrected.get(version, written)
                self._must_differ("value", written, value)
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
        if kind is ScoreKind.REVIEW and by.actor.id == self.terms.owner_id:
            raise Forbidden(Breach("kind", "own_review", "an owner does not review their own key result"))
        self._happens(KeyResultScored(points=checked_points(points), kind=kind, comment=words(comment, "comment")))

    def replace_by(self, successor_id: UUID, by: Command) -> None:
        """End it in favour of a successor; its history stays beside the successor's."""
        self._must_be_live("be replaced")
        by.must_say_why()
        self._happens(KeyResultReplaced(successor_id=successor_id))

    def drop(self, by: Command) -> None:
        """Give it up. A draft may be dropped without a reason."""
        if self.state is not KeyResultState.DRAFT:
            self._must_be_live("be dropped")
            by.must_say_why()
        self._happens(KeyResultDropped())

    def _must_be_live(self, action: str) -> None:
        if self.state is KeyResultState.DRAFT:
            conflict("not_committed", f"a draft cannot {action}: commit it first")
        if not self.is_live:
            conflict("key_result_ended", f"this key result is {self.state} and cannot {action}")

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
            _check_target(self.terms.direction, self.terms.baseline, target, breaches)
            breaches.refuse_if_any()
        return present

    def _must_be_in_grace(self, mistake: Event, by: Command) -> None:
        if mistake.recorded_at is None:
            raise ValueError("only a recorded fact can be corrected")
        if by.now - mistake.recorded_at > CORRECTION_GRACE and not by.actor.is_admin:
            raise Forbidden(
                Breach("corrects", "correction_grace", "after 24 hours only an admin corrects; adjust instead")
            )

    @staticmethod
    def _must_differ(field: str, present: object, new: object) -> None:
        if present == new:
            invalid(field, "unchanged", f"{field} is that already")

    # What each fact changes

    def _apply(self, fact: Fact) -> None:
        match fact:
            case KeyResultDrafted():
                self.objective_id = fact.objective_id
                self.cycle_id = fact.cycle_id
                self.terms = Terms(**{field.name: getattr(fact, field.name) for field in fields(Terms)})
            case KeyResultDraftRevised():
                changes: dict[str, Any] = {field.name: getattr(fact, field.name) for field in fields(Terms)}
                changes = {name: value for name, value in changes.items() if value is not None}
                self.terms = replace(self.terms, **changes | dict.fromkeys(fact.cleared or ()))
            case KeyResultCommitted():
                self.state = KeyResultState.COMMITTED
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
                self.state = KeyResultState.SCORED
            case KeyResultReplaced():
                self.state = KeyResultState.REPLACED
            case KeyResultDropped():
                self.state = KeyResultState.DROPPED


def _as_mapping(terms: Terms) -> dict[str, Any]:
    values = {field.name: getattr(terms, field.name) for field in fields(Terms)}
    return {name: value for name, value in values.items() if value is not None}
