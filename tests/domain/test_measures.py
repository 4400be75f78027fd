"""Which value is in force, how far it has come, how an objective rolls up, and the pace."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.measures import (
    Direction,
    Milestone,
    PaceStatus,
    Point,
    Reading,
    Roll,
    Source,
    attainment,
    elapsed,
    milestone_attainment,
    objective_attainment,
    pace,
    readings,
    value_in_force,
    weighted_mean,
)
from domain.numbers import shown

D = Decimal
START = datetime(2026, 7, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


# Which value is in force


def said(position: int, on: float, value: int, source: Source = Source.PERSON) -> Point:
    return Point(position, day(on), D(value), source)


def value_on(points: list[Point], on: float) -> Decimal | None:
    point = value_in_force(points, day(on))
    return point.value if point else None


def test_before_the_first_value_none_is_in_force() -> None:
    assert value_in_force([], day(0)) is None
    assert value_on([said(1, 2, 50)], 1) is None


def test_a_value_stays_in_force_until_the_next() -> None:
    points = [said(1, 1, 50), said(2, 4, 100)]
    assert [value_on(points, on) for on in range(1, 5)] == [50, 50, 50, 100]


def test_the_latest_true_moment_counts_before_the_latest_record() -> None:
    assert value_on([said(1, 5, 50), said(2, 3, 30)], 9) == 50
    assert value_on([said(1, 5, 50), said(2, 5, 55)], 9) == 55


def test_a_corrected_value_is_never_in_force() -> None:
    wrong = Point(1, day(1), D(500), Source.PERSON, is_corrected=True)
    assert value_on([wrong], 9) is None
    assert value_on([wrong, said(2, 1, 50)], 9) == 50


def test_an_override_stands_before_every_measurement_of_the_feed() -> None:
    points = [said(1, 1, 10, Source.FEED), said(2, 2, 99, Source.OVERRIDE), said(3, 3, 12, Source.FEED)]
    assert [value_on(points, on) for on in (1, 2, 3, 9)] == [10, 99, 99, 99]


def test_without_an_override_person_and_feed_stand_in_one_order() -> None:
    assert value_on([said(1, 1, 10), said(2, 2, 11, Source.FEED)], 9) == 11
    assert value_on([said(1, 2, 10), said(2, 1, 11, Source.FEED)], 9) == 10


def test_a_person_may_go_on_recording_while_an_override_stands() -> None:
    points = [said(1, 2, 99, Source.OVERRIDE), said(2, 3, 70), said(3, 4, 12, Source.FEED)]
    assert value_on(points, 9) == 70


def test_an_override_stands_until_it_ends_and_what_it_covered_comes_back() -> None:
    override = Point(2, day(2), D(99), Source.OVERRIDE, until=day(5))
    points = [said(1, 1, 10, Source.FEED), override, said(3, 3, 12, Source.FEED)]
    assert [value_on(points, on) for on in (1, 2, 4, 5)] == [10, 99, 99, 12]
    assert value_on([override], 5) is None


@pytest.mark.parametrize("source", [Source.PERSON, Source.FEED])
def test_only_an_override_ends(source: Source) -> None:
    with pytest.raises(ValueError, match="only an override ends"):
        Point(1, day(1), D(9), source, until=day(3))


moments = st.integers(0, 6)
values = st.integers(-3, 3).map(Decimal)


@st.composite
def histories(draw: st.DrawFn) -> list[Point]:
    drawn = draw(
        st.lists(
            st.tuples(moments, values, st.sampled_from(Source), st.booleans(), st.none() | st.integers(1, 3)),
            max_size=8,
        )
    )
    return [
        Point(
            position,
            day(at),
            value,
            source,
            is_corrected,
            day(at + length) if length and source is Source.OVERRIDE else None,
        )
        for position, (at, value, source, is_corrected, length) in enumerate(drawn, 1)
    ]


@given(histories())
def test_the_series_of_readings_says_at_each_moment_what_is_in_force(points: list[Point]) -> None:
    series = readings(points)
    assert [reading.effective_at for reading in series] == sorted({r.effective_at for r in series})
    for on in range(-2, 20):
        past = [reading.value for reading in series if reading.effective_at <= day(on / 2)]
        assert (past[-1] if past else None) == value_on(points, on / 2)


def test_a_series_tells_when_an_override_leaves_nothing() -> None:
    series = readings([Point(1, day(1), D(9), Source.OVERRIDE, until=day(3))])
    assert series == [Reading(day(1), D(9)), Reading(day(3), None)]


# From a baseline to a target


@pytest.mark.parametrize(
    ("direction", "baseline", "target", "value", "share"),
    [
        (Direction.INCREASE, 0, 100, 20, "0.2"),
        (Direction.INCREASE, 0, 100, 150, "1.5"),
        (Direction.INCREASE, 20, 100, 0, "-0.25"),
        (Direction.INCREASE, 20, 100, -20, "-0.5"),
        (Direction.INCREASE, 20, 100, 20, "0"),
        (Direction.DECREASE, 100, 20, 80, "0.25"),
        (Direction.DECREASE, 100, 20, 0, "1.25"),
        (Direction.DECREASE, 200, 100, 250, "-0.5"),
        (Direction.DECREASE, 0, -100, -70, "0.7"),
        (Direction.INCREASE, 0, 3, 2, "0.666667"),
        (Direction.INCREASE, 65, 90, 80, "0.6"),
    ],
)
def test_attainment_counts_from_the_baseline_and_is_not_clamped(
    direction: Direction, baseline: int, target: int, value: int, share: str
) -> None:
    found = attainment(direction, D(baseline), D(target), D(value))
    assert found is not None
    assert shown(found) == D(share)


def test_without_a_value_or_a_way_there_is_no_attainment() -> None:
    assert attainment(Direction.INCREASE, D(0), D(100), None) is None
    assert attainment(Direction.INCREASE, D(0), D(0), D(0)) is None


@pytest.mark.parametrize("direction", [Direction.AT_LEAST, Direction.AT_MOST, Direction.MILESTONES])
def test_what_is_measured_otherwise_has_no_way_from_a_baseline(direction: Direction) -> None:
    with pytest.raises(ValueError, match="not measured from a baseline"):
        attainment(direction, D(0), D(1), D(1))


def test_figures_do_not_depend_on_the_context_of_the_thread() -> None:
    with localcontext() as thread:
        thread.prec = 2
        assert attainment(Direction.INCREASE, D("0.125"), D("1000.125"), D("333.458")) == D("0.333333")
        assert weighted_mean([(D("0.333333"), D(1)), (D("0.666667"), D(1))]) == D("0.5")
        assert milestone_attainment([Milestone("a", D("33.333"), day(0)), Milestone("b", D("66.667"))], day(1)) == (
            D("0.33333")
        )


# Milestones


def test_milestones_count_by_their_weight_from_when_they_were_reached() -> None:
    steps = [Milestone("tape-out", D(2), day(1)), Milestone("samples", D(1), day(5)), Milestone("volume", D(1))]
    assert [milestone_attainment(steps, day(on)) for on in (0, 1, 4, 5)] == [0, D("0.5"), D("0.5"), D("0.75")]


def test_milestones_without_weight_give_no_figure() -> None:
    assert milestone_attainment([], day(0)) is None
    assert milestone_attainment([Milestone("idea", D(0), day(0))], day(1)) is None


# The objective


def test_an_objective_is_the_mean_of_its_key_results() -> None:
    assert objective_attainment([(D("0.2"), None), (D("0.6"), None)]) == Roll(D("0.4"), D("0.4"))


def test_a_key_result_without_a_value_counts_nothing() -> None:
    assert objective_attainment([(D("0.8"), None), (None, None)]) == Roll(D("0.4"), D("0.4"))


def test_each_key_result_is_clamped_and_the_unclamped_mean_stands_beside() -> None:
    assert objective_attainment([(D("1.5"), None), (D("-0.5"), None)]) == Roll(D("0.5"), D("0.5"))
    assert objective_attainment([(D("1.5"), None), (D("0.5"), None)]) == Roll(D("0.75"), D(1))


def test_weights_are_a_ratio() -> None:
    for scale in (D(1), D(10), D("0.01")):
        items: list[tuple[Decimal | None, Decimal | None]] = [(D(1), 3 * scale), (D("0.2"), scale)]
        assert objective_attainment(items) == Roll(D("0.8"), D("0.8"))


def test_a_key_result_without_weight_among_weighted_ones_counts_their_mean() -> None:
    # The mean of 60 and 20 is 40: (60 x 1 + 20 x 0 + 40 x 0.5) / 120.
    found = weighted_mean([(D(1), D(60)), (D(0), D(20)), (D("0.5"), None)])
    assert found is not None
    assert shown(found) == D("0.666667")


def test_a_key_result_of_weight_zero_counts_nothing() -> None:
    assert weighted_mean([(D(1), D(0)), (D("0.3"), D(5))]) == D("0.3")


def test_without_any_weight_to_count_there_is_no_figure() -> None:
    assert objective_attainment([]) is None
    assert objective_attainment([(D(1), D(0)), (D(1), D(0))]) is None
    # A weight of zero says nothing of the weights that were not given.
    assert objective_attainment([(D(1), D(0)), (D("0.5"), None)]) == Roll(D("0.5"), D("0.5"))


shares = st.decimals(-2, 3, places=3)
weights = st.none() | st.decimals("0.5", 100, places=1)


@given(st.lists(st.tuples(st.none() | shares, weights), min_size=1, max_size=6))
def test_a_mean_lies_between_its_extremes(items: list[tuple[Decimal | None, Decimal | None]]) -> None:
    roll = objective_attainment(items)
    assert roll is not None
    assert 0 <= roll.clamped <= 1
    known = [share or D(0) for share, _ in items]
    assert min(known) - D("1E-30") <= roll.unclamped <= max(known) + D("1E-30")


# The pace


def test_the_time_that_has_passed_is_clamped() -> None:
    assert [elapsed(day(0), day(90), day(on)) for on in (-1, 0, 45, 90, 99)] == [0, 0, D("0.5"), 1, 1]


@pytest.mark.parametrize(
    ("share", "status"),
    [
        ("0.50", PaceStatus.ON_TRACK),
        ("0.45", PaceStatus.ON_TRACK),
        ("0.4499999", PaceStatus.AT_RISK),
        ("0.30", PaceStatus.AT_RISK),
        ("0.2999999", PaceStatus.BEHIND),
        ("-0.25", PaceStatus.BEHIND),
        ("0.9999999", PaceStatus.ON_TRACK),
        ("1", PaceStatus.ACHIEVED),
        ("1.3", PaceStatus.ACHIEVED),
    ],
)
def test_half_way_half_is_expected(share: str, status: PaceStatus) -> None:
    found = pace(D(share), day(0), day(90), day(45), Direction.INCREASE)
    assert (found.elapsed, found.expected, found.status) == (D("0.5"), D("0.5"), status)


def test_at_the_commitment_nothing_is_expected_and_no_value_counts_nothing() -> None:
    assert pace(None, day(0), day(90), day(0), Direction.INCREASE).status is PaceStatus.ON_TRACK
    assert pace(None, day(0), day(90), day(1), Direction.INCREASE).status is PaceStatus.BEHIND


@pytest.mark.parametrize(
    ("share", "on", "status"),
    [
        ("1", 45, PaceStatus.ON_TRACK),
        ("0.9", 45, PaceStatus.ON_TRACK),
        ("0.89", 45, PaceStatus.AT_RISK),
        ("0.59", 45, PaceStatus.BEHIND),
        ("1", 89.999, PaceStatus.ON_TRACK),
        ("1", 90, PaceStatus.ACHIEVED),
        ("0.99", 90, PaceStatus.ON_TRACK),
    ],
)
def test_a_limit_is_expected_to_hold_all_the_time_and_is_achieved_only_at_the_deadline(
    share: str, on: float, status: PaceStatus
) -> None:
    found = pace(D(share), day(0), day(90), day(on), Direction.AT_LEAST)
    assert (found.expected, found.status) == (D(1), status)
