"""Twenty thousand messages, workers that die and others that take over: each message counts exactly once."""

import random
import time
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pytest

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.given import Workplace, eventually
from tests.workers.running import WorkerProcess, producing, settings

PARTITIONS = 3
MESSAGES = 20_000
DEALS = 2_500
BEGAN_MS = int(time.time() * 1000) - 86_400_000


class Change(NamedTuple):
    """A change of one deal, in the order in which its database made them."""

    lsn: int
    deal: int
    op: str
    stage: str
    amount: Decimal

    def message(self) -> bytes:
        row = {"id": self.deal, "stage": self.stage, "amount": str(self.amount)}
        gone = self.op == "d"
        return orjson.dumps(
            {
                "before": {"id": self.deal} if gone else None,
                "after": None if gone else row,
                "source": {"lsn": self.lsn, "ts_ms": BEGAN_MS + self.lsn, "table": "deals"},
                "op": self.op,
            }
        )


def changes(chance: random.Random) -> list[Change]:
    """What happened, and then what arrives of it: late, twice, and out of order."""
    happened = [
        Change(
            lsn,
            chance.randrange(DEALS),
            "d" if chance.random() < 0.05 else "u",
            "won" if chance.random() < 0.8 else "open",
            Decimal(chance.randrange(100, 1_000_000)) / 100 + Decimal("0.001"),
        )
        for lsn in range(int(MESSAGES * 0.8))
    ]
    again = chance.choices(happened, k=MESSAGES - len(happened))
    arriving = [(change.lsn + chance.uniform(0, 300), change) for change in happened]
    arriving += [(change.lsn + chance.uniform(0, 3_000), change) for change in again]
    return [change for _, change in sorted(arriving)]


def truth(arrived: Sequence[Change]) -> dict[str, Decimal | None]:
    """What each deal amounts to: its newest change, and nothing else."""
    newest: dict[int, Change] = {}
    for change in arrived:
        if change.deal not in newest or change.lsn > newest[change.deal].lsn:
            newest[change.deal] = change
    return {
        str(deal): change.amount if change.op != "d" and change.stage == "won" else None
        for deal, change in newest.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("placed", ["by deal", "anywhere"])
def test_workers_die_and_each_message_counts_once(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory, tmp_path: Path, placed: str
) -> None:
    chance = random.Random(5)
    arriving = changes(chance)
    deals = topic("crm.public.deals", partitions=PARTITIONS)
    with producing(kafka) as producer:
        for change in arriving:
            partition = change.deal % PARTITIONS if placed == "by deal" else chance.randrange(PARTITIONS)
            key = orjson.dumps({"id": change.deal})
            producer.send(deals, change.message(), key=key, partition=partition)
    key_result = work.key_result()
    feed = work.feed(
        key_result,
        source={"topic": deals, "format": "debezium"},
        entity="row.id",
        order=["source.lsn"],
        retract_when="op == 'd' or row.stage != 'won'",
        value={"expr": "row.amount"},
        emit={"debounce": "PT1S"},
    )
    wanted, log = settings(work.url, kafka, batch_size=200), tmp_path / "workers.log"
    with WorkerProcess(wanted, log) as killed, WorkerProcess(wanted, log) as ended:
        eventually(lambda: read(work) > 2_000)
        killed.kill()
        eventually(lambda: read(work) > 9_000)
        ended.terminate()
    assert read(work) < MESSAGES
    with WorkerProcess(wanted, log) as last:
        eventually(lambda: read(work) == MESSAGES, seconds=40)
        eventually(lambda: not work.rows("SELECT FROM feeds.totals WHERE due_at IS NOT NULL"))
        last.terminate()

    right = truth(arriving)
    rows = work.rows("SELECT entity, value FROM feeds.contributions")
    assert {row["entity"]: row["value"] for row in rows} == right
    assert work.values(feed)[-1] == sum(filter(None, right.values()))
    assert "Traceback" not in log.read_text()
    check_provenance(work, feed)


def read(work: Workplace) -> int:
    (row,) = work.rows("SELECT coalesce(sum(next_offset), 0)::int AS read FROM feeds.offsets")
    count: int = row["read"]
    return count


def check_provenance(work: Workplace, feed: UUID) -> None:
    """The facts, and what waits for the next one, name each message that was read, and name it once."""
    facts = work.facts(feed)
    (waiting,) = work.rows("SELECT ranges, matched + ignored + dead AS messages FROM feeds.totals")
    ranges: dict[tuple[Any, ...], list[tuple[int, int]]] = defaultdict(list)
    for fact in facts:
        for each in fact.ranges:
            ranges[each.topic, each.epoch, each.partition].append((each.first, each.last))
    for topic, epoch, partition, first, last, _ in waiting["ranges"]:
        ranges[topic, epoch, partition].append((first, last))
    ends = work.rows("SELECT topic, epoch, partition, next_offset FROM feeds.offsets")
    assert len(ends) == PARTITIONS
    for row in ends:
        found = sorted(ranges[row["topic"], row["epoch"], row["partition"]])
        assert [offset for first, last in found for offset in range(first, last + 1)] == list(range(row["next_offset"]))
    counted = sum(fact.counts.matched + fact.counts.ignored + fact.counts.dead for fact in facts)
    assert counted + waiting["messages"] == MESSAGES
