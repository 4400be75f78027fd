"""Versions as texts sort like what they stand for."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.feeds.times import written
from domain.feeds.values import Unfit
from domain.feeds.versions import version_text

_numbers = (
    st.integers(-(10**40), 10**40)
    | st.decimals("-1e20", "1e20", places=6)
    | st.integers(-20, 20)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value="-1", max_value="1")
    .filter(lambda number: number.is_zero() or number.adjusted() > -900)
)  # fmt: skip
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


def compare(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


@settings(max_examples=600, deadline=None)
@given(_numbers, _numbers)
@example(Decimal("-4.25"), Decimal("-4.2"))
@example(-1, -10)
@example(0, Decimal("-0.0"))
@example(Decimal("1.50"), Decimal("1.5"))
@example(9, 10)
@example(Decimal("1e-300"), 0)
def test_numbers_sort_by_size(one: Any, other: Any) -> None:
    assert compare(version_text([one]), version_text([other])) == compare(Decimal(one), Decimal(other))


@settings(max_examples=600, deadline=None)
@given(_texts, _texts)
@example("a", "a\x01")
@example("a ", "a!")
@example("", "\x01")
@example("!P", " ")
def test_texts_sort_by_their_characters(one: str, other: str) -> None:
    assert compare(version_text([one]), version_text([other])) == compare(one, other)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.integers(-3, 3), max_size=3),
    st.lists(st.integers(-3, 3), max_size=3),
    st.lists(st.sampled_from(["", "a", "a ", "ab", "b"]), min_size=1, max_size=2),
    st.lists(st.sampled_from(["", "a", "a ", "ab", "b"]), min_size=1, max_size=2),
)
def test_lists_sort_by_their_first_different_part(
    numbers: list[int], other_numbers: list[int], texts: list[str], other_texts: list[str]
) -> None:
    one, other = version_text([*numbers, *texts]), version_text([*other_numbers, *other_texts])
    # A number sorts before a text, as (0, number) before (1, text).
    key = [*((0, number) for number in numbers), *((1, text) for text in texts)]
    other_key = [*((0, number) for number in other_numbers), *((1, text) for text in other_texts)]
    assert compare(one, other) == compare(key, other_key)
    assert compare(one.encode(), other.encode()) == compare(one, other)


@settings(deadline=None)
@given(st.integers(0, 2 * 10**18), st.integers(0, 2 * 10**18))
def test_times_sort_as_moments_however_they_are_written(one: int, other: int) -> None:
    local = written(other + 7_200 * 10**9).replace("Z", "+02:00")
    assert compare(version_text([written(one)]), version_text([local])) == compare(one, other)


def test_a_time_with_and_without_decimals_sorts_by_time() -> None:
    times = ["2025-03-31T15:12:00Z", "2025-03-31T15:12:00.25Z", "2025-03-31 17:12:00.5 +0200", "2025-03-31T15:12:01Z"]
    assert sorted(times, key=lambda time: version_text([time])) == times


def test_the_form_of_a_version_is_for_ever() -> None:
    parts = [24023128, Decimal("-0.5"), 0, "a b!", "2025-03-31T15:12:00Z", "2025-02-31T00:00:00Z"]
    assert version_text(
        parts
    ) == "p100724023128 m90004~ o taPbQ t2025-03-31T15:12:00.000000000Z t2025-02-31T00:00:00Z ".replace(
        "aPb", "a!Pb"
    ).replace("bQ", "b!Q")


@pytest.mark.parametrize("part", [None, True, [], {}, "x" * 257, "a\0b", 10**1000, Decimal("1e-1001"), 10**130 + 1])
def test_what_cannot_be_compared_is_refused(part: Any) -> None:
    with pytest.raises(Unfit):
        version_text([part])


@given(st.integers(min_value=-(10**20), max_value=10**20))
def test_a_whole_number_has_one_spelling(number: int) -> None:
    assert version_text([number]) == version_text([Decimal(number)])
