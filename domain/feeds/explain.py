"""What one message does under a feed, told to a person who is setting the feed up.

The outcome is the worker's own: `read_message` of the same compiled feed. Beside it stands why: of a filter that is
not met the sub-expressions that were false with what they read, of a failure the expression and the column. Both
are found on the tree that the expression was compiled from, on the same record.
"""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from domain.feeds.contribution import Dead, Ignored, Stage
from domain.feeds.expressions import ColumnNotSent, Expression, ExpressionError, compile_expression
from domain.feeds.functions import number_from_text
from domain.feeds.message import Decoded, Message, Undecodable
from domain.feeds.pipeline import CompiledFeed, Outcome, read_message
from domain.feeds.values import UNAVAILABLE, Unfit, as_number, kind, shortened

LONGEST_DECODED = 500
"""Characters of an event as it is shown."""

_FIELD_OF = {"entity": "entity", "order": "order", "value": "value.expr", "effective_at": "effective_at.path"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a condition that decided it: what it was ("true", "false", "null"), and what each of its paths read.

    `field` is the field of the definition that holds the condition; `column` counts its characters from 1.
    """

    field: str
    expression: str
    column: int
    was: str
    values: dict[str, str]

    def __str__(self) -> str:
        read = ", ".join(f"{path} is {value}" for path, value in self.values.items())
        return f"{self.expression} is {self.was}" + (f": {read}" if read else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the message would be a dead letter; `field`, `expression` and `column` where one of them failed."""

    stage: Stage
    reason: str
    field: str | None = None
    expression: str | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """A message under a feed.

    `decoded` has each event in it as short JSON. Either there is a `failure`, or `outcomes` as the worker gets them.
    `findings` say why a filter was not met, or that and why the message retracts.
    """

    message: Message
    decoded: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    failure: Failure | None
    findings: tuple[Finding, ...]

    @property
    def ignored(self) -> str | None:
        """Why the message changes nothing; None where it does something, or fails."""
        reasons = [outcome.reason for outcome in self.outcomes if isinstance(outcome, Ignored)]
        return reasons[0] if reasons and len(reasons) == len(self.outcomes) else None


def explain(feed: CompiledFeed, message: Message) -> Explained:
    """What the message does under the feed, and why. Never raises."""
    events = _events(feed, message)
    decoded = tuple(_shown(event) for event in events)
    try:
        outcomes = tuple(read_message(feed, message))
    except Dead as dead:
        return Explained(message, decoded, (), _failure(feed, events, dead), ())
    except Exception as error:  # a fault of ours; the worker makes a dead letter of it as well
        failure = Failure(Stage.DECODE, f"the reader failed: {type(error).__name__}")
        return Explained(message, decoded, (), failure, ())
    findings = tuple(finding for event in events for finding in _findings(feed, event))
    return Explained(message, decoded, outcomes, None, findings)


def deciding(condition: Expression | None, record: dict[str, Any], field: str) -> list[Finding]:
    """The parts of a condition that made it what it is on this record: of `a and b` those that are false, of
    `not (a or b)` those that are true. Nothing where the condition has no answer.
    """
    is_met = _is_met(condition, record)
    if condition is None or is_met is None:
        return []
    return list(_deciding(condition, condition.tree, record, field, is_met=is_met))


def _deciding(
    expression: Expression, node: ast.expr, record: dict[str, Any], field: str, *, is_met: bool
) -> Iterator[Finding]:
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            if _is_met(_compiled(_written(expression, part)), record) is is_met:
                yield from _deciding(expression, part, record, field, is_met=is_met)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from _deciding(expression, node.operand, record, field, is_met=not is_met)
    else:
        written = _written(expression, node)
        value = _value(written, record)
        values = {path: _value(path, record) for path in _paths(expression, node)}
        yield Finding(field, written, _column(expression, node), value, values)


def _value(written: str, record: dict[str, Any]) -> str:
    """What an expression yields, as a person reads it."""
    try:
        value = _compiled(written).value(record)
    except ColumnNotSent:
        return "not sent"
    except ExpressionError as error:
        return error.message
    return kind(value) if isinstance(value, dict | list) else shortened(value)


def _paths(expression: Expression, node: ast.AST) -> Iterator[str]:
    """The paths that an expression reads, longest first where one lies in another."""
    if isinstance(node, ast.Call):
        for argument in node.args:
            yield from _paths(expression, argument)
    elif isinstance(node, ast.Attribute | ast.Subscript | ast.Name):
        written = _written(expression, node)
        if written not in ("true", "false", "null"):
            yield written
    else:
        for child in ast.iter_child_nodes(node):
            yield from _paths(expression, child)


def _written(expression: Expression, node: ast.expr) -> str:
    # The parser counts bytes.
    return expression.text.encode()[node.col_offset : node.end_col_offset].decode()


def _column(expression: Expression, node: ast.expr) -> int:
    return len(expression.text.encode()[: node.col_offset].decode()) + 1


@lru_cache(maxsize=1_024)
def _compiled(written: str) -> Expression:
    return compile_expression(written)


def _events(feed: CompiledFeed, message: Message) -> list[Decoded]:
    try:
        return feed.format.decode(message)
    except Undecodable:
        return []
    except Exception:  # a fault of ours: `read_message` meets it again, and it is told there
        return []


def _record(event: Decoded) -> dict[str, Any]:
    """What the conditions of the pipeline read of an event."""
    is_partly_known = (event.is_deletion or event.gap) and event.known is not None
    return (event.known or {}) if is_partly_known else event.fields


def _findings(feed: CompiledFeed, event: Decoded) -> Iterator[Finding]:
    if event.ignored or event.gap or event.is_tombstone:
        return
    record = _record(event)
    if _is_met(feed.filter, record) is False:
        yield from deciding(feed.filter, record, "filter")
        return
    left_out = [side for side in feed.sides if _is_met(side.filter, record) is False]
    for side in left_out:
        yield from deciding(side.filter, record, f"aggregate.{side.part}.filter")
    is_gone = not event.is_deletion and feed.retract_when is not None and _is_met(feed.retract_when, event.fields)
    if is_gone and len(left_out) < len(feed.sides):
        yield from deciding(feed.retract_when, event.fields, "retract_when")


def _is_met(condition: Expression | None, record: dict[str, Any]) -> bool | None:
    """Whether the record meets the condition; None where that has no answer."""
    try:
        return condition is None or condition.holds(record)
    except ExpressionError:
        return None


def _conditions(feed: CompiledFeed) -> Iterator[tuple[str, Expression | None]]:
    yield "filter", feed.filter
    for side in feed.sides:
        yield f"aggregate.{side.part}.filter", side.filter
    yield "retract_when", feed.retract_when


def _failure(feed: CompiledFeed, events: list[Decoded], dead: Dead) -> Failure:
    """The failure with the expression that caused it: the one that says the same on the same record."""
    for event in events:
        for field, expression in _expressions(feed):
            record = _record(event) if field.endswith("filter") else event.fields
            try:
                value = expression.holds(record) if _is_condition(field) else expression.value(record)
                if field.endswith("value.expr") and not isinstance(value, int | Decimal):
                    number_from_text(value) if isinstance(value, str) else as_number(value)
            except (ExpressionError, Unfit) as error:
                if Dead(dead.stage, str(error)).reason in (dead.reason, dead.reason.partition(": ")[2]):
                    return Failure(dead.stage, dead.reason, field, expression.text, getattr(error, "column", None))
    name = dead.reason.partition(":")[0]
    blamed = _FIELD_OF.get(name) if dead.stage is Stage.VALUE else None
    texts = [expression.text for named, expression in _expressions(feed) if named == blamed]
    return Failure(dead.stage, dead.reason, blamed, texts[0] if len(texts) == 1 else None)


def _is_condition(field: str) -> bool:
    return field == "retract_when" or field.endswith("filter")


def _expressions(feed: CompiledFeed) -> Iterator[tuple[str, Expression]]:
    """The expressions of the feed in the order in which the pipeline asks them, each with its field."""
    for field, condition in _conditions(feed):
        if condition is not None:
            yield field, condition
    for side in feed.sides:
        prefix = f"aggregate.{side.part}." if side.part else ""
        if side.entity is not None:
            yield ("entity" if side.entity.text == feed.definition.entity else f"{prefix}entity"), side.entity
    yield from (("order", expression) for expression in feed.order)
    for side in feed.sides:
        if side.value is not None:
            yield f"aggregate.{side.part}.value.expr" if side.part else "value.expr", side.value.expr
    if feed.effective_at is not None:
        yield "effective_at.path", feed.effective_at


def _shown(event: Decoded) -> str:
    """The event as expressions read it, in short."""
    fields = (event.known or event.fields) if event.is_deletion else event.fields
    shown = json.dumps(fields, default=_unusual, ensure_ascii=False, separators=(",", ":"))
    return shown if len(shown) <= LONGEST_DECODED else shown[: LONGEST_DECODED - 1] + "…"


def _unusual(value: Any) -> str:
    return "(not sent)" if value is UNAVAILABLE else str(value)
