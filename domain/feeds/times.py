"""Moments as business systems write them: RFC 3339 and its common misspellings, or numbers since 1970.

Inside, a moment is a whole number of nanoseconds since 1970 in UTC: systems send nine decimals.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.feeds.values import ARITHMETIC, Unfit, as_number, kind, shortened

NANOSECONDS = {
    "days": 86_400 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
"""Nanoseconds of each unit in which a number may name a moment."""

UNITS = ("iso", *NANOSECONDS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1 = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).days * NANOSECONDS["days"]
_YEAR_10000 = ((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).days + 1) * NANOSECONDS["days"]
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9})[0-9]*)?)?"
    r" ?(Z|z|UTC|GMT|([+-])([0-9]{2}):?([0-9]{2})?))?"
)
_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{3}(?:[0-9]{3})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})")
"""What `datetime` reads alike, and faster."""
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def nanoseconds(value: Any, unit: str = "iso") -> int:
    """The moment that `value` names: a text for unit iso, a number for days, s, ms, us and ns.

    A date alone is its midnight in UTC. A time without an offset is `Unfit`, as nobody can know when it was;
    so is whatever is no moment of the years 1 to 9999.
    """
    moment: int
    if unit == "iso":
        if not isinstance(value, str):
            raise Unfit(f"{shortened(value)} is {kind(value)}, not a time in text; is its unit s, ms, us, ns or days?")
        moment = _from_text(value)
    else:
        number = as_number(value)
        if not -(10**20) < number < 10**20:
            raise Unfit(f"{shortened(number)} is too large for a time")
        moment = int(ARITHMETIC.multiply(number, NANOSECONDS[unit]))
    if not _YEAR_1 <= moment < _YEAR_10000:
        raise Unfit(f"{shortened(value)} is no time of the years 1 to 9999")
    return moment


def written(moment: int) -> str:
    """The moment in UTC with nine decimals: such texts compare like the moments."""
    seconds, rest = divmod(moment, 10**9)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:09}Z"


def looks_like_a_moment(value: str) -> bool:
    """Whether the text is a time with its offset (not a date alone)."""
    match = _ISO.fullmatch(value)
    return match is not None and match[4] is not None


def business_moment(value: Any, unit: str = "iso") -> datetime:
    """The moment that `value` names, as `nanoseconds` reads it, and as `business_time` takes it."""
    if unit == "iso" and isinstance(value, str) and _USUAL.fullmatch(value):
        try:
            time = datetime.fromisoformat(value).astimezone(UTC)
            if _EARLIEST <= time < _LATEST:
                return time
        except (ValueError, OverflowError):
            pass  # the slower reader says what is wrong
    return business_time(nanoseconds(value, unit))


def business_time(moment: int) -> datetime:
    """The moment as an aware UTC datetime, cut to microseconds.

    `Unfit` before 1990 and from 2200 on: that is a wrong unit, or the zero of a system that knows no time.
    """
    time = _EPOCH + timedelta(microseconds=moment // 1000)
    if not _EARLIEST <= time < _LATEST:
        raise Unfit(f"{time.isoformat()} is not between 1990 and 2200: is the unit right?")
    return time


def _from_text(value: str) -> int:
    match = _ISO.fullmatch(value)
    if match is None:
        raise Unfit(f"{shortened(value)} is no time with an offset, such as 2025-03-31T15:12:00Z")
    year, month, day, hour, minute, second, fraction, _, sign, offset_hours, offset_minutes = match.groups()
    try:
        days = (date(int(year), int(month), int(day)) - _EPOCH.date()).days
    except ValueError:
        raise Unfit(f"{shortened(value)} is no day of the calendar") from None
    seconds = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    offset = int(offset_hours or 0) * 3600 + int(offset_minutes or 0) * 60
    # A leap second is written :60; it is counted as the first of the next minute.
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 60 or offset >= 86_400:
        raise Unfit(f"{shortened(value)} is no time of a day")
    seconds += days * 86_400 + (offset if sign == "-" else -offset)
    return seconds * 10**9 + int((fraction or "").ljust(9, "0"))
