"""A feed worker from the broker to the committed fact, against the ceiling: kafka-python's own poll and orjson alone.

The messages are changes of deals, each of which the worker turns into a contribution: newest version counts, evidence
kept, one fact a batch, offsets in the same transaction. Both read the same topic of a real Apache Kafka from its
beginning, with fetches of 8 MiB, and are timed from the first batch they have to the last.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from benchmarks.data import by, make_world, use_cases
from benchmarks.harness import Finding, Ground, Ratio, Rounds, peak_mb
from domain.feeds.definition import parse_definition
from tests.support.kafka_jars import KafkaUnavailableError
from tests.support.kafka_server import kafka_server
from workers.feeds.main import run
from workers.feeds.settings import WorkerSettings

TOPIC = "deals"
FETCH_BYTES = 8 * 1024 * 1024
MOST_MB = 150
LONGEST_S = 180
OFFSET = "SELECT coalesce(max(next_offset), 0) FROM feeds.offsets"


def produce(bootstrap: str, count: int) -> Decimal:
    """Changes of deals, five for each on average, in 200-byte messages; the sum of the last amounts."""
    random, amounts = Random(1), dict[int, int]()
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, batch_size=256 * 1024)
    for number in range(count):
        deal, amount = random.randrange(count // 5), random.randrange(1_000_000)
        amounts[deal] = amount
        message = {
            "id": f"deal-{deal:08}",
            "rev": number,
            "amount": f"{amount // 100}.{amount % 100:02}",
            "currency": "EUR",
            "stage": "closed_won",
            "closed_at": datetime.now(UTC).isoformat(),
            "owner": f"seller-{deal % 97:04}",
        }
        producer.send(TOPIC, orjson.dumps(message))
    producer.flush(60)
    producer.close(5)
    return Decimal(sum(amounts.values())) / 100


def poll_and_decode(bootstrap: str, count: int) -> float:
    """Messages a second."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_poll_records=1_000,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=2 * FETCH_BYTES,
        metrics_enabled=False,
    )
    partition = TopicPartition(TOPIC, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    first = seen = 0
    started = time.perf_counter()
    while seen < count:
        for record in consumer.poll(300).get(partition, ()):
            orjson.loads(record.value)
            seen += 1
        if not first and seen:
            first, started = seen, time.perf_counter()
    lasted = time.perf_counter() - started
    consumer.close()
    return (count - first) / lasted


class EndToEnd:
    """Reads the whole topic with one worker process on an empty ledger, as often as asked."""

    def __init__(self, ground: Ground, bootstrap: str, count: int, total: Decimal) -> None:
        self.ground, self.bootstrap, self.count, self.total = ground, bootstrap, count, total
        self.peaks_mb: list[float] = []

    def __call__(self) -> float:
        """Messages a second, each committed. Fails where the sum is not exact in the end."""
        with self.ground.ledger() as url, psycopg.connect(url, autocommit=True) as connection:
            define_feed(url)
            settings = WorkerSettings(database_url=url, bootstrap_servers=self.bootstrap, group=f"bench-{uuid4().hex}")
            worker = multiprocessing.get_context("spawn").Process(target=run, args=[settings])
            worker.start()
            try:
                first, started = wait_for(connection, OFFSET, 1)
                last, ended = wait_for(connection, OFFSET, self.count)
                wait_for(connection, f"SELECT count(*) FROM feeds.totals WHERE value = {self.total}", 1)
                self.peaks_mb.append(peak_mb(worker.pid))
            finally:
                worker.terminate()
                worker.join(30)
        return (last - first) / (ended - started)


def define_feed(url: str) -> None:
    """The sum of the amounts of all deals, into one key result."""
    key_result = make_world(url, objectives=1, key_results_each=1, changes=0).key_results[0]
    definition = {
        "name": "revenue",
        "key_result": str(key_result.id),
        "source": {"topic": TOPIC, "format": "json"},
        "entity": "id",
        "order": ["rev"],
        "retract_when": "stage != 'closed_won'",
        "effective_at": {"path": "closed_at", "unit": "iso"},
        "value": {"expr": "amount", "type": "decimal"},
        "aggregate": {"fn": "sum", "window": "cycle"},
    }
    with use_cases(url) as okr:
        okr.define_feed(uuid4(), parse_definition(definition), by())


def wait_for(connection: psycopg.Connection[Any], question: str, least: int) -> tuple[int, float]:
    """Ask until the answer is that much; the answer, and the moment."""
    deadline = time.monotonic() + LONGEST_S
    while (found := _number(connection, question)) < least:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{question}: {found} instead of {least} after {LONGEST_S} s")
        time.sleep(0.01)
    return found, time.perf_counter()


def _number(connection: psycopg.Connection[Any], question: str) -> int:
    row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])


def measure(ground: Ground) -> Iterator[Finding]:
    count = ground.pick(100_000, 5_000)
    with ExitStack() as stack:
        try:
            kafka = stack.enter_context(kafka_server())
        except KafkaUnavailableError as reason:
            yield Finding("feed", f"not measured: there is no Apache Kafka here ({reason})", "messages/s", {})
            return
        kafka.create_topic(TOPIC)
        worker = EndToEnd(ground, kafka.bootstrap, count, produce(kafka.bootstrap, count))
        contenders: dict[str, Callable[[], float]] = {
            "worker": worker,
            "poll and decode": lambda: poll_and_decode(kafka.bootstrap, count),
        }
        rounds = Rounds(contenders).run(ground.pick(7, 1), seconds=ground.pick(120, 1), warm_up=not ground.is_quick)
    share = max(worker.peaks_mb) / MOST_MB
    yield Finding(
        "feed",
        f"{count:,} messages of 200 bytes about {count // 5:,} deals into one key result",
        "messages/s",
        rounds.medians(),
        [
            rounds.ratio("worker", "poll and decode", 0.25),
            Ratio("highest memory of the worker", f"{MOST_MB} MB", share, share, share, 1, at_most=True),
        ],
    )
