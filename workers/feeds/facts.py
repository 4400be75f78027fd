"""What a fact of a measurement tells: the number, from when it holds, and what it was made of.

A fact holds from the latest business time that it counts, and never from before the fact in front of it: the
number is the sum of all its contributions, so a late one changes what is known now. It does not hold from the
future: where a message claims that, it holds from now by the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.evidence import evidence_digest
from domain.measurement import (
    EffectiveBy,
    Evidence,
    Measurement,
    MeasurementRecorded,
    MessageCounts,
    OffsetRange,
)
from workers.feeds.catalogue import LiveFeed
from workers.feeds.contributions import taken_in
from workers.feeds.totals import Pending, Range, Totals

RANGES_BYTES = 45_000
"""What the ranges of one fact may take, about 300 of them: its line in the ledger has at most 64 KiB."""


def recorded(
    connection: Connection[DictRow],
    feed: LiveFeed,
    held: Totals,
    exact: Decimal | None,
    value: Decimal | None,
    now: datetime,
) -> tuple[Totals, Measurement]:
    """The totals after the fact that the messages made, and the measurement to be saved."""
    effective_at, effective_by = _effective(held, now)
    measurement = Measurement.at(feed.id, feed.key_result_id, held.version, held.value)
    first, *others = _for_each_fact(held.pending.ranges)
    fact = MeasurementRecorded(
        feed_id=feed.id,
        feed_revision=feed.revision,
        key_result_id=feed.key_result_id,
        from_=held.value,
        value=value,
        effective_at=effective_at,
        effective_by=effective_by,
        event_from=held.pending.event_from,
        event_to=held.pending.event_to,
        ranges=first,
        counts=held.pending.counts,
        evidence=evidence(connection, feed, held, exact),
    )
    measurement.record(fact)
    for ranges in others:
        measurement.record(_continued(fact, ranges))
    now_held = replace(
        held,
        version=measurement.version,
        value=value,
        effective_at=effective_at,
        effective_by=effective_by,
        pending=Pending(),
        recorded_at=now,
    )
    return now_held, measurement


def _effective(held: Totals, now: datetime) -> tuple[datetime, EffectiveBy]:
    latest = held.pending.counted_to or held.pending.event_to
    latest = now if latest is None else min(latest, now)
    if held.effective_at is not None and held.effective_at >= latest:
        return held.effective_at, held.effective_by or EffectiveBy.EVENT
    return latest, held.pending.counted_by or EffectiveBy.EVENT


def evidence(connection: Connection[DictRow], feed: LiveFeed, held: Totals, exact: Decimal | None) -> Evidence:
    """What the next fact of the totals is made of."""
    taken = taken_in(connection, feed.id, held.version + 1)
    return Evidence(
        contributions=sum(tally.entities for tally in held.tallies.values()),
        exact=exact,
        changes=taken.changes,
        sha256=taken.sha256,
    )


def _for_each_fact(ranges: Sequence[Range]) -> Iterator[tuple[OffsetRange, ...]]:
    """The ranges that each fact names: one fact, unless they are too many for its line."""
    part: list[OffsetRange] = []
    size = 0
    for each in ranges:
        length = len(each.topic) + len(each.epoch) + 100
        if size + length > RANGES_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(each.fact())
        size += length
    yield tuple(part)


def _continued(recorded: MeasurementRecorded, ranges: tuple[OffsetRange, ...]) -> MeasurementRecorded:
    """The fact that names further ranges of one that has told the number already, and all that it counts."""
    return replace(
        recorded,
        from_=recorded.value,
        event_from=None,
        event_to=None,
        ranges=ranges,
        counts=MessageCounts(matched=0, ignored=0, dead=0),
        evidence=replace(recorded.evidence, changes=0, sha256=evidence_digest([])),
    )
