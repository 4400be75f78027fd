"""A team: who leads it, and where it stands in the tree of teams."""

from __future__ import annotations

from uuid import UUID

from domain.command import opaque_id
from domain.errors import Breaches
from domain.stream import Aggregate, Fact, fact
from domain.words import title


@fact("Team.Formed")
class TeamFormed(Fact):
    name: str
    parent_id: UUID | None = None
    lead_id: str | None = None


class Team(Aggregate):
    """Decisions about a team."""

    name: str
    parent_id: UUID | None
    lead_id: str | None

    def form(self, *, name: str, parent_id: UUID | None = None, lead_id: str | None = None) -> None:
        """Form a team, below another one where `parent_id` is given."""
        breaches = Breaches()
        name = title(name, "name", breaches)
        breaches.refuse_if_any()
        if lead_id is not None:
            opaque_id(lead_id, "lead_id")
        self._happens(TeamFormed(name=name, parent_id=parent_id, lead_id=lead_id))

    def _apply(self, fact: Fact) -> None:
        match fact:
            case TeamFormed():
                self.name = fact.name
                self.parent_id = fact.parent_id
                self.lead_id = fact.lead_id
