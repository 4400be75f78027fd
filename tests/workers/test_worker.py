"""A worker with a real broker and a real database."""

from decimal import Decimal

import orjson

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.given import Workplace, eventually
from tests.workers.running import running, send, settings

D = Decimal


def deal(id: str, amount: object, rev: int = 1, *, lost: bool = False) -> bytes:
    return orjson.dumps({"id": id, "rev": rev, "amount": amount, "lost": lost})


def test_messages_become_progress(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals", partitions=3)
    feed = work.feed(source={"topic": deals, "format": "json"})
    with running(settings(work.url, kafka)) as worker:
        for partition in range(3):
            send(kafka, deals, [deal(f"d{partition}", 10)], partition=partition)
        eventually(lambda: work.values(feed)[-1:] == [D(30)])
    assert worker.metrics.registry.get_sample_value("okr_feed_messages_total", {"outcome": "matched"}) == 3
