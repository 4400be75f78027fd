"""Lowered targets: late, down to what was reached already, or right after bad news."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

from domain.audit.histories import Happening, KeyResultHistory, Place, Standing
from domain.audit.question import (
    Ask,
    Extra,
    Finding,
    Parameter,
    Question,
    finding,
    in_words,
    key_result_by_key_result,
    number,
    percent,
    proven,
)
from domain.checkin import StatedStatus
from domain.goalposts import is_lowered
from domain.key_result import KeyResultCheckedIn, TargetAdjusted
from domain.limits import holds
from domain.measures import attainment
from domain.numbers import CONTEXT

AFTER_SHARE = Parameter(
    "after_share",
    Decimal("0.75"),
    Decimal(0),
    Decimal(1),
    "share",
    "only after more than this share of the time from the commitment to the original deadline",
)
WITHIN_SHARE = Parameter(
    "within_share",
    Decimal("0.10"),
    Decimal(0),
    Decimal(1),
    "share",
    "how much of the way to the new target may still have been missing; of a limit, the share by which it was missed",
)


def lowered(key_result: KeyResultHistory) -> Iterator[tuple[Happening, TargetAdjusted]]:
    """The adjustments that made the target easier."""
    for happening, fact in key_result.of(TargetAdjusted):
        if is_lowered(happening.standing.direction, fact.from_, fact.to):
            yield happening, fact


# Late


def _lowered_late(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening, fact in lowered(key_result):
        share = happening.standing.time_share(happening.at)
        if share > ask.number("after_share"):
            yield finding(
                key_result,
                f"lowered from {number(fact.from_)} to {number(fact.to)} after {percent(share)} of the time",
                proven(key_result, happening),
                {"from": fact.from_, "to": fact.to, "time_share": share, "at": happening.at},
            )


LOWERED_LATE = Question(
    name="lowered_late",
    finds="targets lowered when most of the time had passed",
    find=key_result_by_key_result(
        _lowered_late,
        lambda ask: f"had their target lowered after {percent(ask.number('after_share'))} of the time",
    ),
    parameters=(AFTER_SHARE,),
    facts=(TargetAdjusted,),
)


# Down to what was reached


def is_within_reach(standing: Standing, target: Decimal, within: Decimal) -> bool:
    """Whether the value in force then had reached this target, or come as close to it as `within` allows."""
    value = standing.value
    if value is None:
        return False
    if standing.direction.is_limit:
        if holds(standing.direction, target, value):
            return True
        with localcontext(CONTEXT):
            return abs(value - target) <= within * abs(target)
    share = _share(standing, target)
    return share is not None and share >= 1 - within


def _share(standing: Standing, target: Decimal | None) -> Decimal | None:
    if standing.baseline is None or target is None or standing.direction.is_limit:
        return None
    return attainment(standing.direction, standing.baseline, target, standing.value)


def _lowered_to_reach(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening, fact in lowered(key_result):
        standing = happening.standing
        if is_within_reach(standing, fact.to, ask.number("within_share")):
            yield finding(
                key_result,
                f"lowered from {number(fact.from_)} to {number(fact.to)} when it stood at {number(standing.value)}",
                [*proven(key_result, happening), standing.position],
                {
                    "from": fact.from_,
                    "to": fact.to,
                    "value": standing.value,
                    "attainment_before": _share(standing, fact.from_),
                    "attainment_after": _share(standing, fact.to),
                    "at": happening.at,
                },
            )


LOWERED_TO_REACH = Question(
    name="lowered_to_reach",
    finds="targets lowered to a value that was reached already, or nearly",
    find=key_result_by_key_result(
        _lowered_to_reach,
        lambda ask: f"had their target lowered to what was reached, or within {percent(ask.number('within_share'))}",
    ),
    parameters=(WITHIN_SHARE,),
    facts=(TargetAdjusted,),
)


# After bad news


def _bad_news(key_result: KeyResultHistory, by: Happening, ask: Ask) -> tuple[Place, str] | None:
    """The last bad news before a fact, and what it was."""
    heard: list[tuple[Place, str]] = []
    for happening, said in key_result.of(KeyResultCheckedIn):
        if said.status is StatedStatus.BEHIND:
            heard.append((happening, "a check-in that called it behind"))
        elif said.confidence <= ask.number("confidence_at_most"):
            heard.append((happening, f"a check-in of confidence {said.confidence}"))
    heard += [(fall, f"a fall from {number(fall.from_)} to {number(fall.to)}") for fall in key_result.falls]
    fresh = [
        (news, what)
        for news, what in heard
        if news.position < by.position and by.at - news.at <= ask.span("within_days")
    ]
    return max(fresh, key=lambda each: each[0].position, default=None)


def _lowered_after_bad_news(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening, fact in lowered(key_result):
        heard = _bad_news(key_result, happening, ask)
        if heard is not None:
            news, what = heard
            passed = happening.at - news.at
            yield finding(
                key_result,
                f"lowered from {number(fact.from_)} to {number(fact.to)} {in_words(passed)} after {what}",
                [*proven(key_result, happening), news.position],
                {"from": fact.from_, "to": fact.to, "news": what, "news_at": news.at, "at": happening.at},
            )


LOWERED_AFTER_BAD_NEWS = Question(
    name="lowered_after_bad_news",
    finds="targets lowered soon after a check-in without confidence or called behind, or after a fall of the value",
    find=key_result_by_key_result(
        _lowered_after_bad_news,
        lambda ask: f"had their target lowered within {number(ask.number('within_days'))} days after bad news",
    ),
    parameters=(
        Parameter("within_days", Decimal(7), Decimal(0), Decimal(366), "days", "at most so long after the news"),
        Parameter(
            "confidence_at_most", Decimal(3), Decimal(0), Decimal(10), "points", "confidence from which on it is bad"
        ),
    ),
    facts=(TargetAdjusted, KeyResultCheckedIn),
    extras=frozenset({Extra.FALLS}),
)
