"""Days of people as instants of the ledger.

People say "until 30 September" and mean the end of that day where the cycle is at home. Here a day in a
time zone becomes aware UTC instants. A day begins at the moment from which the local date never lies before
it again, and ends where the next one begins. So days follow each other without gap or overlap where clocks
jump over midnight, pass it twice, or leave out a whole day.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE_RULE = "a time zone is an IANA name such as Asia/Shanghai, Europe/Berlin or UTC"

_NAME = re.compile(r"[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}")
# Names that mean something else on each machine, no place at all, or clocks that count leap seconds.
_NO_PLACES = frozenset({"localtime", "posixrules", "Factory", "posix", "right"})
_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


def zone(name: str) -> ZoneInfo:
    """The rules of an IANA time zone. ValueError, with ZONE_RULE in its message, for a name that is none."""
    if _NAME.fullmatch(name) is None or name.split("/")[0] in _NO_PLACES:
        raise ValueError(ZONE_RULE)
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: "America" is a directory of zones
        raise ValueError(f"{ZONE_RULE}; {name} is unknown") from None


def start_of_day(day: date, time_zone: str) -> datetime:
    """The UTC instant at which the day begins in the zone.

    ValueError for an unknown zone and for days at the very ends of the calendar.
    """
    rules = zone(time_zone)
    try:
        first, second = (datetime.combine(day, time(fold=fold), rules).astimezone(UTC) for fold in (0, 1))
        if first < second and (second - _TICK).astimezone(rules).date() < day:
            # Midnight passes twice, and between the two the clocks go back into the day before.
            return second
        if first > second:
            return _end_of_jump(day, rules, before=second, after=first)
    except OverflowError:
        raise ValueError(f"{day.isoformat()} lies at the end of the calendar") from None
    return first


def end_of_day(day: date, time_zone: str) -> datetime:
    """The UTC instant at which the day is over in the zone: the next local midnight, so no part of the day.

    ValueError as for `start_of_day`.
    """
    try:
        return start_of_day(day + timedelta(days=1), time_zone)
    except OverflowError:
        raise ValueError(f"{day.isoformat()} lies at the end of the calendar") from None


def last_midnight(now: datetime, time_zone: str) -> datetime:
    """The latest beginning of a day in the zone not after `now` (aware), in UTC. ValueError as above."""
    if now.tzinfo is None:
        raise ValueError("a moment is an aware datetime")
    day = now.astimezone(zone(time_zone)).date()
    midnight = start_of_day(day, time_zone)
    if midnight > now:  # the first of two midnights is past, the second is to come
        return start_of_day(day - timedelta(days=1), time_zone)
    return midnight


def _end_of_jump(day: date, rules: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first whole second in (before, after] whose local date is not before `day`: there clocks jumped."""
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(rules).date() < day:
            before = middle
        else:
            after = middle
    return after
