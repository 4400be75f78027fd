"""Specifications in one sentence: given(facts).when(decision).then(facts), or .refuses(rule)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from domain.command import Actor, Command, ReasonCode, Why
from domain.cycle import CycleState, CycleTerms
from domain.errors import Refusal
from domain.stream import Aggregate, Event, Fact, Text

A = TypeVar("A", bound=Aggregate)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
STREAM = UUID(int=7)
CYCLE = CycleTerms(UUID(int=1), CycleState.RUNNING, date(2026, 10, 1), date(2026, 12, 31), "Asia/Shanghai")
BECAUSE = Why(ReasonCode.MARKET_CHANGE, Text("the market fell"))


def by(actor: str = "anna", *, why: Why = BECAUSE, is_admin: bool = False, now: datetime = NOW) -> Command:
    """A command of that actor, with a reason unless another one is given."""
    return Command(Actor(actor, is_admin=is_admin), now, why)


class Specification(Generic[A]):
    """One sentence about an aggregate. Also checks that folding the facts gives what deciding gave."""

    def __init__(self, kind: type[A], history: Sequence[Fact]) -> None:
        self.history = [
            Event(STREAM, number, fact, number, NOW - timedelta(hours=1)) for number, fact in enumerate(history, 1)
        ]
        self.kind = kind
        self.aggregate = kind.folded(self.history) or kind(STREAM)
        self.happened: list[Fact] = []
        self.refusal: Refusal | None = None

    def when(self, decide: Callable[[A], Any]) -> Specification[A]:
        before = deepcopy(vars(self.aggregate))
        try:
            decide(self.aggregate)
        except Refusal as refusal:
            self.refusal = refusal
            assert vars(self.aggregate) == before, "a refused decision changed the aggregate"
            return self
        events = list(self.aggregate.collect_events())
        self.happened = [event.fact for event in events]
        folded = self.kind.folded([*self.history, *events]) or self.kind(STREAM)
        assert vars(folded) == vars(self.aggregate), "folding the facts gives another state than deciding"
        return self

    def then(self, *facts: Fact) -> None:
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.happened == list(facts)

    def refuses(self, rule: str, field: str | None = None) -> None:
        assert self.refusal is not None, f"not refused: {self.happened}"
        breaches = [(breach.rule, breach.field) for breach in self.refusal.breaches]
        if field is None:
            assert rule in [rule for rule, _ in breaches], breaches
        else:
            assert (rule, field) in breaches
        assert all(breach.message for breach in self.refusal.breaches)


def given(kind: type[A], *history: Fact) -> Specification[A]:
    """An aggregate to which this happened."""
    return Specification(kind, history)
