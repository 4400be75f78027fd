"""How the contributions in a window make one number: sum, count, last, ratio, rate.

Each is a pure function of the contributions, in whatever order, to an exact number: a sum in all its digits, a
quotient in 34. Rounding comes last, once, by `published`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from domain.feeds.contribution import Contribution
from domain.feeds.definition import Aggregate, Emit, Fn
from domain.feeds.values import number_text
from domain.numbers import quotient

_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)
_DECIMALS = 12
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start` up to, not including, `end`; both aware."""

    start: datetime
    end: datetime


def window_of(aggregate: Aggregate, cycle: Window, last_midnight: datetime) -> Window:
    """The cycle; or the rolling window up to the last midnight of the cycle's time zone, not beyond the cycle."""
    if aggregate.window is None:
        return cycle
    end = min(last_midnight, cycle.end)
    return Window(end - aggregate.window, end)


def aggregated(aggregate: Aggregate, contributions: Iterable[Contribution], window: Window) -> Decimal | None:
    """The number that the contributions in the window make, not rounded; None where there is nothing to say.

    sum       of the values; 0 of none
    count     of the entities
    last      the value of the latest, by time and then by version; None of none
    ratio     100 x numerator / denominator, in percent points; sides with a value are summed, others counted;
              None where the denominator is 0
    rate      entities per `per`, averaged over the rolling window: count x per / window
    """
    inside = [one for one in contributions if one.value is not None and window.start <= one.effective_at < window.end]
    match aggregate.fn:
        case Fn.SUM:
            return _sum(inside)
        case Fn.COUNT:
            return Decimal(len(inside))
        case Fn.LAST:
            last = max(inside, key=lambda one: (one.effective_at, one.version), default=None)
            return last.value if last else None
        case Fn.RATIO:
            above, below = (_sum([one for one in inside if one.part == part]) for part in ("numerator", "denominator"))
            return quotient(_EXACT.multiply(above, Decimal(100)), below) if below else None
        case Fn.RATE:
            per, length = aggregate.per or timedelta(1), aggregate.window or timedelta(1)
            return quotient(Decimal(len(inside) * (per // _MICROSECOND)), Decimal(length // _MICROSECOND))


def published(exact: Decimal | None, emit: Emit) -> Decimal | None:
    """The number as a fact shows it: rounded to `round` digits after the point, at most 12, a half to even."""
    if exact is None:
        return None
    digits = _DECIMALS if emit.round is None else emit.round
    return Decimal(number_text(exact.quantize(Decimal(1).scaleb(-digits), context=_EXACT)))


def is_worth_a_fact(before: Decimal | None, now: Decimal | None, emit: Emit) -> bool:
    """Whether the published number has changed, and by `min_change` or more since the last fact."""
    if before is None or now is None:
        return before is not now
    return before != now and _EXACT.abs(_EXACT.subtract(now, before)) >= (emit.min_change or 0)


def _sum(contributions: Iterable[Contribution]) -> Decimal:
    total = Decimal(0)
    for one in contributions:
        # A side that counts has contributions of 1.
        total = _EXACT.add(total, one.value or Decimal(0))
    return total
