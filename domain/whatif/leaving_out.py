"""Which facts a what-if leaves out, and which ones nobody may."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.errors import Breaches
from domain.key_result import (
    KeyResultCommitted,
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultReplaced,
    TargetAdjusted,
)
from domain.objective import ObjectiveCommitted, ObjectiveDrafted, ObjectiveDraftRevised, ObjectiveReplaced
from domain.stream import Fact
from domain.whatif.folding import Line, Measured

MOST_POSITIONS = 1_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out: the facts at these positions, all in the streams of one feed's measurements, and with
    `as_committed` every adjustment of a target. What was later said about a fact that is left out says nothing."""

    positions: tuple[int, ...] = ()
    streams: frozenset[UUID] = frozenset()
    as_committed: bool = False

    def __bool__(self) -> bool:
        return bool(self.positions or self.streams or self.as_committed)


class Sieve:
    """Tells line by line what is left out, and at the end which positions cannot be. `last` is the greatest position
    that is known at the asked moment."""

    def __init__(self, left_out: LeftOut, last: int) -> None:
        self._left_out = left_out
        self._last = last
        self._wanted = set(left_out.positions)
        self._met: dict[int, str | None] = {}

    def leaves_out(self, line: Line) -> bool:
        """Whether this line is one that is left out."""
        if line.position in self._wanted:
            why = self._met[line.position] = why_needed(line.fact)
            return why is None
        if self._left_out.as_committed and isinstance(line.fact, TargetAdjusted):
            return True
        return line.stream in self._left_out.streams

    def check(self) -> None:
        """After the last line: `Invalid` with each position that cannot be left out."""
        breaches = Breaches()
        for number, position in enumerate(self._left_out.positions):
            field = f"without.{number}"
            why = self._met.get(position)
            if position > self._last:
                breaches.add(field, "unknown_position", f"position {position} is not known at that moment")
            elif position not in self._met:
                breaches.add(field, "outside_scope", f"position {position} is about something else")
            elif why is not None:
                breaches.add(field, "cannot_be_left_out", f"position {position} cannot be left out: {why}")
        breaches.refuse_if_any()


_PROMISES = (
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultCommitted,
    ObjectiveDrafted,
    ObjectiveDraftRevised,
    ObjectiveCommitted,
)


def why_needed(fact: Fact | Measured) -> str | None:
    """Why nothing could be reckoned without this fact; None where it may be left out."""
    if isinstance(fact, Measured):
        return None
    kind = fact.TYPE.partition(".")[0]
    if isinstance(fact, _PROMISES):
        return "without its promise a goal has no history"
    if isinstance(fact, KeyResultReplaced | ObjectiveReplaced):
        return "its successor stands in its place"
    if kind == "Feed":
        return "what a feed measured is left out by without_feed"
    return "it changes no figure of a goal" if kind not in ("KeyResult", "Objective") else None
