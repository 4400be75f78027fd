"""Scores above the numbers, values put up before the scoring, backdated facts, late corrections."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.audit.histories import Happening
from domain.checkin import ScoreKind
from domain.key_result import (
    KeyResultScored,
    MilestoneReached,
    OverrideUntil,
    ProgressCorrected,
    ProgressOverridden,
    ProgressRecorded,
    TargetAdjusted,
    TargetCorrected,
)
from domain.measures import Direction, Source
from domain.objective import ObjectiveScored
from tests.domain.audit.spec import (
    ID,
    OBJECTIVE,
    OTHER,
    SECOND,
    D,
    day,
    fact,
    given,
    key_result,
    objective,
    part,
    place,
    standing,
)

SELF, REVIEW = ScoreKind.SELF, ScoreKind.REVIEW


def scored(on: float, points: str, value: str | None, kind: ScoreKind = SELF, **terms: Any) -> Happening:
    return fact(on, KeyResultScored(points=D(points), kind=kind), standing(value, **terms))


# scored_above


@pytest.mark.parametrize(("points", "is_found"), [("3.4", False), ("3.41", True), ("2", False)])
def test_above_is_more_than_a_tenth_of_the_scale(points: str, is_found: bool) -> None:
    """60 of 100 give 3.0 points; a tenth of the scale from 1 to 5 is 0.4."""
    answer = given(key_result(scored(95, points, "60"))).when("scored_above")
    assert bool(answer.findings) is is_found
    answer.says(f"{'1' if is_found else 'None'} of 1 scores")


def test_the_share_is_the_askers() -> None:
    given(key_result(scored(95, "3.4", "60"))).when("scored_above", above_share="0.099").finds(95)
    given(key_result(scored(95, "5", "60"))).when("scored_above", above_share="0.5").finds_nothing()


def test_without_a_value_the_numbers_give_the_least() -> None:
    given(key_result(scored(95, "1.4", None))).when("scored_above").finds_nothing()
    given(key_result(scored(95, "1.5", None))).when("scored_above").finds(95)


def test_of_each_kind_the_last_score_counts() -> None:
    again = [scored(95, "5", "60"), scored(96, "3", "60"), scored(97, "5", "60", REVIEW)]
    given(key_result(*again)).when("scored_above").finds(97).says("1 of 2 scores")


@pytest.mark.parametrize(("points", "is_found"), [("3", False), ("3.1", True)])
def test_an_objective_is_measured_by_its_key_results(points: str, is_found: bool) -> None:
    """4.5 points weigh 1, 2.0 points weigh 3: 2.6."""
    score = ObjectiveScored(points=D(points), kind=REVIEW)
    among = (part(ID, "0.9", 1), part(OTHER, "0.4", 3))
    answer = given(objective(facts=[fact(95, score, about=OBJECTIVE, among=among)])).when("scored_above")
    assert bool(answer.findings) is is_found


def test_an_objective_without_key_results_gives_no_number_to_be_above() -> None:
    score = fact(95, ObjectiveScored(points=D(5), kind=REVIEW), about=OBJECTIVE)
    given(objective(facts=[score])).when("scored_above").finds_nothing().says("None of 0")


# override_before_score


def overridden(on: float, to: str, value: str | None = "50", **terms: Any) -> Happening:
    override = ProgressOverridden(value=D(to), effective_at=day(on), until=OverrideUntil.STICKY)
    return fact(on, override, standing(value, **{"has_feed": True, **terms}))


def scored_by_override(on: float) -> Happening:
    return scored(on, "4", "70", value_source=Source.OVERRIDE)


def test_an_override_of_the_last_fourteen_days() -> None:
    given(key_result(overridden(80, "70"), scored_by_override(94))).when("override_before_score").finds(80, 94)
    late = key_result(overridden(80, "70"), scored_by_override(94 + SECOND))
    given(late).when("override_before_score").finds_nothing()
    given(late).when("override_before_score", within_days=15).finds(80, 94)


def test_only_upward() -> None:
    given(key_result(overridden(90, "50"), scored_by_override(94))).when("override_before_score").finds_nothing()
    given(key_result(overridden(90, "50.1"), scored_by_override(94))).when("override_before_score").finds(90, 94)
    falling: dict[str, Any] = {"direction": Direction.DECREASE, "baseline": D(100), "target": D(20)}
    down = key_result(overridden(90, "49", **falling), scored_by_override(94))
    given(down).when("override_before_score").finds(90, 94)
    up = key_result(overridden(90, "51", **falling), scored_by_override(94))
    given(up).when("override_before_score").finds_nothing()


def test_only_what_stands_when_it_is_scored() -> None:
    by_feed = scored(94, "4", "55", value_source=Source.FEED)
    given(key_result(overridden(90, "70"), by_feed)).when("override_before_score").finds_nothing()
    given(key_result(scored_by_override(85), overridden(90, "70"))).when("override_before_score").finds_nothing()


def test_only_automatic_values() -> None:
    typed_in = overridden(90, "70", has_feed=False)
    given(key_result(typed_in, scored_by_override(94))).when("override_before_score").finds_nothing()
    nothing_yet = overridden(90, "70", None)
    given(key_result(nothing_yet, scored_by_override(94))).when("override_before_score").finds_nothing()


# backdated


def recorded(on: float, effective: float, earlier: float | None = None) -> Happening:
    said = ProgressRecorded(value=D(5), effective_at=day(effective))
    return fact(on, said, earlier=None if earlier is None else place(earlier))


def test_backdated_is_more_than_seven_days() -> None:
    given(key_result(recorded(20, 13))).when("backdated").finds_nothing()
    given(key_result(recorded(20 + SECOND, 13))).when("backdated").finds(20)
    given(key_result(recorded(20, 13))).when("backdated", more_than_days="6.9").finds(20)


def test_backdated_is_before_the_last_word_was_known() -> None:
    given(key_result(recorded(20, 19, earlier=19))).when("backdated").finds_nothing()
    answer = given(key_result(recorded(20, 19 - SECOND, earlier=19))).when("backdated").finds(19, 20)
    assert (answer.only.figures["is_late"], answer.only.figures["is_put_before"]) == (False, True)
    assert "put before position 19" in answer.only.sentence


def test_targets_and_milestones_may_be_backdated_too() -> None:
    target = fact(20, TargetAdjusted(from_=D(9), to=D(8), effective_at=day(10)), earlier=place(0))
    given(key_result(target)).when("backdated").finds(20)
    given(key_result(fact(20, MilestoneReached(milestone=1, effective_at=day(10))))).when("backdated").finds(20)
    given(key_result(fact(20, TargetAdjusted(from_=D(9), to=D(8))))).when("backdated").finds_nothing()


# corrected_late


def corrected(hours: float) -> Happening:
    said = TargetCorrected(corrects=2, from_=D(100), to=D(10))
    return fact(10 + hours / 24, said, position=11, earlier=place(10))


def test_corrected_late_is_after_the_grace() -> None:
    given(key_result(corrected(24))).when("corrected_late").finds_nothing()
    given(key_result(corrected(24 + 1 / 3600))).when("corrected_late").finds(10, 11)
    given(key_result(corrected(24))).when("corrected_late", grace_hours=23).finds(10, 11)


def test_values_are_corrected_too() -> None:
    said = ProgressCorrected(corrects=4, from_=D(3), to=D(5), effective_at=day(9))
    answer = given(key_result(fact(12, said, earlier=place(9)))).when("corrected_late").finds(9, 12)
    assert answer.only.sentence == "value corrected from 3 to 5 after 3 days"
    assert timedelta(days=3) == day(12) - day(9)


# self_approved


def test_nothing_can_be_approved_yet() -> None:
    given(key_result()).when("self_approved").finds_nothing().says("no change requests yet")
