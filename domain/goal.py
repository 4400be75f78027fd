"""What objectives and key results have in common: the life of a goal, from its draft to its end."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from domain.checkin import ScoreKind
from domain.command import Command
from domain.errors import Breach, Forbidden, conflict, invalid
from domain.stream import Aggregate


class GoalState(StrEnum):
    """Where a goal stands. REPLACED and DROPPED are ends; a SCORED one may still be scored again."""

    DRAFT = "draft"
    COMMITTED = "committed"
    SCORED = "scored"
    REPLACED = "replaced"
    DROPPED = "dropped"


class Goal(Aggregate):
    """An objective or a key result, and where it stands. Whoever decides about it asks here whether it still can."""

    NOUN: ClassVar[str]

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.state = GoalState.DRAFT

    @property
    def is_ended(self) -> bool:
        """Replaced or dropped: nothing happens to it any more."""
        return self.state in (GoalState.REPLACED, GoalState.DROPPED)

    @property
    def is_live(self) -> bool:
        """Committed and not ended: it takes progress, adjustments and scores."""
        return self.state in (GoalState.COMMITTED, GoalState.SCORED)

    def _must_be_draft(self, otherwise: str) -> None:
        if self.state is not GoalState.DRAFT:
            conflict("not_draft", otherwise)

    def _must_be_committable(self) -> None:
        self._must_be_draft(f"only a draft is committed; this {self.NOUN} is {self.state}")

    def _must_be_live(self, action: str) -> None:
        if self.state is GoalState.DRAFT:
            conflict("not_committed", f"a draft cannot {action}: commit it first")
        if not self.is_live:
            conflict(f"{self.NOUN.replace(' ', '_')}_ended", f"this {self.NOUN} is {self.state} and cannot {action}")

    def _must_be_droppable(self, by: Command) -> None:
        """A draft may be dropped without a reason."""
        if self.state is not GoalState.DRAFT:
            self._must_be_live("be dropped")
            by.must_say_why()

    def _must_not_be_own_review(self, kind: ScoreKind, owner_id: str, by: Command) -> None:
        if kind is ScoreKind.REVIEW and by.actor.id == owner_id:
            raise Forbidden(Breach("kind", "own_review", f"an owner does not review their own {self.NOUN}"))


def must_differ(field: str, present: object, new: object) -> None:
    """`Invalid` where a change would change nothing."""
    if present == new:
        invalid(field, "unchanged", f"{field} is that already")
