"""A scoring policy as data: read, written, refused with every field that is wrong."""

from decimal import Decimal
from typing import Any

import pytest

from domain import scoring_data
from domain.errors import Invalid
from domain.scoring import BUILT_IN, GUIDE_1_5, Advice, Band, ScoringPolicy, advice, band, points

TEN: dict[str, Any] = {"name": "ten", "minimum": 0, "maximum": "10", "decimals": Decimal(1), "factor": "10"}


def broken(data: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refused:
        scoring_data.read(data)
    return {breach.field: breach.rule for breach in refused.value.breaches}


@pytest.mark.parametrize("policy", BUILT_IN.values(), ids=list(BUILT_IN))
def test_the_built_in_policies_are_data_too(policy: ScoringPolicy) -> None:
    data = scoring_data.written(policy)
    assert scoring_data.named(policy.name) is policy
    again = scoring_data.read(data | {"name": "mine"})
    assert scoring_data.written(again) == data | {"name": "mine"}
    assert [points(again, Decimal(share)) for share in ("0.48", "1.3")] == [
        points(policy, Decimal(share)) for share in ("0.48", "1.3")
    ]


def test_what_is_left_out_is_as_in_the_guide() -> None:
    policy = scoring_data.read(TEN)
    assert (policy.ideal_low, policy.ideal_high, policy.advice) == (
        GUIDE_1_5.ideal_low,
        GUIDE_1_5.ideal_high,
        GUIDE_1_5.advice,
    )
    assert points(policy, Decimal("0.48")) == Decimal("4.8")


def test_a_policy_may_begin_above_nothing_and_ask_otherwise() -> None:
    policy = scoring_data.read(
        TEN
        | {
            "minimum": "1",
            "maximum": "5",
            "factor": "4",
            "offset": "1",
            "ideal": {"low": "0.5", "high": "0.9"},
            "advice": {"below": "goal_or_execution"},
        }
    )
    assert [points(policy, Decimal(share)) for share in ("-1", "0", "0.5", "1", "2")] == [1, 1, 3, 5, 5]
    assert band(policy, Decimal("0.85")) is Band.IDEAL
    assert advice(Band.BELOW, policy) is Advice.GOAL_OR_EXECUTION
    assert advice(Band.CONSERVATIVE, policy) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"minimum": "10"}, {"policy.minimum": "scale"}),
        ({"minimum": "ten"}, {"policy.minimum": "measure"}),
        ({"minimum": True}, {"policy.minimum": "measure"}),
        ({"maximum": None}, {"policy.maximum": "required"}),
        ({"factor": "0"}, {"policy.factor": "above_zero"}),
        ({"factor": Decimal("NaN")}, {"policy.factor": "measure"}),
        ({"decimals": "1.5"}, {"policy.decimals": "decimals"}),
        ({"decimals": 7}, {"policy.decimals": "decimals"}),
        ({"name": " "}, {"policy.name": "not_empty"}),
        ({"name": 7}, {"policy.name": "text"}),
        ({"name": "guide_1_5"}, {"policy.name": "name_taken"}),
        ({"ideal": {"low": "0.6"}}, {"policy.ideal": "ideal_band"}),
        ({"ideal": {"low": "0.7", "high": "0.6"}}, {"policy.ideal.low": "ideal_band"}),
        ({"ideal": {"low": "x", "high": "0.6"}}, {"policy.ideal.low": "measure"}),
        ({"advice": []}, {"policy.advice": "advice"}),
        ({"advice": {"worst": "goal_or_execution"}}, {"policy.advice.worst": "band"}),
        ({"advice": {"below": "shout"}}, {"policy.advice.below": "advice"}),
        ({"factr": 1}, {"policy.factr": "unknown_field"}),
        ({"factor": 0, "maximum": 0}, {"policy.factor": "above_zero", "policy.minimum": "scale"}),
    ],
)
def test_each_field_that_is_wrong_is_named_with_its_rule(
    change: dict[str, Any], expected: dict[str | None, str]
) -> None:
    assert broken(TEN | change) == expected


def test_what_is_no_policy_at_all_is_refused() -> None:
    assert broken([]) == {"policy": "policy"}
    assert broken({}) == dict.fromkeys((f"policy.{name}" for name in scoring_data.REQUIRED), "required")
    with pytest.raises(Invalid, match="there are guide_1_5, unit_0_1, hundred_0_100"):
        scoring_data.named("guide")
