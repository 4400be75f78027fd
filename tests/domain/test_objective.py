"""What an objective decides: for each decision a success, a refusal, and what happens on repeating it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain import objective as o
from domain.checkin import ScoreKind
from domain.command import Why
from domain.objective import Level, Objective, Wording
from domain.stream import Fact, Text
from tests.domain.spec import CYCLE, by, given

D = Decimal


def wording(**changes: Any) -> Wording:
    return Wording(**{"title": "Share to 15 %", "owner_id": "anna", "level": Level.COMPANY} | changes)


DRAFT = [o.ObjectiveDrafted(cycle_id=CYCLE.id, title="Share to 15 %", owner_id="anna", level=Level.COMPANY)]
COMMITTED = [*DRAFT, o.ObjectiveCommitted()]
DROPPED = [*COMMITTED, o.ObjectiveDropped()]


def test_an_objective_is_drafted() -> None:
    given(Objective).when(lambda obj: obj.draft(wording(title=" Share to 15 % "), CYCLE)).then(*DRAFT)


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"title": ""}, "not_empty", "title"),
        ({"owner_id": "an na"}, "opaque_id", "owner_id"),
        ({"supports": tuple(UUID(int=n) for n in range(21))}, "length", "supports"),
    ],
)
def test_a_draft_has_its_limits(changes: dict[str, Any], rule: str, field: str) -> None:
    given(Objective).when(lambda obj: obj.draft(wording(**changes), CYCLE)).refuses(rule, field)


def test_a_draft_is_revised_by_what_changed() -> None:
    given(Objective, *DRAFT).when(lambda obj: obj.revise({"level": Level.DEPARTMENT, "owner_id": "anna"})).then(
        o.ObjectiveDraftRevised(level=Level.DEPARTMENT)
    )
    given(Objective, *DRAFT).when(lambda obj: obj.revise({"owner_id": "anna"})).then()
    given(Objective, *DRAFT).when(lambda obj: obj.revise({"owner_id": None})).refuses("required", "owner_id")
    given(Objective, *COMMITTED).when(lambda obj: obj.revise({"title": "x"})).refuses("not_draft")


def test_it_is_committed_once() -> None:
    given(Objective, *DRAFT).when(lambda obj: obj.commit()).then(o.ObjectiveCommitted())
    given(Objective, *COMMITTED).when(lambda obj: obj.commit()).refuses("not_draft")


CHANGES: list[tuple[Callable[[Objective, Any], None], Fact, str]] = [
    (lambda obj, c: obj.rephrase("Share", c), o.ObjectiveRephrased(from_="Share to 15 %", to="Share"), "unchanged"),
    (lambda obj, c: obj.change_owner("bert", c), o.ObjectiveOwnerChanged(from_="anna", to="bert"), "unchanged"),
    (lambda obj, c: obj.drop(c), o.ObjectiveDropped(), "objective_ended"),
    (
        lambda obj, c: obj.replace_by(UUID(int=3), c),
        o.ObjectiveReplaced(successor_id=UUID(int=3)),
        "objective_ended",
    ),
]


@pytest.mark.parametrize(("decide", "fact", "repeated"), CHANGES, ids=lambda value: getattr(value, "TYPE", ""))
def test_after_commitment_every_change_says_why(
    decide: Callable[[Objective, Any], None], fact: Fact, repeated: str
) -> None:
    given(Objective, *COMMITTED).when(lambda obj: decide(obj, by())).then(fact)
    given(Objective, *COMMITTED).when(lambda obj: decide(obj, by(why=Why()))).refuses("reason_required", "reason")
    given(Objective, *COMMITTED, fact).when(lambda obj: decide(obj, by())).refuses(repeated)
    given(Objective, *DROPPED).when(lambda obj: decide(obj, by())).refuses("objective_ended")


def test_a_draft_is_dropped_without_a_reason_but_not_rephrased() -> None:
    given(Objective, *DRAFT).when(lambda obj: obj.drop(by(why=Why()))).then(o.ObjectiveDropped())
    given(Objective, *DRAFT).when(lambda obj: obj.rephrase("x", by())).refuses("not_committed")


def test_check_ins_repeat() -> None:
    fact = o.ObjectiveCheckedIn(progress=Text("on the way"), confidence=7)
    given(Objective, *COMMITTED, fact).when(lambda obj: obj.check_in(progress="on the way", confidence=7)).then(fact)
    given(Objective, *DRAFT).when(lambda obj: obj.check_in(progress="x", confidence=7)).refuses("not_committed")


def test_a_score_says_why_and_is_never_the_owners_own_review() -> None:
    scored = o.ObjectiveScored(points=D(4), kind=ScoreKind.SELF, comment=Text("close"))
    given(Objective, *COMMITTED, scored).when(lambda obj: obj.score(D(4), ScoreKind.SELF, by(), comment="close")).then(
        scored
    )
    given(Objective, *COMMITTED).when(lambda obj: obj.score(D(4), ScoreKind.SELF, by())).refuses("required", "comment")
    given(Objective, *COMMITTED).when(lambda obj: obj.score(D(6), ScoreKind.SELF, by(), comment="c")).refuses("scale")
    given(Objective, *COMMITTED).when(
        lambda obj: obj.score(D(4), ScoreKind.REVIEW, by(is_admin=True), comment="c")
    ).refuses("own_review")
