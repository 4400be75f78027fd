"""The course of key results; and the five traps, as figures of a cycle."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from domain.audit.course import last_part_from
from domain.audit.histories import Course, Happening, KeyResultHistory, Mark
from domain.audit.phrases import vague_phrase
from domain.audit.questions import QUESTIONS
from domain.checkin import StatedStatus
from domain.cycle import CycleState
from domain.key_result import KeyResultCheckedIn, KeyResultDropped, TargetAdjusted
from domain.measures import Direction
from domain.objective import Level, ObjectiveCheckedIn
from domain.stream import Text
from tests.domain.audit.spec import (
    OBJECTIVE,
    SECOND,
    D,
    day,
    fact,
    given,
    key_result,
    objective,
    place,
    running,
    standing,
)

# hockey_stick


def rose(then: str, end: str) -> KeyResultHistory:
    marks = {"then": Mark(attainment=D(then), position=40), "end": Mark(attainment=D(end), position=95)}
    return key_result(course=Course(last_part_from=day(90), **marks))


def test_most_progress_at_the_very_end() -> None:
    given(rose("0.4", "0.8")).when("hockey_stick").finds_nothing()
    answer = given(rose("0.399", "0.8")).when("hockey_stick").finds(2, 40, 95)
    assert answer.only.figures["late_share"] == D("0.50125")
    given(rose("0.5", "0.8")).when("hockey_stick", more_than_share="0.3").finds(2, 40, 95)


def test_the_last_part_must_have_begun() -> None:
    given(rose("0", "0.8")).when("hockey_stick", now=90).finds_nothing()
    given(rose("0", "0.8")).when("hockey_stick", now=90 + SECOND).finds(2, 40, 95)


def test_without_progress_there_is_no_course() -> None:
    given(rose("0", "0")).when("hockey_stick").finds_nothing()
    given(rose("-0.5", "-0.1")).when("hockey_stick").finds_nothing()
    given(key_result()).when("hockey_stick").finds_nothing()


def test_where_the_last_part_begins() -> None:
    assert last_part_from(day(0), day(100), D("0.10")) == day(90)
    assert last_part_from(day(0), day(100), D("0.000001")) == day(100) - timedelta(seconds=8.64)


# silent


def checked_in(on: float) -> Happening:
    return fact(on, KeyResultCheckedIn(progress=Text("so so"), confidence=6))


def test_silent_for_more_than_two_weeks() -> None:
    """The last word of a history of one position a day says how long the silence lasted."""
    given(key_result(checked_in(14))).when("silent", now=28).finds_nothing()
    given(key_result(checked_in(14))).when("silent", now=28 + SECOND).finds(2, 14)
    given(key_result(checked_in(14))).when("silent", now=28, weeks="1.9").finds(2, 14)


def test_a_word_in_the_last_moment_is_not_one_more() -> None:
    """What is said when the cycle's scoring begins ends no silence any more, and is not counted."""
    scoring = running(state=CycleState.SCORING, scoring=place(20))
    answer = given(key_result(checked_in(20))).when("silent", scoring).finds(2)
    assert answer.only.figures["check_ins"] == 0
    begun = given(key_result(checked_in(0))).when("silent", now=20).finds(2)
    assert begun.only.figures["check_ins"] == 0


def test_a_silence_in_between_is_found_later() -> None:
    answer = given(key_result(checked_in(2), checked_in(20), checked_in(30))).when("silent", now=35).finds(2, 2, 20)
    assert answer.only.sentence == "silent for 18 days from 2026-07-03 on; 3 check-ins in all"


def test_only_while_the_cycle_runs() -> None:
    planned = running(state=CycleState.PLANNED, started=None)
    given(key_result()).when("silent", planned).finds_nothing()
    late_start = running(started=place(90, position=90))
    given(key_result()).when("silent", late_start).finds_nothing()
    scoring = running(state=CycleState.SCORING, scoring=place(14))
    given(key_result()).when("silent", scoring).finds_nothing()


def test_only_while_the_key_result_lives() -> None:
    given(key_result(fact(14, KeyResultDropped()))).when("silent").finds_nothing()
    given(key_result(now=standing(deadline_at=day(14)))).when("silent").finds_nothing()
    given(key_result(committed=None)).when("silent").finds_nothing()


# 1. OKR used as KPI


@pytest.mark.parametrize(("value", "is_found"), [("99.9", False), ("100", True)])
def test_reached_targets_are_counted(value: str, is_found: bool) -> None:
    answer = given(key_result(now=standing(value))).when("okr_as_kpi")
    assert bool(answer.findings) is is_found
    assert answer.summary.figures["share_reached"] == (1 if is_found else 0)


def test_lowered_targets_and_top_scores_are_counted() -> None:
    lowered = fact(50, TargetAdjusted(from_=D(100), to=D(60)), standing("54"))
    answer = given(key_result(lowered), key_result(now=standing("70", score=D(5))), key_result()).when("okr_as_kpi")
    assert [finding.sentence for finding in answer.findings] == [
        "had its target lowered to be reached",
        "was scored at the top of the scale",
    ]
    assert answer.summary.figures["key_results"] == 3
    assert answer.summary.figures["share_top_scores"] == 1
    given(key_result(now=standing("70", score=D("4.9")))).when("okr_as_kpi").finds_nothing()
    nearly = fact(50, TargetAdjusted(from_=D(100), to=D(60)), standing("53.9"))
    given(key_result(nearly)).when("okr_as_kpi").finds_nothing()


