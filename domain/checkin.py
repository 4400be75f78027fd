"""What objectives and key results share when people check in and score."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypedDict

from domain.errors import invalid
from domain.scoring import GUIDE_1_5
from domain.stream import Text
from domain.words import words


class StatedStatus(StrEnum):
    """What the owner says of it; the computed status stands beside it and is never mixed with it."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BEHIND = "behind"


class ScoreKind(StrEnum):
    """Whose score it is: the owner's own, or the review's."""

    SELF = "self"
    REVIEW = "review"


class CheckInTexts(TypedDict):
    progress: Text
    problem: Text | None
    support_needed: Text | None


def check_in_texts(progress: str, problem: str | None, support_needed: str | None) -> CheckInTexts:
    """The three texts of a check-in; `Invalid` where the first is missing."""
    said = words(progress, "progress")
    if said is None:
        invalid("progress", "required", "a check-in says what progress was made")
    return CheckInTexts(
        progress=said,
        problem=words(problem, "problem"),
        support_needed=words(support_needed, "support_needed"),
    )


def checked_confidence(confidence: int) -> int:
    if not 0 <= confidence <= 10:
        invalid("confidence", "confidence", "confidence is a whole number from 0 to 10")
    return confidence


def checked_points(points: Decimal) -> Decimal:
    """Points on the scale of the default policy."""
    lowest, highest = GUIDE_1_5.minimum, GUIDE_1_5.maximum
    if not lowest <= points <= highest:
        invalid("points", "scale", f"points lie on the scale from {lowest} to {highest}")
    return points
