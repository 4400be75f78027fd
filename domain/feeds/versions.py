"""Versions as texts that sort like what they stand for, byte by byte (in PostgreSQL: COLLATE "C").

A version is a list of numbers and texts. Numbers sort by size and before all texts, texts by their characters;
times with an offset sort as moments, however they are written. Each part ends with a blank, which is less than
whatever a part may hold, so a list sorts like its first differing part.
"""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from domain.feeds.times import looks_like_a_moment, nanoseconds, written
from domain.feeds.values import NUMBERS, Unfit, as_number, kind, shortened

MAX_TEXT = 256

_SMALL = 10**18  # the usual numbers, offsets and sequences, have a short way of their own

_ESCAPES = str.maketrans({chr(code): "!" + chr(code + 0x30) for code in range(1, 0x22)})
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def version_text(parts: Iterable[Any]) -> str:
    """The parts as one sortable text. `Unfit` for a part that is neither number nor text, or is too long."""
    text = ""
    for part in parts:
        text += f"{version_part(part)} "
    return text


def version_part(part: Any) -> str:
    """One part, without the blank that ends it. `Unfit` as for `version_text`."""
    if part.__class__ is int and 0 < part < _SMALL:
        digits = str(part)
        return f"p{999 + len(digits)}{digits.rstrip('0')}"
    if isinstance(part, str):
        return _text(part)
    if isinstance(part, NUMBERS) and not isinstance(part, bool):
        return _number(as_number(part))
    raise Unfit(f"{shortened(part)} is {kind(part)}, neither a number nor a text")


def _number(number: int | Decimal) -> str:
    """o for 0; p, exponent, digits above it; m and the same complemented below it."""
    if number == 0:
        return "o"
    if isinstance(number, int):
        digits = str(abs(number))
        exponent = len(digits) + 999
    else:
        digits = "".join(map(str, number.as_tuple().digits))
        exponent = number.adjusted() + 1_000
    digits = digits.rstrip("0")
    if not 0 <= exponent < 2_000 or len(digits) > 128:
        raise Unfit(f"{shortened(number)} is too long or too large to be compared")
    magnitude = f"{exponent:04}{digits}"
    return f"m{magnitude.translate(_COMPLEMENT)}~" if number < 0 else f"p{magnitude}"


def _text(text: str) -> str:
    if len(text) > MAX_TEXT or "\0" in text:
        raise Unfit(f"{shortened(text)} has more than {MAX_TEXT} characters, or a NUL")
    if looks_like_a_moment(text):
        with suppress(Unfit):  # only its form may be that of a time
            text = written(nanoseconds(text))
    return "t" + text.translate(_ESCAPES)
