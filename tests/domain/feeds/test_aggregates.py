"""How contributions become one number, and the number a fact."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.feeds.aggregates import Window, aggregated, is_worth_a_fact, published, window_of
from domain.feeds.contribution import Contribution, Place
from domain.feeds.definition import Aggregate, Emit, Fn

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
QUARTER = Window(START, END)
DAY = timedelta(days=1)


def one(value: str | None, *, at: datetime = START, part: str = "", version: str = "p10001 ") -> Contribution:
    return Contribution(
        part=part,
        entity="e",
        value=None if value is None else Decimal(value),
        version=version,
        effective_at=at,
        is_arrival=False,
        place=Place("t", "e", 0, 0),
        timestamp_ms=None,
        message_sha256="",
    )


def number(fn: Fn, *contributions: Contribution, **fields: Any) -> Decimal | None:
    return aggregated(Aggregate(fn=fn, **fields), contributions, QUARTER)


def test_a_window_takes_its_start_and_not_its_end() -> None:
    tick = timedelta(microseconds=1)
    inside = [one("1", at=START), one("2", at=END - tick)]
    outside = [one("4", at=START - tick), one("8", at=END)]
    assert number(Fn.SUM, *inside, *outside) == 3


def test_a_sum_is_exact_and_of_nothing_0() -> None:
    assert number(Fn.SUM, *[one("0.1")] * 10) == 1
    assert number(Fn.SUM, one("12345678901234567890123456.123456789012"), one("1e25")) == Decimal(
        "22345678901234567890123456.123456789012"
    )
    assert number(Fn.SUM) == 0
    assert number(Fn.SUM, one(None)) == 0


def test_a_count_leaves_out_what_was_retracted() -> None:
    assert number(Fn.COUNT, one("1"), one(None), one("0")) == 2
    assert number(Fn.COUNT) == 0


def test_the_last_is_the_latest_and_of_one_moment_the_newest() -> None:
    assert number(Fn.LAST, one("5", at=START + DAY), one("7"), one(None, at=START + 2 * DAY)) == 5
    assert number(Fn.LAST, one("5", version="p10002 "), one("7", version="p10001 ")) == 5
    assert number(Fn.LAST) is None


def test_a_ratio_is_in_percent_points() -> None:
    failed, deployed = [one("1", part="numerator")] * 3, [one("1", part="denominator")] * 60
    assert number(Fn.RATIO, *failed, *deployed) == 5
    third = number(Fn.RATIO, one("1", part="numerator"), *[one("1", part="denominator")] * 3)
    assert str(third) == "33.33333333333333333333333333333333"
    assert number(Fn.RATIO, *failed) is None
    assert number(Fn.RATIO, *deployed) == 0
    assert number(Fn.RATIO, *failed, one("0", part="denominator")) is None


def test_a_rate_is_the_count_per_period_of_the_window() -> None:
    rolling = {"window": 28 * DAY, "per": 7 * DAY}
    assert number(Fn.RATE, *[one("1")] * 10, **rolling) == Decimal("2.5")
    assert number(Fn.RATE, **rolling) == 0
    assert str(number(Fn.RATE, one("1"), window=3 * DAY, per=DAY)) == "0.3333333333333333333333333333333333"


def test_a_rolling_window_ends_at_the_last_midnight_and_with_the_cycle() -> None:
    rolling, cycle = Aggregate(fn=Fn.COUNT, window=28 * DAY), Aggregate(fn=Fn.COUNT)
    midnight = datetime(2025, 2, 1, tzinfo=UTC)
    assert window_of(cycle, QUARTER, midnight) == QUARTER
    assert window_of(rolling, QUARTER, midnight) == Window(datetime(2025, 1, 4, tzinfo=UTC), midnight)
    assert window_of(rolling, QUARTER, END + DAY) == Window(END - 28 * DAY, END)


@pytest.mark.parametrize(
    ("exact", "digits", "shown"),
    [
        ("2.5", 0, "2"),
        ("3.5", 0, "4"),
        ("12.50", None, "12.5"),
        ("1200", 0, "1200"),
        ("1e3", 2, "1000"),
        ("33.33333333333333333333333333333333", None, "33.333333333333"),
        ("33.33333333333333333333333333333333", 1, "33.3"),
        ("-0.04", 1, "0"),
        ("99999999999999999999999999999999999.5", 0, "100000000000000000000000000000000000"),
    ],
)
def test_a_published_number_is_rounded_once(exact: str, digits: int | None, shown: str) -> None:
    assert str(published(Decimal(exact), Emit(round=digits))) == shown


def test_nothing_is_published_as_nothing() -> None:
    assert published(None, Emit()) is None


@pytest.mark.parametrize(
    ("before", "now", "min_change", "worth"),
    [
        (None, None, None, False),
        (None, "0", "5", True),
        ("0", None, "5", True),
        ("1", "1.0", None, False),
        ("1", "1.000000000001", None, True),
        ("10", "14.9", "5", False),
        ("10", "15", "5", True),
        ("10", "5", "5", True),
        ("10", "10", "5", False),
        ("0", "-10000000000000000000000000000.4", "10000000000000000000000000000.4", True),
    ],
)
def test_a_change_is_worth_a_fact(before: str | None, now: str | None, min_change: str | None, worth: bool) -> None:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    assert is_worth_a_fact(number(before), number(now), Emit(min_change=number(min_change))) is worth
