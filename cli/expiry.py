"""When a token ends, as a person says it: in 30 days, on a day, at a moment."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

RULE = "write 30d, 12h or 4w, a day such as 2027-01-31, or a moment such as 2027-01-31T18:00:00+08:00"

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def expiry(text: str, now: datetime) -> datetime:
    """The moment at which the token ends, after `now`; a day counts to its end in UTC. ValueError with RULE."""
    moment = _moment(text.strip(), now)
    if moment <= now:
        raise ValueError(f"{text} is over already")
    return moment


def _moment(text: str, now: datetime) -> datetime:
    if span := _SPAN.fullmatch(text):
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(RULE) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text} lacks its offset: {RULE}")
    return moment.astimezone(UTC)
