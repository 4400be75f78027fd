"""The steps of a compiled expression: one closure for each kind of node.

A step takes the record and gives a value as it stands in the tree. The usual comparison, a path with a text,
has short ways of its own; whatever they do not settle takes the general way below them.
"""

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal, DecimalException, DivisionByZero, InvalidOperation
from typing import Any

from domain.feeds.functions import MAX_TEXT, Function, call
from domain.feeds.values import ARITHMETIC, UNAVAILABLE, Unfit, as_number, kind, shortened

MAX_ITEMS = 10_000

Record = dict[str, Any]
Step = Callable[[Record], Any]
Placed = tuple[Step, int]
"""A step and the column of what it came from."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}
OPERATIONS: dict[str, tuple[str, Callable[[Any, Any], Decimal]]] = {
    "Add": ("+", ARITHMETIC.add),
    "Sub": ("-", ARITHMETIC.subtract),
    "Mult": ("*", ARITHMETIC.multiply),
    "Div": ("/", ARITHMETIC.divide),
}


class ExpressionError(ValueError):
    """This message has no answer to the expression. `column` counts the expression's characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.message = message
        self.column = column


class ColumnNotSent(ExpressionError):
    """The answer hangs on a column that was not sent: what was known before still holds."""


def constant(value: Any) -> Step:
    return lambda _: value


def path(keys: tuple[str | int, ...], written: str, column: int) -> Step:
    """The member that the keys lead to; null where there is none."""

    def not_sent() -> ColumnNotSent:
        return ColumnNotSent(f"{written} was not sent", column)

    def walk(record: Record) -> Any:
        value: Any = record
        for key in keys:
            if isinstance(value, dict) and isinstance(key, str):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
                value = value[key]
            else:
                return None
            if value is UNAVAILABLE:
                raise not_sent()
        return value

    first, second = keys[0], keys[1] if len(keys) == 2 else None

    def member(record: Record) -> Any:
        value = record.get(first)  # type: ignore[arg-type]
        if value is UNAVAILABLE:
            raise not_sent()
        return value

    def member_of_member(record: Record) -> Any:
        inner = record.get(first)  # type: ignore[arg-type]
        if inner.__class__ is not dict:
            return walk(record)
        value = inner.get(second)
        if value is UNAVAILABLE:
            raise not_sent()
        return value

    if len(keys) == 1:
        return member
    return member_of_member if isinstance(second, str) else walk


def condition(value: Any, column: int) -> bool:
    """Whether the condition is met: null is not, and only true and false are conditions."""
    if value is True or value is False:
        return value
    if value is None:
        return False
    raise ExpressionError(f"{shortened(value)} is {kind(value)}, not true or false", column)


def all_of(parts: Sequence[Placed]) -> Step:
    return _decided_by(False, parts)


def any_of(parts: Sequence[Placed]) -> Step:
    return _decided_by(True, parts)


def _decided_by(decisive: bool, parts: Sequence[Placed]) -> Step:
    def settle(record: Record) -> bool:
        unsent = None
        for run, column in parts:
            try:
                met = run(record)
            except ColumnNotSent as error:
                unsent = error  # the others may decide without it
                continue
            if met is not True and met is not False:
                met = condition(met, column)
            if met is decisive:
                return decisive
        if unsent is not None:
            raise unsent
        return not decisive

    return settle


def opposite(run: Step, column: int) -> Step:
    return lambda record: not condition(run(record), column)


def choice(test: Step, column: int, then: Step, otherwise: Step) -> Step:
    return lambda record: then(record) if condition(test(record), column) else otherwise(record)


def equals_text(run: Step, text: str, wanted: bool, column: int) -> Step:
    """`path == 'text'`, and with `wanted` false `!=`."""

    def compare(record: Record) -> bool:
        value = run(record)
        if value.__class__ is str:
            return (value == text) is wanted
        return _same(value, text, column) is wanted

    return compare


def equals(left: Step, right: Step, wanted: bool, column: int) -> Step:
    return lambda record: _same(left(record), right(record), column) is wanted


def _same(left: Any, right: Any, column: int) -> bool:
    if left is None or right is None:
        return left is right
    left, right = _of_one_kind(left, right, column)
    return bool(left == right)


def _of_one_kind(left: Any, right: Any, column: int) -> tuple[Any, Any]:
    one, other = kind(left), kind(right)
    if one != other:
        raise ExpressionError(f"{one} ({shortened(left)}) does not compare with {other} ({shortened(right)})", column)
    if one == "a number":
        return as_number(left), as_number(right)
    if one in ("a list", "an object"):
        raise ExpressionError(f"{one} does not compare", column)
    return left, right


def ordered(compare: Callable[[Any, Any], bool], left: Step, right: Step, column: int) -> Step:
    def holds(record: Record) -> bool:
        one, other = left(record), right(record)
        if one is None or other is None:
            return False
        one, other = _of_one_kind(one, other, column)
        if isinstance(one, bool):
            raise ExpressionError("true and false have no order", column)
        return compare(one, other)

    return holds


def in_literals(run: Step, items: frozenset[Any], wanted: str, column: int) -> Step:
    """`value in ['a', 'b']`, where all literals are of the kind `wanted`, or null."""

    def holds(record: Record) -> bool:
        value = run(record)
        if value is not None and kind(value) != wanted:
            raise ExpressionError(f"{shortened(value)} is {kind(value)}, the list has {wanted}", column)
        return (as_number(value) if isinstance(value, float) else value) in items

    return holds


def in_value(run: Step, collection: Step, column: int) -> Step:
    """`value in path`: whether the list has the item, or the object the member."""

    def holds(record: Record) -> bool:
        value, inside = run(record), collection(record)
        if value is None or inside is None:
            return False
        if kind(value) in ("a list", "an object"):
            raise ExpressionError(f"{kind(value)} is not looked for in others", column)
        if isinstance(inside, dict):
            return isinstance(value, str) and value in inside
        if not isinstance(inside, list):
            hint = ": write contains(text, part)" if isinstance(inside, str) else ""
            raise ExpressionError(f"{shortened(inside)} is {kind(inside)}, not a list{hint}", column)
        if len(inside) > MAX_ITEMS:
            raise ExpressionError(f"the list has more than {MAX_ITEMS} items", column)
        return any(kind(item) == kind(value) and _same(item, value, column) for item in inside)

    return holds


def arithmetic(operation: str, left: Step, right: Step, column: int) -> Step:
    symbol, reckon = OPERATIONS[operation]

    def answer(record: Record) -> Decimal | str | None:
        one, other = left(record), right(record)
        if one is None or other is None:
            return None
        if symbol == "+" and isinstance(one, str) and isinstance(other, str):
            if len(one) + len(other) > MAX_TEXT:
                raise ExpressionError(f"the text has more than {MAX_TEXT} characters", column)
            return one + other
        try:
            return reckon(as_number(one), as_number(other))
        except Unfit as error:
            raise ExpressionError(str(error), column) from None
        except (DivisionByZero, InvalidOperation):
            raise ExpressionError("a division by zero", column) from None
        except DecimalException:
            raise ExpressionError("the number reaches 1e60", column) from None

    return answer


def function(called: Function, arguments: Sequence[Step], column: int) -> Step:
    def answer(record: Record) -> Any:
        try:
            return call(called, [run(record) for run in arguments])
        except Unfit as error:
            raise ExpressionError(f"{called.name}: {error}", column) from None
        except DecimalException:
            raise ExpressionError(f"{called.name}: the number is too large", column) from None

    return answer
