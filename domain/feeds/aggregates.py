"""How the contributions in a window make one number: sum, count, last, ratio, rate.

Each is a pure function of the contributions, in whatever order, to an exact number: a sum in all its digits, a
quotient in 34. Rounding comes last, once, by `published`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple, Self

from domain.feeds.contribution import Contribution
from domain.feeds.definition import Aggregate, Emit, Fn
from domain.feeds.values import number_text
from domain.numbers import quotient

_EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)
_DECIMALS = 12
_TOO_LARGE = Decimal(10) ** 20
_MICROSECOND = timedelta(microseconds=1)


NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start` up to, not including, `end`; both aware."""

    start: datetime
    end: datetime


class Tally(NamedTuple):
    """Of one part: how many entities count, and the exact sum of their values. Or how much more than before."""

    entities: int = 0
    total: Decimal = NOTHING

    def plus(self, more: Self) -> Self:
        return type(self)(self.entities + more.entities, _EXACT.add(self.total, more.total))

    def minus(self, less: Self) -> Self:
        return type(self)(self.entities - less.entities, _EXACT.subtract(self.total, less.total))


def window_of(aggregate: Aggregate, cycle: Window, last_midnight: datetime) -> Window:
    """The cycle; or the rolling window up to the last midnight of the cycle's time zone, not beyond the cycle."""
    if aggregate.window is None:
        return cycle
    end = min(last_midnight, cycle.end)
    return Window(end - aggregate.window, end)


def aggregated(aggregate: Aggregate, contributions: Iterable[Contribution], window: Window) -> Decimal | None:
    """The number that the contributions in the window make, not rounded; None where there is nothing to say."""
    inside = [one for one in contributions if one.value is not None and window.start <= one.effective_at < window.end]
    tallies: dict[str, Tally] = {}
    for one in inside:
        tallies[one.part] = tallies.get(one.part, Tally()).plus(Tally(1, one.value or NOTHING))
    last = max(inside, key=lambda one: (one.effective_at, one.version), default=None)
    return number_of(aggregate, tallies, last.value if last else None)


def number_of(aggregate: Aggregate, tallies: Mapping[str, Tally], last: Decimal | None) -> Decimal | None:
    """The number, not rounded, of what counts in each part; `last` is the value of the latest contribution.

    sum       of the values; 0 of none
    count     of the entities
    last      the value of the latest, by time and then by version; None of none
    ratio     100 x numerator / denominator, in percent points; sides with a value are summed, others counted;
              None where the denominator is 0
    rate      entities per `per`, averaged over the rolling window: count x per / window
    """
    only = tallies.get("", Tally())
    match aggregate.fn:
        case Fn.SUM:
            return only.total
        case Fn.COUNT:
            return Decimal(only.entities)
        case Fn.LAST:
            return last
        case Fn.RATIO:
            # A side that counts has contributions of 1.
            above, below = (tallies.get(part, Tally()).total for part in ("numerator", "denominator"))
            return quotient(_EXACT.multiply(above, Decimal(100)), below) if below else None
        case Fn.RATE:
            per, length = aggregate.per or timedelta(1), aggregate.window or timedelta(1)
            return quotient(Decimal(only.entities * (per // _MICROSECOND)), Decimal(length // _MICROSECOND))


def published(exact: Decimal | None, emit: Emit) -> Decimal | None:
    """The number as a fact shows it: rounded to `round` digits after the point, at most 12, a half to even."""
    if exact is None:
        return None
    digits = _DECIMALS if emit.round is None else emit.round
    return Decimal(number_text(exact.quantize(Decimal(1).scaleb(-digits), context=_EXACT)))


def is_a_measure(value: Decimal | None) -> bool:
    """Whether a fact can hold the published number: a measure has at most 20 digits before the point."""
    return value is None or abs(value) < _TOO_LARGE


def is_worth_a_fact(before: Decimal | None, now: Decimal | None, emit: Emit) -> bool:
    """Whether the published number has changed, and by `min_change` or more since the last fact."""
    if before is None or now is None:
        return before is not now
    return before != now and _EXACT.abs(_EXACT.subtract(now, before)) >= (emit.min_change or 0)