def test_a_limit_beside_what_grows_is_a_guard() -> None:
    limit = key_result(now=standing(direction=Direction.AT_MOST, baseline=None, target=D(15), attainment=D(1)))
    guarded = given(key_result(), limit).when("okr_as_kpi").finds_nothing()
    assert guarded.summary.figures["objectives_without_guard"] == 0
    assert given(key_result()).when("okr_as_kpi").summary.figures["objectives_without_guard"] == 1


def test_what_was_dropped_does_not_count() -> None:
    given(key_result(now=standing("100", is_counted=False))).when("okr_as_kpi").finds_nothing().says("Of 0 key")


# 2. Absent management


def owner_said(on: float, actor: str = "anna") -> Happening:
    said = ObjectiveCheckedIn(progress=Text("fine"), confidence=6, status=StatedStatus.ON_TRACK)
    return fact(on, said, about=OBJECTIVE, actor_id=actor)


def test_an_owner_who_has_not_checked_in_for_fourteen_days() -> None:
    given(objective(facts=[owner_said(10)])).when("absent_management", now=24).finds_nothing()
    given(objective(facts=[owner_said(10)], begun=1)).when("absent_management", now=24 + SECOND).finds(1, 10)
    given(objective(facts=[owner_said(10, "bert")], begun=1)).when("absent_management", now=20).finds(1)


def test_a_word_on_one_of_its_key_results_is_a_word() -> None:
    given(objective(key_result(checked_in(10)))).when("absent_management", now=24).finds_nothing()


def test_only_company_objectives_that_live() -> None:
    for terms in ({"level": Level.DEPARTMENT}, {"is_live": False}):
        given(objective(**terms)).when("absent_management").finds_nothing().says("On 0 of 0")


def test_executives_without_an_objective() -> None:
    answer = given(objective(facts=[owner_said(90)])).when("absent_management", running(leads=("anna", "carl")))
    assert [(finding.owner_id, finding.positions) for finding in answer.findings] == [("carl", ())]
    answer.says("1 of 2 leads of teams at the top own no objective.")


# 3. Too many goals


@pytest.mark.parametrize(
    ("level", "count", "is_found"),
    [
        (Level.COMPANY, 5, False),
        (Level.COMPANY, 6, True),
        (Level.DEPARTMENT, 5, False),
        (Level.DEPARTMENT, 6, True),
        (Level.INDIVIDUAL, 4, False),
        (Level.INDIVIDUAL, 5, True),
    ],
)
def test_too_many_objectives(level: Level, count: int, is_found: bool) -> None:
    answer = given(*[objective(level=level, begun=number) for number in range(1, count + 1)]).when("too_many_goals")
    assert bool(answer.findings) is is_found


def test_each_team_and_person_counts_for_themselves() -> None:
    teams = [objective(team_id=UUID(int=number % 2 + 1)) for number in range(10)]
    given(*teams).when("too_many_goals").finds_nothing()
    people = [objective(level=Level.INDIVIDUAL, owner_id=f"u-{number % 2}") for number in range(8)]
    given(*people).when("too_many_goals").finds_nothing()
    given(*teams, *[objective(is_live=False) for _ in range(6)]).when("too_many_goals").finds_nothing()


@pytest.mark.parametrize(("count", "is_found"), [(4, False), (5, True)])
def test_too_many_key_results(count: int, is_found: bool) -> None:
    answer = given(*[key_result() for _ in range(count)]).when("too_many_goals")
    assert bool(answer.findings) is is_found
    dropped = [key_result(now=standing(is_counted=False)) for _ in range(5)]
    given(*dropped).when("too_many_goals").finds_nothing()


# 4. Vague key results


@pytest.mark.parametrize(
    ("title", "phrase"),
    [
        ("Improve collaboration", "improve"),
        ("Improve response time to 4 hours", None),
        ("提升专业能力", "提升"),
        ("核心用户复购率提升 30%", None),
        ("完成三轮海外增长测试并优化渠道", None),
        ("Churn", None),
        ("Improvement", None),
        ("Enhance the brand where possible", "enhance"),
        ("加强跨部门协作", "加强"),
    ],
)
def test_phrases_that_cannot_be_verified(title: str, phrase: str | None) -> None:
    assert vague_phrase(title) == phrase
    answer = given(key_result(title=title)).when("vague_key_results")
    assert bool(answer.findings) is (phrase is not None)


@pytest.mark.parametrize(("steps", "is_found"), [(1, True), (2, False)])
def test_a_single_step_is_no_measure(steps: int, is_found: bool) -> None:
    now = standing(direction=Direction.MILESTONES, baseline=None, target=None, steps=steps)
    assert bool(given(key_result(now=now)).when("vague_key_results").findings) is is_found


# 5. No alignment


def test_department_objectives_that_support_nothing() -> None:
    given(objective(level=Level.DEPARTMENT, begun=4)).when("no_alignment").finds(4)
    given(objective(level=Level.DEPARTMENT, supports=(OBJECTIVE,))).when("no_alignment").finds_nothing()
    given(objective(level=Level.COMPANY)).when("no_alignment").finds_nothing()
    given(objective(level=Level.DEPARTMENT, is_live=False)).when("no_alignment").finds_nothing()


# All of them


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_empty_cycle_is_answered(name: str) -> None:
    given().when(name).finds_nothing()


@pytest.mark.parametrize("name", QUESTIONS)
def test_parameters_have_bounds_and_names(name: str) -> None:
    question = QUESTIONS[name]
    assert question.name == name
    for parameter in question.parameters:
        assert parameter.least <= parameter.default <= parameter.most
        with pytest.raises(ValueError, match=parameter.name):
            question.told({parameter.name: parameter.most + 1})
    with pytest.raises(ValueError, match="has no such parameter"):
        question.told({"nonsense": D(1)})
