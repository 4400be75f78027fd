"""The append: under one lock each fact gets the next position, a time that never falls, and its place in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)
from psycopg import Connection
from psycopg.rows import DictRow

from domain.command import Command
from domain.cycle import CycleTerms
from ledger import gates
from ledger.datastore import LedgerDatastore
from ledger.line import LONGEST_LINE, Line, Reason, Who, as_time, draft_tail, finished_line, parse_line
from ledger.mapper import DraftedEvent, RecordedEvent, SealedText
from ledger.merkle import Frontier, leaf_hash

CHANNEL = "okr_ledger"
FURTHEST_AHEAD = timedelta(seconds=5)

TAKE_HEAD = """
    SELECT h.*, clock_timestamp() AS now
      FROM (SELECT size, recorded_at, frontier FROM ledger.head FOR UPDATE) AS h
"""
# %b: arrays travel in binary, which needs no escaping of each line.
INSERT = """
    WITH grown AS (
        UPDATE ledger.head SET size = %b, recorded_at = %b, frontier = %b
    )
    INSERT INTO ledger.events (recorded_at, position, stream_id, stream_version, type, line, leaf_hash)
    SELECT %b, * FROM unnest(%b::bigint[], %b::uuid[], %b::int[], %b::text[], %b::text[], %b::bytea[])
"""
INSERT_TEXTS = """
    INSERT INTO people.texts (position, field, text, salt)
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[])
"""

_encode_members = msgspec.json.Encoder().encode


class VersionConflict(IntegrityError):
    """Another fact took the stream's next version first; the decision was taken on an older state."""


class ClockBehind(OperationalError):
    """The ledger's last time lies in the future of the database's clock; nothing is recorded until it passes."""


class LineTooLong(ValueError):
    """A fact whose line would be longer than 64 KiB."""


class LedgerRecorder(ApplicationRecorder):
    """Appends to and reads from the ledger; joins the open transaction of its thread (`transaction`)."""

    def __init__(self, datastore: LedgerDatastore) -> None:
        self.datastore = datastore

    def transaction(self) -> AbstractContextManager[Connection[DictRow]]:
        """Open a transaction, or join the one that this thread has open."""
        return self.datastore.unit()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Append the events of one command (`by`) and return their positions.

        Raises `VersionConflict`, `ClockBehind`, or `LineTooLong`; then nothing is recorded.
        """
        if not stored_events:
            return []
        by: Command = kwargs["by"]
        events = cast(Sequence[DraftedEvent], stored_events)
        drafts = [_draft(event, by) for event in events]
        with self.datastore.unit() as connection:
            gates.follow(connection, events)
            return _append(connection, events, drafts)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        statement = "SELECT line FROM ledger.events WHERE stream_id = %s"
        parameters: list[object] = [originator_id]
        if gt is not None:
            statement += " AND stream_version > %s"
            parameters.append(gt)
        if lte is not None:
            statement += " AND stream_version <= %s"
            parameters.append(lte)
        statement += " ORDER BY stream_version" + (" DESC" if desc else "")
        if limit is not None:
            statement += " LIMIT %s"
            parameters.append(limit)
        with self.datastore.get_connection() as connection:
            rows = connection.execute(statement, parameters, prepare=True).fetchall()
        return [recorded_event(parse_line(row["line"])) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        statement = "SELECT line FROM ledger.events WHERE position >= %s"
        parameters: list[object] = [first]
        if stop is not None:
            statement += " AND position <= %s"
            parameters.append(stop)
        if topics:
            statement += " AND type = ANY(%s)"
            parameters.append(list(topics))
        parameters.append(limit)
        with self.datastore.get_connection() as connection:
            rows = connection.execute(statement + " ORDER BY position LIMIT %s", parameters).fetchall()
        return [_notification(parse_line(row["line"])) for row in rows]

    def max_notification_id(self) -> int | None:
        with self.datastore.get_connection() as connection:
            row = connection.execute("SELECT size FROM ledger.head").fetchone()
        return (row or {"size": 0})["size"] or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        raise NotImplementedError("the projector follows the ledger by positions (projections.runner)")

    def hold_cycle(self, cycle_id: UUID, *, exclusive: bool = False) -> CycleTerms | None:
        with self.datastore.get_connection() as connection:
            return gates.hold_cycle(connection, cycle_id, exclusive=exclusive)

    def children(self, stream_id: UUID) -> list[UUID]:
        with self.datastore.get_connection() as connection:
            return gates.children(connection, stream_id, "key_result")

    def live_feed(self, key_result_id: UUID) -> UUID | None:
        with self.datastore.get_connection() as connection:
            return next(iter(gates.children(connection, key_result_id, "feed")), None)

    def feed_named(self, name: str) -> UUID | None:
        with self.datastore.get_connection() as connection:
            return gates.feed_named(connection, name)

    def event_at(self, position: int) -> tuple[UUID, int] | None:
        with self.datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT stream_id, stream_version FROM ledger.events WHERE position = %s", [position]
            ).fetchone()
        return None if row is None else (row["stream_id"], row["stream_version"])


def recorded_event(line: Line) -> RecordedEvent:
    """A line as eventsourcing knows it."""
    return RecordedEvent(
        originator_id=line.stream,
        originator_version=line.version,
        topic=line.type,
        state=bytes(line.data),
        schema=line.schema,
        position=line.position,
        recorded_at=line.recorded_at,
    )


def _notification(line: Line) -> Notification:
    return Notification(
        originator_id=line.stream,
        originator_version=line.version,
        topic=line.type,
        state=bytes(line.data),
        id=line.position,
    )


def _draft(event: DraftedEvent, by: Command) -> tuple[bytes, tuple[SealedText, ...]]:
    """The tail of the event's line, and the words that lie beside it, the reason among them."""
    texts = event.texts
    why = None
    if by.why.code is not None or by.why.text is not None:
        reason = Reason(code=by.why.code)
        if by.why.text is not None and by.why.text.content is not None:
            sealed = SealedText.seal("reason", by.why.text.content)
            texts = (*texts, sealed)
            reason = Reason(code=by.why.code, text=sealed.commitment)
        why = _present(reason)
    tail = draft_tail(
        who=_present(Who(id=by.actor.id, kind=by.actor.kind, on_behalf_of=by.actor.on_behalf_of)),
        why=why,
        request_id=by.request_id,
        causation=by.causation,
        data=event.state,
    )
    return tail, texts


