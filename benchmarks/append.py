"""Appending: one fact a commit by one and by eight writers, and a thousand facts a commit.

Against psycopg by hand, which does the least that gives the same rows (lock, hash, insert, head, commit) with lines
made beforehand, and against the recorder that eventsourcing brings, which neither hashes nor numbers without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import sql
from psycopg.rows import dict_row

from benchmarks.harness import Finding, Ground, Rounds, Work, crew, rate
from domain.application import OkrLedger
from domain.command import Actor, Command
from domain.key_result import KeyResult, ProgressRecorded
from domain.stream import Event
from ledger.merkle import Frontier

TYPE = "KeyResult.ProgressRecorded"
TIME = "2026-11-11T10:00:00.000000Z"
STATE = f'{{"value":"17.5","effective_at":"{TIME}"}}'
LINE = (
    f'{{"v":1,"position":1234567,"stream":"{UUID(int=1)}","version":17,"type":"{TYPE}","schema":1,'
    f'"recorded_at":"{TIME}","who":{{"id":"anna","kind":"person"}},"salt":"{"0" * 32}","data":{STATE}}}'
)
BATCH = 1_000

BEGIN_AND_LOCK = "BEGIN; SELECT size, frontier, clock_timestamp() AS now FROM ledger.head FOR UPDATE"
GROW = "WITH grown AS (UPDATE ledger.head SET size = %b, recorded_at = %b, frontier = %b)"
INSERT_ONE = f"""{GROW}
    INSERT INTO ledger.events (position, stream_id, stream_version, type, recorded_at, line, leaf_hash)
    VALUES (%b, %b, %b, %b, %b, %b, %b)"""
INSERT_MANY = """
    INSERT INTO ledger.events (recorded_at, position, stream_id, stream_version, type, line, leaf_hash)
    SELECT %b, * FROM unnest(%b::bigint[], %b::uuid[], %b::int[], %b::text[], %b::text[], %b::bytea[])"""


class RecordedStream(KeyResult):
    """A stream of progress, decided without looking at what was before."""

    def progress(self, count: int) -> RecordedStream:
        for _ in range(count):
            self.version += 1
            fact = ProgressRecorded(value=Decimal("17.5"), effective_at=datetime.now(UTC))
            self._pending.append(Event(self.id, self.version, fact))
        return self


def ours(url: str, each: int = 1) -> Work:
    okr = OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": url})

    def save(count: int) -> None:
        for _ in range(count):
            okr.save(RecordedStream(uuid4()).progress(each), by=Command(Actor("anna"), datetime.now(UTC)))

    return save


def by_hand(url: str) -> Work:
    """Three round trips a fact: begin and lock, insert and grow the head, commit."""
    connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
    line = LINE.encode()

    def append(count: int) -> None:
        for _ in range(count):
            locked = connection.execute(BEGIN_AND_LOCK)
            locked.nextset()
            head = locked.fetchone()
            assert head is not None
            leaf = sha256(b"\x00" + line).digest()
            tree = Frontier(head["size"], head["frontier"])
            tree.extend([leaf])
            now = head["now"]
            values = [tree.size, now, bytes(tree), tree.size, uuid4(), 1, TYPE, now, LINE, leaf]
            connection.execute(INSERT_ONE, values, prepare=True)
            connection.execute("COMMIT")

    return append


def by_hand_in_batches(url: str) -> Work:
    """One statement and one commit a batch; neither lock nor head."""
    connection = psycopg.connect(url, autocommit=True)
    size = 0

    def append(count: int) -> None:
        nonlocal size
        for _ in range(count):
            streams = [uuid4() for _ in range(BATCH)]
            leaves = [sha256(b"\x00" + LINE.encode()).digest()] * BATCH
            positions = list(range(size + 1, size + 1 + BATCH))
            columns = [positions, streams, [1] * BATCH, [TYPE] * BATCH, [LINE] * BATCH, leaves]
            connection.execute(INSERT_MANY, [datetime.now(UTC), *columns], prepare=True)
            size += BATCH

    return append


def stock_recorder(url: str) -> PostgresApplicationRecorder:
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    name, user = parts.path.lstrip("/"), parts.username or ""
    return PostgresApplicationRecorder(PostgresDatastore(name, host, parts.port or 5432, user, parts.password or ""))


def stock(url: str) -> Work:
    """The recorder alone: it is handed stored events that nobody had to map. Its tables must be there already:
    processes that make them together fail with "tuple concurrently updated"."""
    recorder = stock_recorder(url)
    recorder.datastore.register_type_adapters()
    state = STATE.encode()

    def insert(count: int) -> None:
        for _ in range(count):
            recorder.insert_events([StoredEvent(uuid4(), 1, TYPE, state)])

    return insert


def forgo_flushes(url: str) -> None:
    """Let new sessions of the database not wait for the disk when they commit."""
    with psycopg.connect(url, autocommit=True) as connection:
        statement = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
        connection.execute(statement.format(sql.Identifier(connection.info.dbname)))


def measure(ground: Ground) -> Iterator[Finding]:
    for writers in (1, ground.pick(8, 2)):
        yield _one_by_one(ground, writers)
    yield _one_by_one(ground, 1, is_flushed=False)
    yield _in_batches(ground)


def _one_by_one(ground: Ground, writers: int, *, is_flushed: bool = True) -> Finding:
    """Without the flush of each commit, which costs all the same and on a busy disk hides the rest."""
    count = ground.pick(60, 40) // (1 if writers == 1 else 4)
    with ExitStack() as stack:
        urls = [stack.enter_context(database()) for database in (ground.ledger, ground.ledger, ground.database)]
        if not is_flushed:
            for url in urls:
                forgo_flushes(url)
        stock_recorder(urls[2]).create_table()
        contenders = {}
        for name, make, url in zip(("ledger", "by hand", "stock"), (ours, by_hand, stock), urls, strict=True):
            writing = stack.enter_context(crew(writers, make, url))
            contenders[name] = rate(writing.work, count, each=writers)
        rounds = Rounds(contenders).run(ground.pick(100, 3), seconds=ground.pick(60, 5))
    return Finding(
        "append",
        f"one fact a commit, {writers} writer{'s' * (writers > 1)}" + ("" if is_flushed else ", commits not flushed"),
        "facts/s",
        rounds.medians(),
        [
            rounds.ratio("ledger", "by hand", 0.9 if is_flushed else None),
            rounds.ratio("ledger", "stock", 1.5 if is_flushed else None),
        ],
    )


def _in_batches(ground: Ground) -> Finding:
    with ExitStack() as stack:
        urls = [stack.enter_context(ground.ledger()) for _ in range(2)]
        ledger = stack.enter_context(crew(1, ours, urls[0], BATCH))
        unnest = stack.enter_context(crew(1, by_hand_in_batches, urls[1]))
        batches = ground.pick(5, 1)
        contenders = {
            "ledger": rate(ledger.work, batches, each=BATCH),
            "unnest by hand": rate(unnest.work, batches, each=BATCH),
        }
        rounds = Rounds(contenders).run(ground.pick(30, 3), seconds=ground.pick(45, 5))
    return Finding(
        "append",
        f"{BATCH:,} facts a commit, one writer",
        "facts/s",
        rounds.medians(),
        [rounds.ratio("ledger", "unnest by hand", 0.5)],
    )
