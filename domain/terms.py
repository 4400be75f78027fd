"""The terms of a key result: what is measured, from where to where, by when, and how much it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar

from domain.command import opaque_id
from domain.cycle import CycleTerms
from domain.drafts import Draft
from domain.errors import Breaches
from domain.measures import Direction
from domain.words import UNIT_LENGTH, title

MOST_MILESTONES = 50
HIGHEST_WEIGHT = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneStep:
    """A named step of a milestones key result and its share of the whole."""

    name: str
    weight: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Draft):
    """What a key result promises: the measure, by when, and how much it counts."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("title", "owner_id", "direction", "deadline")

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
        check_weight(self.weight, breaches)
        check_deadline(self.deadline, cycle, breaches)
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
            check_target(self.direction, self.baseline, self.target, breaches)

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


def check_target(direction: Direction, baseline: Decimal, target: Decimal, breaches: Breaches) -> None:
    if target == baseline:
        breaches.add("target", "target_equals_baseline", "the target must differ from the baseline")
    elif (target > baseline) is not (direction is Direction.INCREASE):
        breaches.add(
            "target",
            "target_across_baseline",
            f"to {direction}, the target must lie on that side of the baseline",
        )


def check_weight(weight: Decimal | None, breaches: Breaches) -> None:
    if weight is not None and not 0 <= weight <= HIGHEST_WEIGHT:
        breaches.add("weight", "weight", f"a weight lies between 0 and {HIGHEST_WEIGHT}")


def check_deadline(deadline: date, cycle: CycleTerms, breaches: Breaches) -> None:
    if not cycle.starts_on <= deadline <= cycle.ends_on:
        breaches.add(
            "deadline",
            "deadline_in_cycle",
            f"the deadline lies in the cycle: {cycle.starts_on} to {cycle.ends_on}",
        )
