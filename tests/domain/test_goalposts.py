"""What a moved target changes, and what it cannot hide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.goalposts import (
    Goalposts,
    TargetHistory,
    TargetInForce,
    goalposts,
    is_lowered,
    milestone_goalposts,
)
from domain.measures import Direction, Milestone, Reading, attainment
from domain.numbers import quotient, shown

D = Decimal
START = datetime(2026, 7, 1, tzinfo=UTC)
INCREASE, DECREASE = Direction.INCREASE, Direction.DECREASE
AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def targets(*moves: tuple[float, int], baseline: int | None = 0) -> TargetHistory:
    """Targets in force from the day named on, with a deadline on day 90."""
    return TargetHistory(
        original=D(moves[0][1]),
        baseline=None if baseline is None else D(baseline),
        segments=tuple(TargetInForce(day(on), D(target), index) for index, (on, target) in enumerate(moves)),
        committed_at=day(0),
        deadline_at_original=day(90),
    )


def read(*pairs: tuple[float, int]) -> list[Reading]:
    return [Reading(day(on), D(value)) for on, value in pairs]


def to_six(figure: Decimal | None) -> Decimal | None:
    return None if figure is None else shown(figure)


LOWERED_LATE = targets((0, 100), (60, 60))


def test_the_worked_example() -> None:
    found = goalposts(INCREASE, LOWERED_LATE, read((20, 20), (55, 36), (90, 48)), day(90))
    assert found.attainment_original == D("0.48")
    assert found.attainment_current == D("0.80")
    assert to_six(found.attainment_time_weighted) == D("0.553846")
    assert found.goalpost_shift == D("-0.4")
    assert (found.target_original, found.target_current) == (D(100), D(60))
    assert to_six(found.target_time_weighted) == D("86.666667")
    (move,) = found.adjustments
    assert (move.position, move.from_, move.to, move.at) == (1, D(100), D(60), day(60))
    assert to_six(move.time_share) == D("0.666667")
    assert (move.attainment_before, move.attainment_after) == (D("0.36"), D("0.6"))
    assert move.effect == D("0.32")


def test_nothing_moved_means_three_equal_attainments() -> None:
    found = goalposts(INCREASE, targets((0, 100)), read((10, 48)), day(45))
    assert found == Goalposts(D("0.48"), D("0.48"), D("0.48"), D(0), D(100), D(100), D(100), ())


def test_a_move_is_unknown_before_it_happened() -> None:
    found = goalposts(INCREASE, LOWERED_LATE, read((10, 30), (70, 48)), day(59))
    assert found == Goalposts(D("0.3"), D("0.3"), D("0.3"), D(0), D(100), D(100), D(100), ())


def test_at_its_own_moment_a_move_is_known_and_has_had_no_time() -> None:
    found = goalposts(INCREASE, LOWERED_LATE, read((10, 30)), day(60))
    assert (found.target_current, found.target_time_weighted) == (D(60), D(100))
    assert (found.attainment_current, found.attainment_time_weighted) == (D("0.5"), D("0.3"))


def test_without_a_value_the_targets_are_known_and_the_attainments_are_not() -> None:
    found = goalposts(INCREASE, LOWERED_LATE, [], day(90))
    assert (found.attainment_original, found.attainment_current, found.attainment_time_weighted) == (None,) * 3
    assert found.goalpost_shift == D("-0.4")
    assert found.adjustments[0].effect is None


def test_the_shift_is_negative_where_the_bar_was_lowered_whichever_way_it_runs() -> None:
    def shift(direction: Direction, original: int, current: int, baseline: int | None) -> Decimal | None:
        history = targets((0, original), (10, current), baseline=baseline)
        return goalposts(direction, history, [], day(20)).goalpost_shift

    assert shift(INCREASE, 100, 80, 0) == D("-0.2")
    assert shift(INCREASE, 120, 100, 20) == D("-0.2")
    assert shift(INCREASE, 100, 150, 0) == D("0.5")
    assert shift(DECREASE, 100, 120, 200) == D("-0.2")
    assert shift(DECREASE, -100, -80, 0) == D("-0.2")
    assert shift(AT_LEAST, 100, 80, None) == D("-0.2")
    assert shift(AT_MOST, 100, 120, None) == D("-0.2")
    assert shift(AT_MOST, 100, 80, None) == D("0.2")
    assert shift(AT_LEAST, -10, -12, None) == D("-0.2")
    assert shift(AT_LEAST, 0, 5, None) is None


def test_two_moves_within_one_instant_are_both_seen() -> None:
    found = goalposts(INCREASE, targets((0, 100), (30, 80), (30, 60)), read((0, 30)), day(90))
    assert [(move.from_, move.to) for move in found.adjustments] == [(D(100), D(80)), (D(80), D(60))]
    assert to_six(found.target_time_weighted) == to_six(quotient(D(30 * 100 + 60 * 60), D(90)))
    found = goalposts(INCREASE, targets((0, 100), (0, 80)), read((0, 30)), day(0))
    assert (found.target_current, found.target_time_weighted) == (D(80), D(80))


def test_a_move_after_the_deadline_weighs_nothing_and_its_time_is_used_up() -> None:
    found = goalposts(INCREASE, targets((0, 100), (95, 50)), read((10, 50)), day(100))
    assert (found.attainment_current, found.attainment_time_weighted) == (D(1), D("0.5"))
    assert found.adjustments[0].time_share == 1


def test_targets_weigh_until_the_deadline_in_force_but_time_is_told_against_the_original_one() -> None:
    history = replace(LOWERED_LATE, deadline_at=day(120))
    found = goalposts(INCREASE, history, read((10, 48)), day(200))
    assert found.target_time_weighted == D(80)
    assert to_six(found.adjustments[0].time_share) == D("0.666667")


def test_a_corrected_baseline_leaves_the_original_with_its_own() -> None:
    history = replace(targets((0, 100), baseline=40), original_baseline=D(0))
    found = goalposts(INCREASE, history, read((10, 70)), day(45))
    assert (found.attainment_original, found.attainment_current) == (D("0.7"), D("0.5"))
    assert found.goalpost_shift == D("-0.4")


def test_a_redefined_metric_compares_with_no_original() -> None:
    history = TargetHistory(
        original=None,
        baseline=D(0),
        segments=(TargetInForce(day(30), D(10)), TargetInForce(day(60), D(5))),
        committed_at=day(0),
        deadline_at_original=day(90),
    )
    found = goalposts(INCREASE, history, read((40, 4)), day(90))
    assert (found.attainment_original, found.goalpost_shift, found.target_original) == (None, None, None)
    assert (found.attainment_current, found.target_time_weighted) == (D("0.8"), D("7.5"))
    assert found.adjustments[0].effect == D("0.4")


def test_a_mean_target_that_meets_the_baseline_gives_no_figure() -> None:
    found = goalposts(INCREASE, targets((0, 100), (45, 50), baseline=75), read((10, 80)), day(90))
    assert found.target_time_weighted == D(75)
    assert found.attainment_time_weighted is None
    history = replace(targets((0, 100), baseline=40), original_baseline=D(100))
    found = goalposts(INCREASE, history, read((10, 70)), day(45))
    assert (found.attainment_original, found.goalpost_shift) == (None, None)


def test_limits_compare_limit_with_limit_over_the_same_values() -> None:
    # 92 for a third of the time, 96 for two thirds; the limit goes from 95 to 90 on day 45.
    found = goalposts(AT_LEAST, targets((0, 95), (45, 90), baseline=None), read((0, 92), (30, 96), (80, 92)), day(90))
    assert to_six(found.attainment_original) == to_six(quotient(D(50), D(90)))
    assert found.attainment_current == 1
    assert found.target_time_weighted == D("92.5")
    assert to_six(found.attainment_time_weighted) == to_six(quotient(D(50), D(90)))
    (move,) = found.adjustments
    assert to_six(move.attainment_before) == D("0.333333")
    assert move.attainment_after == 1
    assert to_six(move.effect) == to_six(quotient(D(40), D(90)))


def test_milestones_have_no_target_and_no_shift() -> None:
    steps = [Milestone("tape-out", D(3), day(1)), Milestone("samples", D(1))]
    found = milestone_goalposts(steps, day(5))
    assert found == Goalposts(D("0.75"), D("0.75"), D("0.75"), None, None, None, None, ())


@pytest.mark.parametrize(
    ("direction", "baseline"),
    [
        (INCREASE, None),
        (DECREASE, None),
        (AT_LEAST, 0),
        (AT_MOST, 0),
        (Direction.MILESTONES, None),
        (Direction.MILESTONES, 0),
    ],
)
def test_targets_of_another_direction_are_refused(direction: Direction, baseline: int | None) -> None:
    with pytest.raises(ValueError, match="not those of direction"):
        goalposts(direction, targets((0, 100), baseline=baseline), [], day(1))


def test_a_history_that_cannot_have_happened_is_refused() -> None:
    good = targets((0, 100), (10, 80))
    histories: list[tuple[dict[str, Any], str]] = [
        ({"segments": ()}, "has a target"),
        ({"committed_at": day(1)}, "before the commitment"),
        ({"committed_at": day(-1)}, "from the commitment on"),
        ({"segments": (*good.segments, TargetInForce(day(9), D(70)))}, "order"),
        ({"original": D(90)}, "original"),
        ({"baseline": None, "original_baseline": D(0)}, "no baseline"),
    ]
    for wrong, rule in histories:
        with pytest.raises(ValueError, match=rule):
            replace(good, **wrong)


@pytest.mark.parametrize(
    ("direction", "from_", "to", "lowered"),
    [
        (INCREASE, 100, 80, True),
        (INCREASE, 80, 100, False),
        (DECREASE, 20, 40, True),
        (DECREASE, 40, 20, False),
        (AT_LEAST, 95, 90, True),
        (AT_LEAST, 90, 95, False),
        (AT_MOST, 4, 6, True),
        (AT_MOST, 6, 4, False),
        (INCREASE, 80, 80, False),
        (AT_MOST, 4, 4, False),
    ],
)
def test_lowered_means_easier(direction: Direction, from_: int, to: int, lowered: bool) -> None:
    assert is_lowered(direction, D(from_), D(to)) is lowered


hours = st.integers(0, 30)
moves = st.lists(st.tuples(hours, st.integers(1, 50)), max_size=5).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)
value_changes = st.lists(st.tuples(hours, st.integers(-20, 80)), max_size=5).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def history_of(original: int, moved: list[tuple[int, int]], deadline: int, baseline: int | None) -> TargetHistory:
    segments = [TargetInForce(hour(0), D(original)), *(TargetInForce(hour(at), D(target)) for at, target in moved)]
    return TargetHistory(
        D(original), None if baseline is None else D(baseline), tuple(segments), hour(0), hour(deadline)
    )


@given(st.integers(1, 50), moves, value_changes, st.integers(1, 24), st.integers(0, 36))
def test_the_time_weighted_target_is_the_mean_over_small_steps(
    original: int, moved: list[tuple[int, int]], values: list[tuple[int, int]], deadline: int, now: int
) -> None:
    series = [Reading(hour(at), D(value)) for at, value in values]
    found = goalposts(INCREASE, history_of(original, moved, deadline, 0), series, hour(now))

    def in_force(at: int) -> int:
        return [original, *(target for since, target in moved if since <= at)][-1]

    steps = [in_force(at) for at in range(min(now, deadline))] or [in_force(0)]
    assert found.target_time_weighted is not None
    assert shown(found.target_time_weighted) == shown(quotient(D(sum(steps)), D(len(steps))))
    assert found.target_current == in_force(now)
    past = [D(value) for at, value in values if at <= now]
    value = past[-1] if past else None
    assert found.attainment_original == attainment(INCREASE, D(0), D(original), value)
    assert found.attainment_current == attainment(INCREASE, D(0), D(in_force(now)), value)
    assert found.attainment_time_weighted == attainment(INCREASE, D(0), found.target_time_weighted, value)


@given(st.integers(1, 50), moves, value_changes, st.sampled_from([INCREASE, AT_LEAST, AT_MOST]), st.integers(0, 36))
def test_the_effects_of_all_moves_sum_to_what_the_moved_bar_is_worth(
    original: int,
    moved: list[tuple[int, int]],
    values: list[tuple[int, int]],
    direction: Direction,
    now: int,
) -> None:
    series = [Reading(hour(at), D(value)) for at, value in values]
    history = history_of(original, moved, 24, None if direction.is_limit else 0)
    found = goalposts(direction, history, series, hour(now))
    if found.attainment_current is None or found.attainment_original is None:
        assert all(move.effect is None for move in found.adjustments)
        return
    effects = sum((move.effect for move in found.adjustments if move.effect is not None), D(0))
    assert shown(effects) == shown(found.attainment_current - found.attainment_original)
    if direction.is_limit:
        for move in found.adjustments:
            assert move.effect is not None
            assert move.effect == 0 or (move.effect > 0) is is_lowered(direction, move.from_, move.to)


@given(st.integers(1, 50), moves, value_changes)
def test_figures_do_not_depend_on_the_context_of_the_thread(
    original: int, moved: list[tuple[int, int]], values: list[tuple[int, int]]
) -> None:
    series = [Reading(hour(at), D(value)) for at, value in values]
    history = history_of(original, moved, 24, 0)
    expected = goalposts(INCREASE, history, series, hour(23))
    with localcontext() as thread:
        thread.prec = 2
        assert goalposts(INCREASE, history, series, hour(23)) == expected


@pytest.mark.parametrize(("direction", "baseline"), [(INCREASE, 0), (AT_LEAST, None)])
def test_a_commitment_that_was_recorded_after_its_deadline(direction: Direction, baseline: int | None) -> None:
    """It was decided just before midnight, and the ledger took it just after."""
    late = replace(targets((0, 100), baseline=baseline), deadline_at_original=day(-0.001))
    found = goalposts(direction, late, read((1, 80)), day(3))
    assert found.target_time_weighted == 100
    assert found.attainment_current == (D("0.8") if baseline == 0 else 0)
