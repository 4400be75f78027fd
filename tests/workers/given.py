"""What the tests of workers stand on: a running cycle with key results and feeds, and messages to read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import dict_row

from domain.application import OkrLedger
from domain.command import Actor, Command, ReasonCode, Why
from domain.feeds.definition import parse_definition
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from domain.measures import Direction
from domain.objective import Level, Wording
from domain.stream import Text
from domain.terms import Terms
from ledger.line import Line, parse_line
from ledger.mapper import read_fact
from workers.feeds import offsets
from workers.feeds.batch import Applied, Batches
from workers.feeds.catalogue import Catalogue
from workers.feeds.database import transaction
from workers.feeds.offsets import Place, Stand
from workers.feeds.reading import Share, read_records

TOPIC = "deals"
EPOCH = "11111111-1111-4111-8111-111111111111"
ZONE = "Asia/Shanghai"
Measured = MeasurementRecorded | MeasurementWindowMoved


def eventually(is_so: Callable[[], bool], *, seconds: float = 20, what: str = "it") -> None:
    """Return as soon as it is so; fail when it is not within the time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


def by(actor: str = "root") -> Command:
    return Command(Actor(actor, is_admin=actor == "root"), datetime.now(UTC), Why(ReasonCode.SCOPE, Text("because")))


class Record(NamedTuple):
    """A message as the consumer gives it."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


class Workplace:
    """A running cycle, key results that feeds measure, and what the ledger says of them."""

    def __init__(self, okr: OkrLedger, url: str) -> None:
        self.okr, self.url = okr, url
        today = datetime.now(UTC).date()
        self.starts_on, self.ends_on = today - timedelta(days=30), today + timedelta(days=60)
        self.cycle, self.objective = uuid4(), uuid4()
        okr.open_cycle(self.cycle, name="Q4", starts_on=self.starts_on, ends_on=self.ends_on, time_zone=ZONE, by=by())
        okr.start_cycle(self.cycle, by())
        okr.draft_objective(
            self.objective,
            self.cycle,
            Wording(title="Growth", owner_id="anna", level=Level.COMPANY),
            by(),
        )
        okr.commit_objective(self.objective, by())

    def key_result(self, id: UUID | None = None) -> UUID:
        """A committed key result of its own."""
        id = id or uuid4()
        terms = Terms(
            title="Revenue",
            owner_id="anna",
            direction=Direction.INCREASE,
            baseline=Decimal(0),
            target=Decimal(1_000_000),
            deadline=self.ends_on,
        )
        self.okr.draft_key_result(id, self.objective, terms, by())
        self.okr.commit_key_result(id, by())
        return id

    def feed(self, key_result: UUID | None = None, **definition: Any) -> UUID:
        """A feed that sums deals, but for what the definition says; measured at once, without debounce."""
        id = uuid4()
        usual: dict[str, Any] = {
            "name": f"feed-{id.hex[:8]}",
            "key_result": str(key_result or self.key_result()),
            "source": {"topic": TOPIC, "format": "json"},
            "entity": "id",
            "order": ["rev"],
            "value": {"expr": "amount"},
            "retract_when": "lost == true",
            "aggregate": {"fn": "sum", "window": "cycle"},
            "emit": {"debounce": "PT0S"},
        }
        wanted = {name: value for name, value in (usual | definition).items() if value is not None}
        self.okr.define_feed(id, parse_definition(wanted), by())
        return id

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """What the owner of the database sees."""
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(statement, list(parameters) or None).fetchall()

    def execute(self, statement: str) -> None:
        """Do what only the owner of the database may."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def wait_until_somebody_waits_for_a_lock(self, *, sessions: int = 1) -> None:
        """Return once so many sessions of this database are held up by others."""
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: len(self.rows(waiting)) >= sessions)

    def lines(self, prefix: str) -> list[Line]:
        """The ledger's lines of types that begin with the prefix, in order."""
        rows = self.rows(
            'SELECT line FROM ledger.events WHERE type COLLATE "C" LIKE %s ORDER BY position', f"{prefix}%"
        )
        return [parse_line(row["line"]) for row in rows]

    def facts(self, feed_id: UUID) -> list[Any]:
        """What was measured by the feed, in order."""
        found = [read_fact(line.type, line.schema, line.data) for line in self.lines("Measurement.")]
        return [fact for fact in found if isinstance(fact, Measured) and fact.feed_id == feed_id]

    def values(self, feed_id: UUID) -> list[Decimal | None]:
        return [fact.value for fact in self.facts(feed_id)]


@dataclass
class Reader:
    """A worker without a broker: what it holds, it holds in memory, and each call is one batch."""

    okr: OkrLedger
    catalogue: Catalogue
    stands: dict[Stand, int]
    life: offsets.Life

    @classmethod
    def of(cls, okr: OkrLedger, partitions: int = 1) -> Reader:
        catalogue = Catalogue()
        catalogue.refresh(okr)
        starts = {
            Stand(feed, Place(TOPIC, EPOCH, partition)): 0
            for feed in catalogue.feeds
            for partition in range(partitions)
        }
        with transaction(okr) as connection:
            life = offsets.life(connection, TOPIC, EPOCH)
            offsets.begin(connection, starts)
            stands = offsets.known(connection, list(catalogue.feeds), [TOPIC])
        return cls(okr, catalogue, stands, life)

    def shares(self, batch: Mapping[int, Sequence[Record]]) -> list[Share]:
        shares = []
        for feed in self.catalogue.reading(TOPIC):
            stretches = [
                stretch
                for partition, records in batch.items()
                for place in [Place(TOPIC, EPOCH, partition)]
                if (stretch := read_records(feed, place, self.life, self.stands[Stand(feed.id, place)], records))
            ]
            if stretches:
                shares.append(Share(feed, stretches))
        return shares

    def read(
        self,
        batch: Mapping[int, Sequence[Record]] | Sequence[Record],
        before_commit: Callable[[], None] = lambda: None,
    ) -> Applied:
        """Apply one batch: records by partition, or of partition 0."""
        shares = self.shares(batch if isinstance(batch, Mapping) else {0: batch})
        batches = Batches(self.okr, self.catalogue, before_commit)
        applied = batches.apply(shares, {(TOPIC, EPOCH): self.life.id})
        for share in shares:
            self.stands |= {stand: next for stand, (_, next) in share.stands().items()}
        return applied


def deal(offset: int, id: str, amount: object, rev: int = 1, *, lost: bool = False, day: date | None = None) -> Record:
    """A message about a deal, closed today if not on another day."""
    at = datetime.now(UTC) if day is None else datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    value = {"id": id, "rev": rev, "amount": amount, "lost": lost, "at": at.isoformat()}
    return Record(offset, orjson.dumps(value), timestamp=int(at.timestamp() * 1000))
