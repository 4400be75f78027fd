"""How far a feed is behind, as its worker tells Prometheus."""

import time

import pytest

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.given import Workplace, deal, eventually
from tests.workers.running import producing, running, settings


def test_a_feed_that_catches_up_is_behind_and_then_is_not(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.feeds.session.LAG_EVERY", 0.0)
    deals = topic("deals")
    feed = work.feed(name="deals", source={"topic": deals, "format": "json"})
    old = int((time.time() - 3_600) * 1000)
    with producing(kafka) as producer:
        for number in range(80):
            producer.send(deals, deal(number, f"d{number}", 1).value, partition=0, timestamp_ms=old)

    with running(settings(work.url, kafka, batch_size=1)) as worker:

        def told() -> tuple[float, float]:
            labels = ("deals", deals, "0")
            figures = worker.metrics
            return figures.lag.labels(*labels)._value.get(), figures.seconds_behind.labels(*labels)._value.get()

        eventually(lambda: told()[0] > 0 and 3_590 < told()[1] < 7_200, seconds=60, what="to be behind")
        eventually(lambda: work.values(feed)[-1:] == [80], seconds=60, what="to read all")
        eventually(lambda: told() == (0, 0), what="to be up to date")
