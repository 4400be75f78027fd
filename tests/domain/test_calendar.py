"""Where a day begins and ends, also where clocks jump over midnight or pass it twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import ZONE_RULE, end_of_day, last_midnight, start_of_day, zone

TICK = timedelta(microseconds=1)
JUMPY = [
    "UTC", "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "America/Havana",
    "America/St_Johns", "America/Toronto", "Pacific/Apia", "Pacific/Kwajalein", "Africa/Cairo",
    "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Gaza", "America/Asuncion", "Antarctica/Troll",
]  # fmt: skip
zones = st.sampled_from(JUMPY)
days = st.dates(date(1900, 1, 1), date(2100, 1, 1))
moments = st.builds(
    lambda micros: datetime(1900, 1, 2, tzinfo=UTC) + timedelta(microseconds=micros),
    st.integers(0, 200 * 365 * 86_400_000_000),
)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "time_zone", "ends"),
    [
        (date(2026, 9, 30), "UTC", "2026-10-01T00:00Z"),
        (date(2026, 9, 30), "Asia/Shanghai", "2026-09-30T16:00Z"),
        (date(2026, 3, 28), "Europe/Berlin", "2026-03-28T23:00Z"),
        (date(2026, 3, 29), "Europe/Berlin", "2026-03-29T22:00Z"),
        # Clocks go from 24:00 to 01:00: the next day has no midnight.
        (date(2018, 11, 3), "America/Sao_Paulo", "2018-11-04T03:00Z"),
        # From 24:00 back to 23:00: the last hour passes twice, midnight once.
        (date(2018, 2, 17), "America/Sao_Paulo", "2018-02-18T03:00Z"),
        # From 01:00 back to 00:00: both midnights belong to the new day, which begins at the first.
        (date(2026, 10, 31), "America/Havana", "2026-11-01T04:00Z"),
        # From 00:01 back to 23:01: the old day ends at the second midnight.
        (date(2010, 11, 6), "America/St_Johns", "2010-11-07T03:30Z"),
        # From 23:30 to 00:30: the new day begins with the jump.
        (date(1919, 3, 30), "America/Toronto", "1919-03-31T04:30Z"),
        # Samoa left out 30 December 2011: the 29th, the 30th and the start of the 31st share an instant.
        (date(2011, 12, 29), "Pacific/Apia", "2011-12-30T10:00Z"),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00Z"),
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-31T10:00Z"),
    ],
)
def test_a_day_ends_at_the_next_local_midnight(day: date, time_zone: str, ends: str) -> None:
    assert end_of_day(day, time_zone) == at(ends)
    assert start_of_day(day + timedelta(days=1), time_zone) == at(ends)


@given(days, zones)
def test_a_day_begins_where_the_date_never_lies_before_it_again(day: date, time_zone: str) -> None:
    begins = start_of_day(day, time_zone)
    rules = zone(time_zone)
    assert begins.tzinfo is UTC
    assert (begins - TICK).astimezone(rules).date() < day
    for minutes in range(0, 30 * 60, 15):
        assert (begins + timedelta(minutes=minutes)).astimezone(rules).date() >= day


@given(days, zones)
def test_days_follow_each_other_without_gap_or_overlap(day: date, time_zone: str) -> None:
    assert start_of_day(day, time_zone) <= end_of_day(day, time_zone)
    assert end_of_day(day, time_zone) == start_of_day(day + timedelta(days=1), time_zone)


@given(moments, zones)
def test_the_last_midnight_is_the_latest_beginning_of_a_day(now: datetime, time_zone: str) -> None:
    midnight = last_midnight(now, time_zone)
    around = [now.date() + timedelta(days=n) for n in range(-3, 4)]
    assert midnight == max(s for s in (start_of_day(d, time_zone) for d in around) if s <= now)


def test_the_last_midnight_is_exact_at_its_edges() -> None:
    assert last_midnight(at("2026-09-30T16:00Z"), "Asia/Shanghai") == at("2026-09-30T16:00Z")
    assert last_midnight(at("2026-09-30T16:00Z") - TICK, "Asia/Shanghai") == at("2026-09-29T16:00Z")
    # Half a minute after the first of two midnights the new day has not begun for good.
    assert last_midnight(at("2010-11-07T02:30:30Z"), "America/St_Johns") == at("2010-11-06T02:30Z")


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        last_midnight(datetime(2026, 9, 30), "UTC")  # noqa: DTZ001


@pytest.mark.parametrize(
    "name",
    [
        "", "Nowhere/City", "europe/berlin", "America", "UTC ", "../etc/passwd", "/etc/localtime",
        "localtime", "posixrules", "Factory", "right/UTC", "posix/Europe/Berlin", "Europe/Berlin\n",
        "a\0b", "\ud800", "a" * 5000,
    ],
)  # fmt: skip
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=ZONE_RULE):
        zone(name)


@pytest.mark.parametrize("name", ["UTC", "Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT-14"])
def test_a_known_zone_is_found(name: str) -> None:
    assert zone(name).key == name


def test_the_ends_of_the_calendar_are_refused() -> None:
    with pytest.raises(ValueError, match="end of the calendar"):
        end_of_day(date.max, "UTC")
    with pytest.raises(ValueError, match="end of the calendar"):
        start_of_day(date.min, "Asia/Shanghai")
