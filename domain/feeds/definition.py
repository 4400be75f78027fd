"""What a feed is: which messages contribute which value to which key result.

`parse_definition` reads what people write in YAML or send to the API, and names all mistakes at once;
`FeedDefinition.to_mapping` gives it back as plain JSON, which is what the ledger keeps. What the ledger keeps
must be readable for ever: rules here may become looser, never tighter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.feeds.durations import write_duration
from domain.feeds.values import number_text

__all__ = ["BadDefinition", "FeedDefinition", "Problem", "parse_definition"]

DEBOUNCE = timedelta(seconds=1)


class Problem(NamedTuple):
    """One broken rule: the field as a path (`value.expr`), the rule as a slug, and a sentence for a person."""

    field: str
    rule: str
    message: str


class BadDefinition(ValueError):
    """The mapping is no feed. `problems` has all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)


class StartAt(StrEnum):
    EARLIEST = "earliest"
    LATEST = "latest"
    TIMESTAMP = "timestamp"
    OFFSETS = "offsets"


class ValueType(StrEnum):
    """How a value is written. DECIMAL: as a number, or as a text that writes one and could be nothing else.

    INTEGER: likewise, and whole. TEXT_NUMBER: as a text that writes a number, whatever else it might be; without
    it a change message's text of digits only may be base64 and is refused.
    """

    DECIMAL = "decimal"
    INTEGER = "integer"
    TEXT_NUMBER = "text-number"


class Fn(StrEnum):
    """How contributions make one number; see `domain.feeds.aggregates`."""

    SUM = "sum"
    COUNT = "count"
    LAST = "last"
    RATIO = "ratio"
    RATE = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    topics: tuple[str, ...]
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where reading begins. `offsets` are (topic, partition, offset); a partition that is not named begins early."""

    at: StartAt = StartAt.EARLIEST
    timestamp: datetime | None = None
    offsets: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveAt:
    """When it was true in the business: an expression, and in which unit it says so."""

    path: str
    unit: str = "iso"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRule:
    """The value of a contribution, and the bounds (both inside) beyond which it is not believed."""

    expr: str
    type: ValueType = ValueType.DECIMAL
    min: Decimal | None = None
    max: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a ratio: its own filter (beside the feed's), its own entity (instead of the feed's).

    With a value the contributions are summed, without one they are counted.
    """

    filter: str | None = None
    entity: str | None = None
    value: ValueRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """`window` is a rolling one's length; None is the cycle."""

    fn: Fn
    window: timedelta | None = None
    per: timedelta | None = None
    numerator: Side | None = None
    denominator: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """How often a fact is written, from which change on, and with how many digits after the point."""

    debounce: timedelta = DEBOUNCE
    min_change: Decimal | None = None
    round: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDefinition:
    """A feed as it was defined. Expressions are texts here; `compile_feed` makes them run.

    `filter` says which messages matter at all: of one that does not meet it nothing is taken in, so an entity keeps
    what it contributed before. `retract_when` says which take a contribution away.
    """

    name: str
    key_result: UUID
    source: Source
    aggregate: Aggregate
    start: Start = field(default_factory=Start)
    filter: str | None = None
    entity: str | None = None
    order: tuple[str, ...] = ()
    effective_at: EffectiveAt | None = None
    value: ValueRule | None = None
    retract_when: str | None = None
    emit: Emit = field(default_factory=Emit)

    def to_mapping(self) -> dict[str, Any]:
        """The definition as plain JSON: numbers as texts, what is absent or default left out."""
        return _without_nothing(
            {
                "name": self.name,
                "key_result": str(self.key_result),
                "source": _source(self.source),
                "start": _start(self.start),
                "filter": self.filter,
                "entity": self.entity,
                "order": list(self.order),
                "effective_at": self.effective_at and _effective_at(self.effective_at),
                "value": _value(self.value),
                "retract_when": self.retract_when,
                "aggregate": _aggregate(self.aggregate),
                "emit": _emit(self.emit),
            }
        )


def parse_definition(mapping: Mapping[str, Any]) -> FeedDefinition:
    """The feed that the mapping describes; `BadDefinition` with everything that is wrong with it."""
    from domain.feeds.parsing import parse  # it builds what is declared here

    return parse(mapping)


def _without_nothing(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if value}


def _number(number: Decimal | None) -> str | None:
    return None if number is None else number_text(number)


def _source(source: Source) -> dict[str, Any]:
    topics = {"topic": source.topics[0]} if len(source.topics) == 1 else {"topics": list(source.topics)}
    return {**topics, "format": source.format}


def _start(start: Start) -> str | dict[str, Any] | None:
    if start.timestamp is not None:
        return {"timestamp": start.timestamp.isoformat().replace("+00:00", "Z")}
    if start.at is StartAt.OFFSETS:
        offsets: dict[str, dict[str, int]] = {}
        for topic, partition, offset in start.offsets:
            offsets.setdefault(topic, {})[str(partition)] = offset
        return {"offsets": offsets}
    return None if start.at is StartAt.EARLIEST else str(start.at)


def _effective_at(effective_at: EffectiveAt) -> dict[str, Any]:
    unit = {} if effective_at.unit == "iso" else {"unit": effective_at.unit}
    return {"path": effective_at.path, **unit}


def _value(value: ValueRule | None) -> dict[str, Any] | None:
    if value is None:
        return None
    type_ = None if value.type is ValueType.DECIMAL else str(value.type)
    return _without_nothing({"expr": value.expr, "type": type_, "min": _number(value.min), "max": _number(value.max)})


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return _without_nothing({"filter": side.filter, "entity": side.entity, "value": _value(side.value)})


def _aggregate(aggregate: Aggregate) -> dict[str, Any]:
    return {
        name: value
        for name, value in {
            "fn": str(aggregate.fn),
            "window": aggregate.window and write_duration(aggregate.window),
            "per": aggregate.per and write_duration(aggregate.per),
            "numerator": _side(aggregate.numerator),
            "denominator": _side(aggregate.denominator),
        }.items()
        if value is not None
    }


def _emit(emit: Emit) -> dict[str, Any]:
    return {
        name: value
        for name, value in {
            "debounce": None if emit.debounce == DEBOUNCE else write_duration(emit.debounce),
            "min_change": _number(emit.min_change),
            "round": emit.round,
        }.items()
        if value is not None
    }
