"""What fails while a worker reads: the database, the broker, the topic, the log. It goes on by itself, and exactly."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer, TopicPartition

from cli.trial.broker import API_VERSION, TrialBroker
from domain.application import OkrLedger
from domain.feed import Feed, FeedGapFound
from domain.feeds.definition import parse_definition
from ledger.mapper import read_fact
from ledger.migrate import migrate
from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.support.postgres_server import OwnServer, own_server
from tests.workers.given import Workplace, by, eventually
from tests.workers.running import producing, running, send, settings
from workers.feeds.settings import WorkerSettings
from workers.feeds.worker import FeedWorker

D = Decimal


def deal(id: str, amount: int = 1) -> bytes:
    return orjson.dumps({"id": id, "rev": 1, "amount": amount, "lost": False})


def source(topic: str) -> dict[str, str]:
    return {"topic": topic, "format": "json"}


def gaps(work: Workplace) -> list[FeedGapFound]:
    facts = [read_fact(line.type, line.schema, line.data) for line in work.lines("Feed.GapFound")]
    return [fact for fact in facts if isinstance(fact, FeedGapFound)]


def sample(worker: FeedWorker, name: str, **labels: str) -> float:
    return worker.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def crashing() -> Iterator[tuple[OwnServer, Workplace]]:
    """A database server that may crash, and a cycle in it."""
    with own_server() as server:
        migrate(server.url)
        with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": server.url}) as okr:
            yield server, Workplace(okr, server.url)


def test_the_database_crashes_and_comes_back(
    crashing: tuple[OwnServer, Workplace], kafka: KafkaServer, topic: TopicFactory
) -> None:
    server, work = crashing
    deals = topic("deals", partitions=2)
    feed = work.feed(source=source(deals))
    with running(settings(server.url, kafka)) as worker:
        send(kafka, deals, [deal(f"a{n}") for n in range(100)])
        eventually(lambda: work.values(feed)[-1:] == [D(100)])
        server.stop_immediate()
        send(kafka, deals, [deal(f"b{n}") for n in range(100)], partition=1)
        eventually(lambda: sample(worker, "okr_feed_restarts_total", because="database") > 0)
        server.start_again()
        eventually(lambda: work.values(feed)[-1:] == [D(200)], seconds=30)
        assert sample(worker, "okr_feed_restarts_total", because="broker") == 0


def test_a_database_that_was_put_back_is_believed(
    crashing: tuple[OwnServer, Workplace], kafka: KafkaServer, topic: TopicFactory
) -> None:
    server, work = crashing
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    with running(settings(server.url, kafka)) as worker:
        send(kafka, deals, [deal("a", 10)])
        eventually(lambda: work.values(feed) == [D(10)])
        server.stop_immediate()
        server.back_up()
        server.start_again()
        summing = work.okr.load(Feed, feed).definition.to_mapping()
        counting = summing | {"aggregate": {"fn": "count", "window": "cycle"}, "value": None}
        work.okr.revise_feed(feed, parse_definition(counting), by())
        send(kafka, deals, [deal("b", 20)])
        eventually(lambda: work.values(feed)[-1:] == [D(2)], seconds=30)
        server.stop_immediate()
        away = sample(worker, "okr_feed_restarts_total", because="database")
        eventually(lambda: sample(worker, "okr_feed_restarts_total", because="database") > away)
        server.put_back()
        server.start_again()
        eventually(lambda: len(work.values(feed)) > 1, seconds=30)
        assert work.values(feed) == [D(10), D(30)]


def test_the_broker_is_killed_and_comes_back(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    with running(settings(work.url, kafka)):
        send(kafka, deals, [deal("a")])
        eventually(lambda: work.values(feed)[-1:] == [D(1)])
        kafka.kill()
        kafka.start()
        send(kafka, deals, [deal("b")])
        eventually(lambda: work.values(feed)[-1:] == [D(2)], seconds=30)


class Misspelt(str):
    """A text that a producer sends as no UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"na\xffme"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_header_whose_name_is_no_text_holds_up_nobody(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory, compression: str | None
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    with producing(kafka, compression_type=compression) as producer:
        producer.send(deals, deal("a"), headers=[("name", b"1")])
        producer.send(deals, deal("b"), key=b"\xff", headers=[("n", b"1"), (Misspelt("x"), b"\xff")])
        producer.send(deals, b"{", headers=[(Misspelt("x"), b"1")])
        producer.send(deals, deal("c"))
    with running(settings(work.url, kafka)):
        eventually(lambda: work.values(feed)[-1:] == [D(3)])
    (letter,) = work.rows("SELECT header_names, header_values FROM feeds.dead_letters")
    assert (letter["header_names"], letter["header_values"]) == (["na\ufffdme".encode()], [b"1"])


def test_a_topic_that_is_not_there_holds_up_nobody(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals")
    missing = f"{deals}-missing"
    feed, early = work.feed(source=source(deals)), work.feed(source=source(missing))
    with running(settings(work.url, kafka, topic_check=1)):
        send(kafka, deals, [deal("a")])
        eventually(lambda: work.values(feed)[-1:] == [D(1)])
        kafka.create_topic(missing, 1)
        send(kafka, missing, [deal("b", 5)])
        eventually(lambda: work.values(early)[-1:] == [D(5)])


@pytest.mark.parametrize("in_new_life", [1, 7], ids=["shorter", "longer"])
@pytest.mark.parametrize("is_away", [False, True], ids=["running", "away"])
def test_a_topic_is_deleted_and_created_again(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory, in_new_life: int, is_away: bool
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    wanted = settings(work.url, kafka, topic_check=0.5)

    def begin_new_life() -> None:
        kafka.delete_topic(deals)
        kafka.create_topic(deals, 1)
        send(kafka, deals, [deal(f"new {n}", 10) for n in range(in_new_life)])

    with running(wanted):
        send(kafka, deals, [deal(f"old {n}") for n in range(3)])
        eventually(lambda: work.values(feed)[-1:] == [D(3)])
        if not is_away:
            begin_new_life()
            eventually(lambda: work.values(feed)[-1:] == [D(3 + 10 * in_new_life)])
    if is_away:
        begin_new_life()
        with running(wanted):
            eventually(lambda: work.values(feed)[-1:] == [D(3 + 10 * in_new_life)])
    (gap,) = gaps(work)
    old, new = work.rows(
        "SELECT epoch, next_offset FROM feeds.offsets JOIN feeds.lives USING (topic, epoch) ORDER BY number"
    )
    assert (gap.kind, gap.topic, gap.partition, gap.first, gap.next) == ("topic_recreated", deals, 0, 3, None)
    assert (gap.epoch, gap.new_epoch) == (old["epoch"], new["epoch"])
    assert (old["next_offset"], new["next_offset"]) == (3, in_new_life)
    with running(wanted):
        send(kafka, deals, [deal("last", 100)])
        eventually(lambda: work.values(feed)[-1:] == [D(103 + 10 * in_new_life)])
    assert len(gaps(work)) == 1


def test_messages_that_the_broker_has_dropped_are_a_gap(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    with running(settings(work.url, kafka)):
        send(kafka, deals, [deal("a"), deal("b")])
        eventually(lambda: work.values(feed)[-1:] == [D(2)])
    send(kafka, deals, [deal(f"c{n}", 10) for n in range(4)])
    with kafka.admin() as admin:
        admin.delete_records({TopicPartition(deals, 0): 5})
    with running(settings(work.url, kafka)):
        eventually(lambda: work.values(feed)[-1:] == [D(12)])
    (gap,) = gaps(work)
    assert (gap.kind, gap.first, gap.next) == ("retention", 2, 5)
    assert [(r.first, r.last) for fact in work.facts(feed) for r in fact.ranges] == [(0, 1), (5, 5)]


def test_a_log_that_was_cut_is_read_on_at_its_end(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    wanted = settings(work.url, kafka)
    send(kafka, deals, [deal("a"), deal("b")])
    with running(wanted):
        eventually(lambda: work.values(feed)[-1:] == [D(2)])
    # As after an unclean election: messages that were read are no longer in the log.
    work.execute("UPDATE feeds.offsets SET next_offset = 50")
    with running(wanted):
        eventually(lambda: len(gaps(work)) == 1)
        send(kafka, deals, [deal("c", 10)])
        eventually(lambda: work.values(feed)[-1:] == [D(12)])
    (gap,) = gaps(work)
    assert (gap.kind, gap.first, gap.next) == ("truncated", 50, 2)


def test_workers_that_wrongly_read_the_same_fence_each_other(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory
) -> None:
    deals = topic("deals", partitions=2)
    feed = work.feed(source=source(deals), entity=None, order=[], emit={"debounce": "PT1S"})
    # Two groups, so that both are given all partitions.
    with (
        running(settings(work.url, kafka, batch_size=20)) as one,
        running(settings(work.url, kafka, batch_size=20)) as two,
    ):
        for partition in range(2):
            send(kafka, deals, [deal("same") for _ in range(200)], partition=partition)
        eventually(lambda: work.values(feed)[-1:] == [D(400)], seconds=30)
        assert sample(one, "okr_feed_fences_total") + sample(two, "okr_feed_fences_total") > 0
    read = sum(sample(worker, "okr_feed_messages_total", outcome="matched") for worker in (one, two))
    assert read == 400


def test_the_trial_brokers_new_life_neither_stalls_nor_doubles(work: Workplace) -> None:
    feed = work.feed(source=source("deals"))
    for life in (1, 2):
        broker = TrialBroker()
        bootstrap = broker.start()
        try:
            # Nothing is ever read of its third partition, so nothing of it is lost either.
            broker.create_topic("deals", 3)
            wanted = WorkerSettings(
                database_url=work.url, bootstrap_servers=bootstrap, is_trial=True, trial_epoch=str(broker.epoch)
            )
            with running(wanted):
                producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=API_VERSION)
                for number in range(3):
                    producer.send("deals", deal(f"{life} {number}", 10**life), partition=number % 2)
                producer.send("deals", deal("in both lives", 1))
                producer.flush(10)
                producer.close(5)
                eventually(lambda life=life: work.values(feed)[-1:] == [D(31 if life == 1 else 331)])  # type: ignore[misc]
        finally:
            broker.stop()
    assert {gap.kind for gap in gaps(work)} == {"topic_recreated"}
    assert sorted(gap.partition for gap in gaps(work)) == [0, 1]


def test_a_gap_in_a_closed_cycle_is_passed_in_silence(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals")
    work.feed(source=source(deals))
    send(kafka, deals, [deal("a"), deal("b")])
    with running(settings(work.url, kafka)):
        eventually(lambda: read(work) == 2)
    send(kafka, deals, [deal("c"), deal("d")])
    with kafka.admin() as admin:
        admin.delete_records({TopicPartition(deals, 0): 3})
    work.okr.begin_scoring(work.cycle, by())
    work.okr.close_cycle(work.cycle, by())
    before = work.lines("")
    with running(settings(work.url, kafka)):
        eventually(lambda: read(work) == 4)
    assert work.lines("") == before


def read(work: Workplace) -> Any:
    rows = work.rows("SELECT next_offset FROM feeds.offsets")
    return rows[0]["next_offset"] if rows else None
