"""The append: under one lock each fact gets the next position, a time that never falls, and its place in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
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
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from domain.command import Command
from domain.cycle import CycleTerms
from ledger import gates
from ledger.datastore import LedgerDatastore
from ledger.line import (
    LONGEST_DRAFT,
    LONGEST_LINE,
    OPENING,
    Line,
    Reason,
    Who,
    draft_middle,
    draft_origin,
    draft_tail,
    line_salts,
    parse_line,
)
from ledger.mapper import DraftedEvent, RecordedEvent, SealedText

CHANNEL = "okr_ledger"

APPEND = "SELECT first_position FROM ledger.append(%s, %s, %s, %s, %s)"
APPEND_ALONE = "CALL ledger.append_alone(%s, %s, %s, %s, %s, NULL)"
CLOCK_BEHIND = "OKR01"
CYCLE_TURNED = "OKR02"
TAKEN = {"events_stream_version", "streams_pkey", "streams_name", "cycle_states_pkey"}
"""What says that somebody else was first: with a version of a stream, or with the stream itself."""

_encode = msgspec.json.Encoder().encode


class VersionConflict(IntegrityError):
    """The decision was taken on an older state: of the stream, whose next version is taken, or of the cycle."""


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

    def on(self, connection: Connection[DictRow]) -> AbstractContextManager[None]:
        """Let all reading and saving of this thread go over a connection that the caller has open."""
        return self.datastore.on(connection)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Append the events of one command (`by`), if its `cycle` still is in that state; return their positions.

        Raises `VersionConflict`, `ClockBehind`, or `LineTooLong`; then nothing is recorded.
        """
        if not stored_events:
            return []
        by: Command = kwargs["by"]
        cycle: CycleTerms | None = kwargs.get("cycle")
        events = cast(Sequence[DraftedEvent], stored_events)
        drafts, texts = _told(events, by)
        # The append alone is one statement: a transaction of its own, that shares its flush with others.
        is_alone = not gates.are_touched_by(events)
        with self.datastore.get_connection() if is_alone else self.datastore.unit() as connection:
            try:
                if not is_alone:
                    gates.follow(connection, events, cycle)
                first = _append(connection, drafts, texts, cycle)
            except psycopg.errors.UniqueViolation as error:
                if error.diag.constraint_name in TAKEN:
                    raise VersionConflict("another fact took this version of the stream") from error
                raise
        return range(first, first + len(events))

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

    def stream_in_cycle(self, stream_id: UUID, since: int) -> tuple[list[RecordedEvent], CycleTerms | None]:
        with self.datastore.get_connection() as connection:
            lines, cycle = gates.stream_in_cycle(connection, stream_id, since)
        return [recorded_event(parse_line(line)) for line in lines], cycle

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


def _told(events: Sequence[DraftedEvent], by: Command) -> tuple[str, str]:
    """The facts, and the words that lie beside them, in the lines of text that ledger.append takes."""
    reason = by.why.text.content if by.why.text is not None else None
    origin = _origin(by, None)
    drafts: list[str] = []
    texts: list[str] = []
    for event, salt in zip(events, line_salts(len(events)), strict=True):
        sealed_texts = event.texts
        if reason is not None:
            sealed = SealedText.seal("reason", reason)
            sealed_texts = (*sealed_texts, sealed)
            origin = _origin(by, sealed.commitment)
        stream = str(event.originator_id)
        middle = draft_middle(stream, event.originator_version, event.topic, event.schema)
        tail = draft_tail(origin, salt, event.state)
        if len(middle) + len(tail) > LONGEST_DRAFT:
            raise LineTooLong(f"a fact's line has at most {LONGEST_LINE} bytes")
        drafts.append(f"{stream}\n{event.originator_version}\n{event.topic}\n{middle}\n{tail.decode()}")
        for sealed in sealed_texts:
            texts.append(f"{len(drafts)}\n{sealed.field}\n{sealed.salt.hex()}\n{_encode(sealed.text).decode()}")
    return "\n".join(drafts), "\n".join(texts)


def _origin(by: Command, reason: str | None) -> bytes:
    why = None if by.why.code is None and reason is None else Reason(code=by.why.code, text=reason)
    who = Who(id=by.actor.id, kind=by.actor.kind, on_behalf_of=by.actor.on_behalf_of)
    return draft_origin(who, why, by.request_id, by.causation)


def _append(connection: Connection[DictRow], drafts: str, texts: str, cycle: CycleTerms | None) -> int:
    held = (None, None) if cycle is None else (cycle.id, cycle.state)
    is_alone = connection.pgconn.transaction_status == TransactionStatus.IDLE
    statement = APPEND_ALONE if is_alone else APPEND
    try:
        row = connection.execute(statement, [OPENING, drafts, texts, *held], prepare=True).fetchone()
    except psycopg.DatabaseError as error:
        if error.sqlstate == CLOCK_BEHIND:
            raise ClockBehind(str(error.diag.message_primary)) from error
        if error.sqlstate == CYCLE_TURNED:
            raise VersionConflict(str(error.diag.message_primary)) from error
        raise
    return cast(int, cast(DictRow, row)["first_position"])
