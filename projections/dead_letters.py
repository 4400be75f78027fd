"""The messages that feeds could not take: which, of what they died, and what has become of them.

Like evidence these rows are written by feed workers; what is asked about them is always the present.
"""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections.answers import Answer, Page, time
from projections.reading import behind, cut

STATES = ("open", "retried", "discarded")
"""What can have become of a letter."""

MOST_CAUSES = 100
LONGEST_DUMP = 16 * 1024
"""Bytes of a key, a value or a header that are shown as a hex dump."""

LETTERS = """
    SELECT * FROM feeds.dead_letters
     WHERE feed_id = %(feed)s AND (%(before)s = 0 OR id < %(before)s)
       AND coalesce(settled_as, 'open') = %(state)s
       AND (%(stage)s::text IS NULL OR stage = %(stage)s) AND (%(cause)s::text IS NULL OR reason = %(cause)s)
     ORDER BY id DESC LIMIT %(limit)s
"""
LETTER = "SELECT * FROM feeds.dead_letters WHERE feed_id = %s AND id = %s"
CAUSES = """
    SELECT stage, reason, count(*) AS count, min(at) AS first_at, max(at) AS last_at, max(id) AS newest
      FROM feeds.dead_letters WHERE feed_id = %s AND settled_at IS NULL
     GROUP BY stage, reason ORDER BY count(*) DESC, stage, reason LIMIT %s
"""
OPEN = "SELECT count(*) AS count FROM feeds.dead_letters WHERE feed_id = %s AND settled_at IS NULL"


def page(
    connection: Connection[DictRow],
    feed_id: UUID,
    after: str | None,
    limit: int,
    *,
    state: str = "open",
    stage: str | None = None,
    cause: str | None = None,
) -> Page:
    """The letters of a feed, newest first. Key and value as base64, and as text where they are. Raises `BadCursor`."""
    asked = {"feed": feed_id, "before": behind(after), "limit": limit + 1}
    rows = connection.execute(LETTERS, {**asked, "state": state, "stage": stage, "cause": cause}).fetchall()
    kept, following = cut(rows, limit, "id")
    return [_answer(row) for row in kept], following


def get(connection: Connection[DictRow], feed_id: UUID, number: int) -> Answer | None:
    """One letter, with its key, value and headers as a person may look at them safely; None where there is none."""
    row = connection.execute(LETTER, [feed_id, number]).fetchone() if number < 2**63 else None
    if row is None:
        return None
    return _answer(row) | {
        "key_shown": safely(row["key"]),
        "value_shown": safely(row["value"]),
        "headers_shown": [
            {"name": safely(name), "value": safely(value)}
            for name, value in zip(row["header_names"], row["header_values"], strict=True)
        ],
    }


def causes(connection: Connection[DictRow], feed_id: UUID) -> Answer:
    """Of what the open letters died: the most frequent causes, with how many there are of each."""
    rows = connection.execute(CAUSES, [feed_id, MOST_CAUSES]).fetchall()
    total = connection.execute(OPEN, [feed_id]).fetchone() or {"count": 0}
    return {
        "open": total["count"],
        "items": [
            {
                "stage": row["stage"],
                "cause": row["reason"],
                "count": row["count"],
                "first_at": time(row["first_at"]),
                "last_at": time(row["last_at"]),
                "newest": row["newest"],
            }
            for row in rows
        ],
    }


def retry(row: DictRow) -> Answer:
    """A retry that somebody asked for, and how it goes."""
    return {
        "number": row["id"],
        "feed_id": str(row["feed_id"]),
        "asked_by": row["asked_by"],
        "asked_at": time(row["asked_at"]),
        "done_at": row["done_at"] and time(row["done_at"]),
        "matched": row["matched"],
        "ignored": row["ignored"],
        "dead": row["dead"],
    }


def safely(raw: bytes | None) -> str | None:
    """Bytes as a terminal may show them: text where they are UTF-8 without control characters other than newline and
    tab and without characters that reorder a line, else a hex dump of at most 16 KiB.
    """
    if raw is None:
        return None
    try:
        text = bytes(raw).decode()
    except UnicodeDecodeError:
        return dumped(bytes(raw))
    is_plain = all(character.isprintable() or character in "\n\t" for character in text)
    return text if is_plain else dumped(bytes(raw))


def dumped(raw: bytes) -> str:
    """A hex dump: sixteen bytes a line with their place, and as ASCII where they are."""
    lines = []
    for place in range(0, min(len(raw), LONGEST_DUMP), 16):
        part = raw[place : place + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{place:08x}  {part.hex(' '):47}  |{shown}|")
    if len(raw) > LONGEST_DUMP:
        lines.append(f"… and {len(raw) - LONGEST_DUMP} bytes more")
    return "\n".join(lines)


def _answer(row: DictRow) -> Answer:
    state = row["settled_as"] or "open"
    return {
        "number": row["id"],
        "state": state,
        "topic": row["topic"],
        "epoch": row["epoch"],
        "partition": row["partition"],
        "offset": row["message_offset"],
        "timestamp": row["timestamp_ms"],
        "stage": row["stage"],
        "reason": row["reason"],
        "at": time(row["at"]),
        "feed_revision": row["feed_revision"],
        "settled": None
        if state == "open"
        else {"by": row["settled_by"], "at": time(row["settled_at"]), "because": row["settled_because"]},
        "key": _text(row["key"]),
        "key_base64": _base64(row["key"]),
        "value": _text(row["value"]),
        "value_base64": _base64(row["value"]),
        "headers": [
            {"name": bytes(name).decode(errors="replace"), "value_base64": _base64(value)}
            for name, value in zip(row["header_names"], row["header_values"], strict=True)
        ],
    }


def _text(raw: Any) -> str | None:
    try:
        return None if raw is None else bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()
