"""What people decide about dead letters: to have them tried again, or to discard them.

A retry is only noted here; a feed worker does it. To discard settles letters at once and keeps who, when and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

CHOSEN = """
    feed_id = %(feed_id)s AND settled_at IS NULL AND (%(number)s::bigint IS NULL OR id = %(number)s)
    AND (%(stage)s::text IS NULL OR stage = %(stage)s) AND (%(cause)s::text IS NULL OR reason = %(cause)s)
"""
ASK = f"""
    INSERT INTO feeds.retries (feed_id, letter_id, stage, reason, up_to, asked_by)
    SELECT %(feed_id)s, %(number)s, %(stage)s, %(cause)s, coalesce(max(id), 0), %(by)s
      FROM feeds.dead_letters WHERE {CHOSEN}
    RETURNING *
"""
DISCARD = f"""
    UPDATE feeds.dead_letters
       SET settled_as = 'discarded', settled_at = now(), settled_by = %(by)s, settled_because = %(because)s
     WHERE id IN (SELECT id FROM feeds.dead_letters WHERE {CHOSEN} ORDER BY id FOR UPDATE)
"""
RETRY = "SELECT * FROM feeds.retries WHERE feed_id = %s AND id = %s"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Open letters of a feed: one by its number, those of a stage, those that died of a cause (the reason as it is
    told); all where nothing more is said.
    """

    feed_id: UUID
    number: int | None = None
    stage: str | None = None
    cause: str | None = None

    def parameters(self) -> dict[str, Any]:
        return {"feed_id": self.feed_id, "number": self.number, "stage": self.stage, "cause": self.cause}


def ask_retry(connection: Connection[DictRow], chosen: Chosen, by: str) -> DictRow:
    """Ask feed workers to read the letters again; the row that tells how it goes."""
    row = connection.execute(ASK, {**chosen.parameters(), "by": by}).fetchone()
    if row is None:
        raise LookupError("an aggregate has one row")
    return row


def discard(connection: Connection[DictRow], chosen: Chosen, by: str, because: str) -> int:
    """Settle letters that shall not count; how many those were."""
    return connection.execute(DISCARD, {**chosen.parameters(), "by": by, "because": because}).rowcount


def retry(connection: Connection[DictRow], feed_id: UUID, number: int) -> DictRow | None:
    """A retry that was asked for; None where there is none."""
    return connection.execute(RETRY, [feed_id, number]).fetchone()
