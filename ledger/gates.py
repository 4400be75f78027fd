"""Small tables beside the record that commands look at before they decide, written with the facts they follow.

They hold what must be known at once, while read models may lag: a cycle's state, which streams belong together,
which feed a key result has. Their rows are locked before the head row, never after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.cycle import (
    CycleClosed,
    CycleOpened,
    CycleReopened,
    CycleScoringBegun,
    CycleStarted,
    CycleState,
    CycleTerms,
)
from domain.feed import FeedDefined
from domain.key_result import KeyResultDrafted, KeyResultDropped, KeyResultReplaced
from domain.objective import ObjectiveDrafted
from domain.stream import Fact
from ledger.mapper import DraftedEvent

# An objective lies under its cycle, a key result under its objective.
_STREAM_IN_CYCLE = """
    SELECT c.cycle_id, c.state, c.starts_on, c.ends_on, c.time_zone,
           ARRAY(SELECT line FROM ledger.events AS e WHERE e.stream_id = s.stream_id AND e.stream_version >= %b
                  ORDER BY e.stream_version) AS lines
      FROM ledger.streams AS s
      LEFT JOIN ledger.streams AS above ON above.stream_id = s.parent_id
      LEFT JOIN ledger.cycle_states AS c ON c.cycle_id = coalesce(above.parent_id, above.stream_id)
     WHERE s.stream_id = %b
"""

_ENDING = (KeyResultDropped, KeyResultReplaced)
# Sorted, as batches take these rows.
_TAKE_NO_MORE_PROGRESS = """
    UPDATE feeds.totals SET takes_progress = false WHERE key_result_id IN (
        SELECT key_result_id FROM feeds.totals WHERE key_result_id = ANY(%s) ORDER BY key_result_id FOR UPDATE)
"""

_Follower = Callable[[Connection[DictRow], DraftedEvent, Any], None]


def hold_cycle(connection: Connection[DictRow], cycle_id: UUID, *, exclusive: bool) -> CycleTerms | None:
    """A cycle's terms under a lock that lasts as long as the transaction."""
    row = connection.execute(
        "SELECT cycle_id, state, starts_on, ends_on, time_zone FROM ledger.hold_cycle(%s, %s)",
        [cycle_id, exclusive],
        prepare=True,
    ).fetchone()
    return None if row is None else _terms(row)


def stream_in_cycle(
    connection: Connection[DictRow], stream_id: UUID, since: int
) -> tuple[list[str], CycleTerms | None]:
    """The lines of an objective's or key result's stream from a version on, and its cycle's terms, at one moment."""
    row = connection.execute(_STREAM_IN_CYCLE, [since, stream_id], prepare=True).fetchone()
    if row is None:
        return [], None
    return row["lines"] or [], None if row["cycle_id"] is None else _terms(row)


def _terms(row: DictRow) -> CycleTerms:
    return CycleTerms(row["cycle_id"], CycleState(row["state"]), row["starts_on"], row["ends_on"], row["time_zone"])


def are_touched_by(events: Sequence[DraftedEvent]) -> bool:
    """Whether any of the events changes these tables."""
    return any(type(event.fact) in _FOLLOWING or isinstance(event.fact, _ENDING) for event in events)


def follow(connection: Connection[DictRow], events: Sequence[DraftedEvent], cycle: CycleTerms | None) -> None:
    """Bring the tables to what the events, which belong to the cycle if there is one, say."""
    # The append would take it too, but after the rows below: everybody takes the cycle first.
    if cycle is not None:
        hold_cycle(connection, cycle.id, exclusive=False)
    ended = [event.originator_id for event in events if isinstance(event.fact, _ENDING)]
    if ended:
        connection.execute(_TAKE_NO_MORE_PROGRESS, [ended])
    for event in events:
        bring = _FOLLOWING.get(type(event.fact))
        if bring is not None:
            bring(connection, event, event.fact)


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


def _begin(kind: str, parent: str | None = None, name: str | None = None) -> _Follower:
    """A stream begins, under the one that the fact's field `parent` names."""

    def begin(connection: Connection[DictRow], event: DraftedEvent, fact: Any) -> None:
        connection.execute(
            "INSERT INTO ledger.streams (stream_id, kind, parent_id, name) VALUES (%s, %s, %s, %s)",
            [event.originator_id, kind, parent and getattr(fact, parent), name and getattr(fact, name)],
        )

    return begin


def _open_cycle(connection: Connection[DictRow], event: DraftedEvent, fact: CycleOpened) -> None:
    _begin("cycle")(connection, event, fact)
    connection.execute(
        "INSERT INTO ledger.cycle_states VALUES (%s, %s, %s, %s, %s)",
        [event.originator_id, CycleState.PLANNED, fact.starts_on, fact.ends_on, fact.time_zone],
    )


def _turn_cycle(state: CycleState) -> _Follower:
    def turn(connection: Connection[DictRow], event: DraftedEvent, _: Fact) -> None:
        connection.execute(
            "UPDATE ledger.cycle_states SET state = %s WHERE cycle_id = %s", [state, event.originator_id]
        )

    return turn


_FOLLOWING: dict[type[Fact], _Follower] = {
    CycleOpened: _open_cycle,
    CycleStarted: _turn_cycle(CycleState.RUNNING),
    CycleScoringBegun: _turn_cycle(CycleState.SCORING),
    CycleReopened: _turn_cycle(CycleState.SCORING),
    CycleClosed: _turn_cycle(CycleState.CLOSED),
    ObjectiveDrafted: _begin("objective", "cycle_id"),
    KeyResultDrafted: _begin("key_result", "objective_id"),
    FeedDefined: _begin("feed", "key_result_id", "name"),
}
