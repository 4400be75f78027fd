"""Changes that were approved by whoever had asked for them."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from domain.audit.histories import ObjectiveHistory
from domain.audit.question import Ask, Finding, Question, Summary


def _self_approved(_objectives: Iterable[ObjectiveHistory], _ask: Ask) -> Generator[Finding, None, Summary]:
    yield from ()
    return Summary(
        sentence="Nothing can be found: this ledger has no change requests yet, so nothing was approved by anybody.",
        figures={"change_requests": 0},
    )


SELF_APPROVED = Question(
    name="self_approved",
    finds="changes approved by whoever raised them, or by somebody below them (there are no change requests yet)",
    find=_self_approved,
)
