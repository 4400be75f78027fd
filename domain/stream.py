"""Facts, streams and how an aggregate lives from them.

A *fact* is one immutable statement about what happened. A *stream* is the ordered facts of one aggregate.
An *aggregate* decides: its public methods check the rules and either refuse or let a fact happen; applying a
fact only assigns. So every stored history stays loadable, whatever rules come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform
from uuid import UUID


class Text:
    """Free text of a person. The ledger keeps a commitment to it; the words lie beside it and can be erased.

    In a fact that is about to be recorded `content` holds the words; in one that was read back it is None and
    `commitment` is the 64 hex digits that stand in the ledger's line.
    """

    __slots__ = ("commitment", "content")

    def __init__(self, content: str | None = None, *, commitment: str | None = None) -> None:
        self.content = content
        self.commitment = commitment

    @classmethod
    def of(cls, content: str | None) -> Text | None:
        """The text, or None where nothing was said."""
        return cls(content) if content else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Text):
            return NotImplemented
        return (self.content, self.commitment) == (other.content, other.commitment)

    def __hash__(self) -> int:
        return hash((self.content, self.commitment))

    def __repr__(self) -> str:
        return f"Text({self.content!r})" if self.commitment is None else f"Text(commitment={self.commitment!r})"


class Fact:
    """Base of all facts: a frozen record whose name and fields are for ever (see `fact`)."""

    __slots__ = ()
    TYPE: ClassVar[str]
    SCHEMA: ClassVar[int]


F = TypeVar("F", bound=Fact)
FACTS: dict[str, type[Fact]] = {}
"""Every kind of fact by its stored name, such as `KeyResult.TargetAdjusted`."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
def fact(type_name: str, *, schema: int = 1) -> Callable[[type[F]], type[F]]:
    """Declare a fact under the name by which it is stored. A name serves once, and never a Python path."""

    def declare(cls: type[F]) -> type[F]:
        if type_name in FACTS:
            raise TypeError(f"the fact {type_name} is declared twice")
        declared = dataclass(frozen=True, kw_only=True, slots=True)(cls)
        declared.TYPE = type_name
        declared.SCHEMA = schema
        FACTS[type_name] = declared
        return declared

    return declare


@dataclass(frozen=True, slots=True)
class Event:
    """A fact in its place: stream and version, and, once recorded, its position and time in the ledger."""

    originator_id: UUID
    originator_version: int
    fact: Fact
    position: int | None = None
    recorded_at: datetime | None = None


class Aggregate:
    """What all aggregates share: an id, a version, and the facts that were decided but not yet saved."""

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.version = 0
        self._pending: list[Event] = []

    @classmethod
    def folded(cls, events: Sequence[Event]) -> Self | None:
        """The aggregate as its events leave it; None where there are no events."""
        return cls(events[0].originator_id)._follow(events) if events else None

    def followed_by(self, events: Iterable[Event]) -> Self:
        """A copy as further events of its stream leave it; this one stays as it is."""
        twin = copy(self)
        # What aggregates hold is frozen but for their own collections, whose members are frozen again.
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(twin, name, value.copy())
        return twin._follow(events)

    def _follow(self, events: Iterable[Event]) -> Self:
        for event in events:
            self._apply(event.fact)
            self.version = event.originator_version
        return self

    def collect_events(self) -> Sequence[Event]:
        """Hand over what was decided since the last call, in order."""
        collected, self._pending = self._pending, []
        return collected

    def _happens(self, fact: Fact) -> None:
        self._apply(fact)
        self.version += 1
        self._pending.append(Event(self.id, self.version, fact))

    def _apply(self, fact: Any) -> None:
        raise NotImplementedError
