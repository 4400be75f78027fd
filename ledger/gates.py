"""Small tables beside the record that commands look at before they decide, written with the facts they follow.

They hold what must be known at once, while read models may lag: a cycle's state, which streams belong together,
which feed a key result has. Their rows are locked before the head row, never after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain import cycle as c
from domain.cycle import CycleState, CycleTerms
from domain.feed import FeedDefined
from domain.key_result import KeyResultDrafted, KeyResultDropped, KeyResultReplaced
from domain.objective import ObjectiveDrafted
from ledger.mapper import DraftedEvent


def hold_cycle(connection: Connection[DictRow], cycle_id: UUID, *, exclusive: bool) -> CycleTerms | None:
    """A cycle's terms under a lock that lasts as long as the transaction."""
    row = connection.execute(
        "SELECT cycle_id, state, starts_on, ends_on, time_zone FROM ledger.hold_cycle(%s, %s)",
        [cycle_id, exclusive],
        prepare=True,
    ).fetchone()
    if row is None:
        return None
    return CycleTerms(row["cycle_id"], CycleState(row["state"]), row["starts_on"], row["ends_on"], row["time_zone"])


def follow(connection: Connection[DictRow], events: Sequence[DraftedEvent]) -> None:
    """Bring the tables to what the events say."""
    for event in events:
        fact: Any = event.fact
        match fact:
            case c.CycleOpened():
                _begin(connection, event, "cycle", None)
                connection.execute(
                    "INSERT INTO ledger.cycle_states VALUES (%s, %s, %s, %s, %s)",
                    [event.originator_id, CycleState.PLANNED, fact.starts_on, fact.ends_on, fact.time_zone],
                )
            case c.CycleStarted():
                _turn(connection, event, CycleState.RUNNING)
            case c.CycleScoringBegun() | c.CycleReopened():
                _turn(connection, event, CycleState.SCORING)
            case c.CycleClosed():
                _turn(connection, event, CycleState.CLOSED)
            case ObjectiveDrafted():
                _begin(connection, event, "objective", fact.cycle_id)
            case KeyResultDrafted():
                _begin(connection, event, "key_result", fact.objective_id)
            case FeedDefined():
                _begin(connection, event, "feed", fact.key_result_id, fact.name)
            case KeyResultDropped() | KeyResultReplaced():
                connection.execute(
                    "UPDATE feeds.totals SET takes_progress = false WHERE key_result_id = %s",
                    [event.originator_id],
                )


def children(connection: Connection[DictRow], stream_id: UUID, kind: str) -> list[UUID]:
    """The streams of a kind begun under another, oldest first."""
    rows = connection.execute(
        "SELECT stream_id FROM ledger.streams WHERE parent_id = %s AND kind = %s ORDER BY begun",
        [stream_id, kind],
    )
    return [row["stream_id"] for row in rows]


def feed_named(connection: Connection[DictRow], name: str) -> UUID | None:
    """The feed of a name."""
    row = connection.execute(
        "SELECT stream_id FROM ledger.streams WHERE kind = 'feed' AND name = %s", [name]
    ).fetchone()
    return None if row is None else row["stream_id"]


def _begin(
    connection: Connection[DictRow],
    event: DraftedEvent,
    kind: str,
    parent_id: UUID | None,
    name: str | None = None,
) -> None:
    connection.execute(
        "INSERT INTO ledger.streams (stream_id, kind, parent_id, name) VALUES (%s, %s, %s, %s)",
        [event.originator_id, kind, parent_id, name],
    )


def _turn(connection: Connection[DictRow], event: DraftedEvent, state: CycleState) -> None:
    connection.execute("UPDATE ledger.cycle_states SET state = %s WHERE cycle_id = %s", [state, event.originator_id])
