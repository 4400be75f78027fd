"""Lengths of time as ISO 8601 writes them: P28D, P2W, PT6H, P1DT12H.

A week is 7 days and a day 24 hours. Months and years are refused: their length depends on which one is meant.
"""

import re
from datetime import timedelta

LONGEST = timedelta(days=3_660)

_DURATION = re.compile(
    r"P(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?(T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)
_VAGUE = re.compile(r"P[0-9.WD]*[0-9.]+[YM]")


def parse_duration(text: str) -> timedelta:
    """The length of time; ValueError, in words for a person, where the text is none or exceeds ten years."""
    if _VAGUE.match(text[:40]):
        raise ValueError("months and years differ in length: write weeks or days, such as P4W or P28D")
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError("a duration is written like P28D, P2W, PT6H or PT90S")
    weeks, days, _, hours, minutes, seconds = (int(part) if part and part[0] != "T" else 0 for part in match.groups())
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST:
        raise ValueError("a duration is at most ten years")
    return length


def write_duration(length: timedelta) -> str:
    """The text of a length in whole seconds; `parse_duration` reads it back."""
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count)
    if not length.days and not time:
        return "PT0S"
    return "P" + (f"{length.days}D" if length.days else "") + (f"T{time}" if time else "")
