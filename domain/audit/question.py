"""What a question of audit is: its name, what it may be told, what it must be shown, and how it finds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import partial
from uuid import UUID

from domain.audit.histories import CycleHistory, Happening, KeyResultHistory, ObjectiveHistory
from domain.numbers import text
from domain.stream import Fact

Figure = Decimal | int | bool | str | datetime | None
Figures = Mapping[str, Figure]


class Family(StrEnum):
    """What it is about: what was done to a promise, or how a whole cycle is led."""

    FACTS = "facts"
    TRAP = "trap"


class Extra(StrEnum):
    """What else a question must be shown, besides facts and how the goals stand."""

    AMONG = "among"
    """Of weights and of an objective's scores: all key results that counted then."""
    FALLS = "falls"
    """Before each lowered target: the last fact after which the value was worse."""
    EARLIER = "earlier"
    """Of corrections: the corrected fact. Of backdated facts: the one that said the same value before."""
    PROGRESS = "progress"
    """People's progress that may be backdated."""
    COURSE = "course"
    """How far each had come when the last part of its time began."""
    LEADS = "leads"
    """Who leads the teams at the top."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question may be told: a number from `least` to `most`, in a `unit`: share, hours, days, weeks, points or
    count."""

    name: str
    default: Decimal
    least: Decimal
    most: Decimal
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The circumstances: the cycle, the clock of the asked moment, and what the parameters say."""

    cycle: CycleHistory
    now: datetime
    given: Mapping[str, Decimal] = field(default_factory=dict)

    def number(self, name: str) -> Decimal:
        return self.given[name]

    def whole(self, name: str) -> int:
        return int(self.given[name])

    def span(self, name: str) -> timedelta:
        """A parameter in hours, days or weeks, as its name says last."""
        unit = name.rpartition("_")[2]
        return timedelta(microseconds=int(self.given[name] * _MICROSECONDS[unit]))


_HOUR = 3_600_000_000
_MICROSECONDS = {"hours": _HOUR, "days": 24 * _HOUR, "weeks": 7 * 24 * _HOUR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer: about what, the figures, a plain sentence, and the positions of the facts that prove it."""

    sentence: str
    positions: tuple[int, ...]
    figures: Figures = field(default_factory=dict)
    key_result_id: UUID | None = None
    objective_id: UUID | None = None
    title: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was found, in a sentence and as figures of the whole cycle."""

    sentence: str
    figures: Figures


Find = Callable[[Iterable[ObjectiveHistory], Ask], Generator[Finding, None, Summary]]
"""Goes through the objectives once, in the order in which they were drafted, and holds none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A named question. `facts` are the kinds of facts that it must be shown."""

    name: str
    finds: str
    find: Find
    parameters: tuple[Parameter, ...] = ()
    facts: tuple[type[Fact], ...] = ()
    extras: frozenset[Extra] = frozenset()
    family: Family = Family.FACTS
    recommends: str | None = None

    def faults(self, given: Mapping[str, Decimal]) -> list[tuple[str, str]]:
        """What is wrong with these parameters, each with a sentence: unknown to this question, or out of bounds."""
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = [(name, f"{self.name} has no such parameter") for name in given if name not in known]
        return unknown + [
            (name, f"a number from {text(parameter.least)} to {text(parameter.most)} is expected")
            for name, parameter in known.items()
            if name in given and not parameter.least <= given[name] <= parameter.most
        ]

    def told(self, given: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """All parameters, the defaults where nothing is given. ValueError where there are faults."""
        if faults := self.faults(given):
            raise ValueError("; ".join(f"{name}: {message}" for name, message in faults))
        return {parameter.name: given.get(parameter.name, parameter.default) for parameter in self.parameters}


FindOne = Callable[[KeyResultHistory, Ask], Iterator[Finding]]
Said = Callable[[Ask], str]


def key_result_by_key_result(one: FindOne, said: Said) -> Find:
    """A question that looks at each committed key result by itself. `said`: what a found one has done or had done."""
    return partial(_key_result_by_key_result, one, said)


def _key_result_by_key_result(
    one: FindOne, said: Said, objectives: Iterable[ObjectiveHistory], ask: Ask
) -> Generator[Finding, None, Summary]:
    looked_at = concerned = times = 0
    for objective in objectives:
        for key_result in objective.key_results:
            if key_result.committed is None:
                continue
            looked_at += 1
            before = times
            for finding in one(key_result, ask):
                times += 1
                yield finding
            concerned += times > before
    return Summary(
        sentence=f"{of_all(concerned, looked_at)} {said(ask)}{often(times, concerned)}.",
        figures={"key_results": looked_at, "concerned": concerned},
    )


def finding(key_result: KeyResultHistory, sentence: str, positions: Iterable[int | None], figures: Figures) -> Finding:
    """A finding about a key result."""
    return Finding(
        sentence=sentence,
        positions=in_order(positions),
        figures=figures,
        key_result_id=key_result.id,
        objective_id=key_result.objective_id,
        title=key_result.title,
        owner_id=key_result.owner_id,
    )


def about_objective(
    objective: ObjectiveHistory, sentence: str, positions: Iterable[int | None], figures: Figures
) -> Finding:
    """A finding about an objective."""
    return Finding(
        sentence=sentence,
        positions=in_order(positions),
        figures=figures,
        objective_id=objective.id,
        title=objective.title,
        owner_id=objective.owner_id,
    )


def proven(key_result: KeyResultHistory, *facts: Happening) -> list[int | None]:
    """The commitment, which fixes what was promised, and these facts."""
    committed = None if key_result.committed is None else key_result.committed.position
    return [committed, *(each.position for each in facts)]


def in_order(positions: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(sorted({position for position in positions if position}))


# How sentences say numbers


def of_all(concerned: int, looked_at: int, what: str = "committed key results") -> str:
    """`3 of 24 committed key results`, `None of …`"""
    return f"{concerned or 'None'} of {looked_at} {what}"


def often(times: int, concerned: int) -> str:
    return f", {times} times in all" if times > concerned else ""


def percent(share: Decimal) -> str:
    """A share in percent, to one digit after the point where it has any."""
    rounded = (share * 100).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{text(rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded)} %"


def points(difference: Decimal) -> str:
    """A difference of two shares in percentage points: `9.6 points`."""
    return f"{percent(difference).removesuffix(' %')} points"


def number(value: Decimal | None) -> str:
    return "nothing" if value is None else f"{value.normalize():f}"


def days(span: timedelta) -> Decimal:
    """A span in days, to one digit after the point."""
    return (Decimal(span // timedelta(seconds=1)) / 86_400).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def in_words(span: timedelta) -> str:
    """A span as a person says it: `3.5 days`, `7 hours`, `20 minutes`."""
    for name, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if span >= 2 * unit or name == "minute":
            if span < unit:
                return "less than a minute"
            count = (Decimal(span // timedelta(seconds=1)) / (unit // timedelta(seconds=1))).quantize(Decimal("0.1"))
            return f"{number(count)} {name}{'' if count == 1 else 's'}"
    raise AssertionError("there is always a minute")
