"""The functions of expressions, in one table: what the documentation shows is what runs.

All are pure. A null argument makes the result null (except for `coalesce`), so that a filter on a member that
is missing is simply not met.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.feeds.times import UNITS, nanoseconds, written
from domain.feeds.values import ARITHMETIC, Unfit, as_number, kind, number_text, shortened

MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True)
class Function:
    """`example` is an expression, `result` what it yields."""

    signature: str
    meaning: str
    example: str
    result: str | bool | int | Decimal | None
    call: Callable[..., Any]
    arguments: tuple[int, int]

    @property
    def name(self) -> str:
        return self.signature.partition("(")[0]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{shortened(value)} is {kind(value)}, not a text")
    if len(value) > MAX_TEXT:
        raise Unfit(f"the text has more than {MAX_TEXT} characters")
    return value


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else len(_text(value))


def _number(value: Any) -> int | Decimal:
    if not isinstance(value, str):
        return as_number(value)
    return number_from_text(value)


def number_from_text(value: str) -> Decimal:
    """The number written in a text as JSON writes numbers. `Unfit` for all else, and for more than 128 characters."""
    digits = value.removeprefix("-").replace(".", "", 1)
    if len(value) > 128 or not digits.isascii() or not digits.isdigit() or value[-1:] == "." or "-." in "-" + value:
        raise Unfit(f"{shortened(value)} is a text that writes no number")
    return Decimal(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else number_text(as_number(value))


def _round_to(value: Any, digits: Any) -> Decimal:
    places = as_number(digits)
    if places not in range(13):
        raise Unfit(f"{shortened(places)} is no number of digits from 0 to 12")
    return Decimal(as_number(value)).quantize(Decimal(1).scaleb(-int(places)), context=ARITHMETIC)


def _time(value: Any, unit: Any = "iso") -> str:
    if not isinstance(unit, str) or unit not in UNITS:
        raise Unfit(f"{shortened(unit)} is no unit: {', '.join(UNITS)}")
    return written(nanoseconds(value, unit))


def _between(seconds: int) -> Callable[[Any, Any], Decimal]:
    def between(start: Any, end: Any) -> Decimal:
        return ARITHMETIC.divide(Decimal(nanoseconds(end) - nanoseconds(start)), Decimal(seconds * 10**9))

    return between


def _table(*functions: Function) -> dict[str, Function]:
    return {function.name: function for function in functions}


FUNCTIONS = _table(
    Function("lower(text)", "the text in small letters", "lower('Won')", "won", lambda t: _text(t).lower(), (1, 1)),
    Function("upper(text)", "the text in capitals", "upper('eu')", "EU", lambda t: _text(t).upper(), (1, 1)),
    Function("length(value)", "characters of a text, items of a list", "length('deal')", 4, _length, (1, 1)),
    Function(
        "starts_with(text, part)",
        "whether the text begins with the part",
        "starts_with('dev.cdevents.service.deployed.0.2.0', 'dev.cdevents.service.deployed')",
        True,
        lambda text, part: _text(text).startswith(_text(part)),
        (2, 2),
    ),
    Function(
        "ends_with(text, part)",
        "whether the text ends with the part",
        "ends_with('main.yml', '.yml')",
        True,
        lambda text, part: _text(text).endswith(_text(part)),
        (2, 2),
    ),
    Function(
        "contains(text, part)",
        "whether the part stands anywhere in the text",
        "contains('refs/heads/main', 'tags')",
        False,
        lambda text, part: _text(part) in _text(text),
        (2, 2),
    ),
    Function(
        "coalesce(a, b, ...)",
        "the first that is not null",
        "coalesce(null, 'unknown')",
        "unknown",
        lambda *values: next((value for value in values if value is not None), None),
        (1, 20),
    ),
    Function("number(text)", "the number that a text writes", "number('12.50') + 1", Decimal("13.50"), _number, (1, 1)),
    Function("text(value)", "a number, true or false as text", "text(42) + '-eu'", "42-eu", _as_text, (1, 1)),
    Function(
        "abs(number)", "the number without its sign", "abs(2 - 5)", 3, lambda n: ARITHMETIC.abs(as_number(n)), (1, 1)
    ),
    Function(
        "round_to(number, digits)",
        "rounded to 0 to 12 digits after the point, a half to the even neighbour",
        "round_to(10 / 4, 0)",
        Decimal(2),
        _round_to,
        (2, 2),
    ),
    Function(
        "time(value, unit)",
        "a moment as text in UTC, so that moments compare; the unit is iso (left out), s, ms, us, ns or days",
        "time(1711897920, 's')",
        "2024-03-31T15:12:00.000000000Z",
        _time,
        (1, 2),
    ),
    Function(
        "minutes(start, end)",
        "minutes from one time in text to another",
        "minutes('2024-03-31T15:00:00Z', '2024-03-31 17:00:30 +0200')",
        Decimal("0.5"),
        _between(60),
        (2, 2),
    ),
    Function(
        "hours(start, end)",
        "hours from one time in text to another",
        "hours('2024-03-31T15:00:00Z', '2024-04-01T15:00:00Z')",
        Decimal(24),
        _between(3600),
        (2, 2),
    ),
    Function(
        "days(start, end)",
        "days of 24 hours from one time in text to another",
        "days('2024-03-31', '2024-04-07')",
        Decimal(7),
        _between(86_400),
        (2, 2),
    ),
)


def call(function: Function, arguments: Sequence[Any]) -> Any:
    """The function's result; null where an argument is null. `Unfit` for arguments that it cannot take."""
    if function.name != "coalesce" and None in arguments:
        return None
    return function.call(*arguments)
