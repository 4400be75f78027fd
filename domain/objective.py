"""An objective: what is to be achieved. Its key results, streams of their own, say how one will know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from domain.checkin import ScoreKind, StatedStatus, check_in_texts, checked_confidence, checked_points
from domain.command import Command, opaque_id
from domain.cycle import CycleTerms
from domain.drafts import Draft
from domain.errors import Breaches, invalid
from domain.goal import Goal, GoalState, must_differ
from domain.stream import Fact, Text, fact
from domain.words import title, words

MOST_SUPPORTED = 20


class Level(StrEnum):
    """Whose objective it is."""

    COMPANY = "company"
    DEPARTMENT = "department"
    INDIVIDUAL = "individual"


# What can happen to an objective


@fact("Objective.Drafted")
class ObjectiveDrafted(Fact):
    cycle_id: UUID
    title: str
    description: Text | None = None
    owner_id: str
    level: Level
    team_id: UUID | None = None
    supports: tuple[UUID, ...] | None = None
    replaces: UUID | None = None


@fact("Objective.DraftRevised")
class ObjectiveDraftRevised(Fact):
    """Only what changed is there; `cleared` names what was taken away."""

    title: str | None = None
    description: Text | None = None
    owner_id: str | None = None
    level: Level | None = None
    team_id: UUID | None = None
    supports: tuple[UUID, ...] | None = None
    cleared: tuple[str, ...] | None = None


@fact("Objective.Committed")
class ObjectiveCommitted(Fact):
    pass


@fact("Objective.Rephrased")
class ObjectiveRephrased(Fact):
    from_: str
    to: str


@fact("Objective.OwnerChanged")
class ObjectiveOwnerChanged(Fact):
    from_: str
    to: str


@fact("Objective.CheckedIn")
class ObjectiveCheckedIn(Fact):
    progress: Text
    problem: Text | None = None
    support_needed: Text | None = None
    confidence: int
    status: StatedStatus | None = None


@fact("Objective.Scored")
class ObjectiveScored(Fact):
    points: Decimal
    kind: ScoreKind
    comment: Text | None = None


@fact("Objective.Replaced")
class ObjectiveReplaced(Fact):
    successor_id: UUID


@fact("Objective.Dropped")
class ObjectiveDropped(Fact):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording(Draft):
    """What an objective says, for whom, and what it supports."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("title", "owner_id", "level")

    title: str
    description: Text | None = None
    owner_id: str
    level: Level
    team_id: UUID | None = None
    supports: tuple[UUID, ...] | None = None

    def checked(self) -> Wording:
        """The wording, put in order; `Invalid` with every breach."""
        breaches = Breaches()
        wording = replace(self, title=title(self.title, "title", breaches), supports=self.supports or None)
        opaque_id(self.owner_id, "owner_id")
        if self.supports and len(self.supports) > MOST_SUPPORTED:
            breaches.add("supports", "length", f"an objective supports at most {MOST_SUPPORTED} others")
        breaches.refuse_if_any()
        return wording


class Objective(Goal):
    """Decisions about one objective. Each refuses by a `Refusal`, or lets exactly one fact happen.

    The use case holds the cycle open and says who is responsible (`by.must_be_one_of`) before it asks.
    """

    NOUN = "objective"

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.cycle_id: UUID
        self.wording: Wording

    def draft(self, wording: Wording, cycle: CycleTerms, *, replaces: UUID | None = None) -> None:
        """Draft an objective for a cycle."""
        self._happens(ObjectiveDrafted(cycle_id=cycle.id, replaces=replaces, **wording.checked().given()))

    def revise(self, changes: dict[str, Any]) -> None:
        """Change any part of the draft: `changes` maps a field of Wording to its value, None to take it away."""
        self._must_be_draft("a committed objective is rephrased or replaced, each with its reason")
        if told := self.wording.difference(self.wording.changed(changes).checked()):
            self._happens(ObjectiveDraftRevised(**told))

    def commit(self) -> None:
        """Promise it."""
        self._must_be_committable()
        self._happens(ObjectiveCommitted())

    def rephrase(self, new_title: str, by: Command) -> None:
        self._must_be_live("be rephrased")
        by.must_say_why()
        breaches = Breaches()
        new_title = title(new_title, "title", breaches)
        breaches.refuse_if_any()
        must_differ("title", self.wording.title, new_title)
        self._happens(ObjectiveRephrased(from_=self.wording.title, to=new_title))

    def change_owner(self, owner_id: str, by: Command) -> None:
        self._must_be_live("change its owner")
        by.must_say_why()
        opaque_id(owner_id, "owner_id")
        must_differ("owner_id", self.wording.owner_id, owner_id)
        self._happens(ObjectiveOwnerChanged(from_=self.wording.owner_id, to=owner_id))

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
            ObjectiveCheckedIn(
                **check_in_texts(progress, problem, support_needed),
                confidence=checked_confidence(confidence),
                status=status,
            )
        )

    def score(self, points: Decimal, kind: ScoreKind, by: Command, *, comment: str | None = None) -> None:
        """Give points, with a comment: a person's score of an objective stands beside the weighted mean."""
        self._must_be_live("be scored")
        self._must_not_be_own_review(kind, self.wording.owner_id, by)
        said = words(comment, "comment")
        if said is None:
            invalid("comment", "required", "a score of an objective says why in a comment")
        self._happens(ObjectiveScored(points=checked_points(points), kind=kind, comment=said))

    def replace_by(self, successor_id: UUID, by: Command) -> None:
        """End it in favour of a successor."""
        self._must_be_live("be replaced")
        by.must_say_why()
        self._happens(ObjectiveReplaced(successor_id=successor_id))

    def drop(self, by: Command) -> None:
        """Give it up. A draft may be dropped without a reason."""
        self._must_be_droppable(by)
        self._happens(ObjectiveDropped())

    # What each fact changes

    def _apply(self, fact: Fact) -> None:
        match fact:
            case ObjectiveDrafted():
                self.cycle_id = fact.cycle_id
                self.wording = Wording.of(fact)
            case ObjectiveDraftRevised():
                self.wording = self.wording.revised(fact)
            case ObjectiveCommitted():
                self.state = GoalState.COMMITTED
            case ObjectiveRephrased():
                self.wording = replace(self.wording, title=fact.to)
            case ObjectiveOwnerChanged():
                self.wording = replace(self.wording, owner_id=fact.to)
            case ObjectiveScored():
                self.state = GoalState.SCORED
            case ObjectiveReplaced():
                self.state = GoalState.REPLACED
            case ObjectiveDropped():
                self.state = GoalState.DROPPED
