"""Numbers of the domain: Decimals, never binary floats.

A *measure* is what people and feeds write down: a value, a target, a baseline, a weight. It is exact and
keeps the scale in which it was written. A *figure* is what is computed from measures: it is reckoned in
CONTEXT and rounded once, by `shown`, where a view hands it out.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

CONTEXT = Context(prec=34, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
"""How figures are reckoned. Enter it by `with localcontext(CONTEXT):`; a thread's own context differs."""

MEASURE_PATTERN = r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,12})?"
MEASURE_RULE = "a measure has 1 to 20 digits, then at most a point and 1 to 12 digits, such as -12.50"

_MEASURE = re.compile(MEASURE_PATTERN)
_LONGEST = 128
_SIX_DECIMALS = Decimal("0.000001")
_WIDE = Context(prec=2 * _LONGEST, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def plain(number: Decimal) -> Decimal:
    """The same number with no exponent above zero and no minus before a zero.

    The written scale is kept: 12.50 stays 12.50, 1E+2 becomes 100, -0.00 becomes 0.00.
    ValueError for NaN, for infinities, and for more than 128 digits on either side of the point.
    """
    return Decimal(text(number))


def text(number: Decimal) -> str:
    """The number as it is written everywhere: like `plain`, and never in exponent form.

    `str` is no substitute: it writes Decimal("0.0000001") as 1E-7.
    ValueError as for `plain`.
    """
    if not number.is_finite():
        raise ValueError(f"{number} is not a number that can be written down")
    # Asked before writing: 1E+999999999 would fill the memory.
    if -_LONGEST <= number.adjusted() < _LONGEST:
        written = format(number if number else number.copy_abs(), "f")
        if len(written) <= _LONGEST or len(written.partition(".")[2]) <= _LONGEST:
            return written
    raise ValueError(f"a number has at most {_LONGEST} digits on each side of the point")


def measure(written: str | int | Decimal) -> Decimal:
    """A measure from its text, or from a number read exactly. -0 is read as 0; the written scale is kept.

    ValueError, with MEASURE_RULE as its message, for whatever MEASURE_PATTERN does not match in full.
    """
    if isinstance(written, Decimal):
        try:
            written = text(written)
        except ValueError:
            raise ValueError(MEASURE_RULE) from None
    elif isinstance(written, int):
        # str() refuses long integers in words of its own. A bool becomes a word, and so no measure.
        if abs(written) >= 10**20:
            raise ValueError(MEASURE_RULE)
        written = str(written)
    if _MEASURE.fullmatch(written) is None:
        raise ValueError(MEASURE_RULE)
    return plain(Decimal(written))


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """dividend / divisor to 34 digits, half to even.

    decimal.DivisionByZero, or InvalidOperation for 0 / 0: who divides asks first whether there is a figure.
    """
    return CONTEXT.divide(dividend, divisor)


def shown(figure: Decimal) -> Decimal:
    """The figure with exactly six decimals, half to even. For the edge of a view only, never on the way."""
    # Also with many digits after the point a figure can be shown, so nothing has to be written down to count them.
    if not figure.is_finite() or not -_LONGEST <= figure.adjusted() < _LONGEST:
        text(figure)
    rounded = figure.quantize(_SIX_DECIMALS, context=_WIDE)
    return rounded if rounded else rounded.copy_abs()
