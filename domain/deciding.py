"""What all use cases share: how an aggregate is loaded, held within its cycle, and saved.

The record behind it is whatever PERSISTENCE_MODULE names; beyond eventsourcing's own interface it offers what
`Record` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import EnvType

from domain.command import Command
from domain.cycle import CycleTerms
from domain.errors import Breach, Conflict, Stale, Unknown
from domain.key_result import KeyResult
from domain.memory import Memory
from domain.objective import Objective
from domain.stream import Aggregate, Event
from domain.team import Team

A = TypeVar("A", bound=Aggregate)


class Record(Protocol):
    """What the ledger offers beyond eventsourcing's recorder."""

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction, or join the one that this thread has open; all reading and saving is in it."""

    def on(self, connection: Any) -> AbstractContextManager[None]:
        """Let all reading and saving of this thread go over a connection that the caller has open."""

    def hold_cycle(self, cycle_id: UUID, *, exclusive: bool = False) -> CycleTerms | None:
        """The cycle's terms, kept as they are until the transaction ends; None where there is no such cycle."""

    def stream_in_cycle(self, stream_id: UUID, since: int) -> tuple[Sequence[StoredEvent], CycleTerms | None]:
        """The stream's events from version `since` on, and the terms of the cycle that it belongs to."""

    def children(self, stream_id: UUID) -> list[UUID]:
        """The streams that were begun under this one, oldest first."""

    def live_feed(self, key_result_id: UUID) -> UUID | None:
        """The feed that was defined for this key result."""

    def feed_named(self, name: str) -> UUID | None:
        """The feed of that name."""

    def event_at(self, position: int) -> tuple[UUID, int] | None:
        """The stream and version of the fact at a position of the ledger."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision led to: the stream, its version, and the position of its last fact in the ledger.

    `position` is None where the decision changed nothing.
    """

    id: UUID
    version: int
    position: int | None


class Deciding(Application[UUID]):
    """An application whose aggregates are loaded from memory and ledger, and whose facts belong to cycles."""

    def __init__(self, env: EnvType | None = None) -> None:
        super().__init__(env)
        self._memory = Memory()

    @property
    def record(self) -> Record:
        return cast(Record, self.recorder)

    def save(self, *decided: Any, **circumstances: Any) -> list[Any]:
        """Record what aggregates have decided, or single events, as one: all or nothing. Returns their positions.

        `by` (Command) says who and why. Where `cycle` (CycleTerms) is given and that cycle is in another state by
        then, nothing is recorded and a version conflict raised, as where a stream has moved on.
        """
        # The base class asks of each whether it follows one of two protocols, and makes a recording and a
        # notification of each event that nobody here reads: together longer than mapping it.
        events: list[Event] = []
        for each in decided:
            events += (each,) if isinstance(each, Event) else each.collect_events()
        stored = [self.mapper.to_stored_event(event) for event in events]
        return list(self.recorder.insert_events(stored, **circumstances) or ())

    def load(self, kind: type[A], id: UUID) -> A:
        """An aggregate as it stands; `Unknown` where no stream of that kind has this id."""
        return self._load(kind, id)

    def _load(self, kind: type[A], id: UUID, by: Command | None = None, *, field: str | None = None) -> A:
        return self._recalled(
            kind, id, by, field, lambda since: cast(list[Event], [*self.events.get(id, gt=since - 1)])
        )

    def _load_in_cycle(
        self, kind: type[A], id: UUID, by: Command | None = None, *, field: str | None = None
    ) -> tuple[A, CycleTerms]:
        """An aggregate and the terms of its cycle, which must be open. Save with these terms as `cycle`."""
        cycle: CycleTerms | None = None

        def read(since: int) -> list[Event]:
            nonlocal cycle
            stored, cycle = self.record.stream_in_cycle(id, since)
            return [cast(Event, self.mapper.to_domain_event(each)) for each in stored]

        aggregate = self._recalled(kind, id, by, field, read)
        if cycle is None:
            unknown("cycle", id, field)
        cycle.must_be_open()
        return aggregate, cycle

    def _recalled(
        self, kind: type[A], id: UUID, by: Command | None, field: str | None, read: Callable[[int], list[Event]]
    ) -> A:
        """What is remembered, and what `read` (the events since a version, that one included) adds to it."""
        known = self._memory.of(id)
        events = read(1 if known is None else known.last.originator_version)
        if known is not None and events[:1] != [known.last]:
            known, events = None, read(1)
        if not events or not events[0].fact.TYPE.startswith(f"{kind.__name__}."):
            unknown(_name(kind), id, field)
        aggregate = cast(A, kind.folded(events) if known is None else known.aggregate.followed_by(events[1:]))
        if known is None or len(events) > 1:
            self._memory.keep(aggregate.followed_by(()), events[-1])
        if by is not None and by.expected_version not in (None, aggregate.version):
            said = f"this {_name(kind)} is at version {aggregate.version}, not {by.expected_version}"
            raise Stale(Breach(None, "stale_version", said))
        return aggregate

    def _new(self, kind: type[A], id: UUID) -> A:
        if next(iter(self.events.get(id, limit=1)), None) is not None:
            raise Conflict(Breach("id", "id_taken", f"the id {id} is taken"))
        return kind(id)

    def _save(self, by: Command, first: Aggregate, *others: Aggregate, cycle: CycleTerms | None = None) -> Outcome:
        positions = self.save(first, *others, by=by, cycle=cycle)
        return Outcome(first.id, first.version, positions[-1] if positions else None)

    def _hold_open(self, cycle_id: UUID, *, exclusive: bool = False) -> CycleTerms:
        """The terms of a cycle, which must be open, kept as they are until the transaction ends."""
        cycle = self.record.hold_cycle(cycle_id, exclusive=exclusive)
        if cycle is None:
            unknown("cycle", cycle_id, "cycle_id")
        cycle.must_be_open()
        return cycle

    def _key_results(self, objective_id: UUID) -> list[KeyResult]:
        return [self._load(KeyResult, id) for id in self.record.children(objective_id)]

    def _must_answer_for(self, objective: Objective, by: Command, what: str) -> None:
        """Refuse unless the actor is an admin, owns the objective or leads its team."""
        if by.actor.id != objective.wording.owner_id and not by.actor.is_admin:
            by.must_be_one_of(self._leads(objective), what)

    def _must_answer_for_key_result(self, key_result: KeyResult, by: Command, what: str) -> None:
        """Refuse unless the actor is an admin, owns the key result or leads its objective's team."""
        # Objective and team are read only for those who need them: most commands come from owners.
        if by.actor.id != key_result.terms.owner_id and not by.actor.is_admin:
            by.must_be_one_of(self._leads(self._load(Objective, key_result.objective_id)), what)

    def _leads(self, objective: Objective) -> set[str]:
        if objective.wording.team_id is None:
            return set()
        lead_id = self._load(Team, objective.wording.team_id).lead_id
        return set() if lead_id is None else {lead_id}


def _name(kind: type[Aggregate]) -> str:
    return {"KeyResult": "key result"}.get(kind.__name__, kind.__name__.lower())


def unknown(what: str, id: UUID, field: str | None = None) -> NoReturn:
    """Refuse an id that is nobody's."""
    raise Unknown(Breach(field, "unknown", f"there is no {what} {id}"))
