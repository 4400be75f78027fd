"""An objective: what is to be achieved. Its key results, streams of their own, say how one will know."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.checkin import ScoreKind, StatedStatus, check_in_texts, checked_confidence, checked_points
from domain.command import Command, opaque_id
from domain.cycle import CycleTerms
from domain.errors import Breach, Breaches, Forbidden, conflict, invalid
from domain.stream import Aggregate, Fact, Text, fact
from domain.words import title, words

MOST_SUPPORTED = 20


class ObjectiveState(StrEnum):
    """Where an objective stands. REPLACED and DROPPED are ends."""

    DRAFT = "draft"
    COMMITTED = "committed"
    SCORED = "scored"
    REPLACED = "replaced"
    DROPPED = "dropped"


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
class Wording:
    """What an objective says, for whom, and what it supports."""

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


class Objective(Aggregate):
    """Decisions about one objective. Each refuses by a `Refusal`, or lets exactly one fact happen.

    The use case holds the cycle open and says who is responsible (`by.must_be_one_of`) before it asks.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.cycle_id: UUID
        self.wording: Wording
        self.state = ObjectiveState.DRAFT

    @property
    def is_ended(self) -> bool:
        """Replaced or dropped: nothing happens to it any more."""
        return self.state in (ObjectiveState.REPLACED, ObjectiveState.DROPPED)

    @property
    def is_live(self) -> bool:
        """Committed and not ended."""
        return self.state in (ObjectiveState.COMMITTED, ObjectiveState.SCORED)

    def draft(self, wording: Wording, cycle: CycleTerms, *, replaces: UUID | None = None) -> None:
        """Draft an objective for a cycle."""
        self._happens(ObjectiveDrafted(cycle_id=cycle.id, replaces=replaces, **_as_mapping(wording.checked())))

    def revise(self, changes: dict[str, Any]) -> None:
        """Change any part of the draft: `changes` maps a field of Wording to its value, None to take it away."""
        if self.state is not ObjectiveState.DRAFT:
            conflict("not_draft", "a committed objective is rephrased or replaced, each with its reason")
        for required in ("title", "owner_id", "level"):
            if required in changes and changes[required] is None:
                invalid(required, "required", f"{required} cannot be taken away")
        before = _as_mapping(self.wording)
        after = _as_mapping(replace(self.wording, **changes).checked())
        changed = {
            name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        }
        if not changed:
            return
        cleared = tuple(sorted(name for name, value in changed.items() if value is None))
        self._happens(ObjectiveDraftRevised(**changed, cleared=cleared or None))

    def commit(self) -> None:
        """Promise it."""
        if self.state is not ObjectiveState.DRAFT:
            conflict("not_draft", f"only a draft is committed; this objective is {self.state}")
        self._happens(ObjectiveCommitted())

    def rephrase(self, new_title: str, by: Command) -> None:
        self._must_be_live("be rephrased")
        by.must_say_why()
        breaches = Breaches()
        new_title = title(new_title, "title", breaches)
        breaches.refuse_if_any()
        if new_title == self.wording.title:
            invalid("title", "unchanged", "title is that already")
        self._happens(ObjectiveRephrased(from_=self.wording.title, to=new_title))

    def change_owner(self, owner_id: str, by: Command) -> None:
        self._must_be_live("change its owner")
        by.must_say_why()
        if opaque_id(owner_id, "owner_id") == self.wording.owner_id:
            invalid("owner_id", "unchanged", "owner_id is that already")
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
        if kind is ScoreKind.REVIEW and by.actor.id == self.wording.owner_id:
            raise Forbidden(Breach("kind", "own_review", "an owner does not review their own objective"))
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
        if self.state is not ObjectiveState.DRAFT:
            self._must_be_live("be dropped")
            by.must_say_why()
        self._happens(ObjectiveDropped())

    def _must_be_live(self, action: str) -> None:
        if self.state is ObjectiveState.DRAFT:
            conflict("not_committed", f"a draft cannot {action}: commit it first")
        if not self.is_live:
            conflict("objective_ended", f"this objective is {self.state} and cannot {action}")

    # What each fact changes

    def _apply(self, fact: Fact) -> None:
        match fact:
            case ObjectiveDrafted():
                self.cycle_id = fact.cycle_id
                self.wording = Wording(**{field.name: getattr(fact, field.name) for field in fields(Wording)})
            case ObjectiveDraftRevised():
                changes: dict[str, Any] = {field.name: getattr(fact, field.name) for field in fields(Wording)}
                changes = {name: value for name, value in changes.items() if value is not None}
                self.wording = replace(self.wording, **changes | dict.fromkeys(fact.cleared or ()))
            case ObjectiveCommitted():
                self.state = ObjectiveState.COMMITTED
            case ObjectiveRephrased():
                self.wording = replace(self.wording, title=fact.to)
            case ObjectiveOwnerChanged():
                self.wording = replace(self.wording, owner_id=fact.to)
            case ObjectiveScored():
                self.state = ObjectiveState.SCORED
            case ObjectiveReplaced():
                self.state = ObjectiveState.REPLACED
            case ObjectiveDropped():
                self.state = ObjectiveState.DROPPED


def _as_mapping(wording: Wording) -> dict[str, Any]:
    values = {field.name: getattr(wording, field.name) for field in fields(Wording)}
    return {name: value for name, value in values.items() if value is not None}
