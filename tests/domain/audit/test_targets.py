"""Lowered targets: each limit from just inside and from just outside."""

from __future__ import annotations

from typing import Any

import pytest

from domain.audit.histories import Happening
from domain.checkin import StatedStatus
from domain.key_result import KeyResultCheckedIn, TargetAdjusted
from domain.measures import Direction
from domain.stream import Text
from tests.domain.audit.spec import SECOND, D, fact, fall, given, key_result, standing


def moved(on: float, from_: str, to: str, value: str | None = None, **terms: Any) -> Happening:
    adjusted = TargetAdjusted(from_=D(from_), to=D(to))
    return fact(on, adjusted, standing(value, target=D(from_), **terms))


def lowered(on: float, to: str = "60", value: str | None = None) -> Happening:
    return moved(on, "100", to, value)


def checked_in(on: float, confidence: int, status: StatedStatus | None = None) -> Happening:
    return fact(on, KeyResultCheckedIn(progress=Text("so so"), confidence=confidence, status=status))


# lowered_late


def test_late_is_past_three_quarters_of_the_time() -> None:
    given(key_result(lowered(75))).when("lowered_late").finds_nothing().says("None of 1")
    answer = given(key_result(lowered(75 + SECOND))).when("lowered_late").finds(2, 75)
    assert (answer.only.figures["from"], answer.only.figures["to"]) == (D(100), D(60))
    answer.says("1 of 1 committed key results had their target lowered after 75 % of the time.")


def test_late_is_what_the_question_says_it_is() -> None:
    given(key_result(lowered(60))).when("lowered_late", after_share="0.6").finds_nothing()
    given(key_result(lowered(60))).when("lowered_late", after_share="0.599").finds(2, 60)


def test_time_is_counted_to_the_original_deadline() -> None:
    given(key_result(moved(80, "100", "60", original_deadline_at=standing().deadline_at))).when("lowered_late").finds(
        2, 80
    )
    shorter = moved(60, "100", "60", original_deadline_at=fact(70, lowered(1).fact).at)
    given(key_result(shorter)).when("lowered_late").finds(2, 60)


@pytest.mark.parametrize(
    ("direction", "baseline", "from_", "to", "is_found"),
    [
        (Direction.INCREASE, "0", "60", "100", False),
        (Direction.DECREASE, "100", "20", "40", True),
        (Direction.DECREASE, "100", "20", "10", False),
        (Direction.AT_LEAST, None, "95", "90", True),
        (Direction.AT_LEAST, None, "95", "96", False),
        (Direction.AT_MOST, None, "15", "20", True),
        (Direction.AT_MOST, None, "15", "14", False),
    ],
)
def test_lowered_is_easier_whichever_way_it_runs(
    direction: Direction, baseline: str | None, from_: str, to: str, is_found: bool
) -> None:
    move = moved(90, from_, to, direction=direction, baseline=None if baseline is None else D(baseline))
    answer = given(key_result(move)).when("lowered_late")
    assert bool(answer.findings) is is_found


def test_a_draft_is_not_looked_at() -> None:
    given(key_result(committed=None)).when("lowered_late").finds_nothing().says("None of 0")


def test_two_moves_are_two_findings_about_one_key_result() -> None:
    answer = given(key_result(lowered(80), moved(90, "60", "50"))).when("lowered_late")
    assert [finding.positions for finding in answer.findings] == [(2, 80), (2, 90)]
    answer.says("1 of 1 committed key results").says("2 times in all")


# lowered_to_reach


@pytest.mark.parametrize(("value", "is_found"), [("53.99", False), ("54", True), ("60", True), ("75", True)])
def test_within_reach_is_a_tenth_of_the_way(value: str, is_found: bool) -> None:
    answer = given(key_result(lowered(10, "60", value))).when("lowered_to_reach")
    assert bool(answer.findings) is is_found


def test_a_target_lowered_to_what_is_far_away_or_unknown() -> None:
    given(key_result(lowered(10, "60", None))).when("lowered_to_reach").finds_nothing()
    given(key_result(moved(10, "60", "80", "79"))).when("lowered_to_reach").finds_nothing()


def test_the_way_begins_at_the_baseline() -> None:
    """From 100 down to 40: 45 is 55 of 60, so within a tenth; 47 is not."""
    falling: dict[str, Any] = {"direction": Direction.DECREASE, "baseline": D(100)}
    given(key_result(moved(10, "20", "40", "46", **falling))).when("lowered_to_reach").finds(2, 10)
    given(key_result(moved(10, "20", "40", "46.1", **falling))).when("lowered_to_reach").finds_nothing()


@pytest.mark.parametrize(("value", "is_found"), [("81", True), ("80.99", False), ("95", True)])
def test_a_limit_is_within_reach_by_a_share_of_itself(value: str, is_found: bool) -> None:
    move = moved(10, "99", "90", value, direction=Direction.AT_LEAST, baseline=None)
    assert bool(given(key_result(move)).when("lowered_to_reach").findings) is is_found


def test_the_fact_that_said_the_value_proves_it() -> None:
    given(key_result(moved(10, "100", "60", "60", position=7))).when("lowered_to_reach").finds(2, 7, 10)


# lowered_after_bad_news


def test_bad_news_is_fresh_for_seven_days() -> None:
    given(key_result(checked_in(10, 3), lowered(17))).when("lowered_after_bad_news").finds(2, 10, 17)
    given(key_result(checked_in(10, 3), lowered(17 + SECOND))).when("lowered_after_bad_news").finds_nothing()
    given(key_result(checked_in(10, 3), lowered(17))).when("lowered_after_bad_news", within_days="6.9").finds_nothing()


def test_bad_news_is_a_confidence_of_three() -> None:
    given(key_result(checked_in(10, 4), lowered(12))).when("lowered_after_bad_news").finds_nothing()
    given(key_result(checked_in(10, 4), lowered(12))).when("lowered_after_bad_news", confidence_at_most=4).finds(
        2, 10, 12
    )


@pytest.mark.parametrize(
    ("status", "is_found"),
    [(StatedStatus.BEHIND, True), (StatedStatus.AT_RISK, False), (StatedStatus.ON_TRACK, False), (None, False)],
)
def test_bad_news_is_to_be_called_behind(status: StatedStatus | None, is_found: bool) -> None:
    answer = given(key_result(checked_in(10, 8, status), lowered(12))).when("lowered_after_bad_news")
    assert bool(answer.findings) is is_found


def test_bad_news_is_a_fall() -> None:
    answer = given(key_result(lowered(17), falls=(fall(10, 50, 40),))).when("lowered_after_bad_news").finds(2, 10, 17)
    assert answer.only.sentence == "lowered from 100 to 60 7 days after a fall from 50 to 40"
    given(key_result(lowered(18), falls=(fall(10, 50, 40),))).when("lowered_after_bad_news").finds_nothing()


def test_news_that_came_afterwards_are_no_cause() -> None:
    given(key_result(lowered(10), checked_in(11, 1))).when("lowered_after_bad_news").finds_nothing()


def test_raising_a_target_after_bad_news_is_no_escape() -> None:
    given(key_result(checked_in(10, 1), moved(11, "60", "100"))).when("lowered_after_bad_news").finds_nothing()


def test_no_number_is_written_with_an_exponent() -> None:
    answer = given(key_result(moved(80, "1E+3", "100"))).when("lowered_late")
    assert answer.only.sentence == "lowered from 1000 to 100 after 80 % of the time"
