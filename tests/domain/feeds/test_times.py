"""Moments in the forms in which systems send them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feeds.times import business_moment, business_time, looks_like_a_moment, nanoseconds, written
from domain.feeds.values import Unfit

SECOND = 10**9


@pytest.mark.parametrize(
    ("value", "unit", "in_utc"),
    [
        ("2018-04-26T14:48:09+02:00", "iso", "2018-04-26T12:48:09.000000000Z"),
        ("2021-04-28 21:50:00 +0200", "iso", "2021-04-28T19:50:00.000000000Z"),
        ("2021-04-28 21:50:00 UTC", "iso", "2021-04-28T21:50:00.000000000Z"),
        ("2021-04-28T21:50:00-0800", "iso", "2021-04-29T05:50:00.000000000Z"),
        ("2021-04-28T21:50-08", "iso", "2021-04-29T05:50:00.000000000Z"),
        ("2025-01-08T10:12:07.672717030Z", "iso", "2025-01-08T10:12:07.672717030Z"),
        ("2025-01-08T10:12:07.6727170305Z", "iso", "2025-01-08T10:12:07.672717030Z"),
        ("2025-01-08t10:12:07,5z", "iso", "2025-01-08T10:12:07.500000000Z"),
        ("2016-12-31T23:59:60Z", "iso", "2017-01-01T00:00:00.000000000Z"),
        ("2024-02-29", "iso", "2024-02-29T00:00:00.000000000Z"),
        ("0001-01-01T00:00:00Z", "iso", "0001-01-01T00:00:00.000000000Z"),
        (19109, "days", "2022-04-27T00:00:00.000000000Z"),
        (1651069800, "s", "2022-04-27T14:30:00.000000000Z"),
        (1651069800.25, "s", "2022-04-27T14:30:00.250000000Z"),
        (Decimal("1651069800.123456789"), "s", "2022-04-27T14:30:00.123456789Z"),
        (1651069800000, "ms", "2022-04-27T14:30:00.000000000Z"),
        (-1257206400000000, "us", "1930-03-01T00:00:00.000000000Z"),
        (1746440316214861840, "ns", "2025-05-05T10:18:36.214861840Z"),
    ],
)
def test_a_moment_in_any_of_its_forms(value: Any, unit: str, in_utc: str) -> None:
    moment = nanoseconds(value, unit)
    assert written(moment) == in_utc
    assert nanoseconds(in_utc) == moment


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("2021-04-28T21:50:00", "iso"),  # an hour of which place?
        ("2021-04-28T21:50:00 Europe/Berlin", "iso"),
        ("2021-02-29", "iso"),
        ("2021-04-28T24:00:00Z", "iso"),
        ("2021-04-28T21:60:00Z", "iso"),
        ("2021-04-28T21:50:61Z", "iso"),
        ("2021-04-28T21:50:00+24:00", "iso"),
        ("0001-01-01T00:00:00+01:00", "iso"),
        ("9999-12-31T23:59:59-01:00", "iso"),
        ("0000-01-01T00:00:00Z", "iso"),
        ("28.04.2021", "iso"),
        ("٢٠٢١-04-28", "iso"),
        ("lunchtime", "iso"),
        ("", "iso"),
        (" 2021-04-28", "iso"),
        (1651069800, "iso"),
        (True, "s"),
        ("1651069800", "s"),
        (None, "iso"),
        (10**300, "ns"),
        (10**12, "days"),
        (-(10**12), "s"),
    ],
)
def test_what_names_no_moment_is_refused(value: Any, unit: str) -> None:
    with pytest.raises(Unfit):
        nanoseconds(value, unit)


@settings(deadline=None)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2199, 12, 31)))  # noqa: DTZ001
def test_python_reads_the_same_moment(naive: datetime) -> None:
    time = naive.replace(tzinfo=UTC)
    assert business_time(nanoseconds(time.isoformat())) == time
    assert datetime.fromisoformat(written(nanoseconds(time.isoformat()))) == time


@settings(deadline=None)
@given(st.integers(0, 2 * 10**18), st.integers(0, 2 * 10**18))
def test_texts_of_moments_compare_like_the_moments(one: int, other: int) -> None:
    assert (written(one) < written(other)) == (one < other)


def test_business_time_is_cut_to_microseconds_and_bounded() -> None:
    assert business_time(1651069800 * SECOND + 999) == datetime(2022, 4, 27, 14, 30, tzinfo=UTC)
    for moment in (0, 1651069800 * 10**3, nanoseconds("1989-12-31T23:59:59Z"), nanoseconds("2200-01-01")):
        with pytest.raises(Unfit, match="unit"):
            business_time(moment)


def test_only_a_time_with_its_offset_looks_like_a_moment() -> None:
    assert looks_like_a_moment("2021-04-28 21:50:00 +0200")
    assert not looks_like_a_moment("2021-04-28")
    assert not looks_like_a_moment("2021-04-28T21:50:00")
    assert not looks_like_a_moment("v2021")


@given(
    st.from_regex(
        r"\A(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{3}([0-9]{3})?)?",
        fullmatch=True,
    ),
    st.from_regex(r"\AZ|[+-][0-2][0-9]:[0-7][0-9]", fullmatch=True),
)
def test_the_fast_way_reads_like_the_slow_one(time: str, offset: str) -> None:
    def read(text: str) -> datetime | str:
        try:
            return business_moment(text)
        except Unfit as error:
            return str(error).replace(text, "")

    # With a blank for the T only the slow way reads it.
    assert read(time + offset) == read(time.replace("T", " ") + offset)
