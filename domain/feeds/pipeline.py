"""From a message to what it does: decode, filter, entity, version, value, time.

A definition is compiled once; `read_message` is then a pure function of it and the message. No clock is read: a
message that names no time counts at the broker's timestamp, and says so.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from domain.feeds.contribution import MAX_ENTITY, Contribution, Dead, Ignored, Place, Stage, Tombstone
from domain.feeds.definition import FeedDefinition, Side, ValueRule, ValueType
from domain.feeds.expressions import ColumnNotSent, Expression, ExpressionError, compile_expression
from domain.feeds.formats import FORMATS
from domain.feeds.functions import number_from_text
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.times import business_moment
from domain.feeds.values import ARITHMETIC, Unfit, as_number, number_text, shortened
from domain.feeds.versions import version_part, version_text

Outcome = Contribution | Tombstone | Ignored

ONE = Decimal(1)

_LARGEST = Decimal(10) ** 26
_STEP = Decimal("1e-12")
_PLAIN = re.compile(r"-?(?:0\.[0-9]{0,11}[1-9]|[1-9][0-9]{0,14}(?:\.[0-9]{0,11}[1-9])?)")
"""A number that needs neither rounding nor the loss of zeros at its end: most of those that texts write."""


@dataclass(frozen=True, slots=True)
class CompiledValue:
    expr: Expression
    rule: ValueRule


@dataclass(frozen=True, slots=True)
class CompiledSide:
    """One number that the feed makes: the only one, or one side of a ratio. Without a value it counts.

    `columns` are the members of a row on which it hangs whether an entity counts, and as what.
    """

    part: str
    filter: Expression | None
    entity: Expression | None
    value: CompiledValue | None
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class CompiledFeed:
    definition: FeedDefinition
    format: Format
    filter: Expression | None
    order: tuple[Expression, ...]
    retract_when: Expression | None
    effective_at: Expression | None
    sides: tuple[CompiledSide, ...]


def compile_feed(definition: FeedDefinition) -> CompiledFeed:
    """The definition, ready to read messages. `BadExpression` only for one that `parse_definition` did not make."""
    aggregate = definition.aggregate
    conditions = [_maybe(definition.filter), _maybe(definition.retract_when)]
    if aggregate.numerator is None or aggregate.denominator is None:
        sides = [_side("", Side(entity=definition.entity, value=definition.value), None, conditions)]
    else:
        named = (("numerator", aggregate.numerator), ("denominator", aggregate.denominator))
        sides = [_side(part, side, definition.entity, conditions) for part, side in named]
    return CompiledFeed(
        definition=definition,
        format=FORMATS[definition.source.format],
        filter=conditions[0],
        order=tuple(compile_expression(text) for text in definition.order),
        retract_when=conditions[1],
        effective_at=_maybe(definition.effective_at.path if definition.effective_at else None),
        sides=tuple(sides),
    )


def read_message(feed: CompiledFeed, message: Message) -> list[Outcome]:
    """What the message does under the feed: one outcome, more where it has two sides or several events.

    `Dead` where it cannot be read. A message of which only a part can be read is dead as a whole.
    """
    try:
        events = feed.format.decode(message)
    except Undecodable as error:
        raise Dead(Stage.DECODE, str(error)) from None
    if len(events) == 1:
        return _Reading(feed, message, events[0], 0).outcomes()
    outcomes = [
        outcome for index, event in enumerate(events) for outcome in _Reading(feed, message, event, index).outcomes()
    ]
    return outcomes or [Ignored("it holds no event")]


def _side(part: str, side: Side, entity: str | None, conditions: list[Expression | None]) -> CompiledSide:
    value = CompiledValue(compile_expression(side.value.expr), side.value) if side.value else None
    filter = _maybe(side.filter)
    read = [expression for expression in (*conditions, filter, value and value.expr) if expression]
    columns = frozenset().union(*(expression.members("row") for expression in read))
    return CompiledSide(part, filter, _maybe(side.entity or entity), value, columns)


def _maybe(text: str | None) -> Expression | None:
    return None if text is None else compile_expression(text)


class _Reading:
    """One event of one message under one feed."""

    __slots__ = ("event", "feed", "index", "message")

    def __init__(self, feed: CompiledFeed, message: Message, event: Decoded, index: int) -> None:
        self.feed, self.message, self.event, self.index = feed, message, event, index

    @property
    def place(self) -> Place:
        return Place(*self.message[:4])

    def outcomes(self) -> list[Outcome]:
        if self.event.ignored:
            return [Ignored(self.event.ignored)]
        if self.event.gap:
            return [self.gap(self.event.gap)]
        sides = self.feed.sides
        if len(sides) == 1:
            return [self.outcome(sides[0])]
        outcomes = [self.outcome(side) for side in sides]
        return [outcome for outcome in outcomes if not isinstance(outcome, Ignored)] or outcomes[:1]

    def outcome(self, side: CompiledSide) -> Outcome:
        if self.event.is_tombstone:
            return self.tombstone(side)
        try:
            for condition in (self.feed.filter, side.filter):
                if condition is not None and not self.passes(condition):
                    return Ignored("the filter is not met")
            is_gone = self.event.is_deletion or self.is_retracted()
        except ColumnNotSent as error:
            return self.unknown(side, error)
        except ExpressionError as error:
            raise Dead(Stage.FILTER, str(error)) from None
        try:
            return self.contribution(side, is_gone=is_gone)
        except ColumnNotSent as error:
            return self.unknown(side, error)
        except (ExpressionError, Unfit) as error:
            raise Dead(Stage.VALUE, str(error)) from None

    def gap(self, reason: str) -> Ignored:
        """A gap is dead, so that somebody sees it, unless the feed certainly takes nothing from such events."""
        try:
            if self.feed.filter is not None and not self.passes(self.feed.filter):
                return Ignored("the filter is not met")
        except ExpressionError:
            pass  # what is not known might have met it
        raise Dead(Stage.DECODE, f"a gap: {reason}")

    def unknown(self, side: CompiledSide, error: ColumnNotSent) -> Ignored:
        """What hangs on a column that was not sent: what was known before still holds.

        But where an update changes one of the columns that the feed reads without the others, what was known
        before is certainly wrong, and what is right nobody can say: that is dead.
        """
        changed = sorted(side.columns & (self.event.changed or frozenset()))
        if changed:
            raise Dead(Stage.VALUE, f"{error}, but {', '.join(changed)} changed: they must be sent together")
        return Ignored(f"{error}: what was known before still holds")

    def passes(self, condition: Expression) -> bool:
        if not (self.event.is_deletion or self.event.gap):
            return condition.holds(self.event.fields)
        try:
            return condition.holds(self.event.fields if self.event.known is None else self.event.known)
        except ColumnNotSent:
            return True  # to retract what never counted is harmless, to miss what did is not

    def is_retracted(self) -> bool:
        return self.feed.retract_when is not None and self.feed.retract_when.holds(self.event.fields)

    def contribution(self, side: CompiledSide, *, is_gone: bool) -> Contribution | Tombstone:
        entity, version = self.entity(side), self.version()
        if version is None:
            return self.gone(side, entity)
        value = None if is_gone else _value(side.value, self.feed, self.event.fields)
        effective_at, is_arrival = self.time(is_gone=is_gone)
        message = self.message
        return Contribution(
            side.part, entity, value, version, effective_at, is_arrival, self.place, message.timestamp_ms, self.sha256()
        )

    def gone(self, side: CompiledSide, entity: str) -> Tombstone:
        return Tombstone(
            part=side.part,
            entity=entity,
            place=self.place,
            timestamp_ms=self.message.timestamp_ms,
            message_sha256=self.sha256(),
        )

    def tombstone(self, side: CompiledSide) -> Tombstone | Ignored:
        """A null value: the key has to name the entity, as the feed's own expression or as one text."""
        try:
            named = side.entity.value(self.event.fields) if side.entity else self.event.entity
            named = self.event.key_entity if named is None and side.entity else named
            return self.gone(side, _entity(named, "the key"))
        except (ExpressionError, Unfit) as error:
            return Ignored(f"a tombstone whose key names no entity: {error}")

    def entity(self, side: CompiledSide) -> str:
        if side.entity is not None:
            return _entity(side.entity.step(self.event.fields), side.entity.text)
        return _entity(self.event.entity or "-".join(map(str, self.place)), "the event's id")

    def version(self) -> str | None:
        """The order that the feed names, then the place: equal orders are decided alike in whatever order they come.

        Without an order the offset decides, within an epoch of the topic. None for a deletion of which the order
        is not known: of a deleted row only the key can be trusted.
        """
        event = self.event
        fields = event.known if event.is_deletion and event.known is not None else event.fields
        try:
            order = [expression.step(fields) for expression in self.feed.order]
        except ColumnNotSent:
            if event.is_deletion:
                return None
            raise
        if None in order:
            if event.is_deletion:
                return None
            raise Unfit(f"order: {self.feed.order[order.index(None)].text} is null or missing")
        message = self.message
        life, place = _tie(message.epoch_number, message.partition, message.topic, self.index)
        try:
            return f"{version_text(order)}{life}{version_part(message.offset)} {place}"
        except Unfit as error:
            raise Unfit(f"order: {error}") from None

    def time(self, *, is_gone: bool) -> tuple[datetime, bool]:
        """When it was true, and whether that is only the time of arrival."""
        try:
            named = self.named_time()
        except (ExpressionError, Unfit):
            if not is_gone:
                raise
            named = None  # what no longer counts needs no time
        if named is not None:
            return named, False
        arrived_at = self.message.arrived_at
        if arrived_at is None:
            raise Unfit("neither the message nor the broker says when it was")
        return arrived_at, True

    def named_time(self) -> datetime | None:
        effective_at = self.feed.definition.effective_at
        if self.feed.effective_at is None or effective_at is None:
            return self.event.time
        value = self.feed.effective_at.step(self.event.fields)
        try:
            return None if value is None else business_moment(value, effective_at.unit)
        except Unfit as error:
            raise Unfit(f"effective_at: {error}") from None

    def sha256(self) -> str:
        return hashlib.sha256(self.message.value or b"").hexdigest()


