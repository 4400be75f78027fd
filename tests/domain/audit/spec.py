"""given(a history).when(a question is asked).finds(positions), or .finds_nothing().

Day 0 is the commitment, day 100 the deadline. A fact of day 60 stands at position 60.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.audit.histories import (
    CycleHistory,
    Fall,
    Happening,
    KeyResultHistory,
    ObjectiveHistory,
    Part,
    Place,
    Standing,
)
from domain.audit.question import Ask, Finding, Summary
from domain.audit.questions import QUESTIONS
from domain.cycle import CycleState
from domain.measures import Direction, attainment
from domain.objective import Level
from domain.stream import Fact

D = Decimal
START = datetime(2026, 7, 1, tzinfo=UTC)
SECOND = 1 / 86_400
ID, OTHER, OBJECTIVE = UUID(int=1), UUID(int=2), UUID(int=3)


def day(number: float) -> datetime:
    """Exact for whole seconds: a hundredth of a day too much is no limit any more."""
    return START + timedelta(seconds=round(number * 86_400))


def place(on: float, actor: str = "anna", position: int | None = None) -> Place:
    return Place(position=int(on) if position is None else position, at=day(on), actor_id=actor)


def standing(value: float | str | None = None, **terms: Any) -> Standing:
    """A key result from 0 to 100, committed on day 0 until day 100; its attainment follows where it is not said."""
    terms = {
        "direction": Direction.INCREASE,
        "baseline": D(0),
        "target": D(100),
        "committed_at": day(0),
        "deadline_at": day(100),
        "original_deadline_at": day(100),
        "value": None if value is None else D(str(value)),
        **terms,
    }
    found = Standing(**terms)
    if "attainment" in terms or found.baseline is None or found.target is None:
        return found
    return replace(found, attainment=attainment(found.direction, found.baseline, found.target, found.value))


def fact(on: float, what: Fact, before: Standing | None = None, **more: Any) -> Happening:
    """A fact on that day about `ID`, by default to a key result without a value."""
    more = {"about": ID, "position": int(on), "actor_id": "anna", **more}
    return Happening(at=day(on), fact=what, before=standing() if before is None else before, **more)


def fall(on: float, from_: int, to: int) -> Fall:
    return Fall(position=int(on), at=day(on), actor_id="anna", from_=D(from_), to=D(to))


def key_result(*facts: Happening, **terms: Any) -> KeyResultHistory:
    terms = {
        "id": ID,
        "objective_id": OBJECTIVE,
        "title": "Revenue",
        "owner_id": "anna",
        "now": standing(),
        "begun": 1,
        "committed": place(0, position=2),
        **terms,
    }
    return KeyResultHistory(facts=facts, **terms)


def objective(*key_results: KeyResultHistory, facts: Iterable[Happening] = (), **terms: Any) -> ObjectiveHistory:
    terms = {"id": OBJECTIVE, "title": "Chips for all", "owner_id": "anna", "level": Level.COMPANY, **terms}
    return ObjectiveHistory(key_results=key_results, facts=tuple(facts), **terms)


def part(id: UUID, reached: str | None, weight: int | None) -> Part:
    return Part(
        id=id,
        title=f"key result {id.int}",
        attainment=None if reached is None else D(reached),
        weight=None if weight is None else D(weight),
    )


def running(**terms: Any) -> CycleHistory:
    """A cycle that runs from day 0 on; its start stands at position 1."""
    terms = {"state": CycleState.RUNNING, "started": place(0, position=1), **terms}
    return CycleHistory(id=UUID(int=9), name="2026 Q3", **terms)


class Answered:
    """What a question answered."""

    def __init__(self, findings: list[Finding], summary: Summary) -> None:
        self.findings = findings
        self.summary = summary
        assert summary.sentence.endswith(".")
        assert all(finding.sentence for finding in findings)

    def finds(self, *positions: int) -> Answered:
        """Exactly one thing, proven by these positions."""
        assert [finding.positions for finding in self.findings] == [tuple(sorted(set(positions)))]
        return self

    def finds_nothing(self) -> Answered:
        assert self.findings == []
        return self

    def says(self, words: str) -> Answered:
        assert words in self.summary.sentence, self.summary.sentence
        return self

    @property
    def only(self) -> Finding:
        (finding,) = self.findings
        return finding


class History:
    def __init__(self, objectives: list[ObjectiveHistory]) -> None:
        self.objectives = objectives

    def when(self, name: str, cycle: CycleHistory | None = None, now: float = 100, **given: float | str) -> Answered:
        """Ask the question of that name on day `now`."""
        question = QUESTIONS[name]
        told = question.told({each: D(str(value)) for each, value in given.items()})
        going = question.find(iter(self.objectives), Ask(cycle=cycle or running(), now=day(now), given=told))
        findings = []
        while True:
            try:
                findings.append(next(going))
            except StopIteration as end:
                return Answered(findings, end.value)


def given(*goals: KeyResultHistory | ObjectiveHistory) -> History:
    """Objectives; or key results, which then are those of one objective."""
    objectives = [each for each in goals if isinstance(each, ObjectiveHistory)]
    key_results = [each for each in goals if isinstance(each, KeyResultHistory)]
    return History(objectives + ([objective(*key_results)] if key_results else []))
