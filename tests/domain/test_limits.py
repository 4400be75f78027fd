"""For how long a limit was held, from all readings at once and from one reading at a time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits import HeldTime, holds, limit_attainment
from domain.measures import Direction, Reading
from domain.numbers import quotient

D = Decimal
START = datetime(2026, 7, 1, tzinfo=UTC)
AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def read(*pairs: tuple[float, int | None]) -> list[Reading]:
    return [Reading(day(on), None if value is None else D(value)) for on, value in pairs]


def share(direction: Direction, limit: int, series: list[Reading], now: float, deadline: float = 90) -> Decimal:
    return limit_attainment(direction, D(limit), series, day(0), day(deadline), day(now))


def test_a_limit_holds_at_the_limit_itself_and_never_without_a_value() -> None:
    assert [holds(AT_LEAST, D(95), value) for value in (D(94), D(95), D(96), None)] == [False, True, True, False]
    assert [holds(AT_MOST, D(95), value) for value in (D(94), D(95), D(96), None)] == [True, True, False, False]


@pytest.mark.parametrize("direction", [Direction.INCREASE, Direction.DECREASE, Direction.MILESTONES])
def test_other_directions_have_no_limit(direction: Direction) -> None:
    with pytest.raises(ValueError, match="no limit"):
        holds(direction, D(1), D(1))


def test_the_share_of_the_time_in_which_the_limit_held() -> None:
    series = read((0, 96), (30, 90), (45, 95))
    assert share(AT_LEAST, 95, series, now=60) == D("0.75")
    assert share(AT_LEAST, 95, series, now=90) == quotient(D(75), D(90))
    assert share(AT_MOST, 90, series, now=60) == D("0.25")


def test_time_before_the_first_value_is_not_held() -> None:
    assert share(AT_LEAST, 95, [], now=60) == 0
    assert share(AT_LEAST, 95, read((30, 99)), now=20) == 0
    assert share(AT_LEAST, 95, read((30, 99)), now=60) == D("0.5")


def test_a_value_from_before_the_commitment_counts_from_the_commitment() -> None:
    assert share(AT_LEAST, 95, read((-10, 99)), now=40) == 1
    assert share(AT_LEAST, 95, read((-10, 99), (-5, 90)), now=40) == 0


def test_time_in_which_no_value_is_in_force_is_not_held() -> None:
    assert share(AT_LEAST, 95, read((0, 99), (10, None)), now=40) == D("0.25")


def test_time_ends_at_the_deadline() -> None:
    assert share(AT_LEAST, 95, read((0, 99), (90, 1)), now=500) == 1
    assert share(AT_LEAST, 95, read((45, 99), (200, 1)), now=500) == D("0.5")
    assert share(AT_LEAST, 95, read((100, 99)), now=500) == 0


def test_at_the_commitment_itself_nothing_is_held_yet() -> None:
    assert share(AT_LEAST, 95, read((0, 99)), now=0) == 0
    assert share(AT_LEAST, 95, read((0, 99)), now=-1) == 0


def test_values_after_the_asked_moment_are_not_looked_at() -> None:
    assert share(AT_LEAST, 95, read((0, 99), (50, 1)), now=40) == 1


def test_a_row_refuses_a_reading_from_before_its_last() -> None:
    held = HeldTime(day(0), day(90)).advance(day(10), True)
    with pytest.raises(ValueError, match="build the held time again"):
        held.advance(day(9), False)
    early = HeldTime(day(0), day(90)).advance(day(-1), True)
    with pytest.raises(ValueError, match="build the held time again"):
        early.advance(day(-2), False)


def test_at_the_same_moment_the_later_reading_counts() -> None:
    held = HeldTime(day(0), day(90)).advance(day(0), False).advance(day(0), True)
    assert held.at(day(30)) == 1


def test_a_clock_that_lags_behind_the_last_reading_is_taken_as_its_moment() -> None:
    held = HeldTime(day(0), day(90)).advance(day(0), True).advance(day(40), False)
    assert held.at(day(39)) == 1
    assert held.at(day(80)) == D("0.5")


hours = st.integers(-4, 14)
series_of_hours = st.lists(st.tuples(hours, st.none() | st.integers(0, 4)), max_size=8).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)


def summed_by_the_hour(
    series: list[tuple[int, int | None]], direction: Direction, limit: int, deadline: int, now: int
) -> Decimal:
    """The definition, one elementary hour after the other."""
    end = min(now, deadline)
    held = 0
    for hour in range(end):
        past = [value for at, value in series if at <= hour]
        value = past[-1] if past else None
        held += value is not None and (value >= limit if direction is AT_LEAST else value <= limit)
    return quotient(D(held), D(end)) if end > 0 else D(0)


@given(series_of_hours, st.sampled_from([AT_LEAST, AT_MOST]), st.integers(0, 4), st.integers(1, 12), hours)
def test_the_share_is_the_sum_over_elementary_intervals(
    series: list[tuple[int, int | None]], direction: Direction, limit: int, deadline: int, now: int
) -> None:
    found = limit_attainment(
        direction,
        D(limit),
        [Reading(day(at / 24), None if value is None else D(value)) for at, value in series],
        day(0),
        day(deadline / 24),
        day(now / 24),
    )
    assert found == summed_by_the_hour(series, direction, limit, deadline, now)


@given(series_of_hours, st.sampled_from([AT_LEAST, AT_MOST]), st.integers(0, 4), st.integers(1, 12))
def test_a_row_that_grows_by_one_reading_says_the_same_at_every_moment(
    series: list[tuple[int, int | None]], direction: Direction, limit: int, deadline: int
) -> None:
    held = HeldTime(day(0), day(deadline / 24))
    waiting = list(series)
    for now in range(-4, 20):
        while waiting and waiting[0][0] <= now:
            at, value = waiting.pop(0)
            held = held.advance(day(at / 24), holds(direction, D(limit), None if value is None else D(value)))
        assert held.at(day(now / 24)) == summed_by_the_hour(series, direction, limit, deadline, now)