def _present(members: msgspec.Struct) -> bytes:
    return _encode_members(
        {name: value for name, value in msgspec.structs.asdict(members).items() if value is not None}
    )


def _append(
    connection: Connection[DictRow],
    events: Sequence[DraftedEvent],
    drafts: list[tuple[bytes, tuple[SealedText, ...]]],
) -> list[int]:
    head = connection.execute(TAKE_HEAD, prepare=True).fetchone()
    if head is None:
        raise OperationalError("the ledger has no head row: migrate the database")
    size, last, now = head["size"], head["recorded_at"], head["now"]
    if last - now > FURTHEST_AHEAD:
        raise ClockBehind(f"the ledger's last time {last} lies in the future of the database's clock {now}")
    recorded_at = max(last, now)
    stamp = as_time(recorded_at)
    positions = list(range(size + 1, size + 1 + len(events)))
    lines = [
        finished_line(
            position,
            cast(UUID, event.originator_id),
            event.originator_version,
            event.topic,
            event.schema,
            stamp,
            tail,
        )
        for position, event, (tail, _) in zip(positions, events, drafts, strict=True)
    ]
    if max(map(len, lines)) > LONGEST_LINE:
        raise LineTooLong(f"a fact's line has at most {LONGEST_LINE} bytes")
    leaves = [leaf_hash(line) for line in lines]
    frontier = Frontier(size, head["frontier"])
    frontier.extend(leaves)
    try:
        connection.execute(
            INSERT,
            [
                frontier.size,
                recorded_at,
                bytes(frontier),
                recorded_at,
                positions,
                [event.originator_id for event in events],
                [event.originator_version for event in events],
                [event.topic for event in events],
                [line.decode() for line in lines],
                leaves,
            ],
            prepare=True,
        )
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "events_stream_version":
            raise VersionConflict("another fact took this version of the stream") from error
        raise
    _insert_texts(connection, positions, drafts)
    connection.execute(f"NOTIFY {CHANNEL}")
    return positions


def _insert_texts(
    connection: Connection[DictRow], positions: list[int], drafts: list[tuple[bytes, tuple[SealedText, ...]]]
) -> None:
    rows = [(position, sealed) for position, (_, texts) in zip(positions, drafts, strict=True) for sealed in texts]
    if rows:
        connection.execute(
            INSERT_TEXTS,
            [
                [position for position, _ in rows],
                [sealed.field for _, sealed in rows],
                [sealed.text for _, sealed in rows],
                [sealed.salt for _, sealed in rows],
            ],
        )
