"""What an audit looks at: the goals of a cycle, each with those of its facts that a question is about.

Nothing here decides, reads or writes. `Standing` is how a key result stood at a moment, as far as was known then;
a `Happening` carries the standing just before it, so that each can be judged without the rest of the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from domain.cycle import CycleState
from domain.measures import Direction, Source, elapsed
from domain.objective import Level
from domain.stream import Fact

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a fact stands in the ledger, when that was, and who acted."""

    position: int
    at: datetime
    actor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A key result at a moment. `attainment` is unclamped; `position` is that of the fact that said
    the value, or of the last fact where no value says how far it has come.

    `is_counted`: committed, and neither replaced nor dropped. `has_feed`: a feed measures it.
    """

    direction: Direction
    deadline_at: datetime
    is_counted: bool = True
    baseline: Decimal | None = None
    target: Decimal | None = None
    weight: Decimal | None = None
    value: Decimal | None = None
    value_source: Source | None = None
    attainment: Decimal | None = None
    has_feed: bool = False
    committed_at: datetime | None = None
    original_deadline_at: datetime | None = None
    score: Decimal | None = None
    steps: int = 0
    position: int = 0

    def time_share(self, at: datetime) -> Decimal:
        """The share of the time from the commitment to the original deadline that has passed, 0..1."""
        if self.committed_at is None or self.original_deadline_at is None:
            raise ValueError("a draft has promised nothing yet, so no time has passed")
        return elapsed(self.committed_at, self.original_deadline_at, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A key result that counts for its objective: how far it has come, and how much it counts."""

    id: UUID
    title: str
    attainment: Decimal | None
    weight: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening(Place):
    """A fact in its place: about which goal, and the standing just before it, None for facts of an objective.

    `earlier` is the fact that this one is measured by: the one that it corrects, or the one that said the same value
    before. `among` are the key results that counted for the objective just before, its own among them.
    """

    about: UUID
    fact: Fact
    before: Standing | None = None
    earlier: Place | None = None
    among: tuple[Part, ...] = ()

    @property
    def standing(self) -> Standing:
        """The standing just before. LookupError for a fact of an objective."""
        if self.before is None:
            raise LookupError("an objective has no standing of its own")
        return self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall(Place):
    """A fact after which the value in force was worse than before."""

    from_: Decimal
    to: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a key result had come by a moment at which something was true; `position` of the value, if any."""

    attainment: Decimal
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far it had come when the last part of its time began, and at its end (or now)."""

    last_part_from: datetime
    then: Mark
    end: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResultHistory:
    """A key result as it stands at the asked moment, and the facts about it that the question is about, in order."""

    id: UUID
    objective_id: UUID
    title: str
    owner_id: str
    now: Standing
    begun: int = 0
    committed: Place | None = None
    facts: tuple[Happening, ...] = ()
    falls: tuple[Fall, ...] = ()
    course: Course | None = None

    def of(self, *kinds: type[F]) -> Iterator[tuple[Happening, F]]:
        """The facts of these kinds, in order."""
        for happening in self.facts:
            if isinstance(happening.fact, kinds):
                yield happening, happening.fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveHistory:
    """An objective as it stands at the asked moment, with its key results."""

    id: UUID
    title: str
    owner_id: str
    level: Level
    team_id: UUID | None = None
    supports: tuple[UUID, ...] = ()
    is_live: bool = True
    begun: int = 0
    facts: tuple[Happening, ...] = ()
    key_results: tuple[KeyResultHistory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleHistory:
    """A cycle: its state at the asked moment, and since when and until when it ran. `leads` lead the teams that stand
    below no other: they are taken for the executives."""

    id: UUID
    name: str
    state: CycleState
    started: Place | None = None
    scoring: Place | None = None
    leads: tuple[str, ...] = ()
