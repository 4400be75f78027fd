"""Facts that say they were true long before anybody knew, and corrections that came late."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.audit.histories import Happening, KeyResultHistory
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
)
from domain.key_result import (
    DeadlineAdjusted,
    KeyResultCommitted,
    MilestoneReached,
    ProgressCorrected,
    ProgressRecorded,
    TargetAdjusted,
    TargetCorrected,
    WeightAdjusted,
)
from domain.stream import Fact

MOST_PROGRESS = 200
"""So many backdated values of one key result are shown, the latest ones."""

# Backdated

_SAYS: dict[type[Fact], str] = {
    ProgressRecorded: "a value",
    MilestoneReached: "a milestone",
    TargetAdjusted: "a target",
    WeightAdjusted: "a weight",
    DeadlineAdjusted: "a deadline",
}


def _backdated(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening in key_result.facts:
        fact = happening.fact
        if type(fact) not in _SAYS:
            continue
        effective_at = getattr(fact, "effective_at", None)
        if effective_at is None:
            continue
        late = happening.at - effective_at
        earlier = happening.earlier
        is_late = late > ask.span("more_than_days")
        is_put_before = earlier is not None and effective_at < earlier.at
        if not (is_late or is_put_before):
            continue
        said = f"{_SAYS[type(fact)]} recorded {in_words(late)} after it was true"
        if earlier is not None and is_put_before:
            said += f", put before position {earlier.position}, which was known already"
        yield finding(
            key_result,
            said,
            [happening.position, earlier.position if earlier is not None and is_put_before else None],
            {
                "what": _SAYS[type(fact)],
                "effective_at": effective_at,
                "recorded_at": happening.at,
                "is_late": is_late,
                "is_put_before": is_put_before,
            },
        )


BACKDATED = Question(
    name="backdated",
    finds="facts that people recorded long after they were true, or as true before the last word on the same was known",
    find=key_result_by_key_result(
        _backdated,
        lambda ask: (
            f"have facts recorded more than {number(ask.number('more_than_days'))} days after they were true, or put"
            " before what was known already"
        ),
    ),
    parameters=(
        Parameter("more_than_days", Decimal(7), Decimal(0), Decimal(366), "days", "only if it is later than that"),
    ),
    facts=(KeyResultCommitted, TargetAdjusted, WeightAdjusted, DeadlineAdjusted, MilestoneReached),
    extras=frozenset({Extra.EARLIER, Extra.PROGRESS}),
)


# Corrected late


def _corrected_late(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening in key_result.facts:
        fact = happening.fact
        if not isinstance(fact, TargetCorrected | ProgressCorrected):
            continue
        if happening.earlier is None:
            raise LookupError("a correction is shown with the fact that it corrects")
        passed = happening.at - happening.earlier.at
        if passed > ask.span("grace_hours"):
            what = "target" if isinstance(fact, TargetCorrected) else "value"
            yield finding(
                key_result,
                f"{what} corrected from {number(fact.from_)} to {number(fact.to)} after {in_words(passed)}",
                _pair(happening),
                {
                    "what": what,
                    "from": fact.from_,
                    "to": fact.to,
                    "at": happening.at,
                    "corrected_at": happening.earlier.at,
                },
            )


def _pair(happening: Happening) -> list[int | None]:
    return [happening.position, None if happening.earlier is None else happening.earlier.position]


CORRECTED_LATE = Question(
    name="corrected_late",
    finds="corrections that came after the grace in which whoever is responsible may still correct",
    find=key_result_by_key_result(
        _corrected_late,
        lambda ask: f"were corrected more than {number(ask.number('grace_hours'))} hours after what was wrong",
    ),
    parameters=(
        Parameter("grace_hours", Decimal(24), Decimal(0), Decimal(24 * 366), "hours", "only if it is later than that"),
    ),
    facts=(TargetCorrected, ProgressCorrected),
    extras=frozenset({Extra.EARLIER}),
)
