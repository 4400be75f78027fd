"""A line: the exact text of one JSON object that is a fact for ever.

Its members stand in one declared order, beginning with `v`, without spaces, non-ASCII unescaped:

    v position stream version type schema recorded_at who why request_id causation salt data

Absent values are left out. Decimals are texts without exponent; times are UTC with six decimals and Z. Position
and time are known only under the head's lock, so a line is drafted in three parts around these two, and joined
there (ledger.append in the database): OPENING position draft_middle time draft_tail.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from uuid import UUID

import msgspec

LINE_VERSION = 1
SALT_SIZE = 16
LONGEST_LINE = 64 * 1024
OPENING = f'{{"v":{LINE_VERSION},"position":'
# A position has up to 19 digits, a time always 27 characters.
LONGEST_DRAFT = LONGEST_LINE - len(OPENING) - 19 - 27

_encode = msgspec.json.Encoder().encode


class Who(msgspec.Struct, frozen=True):
    """Who acted: an opaque id, what stands behind it, and for whom."""

    id: str
    kind: str
    on_behalf_of: str | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why: the code, and the commitment to the words (64 hex digits)."""

    code: str | None = None
    text: str | None = None


class Line(msgspec.Struct, frozen=True):
    """A line as read back; `data` is the fact's own JSON, byte for byte."""

    v: int
    position: int
    stream: UUID
    version: int
    type: str
    schema: int
    recorded_at: datetime
    who: Who
    salt: str
    data: msgspec.Raw
    why: Reason | None = None
    request_id: str | None = None
    causation: UUID | None = None


parse_line = msgspec.json.Decoder(Line).decode
"""Read a line (text or bytes) into a `Line`; raises msgspec.ValidationError or DecodeError."""


def as_time(moment: datetime) -> str:
    """A moment as it stands in a line: UTC, six decimals, Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def draft_middle(stream: str, version: int, type: str, schema: int) -> str:
    """What stands between a line's position and its time."""
    return f',"stream":"{stream}","version":{version},"type":"{type}","schema":{schema},"recorded_at":"'


def draft_origin(who: Who, why: Reason | None, request_id: str | None, causation: UUID | None) -> bytes:
    """What follows the time: who, why and on what occasion. The facts of one decision share it."""
    parts = [b'","who":', _encode_present(who)]
    if why is not None:
        parts += (b',"why":', _encode_present(why))
    if request_id is not None:
        parts += (b',"request_id":', _encode(request_id))
    if causation is not None:
        parts += (b',"causation":"', str(causation).encode(), b'"')
    return b"".join(parts)


def draft_tail(origin: bytes, salt: str, data: bytes) -> bytes:
    """All of a line that follows its time. The salt (of `line_salts`) lets an export hide it behind its leaf hash."""
    return b'%b,"salt":"%b","data":%b}' % (origin, salt.encode(), data)


def line_salts(count: int) -> list[str]:
    """Random 128-bit salts, in hex; all at once, since asking the system for each takes as long as drafting a line."""
    salts = os.urandom(SALT_SIZE * count).hex()
    return [salts[at : at + 2 * SALT_SIZE] for at in range(0, len(salts), 2 * SALT_SIZE)]


def _encode_present(members: msgspec.Struct) -> bytes:
    return _encode({name: value for name, value in msgspec.structs.asdict(members).items() if value is not None})
