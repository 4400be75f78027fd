"""Who has read people's texts: kept beside the ledger, since a read takes no place in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

READ_TEXTS = "read-texts"
EXPORTED_LINES = "exported-lines"


def note_reading(connection: Connection[Any], actor_id: str, subject: str, items: Iterable[dict[str, Any]]) -> None:
    """Keep that the actor was shown texts, where there are any among the items; one row, without waiting for the disk.

    `subject` says what was looked at; the positions that had texts are added to it.
    """
    positions = [item["position"] for item in items if _has_words(item)]
    if not positions:
        return
    note_access(connection, actor_id, READ_TEXTS, f"{subject} at positions {min(positions)}..{max(positions)}")


def note_access(connection: Connection[Any], actor_id: str, action: str, subject: str) -> None:
    """Keep that the actor was shown what `subject` names; one row, without waiting for the disk."""
    connection.execute(
        "INSERT INTO people.access_log (actor_id, action, subject)"
        " SELECT %s, %s, %s FROM set_config('synchronous_commit', 'off', true)",
        [actor_id, action, subject],
        prepare=True,
    )


def _has_words(item: dict[str, Any]) -> bool:
    return item.get("reason") is not None or any(text is not None for text in item["texts"].values())
