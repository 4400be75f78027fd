"""One batch, one transaction: facts, contributions, dead letters and offsets happen together or not at all.

Locks in this order: the cycles, the offsets, the totals, the ledger's head; each kind sorted. Two workers that read
partitions of one feed take turns at its totals: what a batch finds under that lock stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import psycopg
from eventsourcing.persistence import DataError, IntegrityError, OperationalError, PersistenceError
from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.cycle import CycleTerms
from domain.measurement import Measurement
from ledger.recorder import VersionConflict
from workers.feeds import dead_letters, offsets, totals
from workers.feeds.catalogue import Catalogue, LiveFeed
from workers.feeds.contributions import LifeIds, take_in
from workers.feeds.database import clock, transaction
from workers.feeds.measuring import News, Unmeasurable, counts, current_window, measure, save
from workers.feeds.reading import Share
from workers.feeds.tallies import looks_at_time
from workers.feeds.totals import Totals


class Outdated(Exception):
    """A feed was defined, revised, paused or resumed: what was read under the old definitions is dropped."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch: messages by outcome, over all feeds, and the facts that it made."""

    matched: int = 0
    ignored: int = 0
    dead: int = 0
    facts: int = 0

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            self.matched + other.matched,
            self.ignored + other.ignored,
            self.dead + other.dead,
            self.facts + other.facts,
        )


@dataclass(frozen=True, slots=True)
class Batches:
    """How batches are applied. `before_commit` is called inside each transaction and may refuse it by raising."""

    ledger: OkrLedger
    catalogue: Catalogue
    before_commit: Callable[[], None] = lambda: None

    def apply(self, shares: Sequence[Share], life_ids: LifeIds) -> Applied:
        """Apply what a batch holds for each feed. A message that the database refuses goes to the dead letters.

        Raises `Fenced` where another worker has moved the offsets, `Outdated`, whatever `before_commit` raises, and
        errors of the database that are no message's fault. Then some of the batch may have been applied, and the
        database says how far.
        """
        try:
            return self._apply(shares, life_ids)
        except (PersistenceError, Unmeasurable) as error:
            if not is_fault_of_a_message(error):
                raise
            parts = shares if len(shares) > 1 else shares[0].halves()
            if len(parts) == 1:
                return self._apply([parts[0].condemned(reason_of(error))], life_ids)
            return sum((self.apply([part], life_ids) for part in parts), Applied())

    def _apply(self, shares: Sequence[Share], life_ids: LifeIds) -> Applied:
        with transaction(self.ledger) as connection:
            shares = sorted(shares, key=lambda share: share.feed.id)
            applied = _apply_once(connection, self.ledger, self.catalogue, shares, life_ids)
            self.before_commit()
            return applied


def _apply_once(
    connection: Connection[DictRow],
    ledger: OkrLedger,
    catalogue: Catalogue,
    shares: Sequence[Share],
    life_ids: LifeIds,
) -> Applied:
    cycles = _hold_cycles(ledger, shares)
    # A feed changes under an exclusive lock of its cycle: from here on it stays as it is.
    if not catalogue.is_current(connection):
        raise Outdated("a feed was changed")
    stands = {stand: moves for share in shares for stand, moves in share.stands().items()}
    offsets.hold(connection, {stand: began for stand, (began, _) in stands.items()})
    held = totals.hold(connection, [share.feed.key_result_id for share in shares])
    now = clock(connection)
    news: list[News] = []
    measured: list[tuple[LiveFeed, Measurement | None]] = []
    for share in shares:
        feed, cycle, row = share.feed, cycles[share.feed.cycle_id], held[share.feed.key_result_id]
        if counts(row, cycle):
            brought = _take_in(connection, share, row, cycle, life_ids)
            measured.append((feed, measure(connection, feed, cycle, row, now, brought)[1]))
        else:
            # What is due stays due: a cycle that is closed may be opened again.
            brought = News(share.ranges, ignored=share.messages)
            totals.write(connection, replace(row, pending=brought.added_to(row.pending)))
        news.append(brought)
    offsets.move(connection, {stand: next for stand, (_, next) in stands.items()})
    facts = save(ledger, connection, measured, now)
    return Applied(
        matched=sum(each.matched for each in news),
        ignored=sum(each.ignored for each in news),
        dead=sum(each.dead for each in news),
        facts=facts,
    )


def _hold_cycles(ledger: OkrLedger, shares: Sequence[Share]) -> dict[UUID, CycleTerms]:
    cycles = {}
    for cycle_id in sorted({share.feed.cycle_id for share in shares}):
        cycle = ledger.record.hold_cycle(cycle_id)
        if cycle is None:
            raise LookupError(f"there is no cycle {cycle_id}")
        cycles[cycle_id] = cycle
    return cycles


def _take_in(connection: Connection[DictRow], share: Share, row: Totals, cycle: CycleTerms, life_ids: LifeIds) -> News:
    difference = take_in(
        connection,
        share.feed.id,
        share.arriving(),
        life_ids,
        current_window(share.feed, cycle, row),
        fact=row.version + 1,
        is_timed=looks_at_time(share.feed.definition.aggregate),
    )
    letters = share.letters()
    dead_letters.keep(connection, share.feed, letters)
    matched = share.messages - share.ignored - len(letters)
    return News(share.ranges, matched, share.ignored, len(letters), difference)


def is_fault_of_a_message(error: PersistenceError | Unmeasurable) -> bool:
    """Whether a value was refused, rather than that the database does not work."""
    if isinstance(error, OperationalError):
        return isinstance(error.__cause__, psycopg.errors.ProgramLimitExceeded)
    return isinstance(error, DataError | IntegrityError | Unmeasurable) and not isinstance(error, VersionConflict)


def reason_of(error: PersistenceError | Unmeasurable) -> str:
    """Why the message is dead, in words that quote nothing of it."""
    if isinstance(error, Unmeasurable):
        return str(error)
    cause = error.__cause__
    said = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return f"the database refused it: {said or type(cause).__name__}"
