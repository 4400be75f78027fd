"""The computed score {points, band, advice}: what an attainment comes to under the scoring policy, where it lies, and
what that makes people ask. A person's score stands beside it; neither replaces the other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from domain.numbers import text
from domain.scoring import GUIDE_1_5, advice, band, objective_points, points
from projections.answers import Answer, written

POLICY = GUIDE_1_5
_NOTHING = Decimal(0)


class Computed(NamedTuple):
    """The points of an attainment, and its score as JSON text."""

    points: Decimal
    text: str


@lru_cache(maxsize=4096)  # the same goals are looked at again and again
def of_share(share: Decimal) -> Computed:
    """The score of an unclamped attainment."""
    found = points(POLICY, share)
    return Computed(found, written(_answer(found, share)))


def of_parts(parts: Sequence[tuple[Decimal | None, Decimal | None]], share: Decimal) -> Answer | None:
    """The score of an objective with that attainment: the mean of its key results' points over (attainment, weight).

    A key result without attainment counts 0; None where none of them has any yet.
    """
    mean = objective_points(POLICY, [(of_share(part or _NOTHING).points, weight) for part, weight in parts])
    return None if mean is None or all(part is None for part, _ in parts) else _answer(mean, share)


def _answer(found: Decimal, share: Decimal) -> Answer:
    where = band(POLICY, share)
    return {"points": text(found), "band": where, "advice": advice(where)}
