"""How attainment becomes points, and what the points ask."""

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import text
from domain.scoring import (
    BUILT_IN,
    GUIDE_1_5,
    HUNDRED_0_100,
    UNIT_0_1,
    Advice,
    Band,
    ScoringPolicy,
    advice,
    band,
    objective_points,
    points,
)

D = Decimal
policies = st.sampled_from(list(BUILT_IN.values()))
attainments = st.decimals(-3, 3, places=4)


@pytest.mark.parametrize(
    ("attainment", "guide", "unit", "hundred"),
    [
        ("-0.25", "1.0", "0.0", "0"),
        ("0", "1.0", "0.0", "0"),
        ("0.1", "1.0", "0.1", "10"),
        ("0.48", "2.4", "0.5", "48"),
        ("0.5", "2.5", "0.5", "50"),
        ("0.553846", "2.8", "0.6", "55"),
        ("0.65", "3.2", "0.6", "65"),
        ("0.7", "3.5", "0.7", "70"),
        ("1", "5.0", "1.0", "100"),
        ("1.3", "5.0", "1.0", "100"),
    ],
)
def test_points_under_each_policy(attainment: str, guide: str, unit: str, hundred: str) -> None:
    found = [text(points(policy, D(attainment))) for policy in (GUIDE_1_5, UNIT_0_1, HUNDRED_0_100)]
    assert found == [guide, unit, hundred]


def test_points_between_two_are_rounded_to_the_even_one() -> None:
    assert points(GUIDE_1_5, D("0.45")) == D("2.2")
    assert points(GUIDE_1_5, D("0.47")) == D("2.4")
    assert points(HUNDRED_0_100, D("0.125")) == D(12)


@given(policies, attainments, attainments)
def test_points_stay_on_the_scale_and_more_never_gives_less(
    policy: ScoringPolicy, one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one, other))
    assert policy.minimum <= points(policy, low) <= points(policy, high) <= policy.maximum
    assert points(policy, low).as_tuple().exponent == -policy.decimals


def test_points_do_not_depend_on_the_context_of_the_thread() -> None:
    with localcontext() as thread:
        thread.prec = 1
        assert points(HUNDRED_0_100, D("0.5538")) == 55
        assert objective_points(HUNDRED_0_100, [(D(55), D(1)), (D(58), D(2))]) == 57


@pytest.mark.parametrize(
    ("attainment", "found", "asks"),
    [
        ("-0.25", Band.BELOW_HALF, Advice.GOAL_OR_EXECUTION),
        ("0.4999999", Band.BELOW_HALF, Advice.GOAL_OR_EXECUTION),
        ("0.5", Band.BELOW, None),
        ("0.5999999", Band.BELOW, None),
        ("0.6", Band.IDEAL, None),
        ("0.70", Band.IDEAL, None),
        ("0.7000001", Band.ABOVE, None),
        ("0.9999999", Band.ABOVE, None),
        ("1", Band.CONSERVATIVE, Advice.GOAL_TOO_CONSERVATIVE),
        ("1.3", Band.CONSERVATIVE, Advice.GOAL_TOO_CONSERVATIVE),
    ],
)
@pytest.mark.parametrize("policy", BUILT_IN.values(), ids=list(BUILT_IN))
def test_the_bands_and_what_they_ask(policy: ScoringPolicy, attainment: str, found: Band, asks: Advice | None) -> None:
    assert band(policy, D(attainment)) is found
    assert advice(found) is asks


def test_the_ideal_band_of_a_policy_goes_before_the_advice() -> None:
    gentle = replace(GUIDE_1_5, ideal_low=D("0.4"), ideal_high=D(1))
    assert [band(gentle, D(share)) for share in ("0.39", "0.45", "1", "1.01")] == [
        Band.BELOW_HALF,
        Band.IDEAL,
        Band.IDEAL,
        Band.CONSERVATIVE,
    ]


def test_an_objective_has_the_weighted_mean_of_its_key_results() -> None:
    assert objective_points(GUIDE_1_5, [(D("2.5"), None), (D("3.4"), None)]) == D("3.0")
    assert objective_points(GUIDE_1_5, [(D(5), D(75)), (D(1), D(25))]) == D("4.0")
    assert objective_points(GUIDE_1_5, [(D(5), D(60)), (D(1), D(20)), (D(3), None)]) == D("3.7")
    assert objective_points(GUIDE_1_5, []) is None
    assert objective_points(GUIDE_1_5, [(D(5), D(0))]) is None


def test_the_built_in_policies_are_found_by_name() -> None:
    assert list(BUILT_IN) == ["guide_1_5", "unit_0_1", "hundred_0_100"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"minimum": D(5)}, "minimum below"),
        ({"factor": D(0)}, "factor"),
        ({"decimals": 7}, "decimals"),
        ({"decimals": -1}, "decimals"),
        ({"ideal_low": D("0.71")}, "ideal band"),
        ({"factor": D("NaN")}, "made of numbers"),
        ({"maximum": D("Infinity")}, "made of numbers"),
    ],
)
def test_a_policy_that_scores_nobody_is_refused(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        replace(GUIDE_1_5, **change)
