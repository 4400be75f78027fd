"""What a what-if finds, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from domain.measures import Roll
from domain.numbers import CONTEXT, text
from domain.whatif.comparing import Asked, Comparison, Score

_SHOWN = 5


def sentence(found: Comparison, asked: Asked, subject: str, feed_name: str | None = None) -> str:
    """How the scope would stand otherwise: a cycle, an objective or a single key result, of the title `subject`.

    `feed_name` is that of the feed whose measurements are left out.
    """
    supposed = _supposed(asked, feed_name)
    if not supposed:
        return "Nothing is supposed to be otherwise, so both sides are the same."
    begin = _joined(supposed)
    begin = f"{begin[0].upper()}{begin[1:]}, “{subject}”"
    if found.objectives:
        shares = _clamped(found.real.attainment), _clamped(found.hypothetical.attainment)
        stands = _stands(shares, (found.real.score, found.hypothetical.score))
        return f"{begin} {stands}; {_count(found.changed_key_results, len(found.key_results))}."
    if not found.key_results:
        return f"{begin} would still be without a goal."
    (pair,) = found.key_results
    shares = pair.real.attainment, pair.hypothetical.attainment
    return f"{begin} {_stands(shares, (pair.real.score, pair.hypothetical.score))}."


def _supposed(asked: Asked, feed_name: str | None) -> list[str]:
    left_out, supposed = asked.left_out, []
    if left_out.positions:
        shown = [str(position) for position in left_out.positions[:_SHOWN]]
        more = len(left_out.positions) - len(shown)
        shown += [f"{more} more"] if more else []
        supposed.append(f"without position{'s' if len(left_out.positions) > 1 else ''} {_joined(shown)}")
    if left_out.streams:
        supposed.append(f"without what the feed {feed_name} measured")
    if left_out.as_committed:
        supposed.append("against the targets as they were committed")
    if asked.policy != asked.real_policy:
        supposed.append(f"scored by {asked.policy.name} instead of {asked.real_policy.name}")
    return supposed


def _stands(shares: tuple[Decimal | None, Decimal | None], scores: tuple[Score | None, Score | None]) -> str:
    real, other = _percent(shares[0]), _percent(shares[1])
    had, has = _points(scores[0]), _points(scores[1])
    share = f"still stand at {real}" if shares[0] == shares[1] else f"stand at {other} instead of {real}"
    points = f"still have {had} points" if had == has else f"have {has} points instead of {had}"
    return f"would {share} and {points}"


def _count(changed: int, of: int) -> str:
    return f"{changed or 'none'} of {of} key result{'s' if of > 1 else ''} would differ"


def _percent(share: Decimal | None) -> str:
    if share is None:
        return "no value"
    with localcontext(CONTEXT):
        return f"{text((share * 100).quantize(Decimal('0.1'), rounding=ROUND_HALF_EVEN))} %"


def _points(score: Score | None) -> str:
    return "no" if score is None else text(score.points)


def _clamped(roll: Roll | None) -> Decimal | None:
    return None if roll is None else roll.clamped


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
