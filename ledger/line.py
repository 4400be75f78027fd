"""A line: the exact text of one JSON object that is a fact for ever.

Its members stand in one declared order, beginning with `v`, without spaces, non-ASCII unescaped:

    v position stream version type schema recorded_at who why request_id causation salt data

Absent values are left out. Decimals are texts without exponent; times are UTC with six decimals and Z. Position
and time are known only under the head's lock, so a line is drafted before (`draft_tail`) and finished there.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from uuid import UUID

import msgspec

LINE_VERSION = 1
LONGEST_LINE = 64 * 1024

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
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def draft_tail(
    *,
    who: bytes,
    why: bytes | None,
    request_id: str | None,
    causation: UUID | None,
    data: bytes,
) -> bytes:
    """All of a line that follows recorded_at. A random salt lets an export hide the line behind its leaf hash."""
    parts = [b'"who":', who]
    if why is not None:
        parts += (b',"why":', why)
    if request_id is not None:
        parts += (b',"request_id":', _encode(request_id))
    if causation is not None:
        parts += (b',"causation":"', str(causation).encode(), b'"')
    parts += (b',"salt":"', os.urandom(16).hex().encode(), b'","data":', data, b"}")
    return b"".join(parts)


def finished_line(
    position: int, stream: UUID, version: int, type: str, schema: int, recorded_at: str, tail: bytes
) -> bytes:
    """The whole line, once its place and time are known."""
    head = (
        f'{{"v":{LINE_VERSION},"position":{position},"stream":"{stream}","version":{version},'
        f'"type":"{type}","schema":{schema},"recorded_at":"{recorded_at}",'
    )
    return head.encode() + tail
