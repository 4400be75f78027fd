"""Key results that were given up late, while they were behind."""

from __future__ import annotations

from collections.abc import Iterator

from domain.audit.histories import KeyResultHistory
from domain.audit.question import Ask, Finding, Question, finding, key_result_by_key_result, percent, proven
from domain.audit.targets import AFTER_SHARE
from domain.key_result import KeyResultDropped, KeyResultReplaced
from domain.measures import PaceStatus, pace


def _dropped_late(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    for happening, fact in key_result.of(KeyResultDropped, KeyResultReplaced):
        standing = happening.standing
        if standing.committed_at is None:
            continue
        share = standing.time_share(happening.at)
        status = pace(
            standing.attainment, standing.committed_at, standing.deadline_at, happening.at, standing.direction
        ).status
        if share > ask.number("after_share") and status is PaceStatus.BEHIND:
            done = "replaced" if isinstance(fact, KeyResultReplaced) else "dropped"
            reached = "without a value" if standing.attainment is None else f"at {percent(standing.attainment)}"
            yield finding(
                key_result,
                f"{done} after {percent(share)} of the time, behind, {reached}",
                [*proven(key_result, happening), standing.position],
                {"ending": done, "time_share": share, "attainment": standing.attainment, "at": happening.at},
            )


DROPPED_LATE = Question(
    name="dropped_late",
    finds="key results dropped or replaced when most of the time had passed and they were behind",
    find=key_result_by_key_result(
        _dropped_late,
        lambda ask: f"were dropped or replaced after {percent(ask.number('after_share'))} of the time while behind",
    ),
    parameters=(AFTER_SHARE,),
    facts=(KeyResultDropped, KeyResultReplaced),
)