@lru_cache(maxsize=4_096)
def _tie(epoch_number: int, partition: int, topic: str, index: int) -> tuple[str, str]:
    """What stands before and after the offset in every version of a place."""
    return version_text((epoch_number,)), version_text((partition, topic, index))


def _entity(named: Any, by: str) -> str:
    if named is None:
        raise Unfit(f"entity: {by} is null or missing")
    try:
        entity = named if isinstance(named, str) else number_text(as_number(named))
    except Unfit as error:
        raise Unfit(f"entity: {error}") from None
    if not entity or len(entity) > MAX_ENTITY or "\0" in entity:
        raise Unfit(f"entity: {shortened(entity)} is empty, has more than {MAX_ENTITY} characters, or a NUL")
    return entity


def _value(value: CompiledValue | None, feed: CompiledFeed, fields: dict[str, Any]) -> Decimal:
    """The value, bounded as the definition says and as numeric(38, 12) holds it; further digits are rounded."""
    if value is None:
        return ONE
    rule, given = value.rule, value.expr.step(fields)
    if given is None:
        raise Unfit(f"value: {rule.expr} is null or missing")
    if isinstance(given, str):
        if rule.type is not ValueType.TEXT_NUMBER and feed.format.name == "debezium" and _may_be_base64(given):
            raise Unfit(f"value: {shortened(given)} may be base64; if it is a number, say type: text-number")
        number = Decimal(given) if _PLAIN.fullmatch(given) else _stored(number_from_text(given))
    else:
        number = _stored(Decimal(as_number(given)))
    if rule.type is ValueType.INTEGER and number != number.to_integral_value():
        raise Unfit(f"value: {shortened(number)} is no whole number")
    if (rule.min is not None and number < rule.min) or (rule.max is not None and number > rule.max):
        raise Unfit(f"value: {shortened(number)} is outside {rule.min} to {rule.max}")
    return number


def _stored(number: Decimal) -> Decimal:
    """The number as numeric(38, 12) holds it."""
    if -_LARGEST < number < _LARGEST:
        number = _plainest(number)
    if not -_LARGEST < number < _LARGEST:  # also after rounding
        raise Unfit("value: the number has more than 26 digits before the point")
    return number


def _plainest(number: Decimal) -> Decimal:
    """The number with 12 digits after the point at most, and no zeros at its end."""
    shortest = number.normalize(ARITHMETIC)
    if shortest and -12 <= shortest.as_tuple().exponent <= 0:  # type: ignore[operator]
        return shortest
    return Decimal(number_text(number.quantize(_STEP, context=ARITHMETIC)))


def _may_be_base64(text: str) -> bool:
    """A decimal of three bytes can look like a number: 1234 is d7 6d f8."""
    return text.isdigit() and len(text) % 4 == 0
