"""Each kind of value reads what it says it reads, exactly, and refuses the rest by a rule with a name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import marshmallow as ma
import pytest

from api.faults import Fault
from api.fields import (
    Count,
    Day,
    Flag,
    Id,
    Measure,
    Moment,
    MomentInAddress,
    OpaqueId,
    Said,
    Title,
    Whole,
    Words,
)
from api.key_result_inputs import Until
from domain.key_result import OverrideUntil


def refused(field: Said[Any], value: object) -> str:
    with pytest.raises(ma.ValidationError) as caught:
        field.deserialize(value)
    (fault,) = caught.value.messages_dict["_schema"] if caught.value.field_name is None else caught.value.messages
    assert isinstance(fault, Fault)
    return fault.rule


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("12.50", "12.50"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+2"), "100"),
        ("-0", "0"),
        (Decimal("-0.00"), "0.00"),
        ("0.000000000001", "0.000000000001"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_measures_are_exact(written: object, read: str) -> None:
    value = Measure().deserialize(written)
    assert format(value, "f") == read


@pytest.mark.parametrize(
    "written",
    [
        "1_000",
        "１２",
        " 1",
        "1 ",
        "+1",
        "01",
        "1.",
        ".5",
        "1e2",
        "1E400000",
        "",
        "NaN",
        "Infinity",
        "0x10",
        "1,5",
        "1" * 21,
        "0.0000000000001",
        True,
        None,
        1.5,
        [],
        {},
        Decimal("1E+400000"),
        Decimal("1E-400000"),
        Decimal("NaN"),
    ],
)
def test_what_is_no_measure(written: object) -> None:
    if written is None:
        with pytest.raises(ma.ValidationError, match="null"):
            Measure().deserialize(written)
    else:
        assert refused(Measure(), written) == "measure"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-11-11T09:30:00+08:00", datetime(2025, 11, 11, 1, 30, tzinfo=UTC)),
        ("2025-11-11t09:30:00z", datetime(2025, 11, 11, 9, 30, tzinfo=UTC)),
        ("2025-11-11T09:30:00.1Z", datetime(2025, 11, 11, 9, 30, 0, 100_000, tzinfo=UTC)),
        ("2025-11-11T09:30:00.123456789Z", datetime(2025, 11, 11, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_aware(written: str, read: datetime) -> None:
    assert Moment().deserialize(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "2025-11-11T09:30:00",
        "2025-11-11",
        "2025-11-11 09:30:00Z",
        "20251111T093000Z",
        "2025-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2025-11-11T24:00:00Z",
        "2025-11-11T09:30Z",
        1731288600,
        "now",
    ],
)
def test_what_is_no_moment(written: object) -> None:
    assert refused(Moment(), written) == "moment"


def test_a_plus_that_an_address_has_turned_to_a_space() -> None:
    assert MomentInAddress().deserialize("2025-11-11T09:30:00 08:00") == datetime(2025, 11, 11, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("written", ["20251231", "2025-W01-1", "2025-02-30", "2025-1-1", "0000-01-01", 5])
def test_what_is_no_day(written: object) -> None:
    assert refused(Day(), written) == "day"
    assert Day().deserialize("2025-12-31") == date(2025, 12, 31)


@pytest.mark.parametrize(
    "written", ["x", "{0198c0de-0000-7000-8000-000000000000}", "0198c0de000070008000000000000000", 5]
)
def test_what_is_no_id(written: object) -> None:
    assert refused(Id(), written) == "uuid"


@pytest.mark.parametrize("written", ["Anna Li", "anna@example.com", "", "x" * 65, "安娜", "a\n", 5])
def test_names_and_addresses_are_no_opaque_ids(written: object) -> None:
    assert refused(OpaqueId(), written) in ("opaque_id", "text")


def test_text_of_people() -> None:
    assert Words().deserialize("two\nlines\tand 好 🙂") == "two\nlines\tand 好 🙂"
    for bad in ("bell\x07", "\x00", "\ud800", "\x85"):
        assert refused(Words(), bad) == "characters"
    assert refused(Words(longest=3), "four") == "length"
    assert refused(Title(), "two\nlines") == "characters"
    assert refused(Title(), "  ") == "not_empty"


def test_whole_numbers_of_bodies_and_of_addresses() -> None:
    whole, count = Whole(least=0, most=10), Count(least=0, most=10)
    assert whole.deserialize(Decimal("7.0")) == 7
    for bad in (Decimal("7.5"), Decimal(11), Decimal(-1), Decimal("1E+400000"), Decimal("NaN"), "7", True):
        assert refused(whole, bad) == "whole_number"
    assert count.deserialize("7") == 7
    for text in ("07", "7.0", "+7", "７", "", "9" * 5000):
        assert refused(count, text) == "whole_number"


def test_how_long_an_override_stands() -> None:
    assert Until().deserialize("sticky") == (OverrideUntil.STICKY, None)
    assert Until().deserialize("next-message") == (OverrideUntil.NEXT_MESSAGE, None)
    assert Until().deserialize("2026-03-31") == (OverrideUntil.DATE, date(2026, 3, 31))
    for bad in ("date", "tomorrow", 5, ["sticky"]):
        assert refused(Until(), bad) == "until"


def test_flags() -> None:
    assert Flag().deserialize("false") is False
    assert refused(Flag(), "1") == "choice"
