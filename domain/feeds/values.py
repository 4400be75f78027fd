"""What an expression reads and yields: text, number, true or false, null, list or object.

A number is an int, a Decimal, or a float of a tree that `read_json` made; `as_number` makes a float exact.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from enum import Enum
from typing import Any, Final

from domain.feeds.reading import exact
from domain.numbers import text

ARITHMETIC = Context(prec=100, Emax=59, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Sums and products of stored values are exact in 100 digits; what reaches 1e60 is an error, never a wait."""

NUMBERS = (int, Decimal, float)

_KINDS = {str: "a text", bool: "true or false", type(None): "null", list: "a list", dict: "an object"}


class Unavailable(Enum):
    """Stands where the sender says that a column is as it was, but did not send it."""

    UNAVAILABLE = "not sent"


UNAVAILABLE: Final = Unavailable.UNAVAILABLE


class KeyOnly(dict[str, Any]):
    """A row of which only some columns are known: asked for any other, it says UNAVAILABLE, not missing."""

    def get(self, name: str, default: Any = UNAVAILABLE) -> Any:
        return super().get(name, default)


class Unfit(ValueError):
    """A value that an operation cannot take. Who knows the place in the expression adds it."""


def kind(value: Any) -> str:
    """What a person calls the value: "a number", "a text", "null"."""
    return _KINDS.get(type(value)) or ("an object" if isinstance(value, dict) else "a number")


def as_number(value: Any) -> int | Decimal:
    """The number, exactly as it was written. `Unfit` for all else; true is no number."""
    if value.__class__ is int or value.__class__ is Decimal:
        return value
    if value.__class__ is float:
        return exact(value)
    raise Unfit(f"{shortened(value)} is {kind(value)}, not a number")


def number_text(number: int | Decimal) -> str:
    """How the number is written where it becomes part of a text: 12.50 and 12.5 alike as 12.5.

    `Unfit` for numbers of more than 128 digits before or after the point.
    """
    try:
        written = text(Decimal(number))
    except ValueError as error:
        raise Unfit(str(error)) from None
    return written.rstrip("0").rstrip(".") if "." in written else written


def shortened(value: Any) -> str:
    """The value as a reason may show it: never more than 40 characters of what others sent."""
    if isinstance(value, dict | list):
        return "it"
    if value is None or isinstance(value, bool):
        return str({None: "null", True: "true", False: "false"}[value])
    shown = value[:41] if isinstance(value, str) else str(value)[:41]
    shown = shown if len(shown) <= 40 else shown[:39] + "…"
    return repr(shown) if isinstance(value, str) else shown
