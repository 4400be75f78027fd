"""Weight that moved to what leads, and key results given up late."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.audit.histories import Happening
from domain.key_result import KeyResultDropped, KeyResultReplaced, WeightAdjusted
from domain.measures import Direction
from tests.domain.audit.spec import ID, OTHER, SECOND, D, fact, given, key_result, objective, part, standing

LAGS, LEADS = "0.2", "0.9"


def weighed(on: float, about: UUID, from_: int | None, to: int, other: int | None, lags: str = LAGS) -> Happening:
    """The weight of `ID`, which lags, or of `OTHER`, which leads, is moved while the other one has that weight."""
    adjusted = WeightAdjusted(from_=None if from_ is None else D(from_), to=D(to))
    first, second = (from_, other) if about == ID else (other, from_)
    return fact(on, adjusted, about=about, among=(part(ID, lags, first), part(OTHER, LEADS, second)))


# weight_moved


def test_weight_from_a_lagging_to_a_leading_one() -> None:
    """60 and 40 become 40 and 60: 0.48 becomes 0.62."""
    moves = [weighed(50, ID, 60, 40, 40), weighed(50.5, OTHER, 40, 60, 40)]
    answer = given(objective(facts=moves)).when("weight_moved").finds(50, 50)
    assert answer.only.figures["rise"] == D("0.14")
    assert "from “key result 1” at 20 % to “key result 2” at 90 %" in answer.only.sentence


def test_weight_to_what_lags_is_no_finding() -> None:
    given(objective(facts=[weighed(50, ID, 40, 60, 60)])).when("weight_moved").finds_nothing().says("None of 1")


def test_a_lowered_weight_alone_lifts_the_others() -> None:
    given(objective(facts=[weighed(50, ID, 60, 40, 40)])).when("weight_moved").finds(50)


def test_between_equals_nothing_is_gained() -> None:
    given(objective(facts=[weighed(50, ID, 60, 40, 40, lags=LEADS)])).when("weight_moved").finds_nothing()
    given(objective(facts=[weighed(50, ID, 60, 40, 40, lags="0.899")])).when("weight_moved").finds(50)


def test_the_same_share_of_more_weight_moves_nothing() -> None:
    """Both doubled within a day: one decision that changes nothing."""
    moves = [weighed(50, OTHER, 40, 80, 60), weighed(50.9, ID, 60, 120, 80)]
    given(objective(facts=moves)).when("weight_moved").finds_nothing()


def test_moves_of_a_day_are_one_decision() -> None:
    """Raising the leader is found, unless the laggard is raised as much within a day."""
    raised = weighed(50, OTHER, 40, 80, 60)
    given(objective(facts=[raised, weighed(51, ID, 60, 120, 80)])).when("weight_moved").finds_nothing()
    given(objective(facts=[raised, weighed(51 + SECOND, ID, 60, 120, 80)])).when("weight_moved").finds(50)


def test_a_rise_that_is_too_small_to_matter() -> None:
    facts = [weighed(50, ID, 60, 40, 40)]
    given(objective(facts=facts)).when("weight_moved", more_than_rise="0.069").finds(50)
    given(objective(facts=facts)).when("weight_moved", more_than_rise="0.07").finds_nothing()


def test_a_weight_that_is_given_for_the_first_time() -> None:
    """Without weights both count the same; 3 for the one that leads makes both 3: nothing moved."""
    given(objective(facts=[weighed(50, OTHER, None, 3, None)])).when("weight_moved").finds_nothing()
    given(objective(facts=[weighed(50, OTHER, None, 30, 10)])).when("weight_moved").finds(50)


# dropped_late


def test_dropped_late_and_behind() -> None:
    """At 60 % of what is expected it is at risk; just below it is behind."""
    given(key_result(fact(80, KeyResultDropped(), standing("47.9")))).when("dropped_late").finds(2, 80)
    given(key_result(fact(80, KeyResultDropped(), standing("48")))).when("dropped_late").finds_nothing()


def test_dropped_late_is_past_three_quarters_of_the_time() -> None:
    given(key_result(fact(75, KeyResultDropped(), standing("1")))).when("dropped_late").finds_nothing()
    given(key_result(fact(75 + SECOND, KeyResultDropped(), standing("1")))).when("dropped_late").finds(2, 75)
    given(key_result(fact(60, KeyResultDropped(), standing("1")))).when("dropped_late", after_share="0.5").finds(2, 60)


def test_replaced_counts_as_dropped() -> None:
    answer = given(key_result(fact(90, KeyResultReplaced(successor_id=OTHER)))).when("dropped_late").finds(2, 90)
    assert answer.only.sentence == "replaced after 90 % of the time, behind, without a value"


@pytest.mark.parametrize(("reached", "is_found"), [("0.59", True), ("0.6", False)])
def test_a_limit_is_expected_to_hold_all_the_time(reached: str, is_found: bool) -> None:
    held = standing(direction=Direction.AT_MOST, baseline=None, target=D(15), attainment=D(reached))
    answer = given(key_result(fact(90, KeyResultDropped(), held))).when("dropped_late")
    assert bool(answer.findings) is is_found


def test_a_draft_may_go_at_any_time() -> None:
    draft = standing(committed_at=None, original_deadline_at=None)
    given(key_result(fact(90, KeyResultDropped(), draft), committed=None)).when("dropped_late").finds_nothing()
