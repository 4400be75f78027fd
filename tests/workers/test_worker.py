"""A worker with a real broker and a real database: messages become progress, feeds come, pause and go."""

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.given import Workplace, by, eventually
from tests.workers.running import WorkerProcess, producing, running, send, settings
from workers.feeds.worker import FeedWorker

D = Decimal
NOW = datetime.now(UTC).replace(microsecond=0)


def deal(id: str, amount: object, rev: int = 1, *, lost: bool = False) -> bytes:
    return orjson.dumps({"id": id, "rev": rev, "amount": amount, "lost": lost})


def source(topic: str, format: str = "json") -> dict[str, str]:
    return {"topic": topic, "format": format}


def test_messages_of_every_format_become_progress(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    names = ("json", "cloudevents", "cdevents", "debezium")
    topics = {name: topic(name) for name in names}
    counting: dict[str, Any] = {"aggregate": {"fn": "count", "window": "cycle"}, "value": None, "retract_when": None}
    feeds = {
        "json": work.feed(source=source(topics["json"])),
        "cloudevents": work.feed(
            source=source(topics["cloudevents"], "cloudevents"), entity=None, order=[], retract_when=None,
            value={"expr": "data.amount"},
        ),
        "cdevents": work.feed(
            source=source(topics["cdevents"], "cdevents"), entity="subject.id", order=[],
            filter="starts_with(type, 'dev.cdevents.service.deployed.')", **counting,
        ),
        "debezium": work.feed(
            source=source(topics["debezium"], "debezium"), entity="row.id", order=["source.lsn"],
            retract_when=None, value={"expr": "row.amount"},
        ),
    }  # fmt: skip
    with producing(kafka) as producer:
        producer.send(topics["json"], deal("a", 5))
        structured = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "won", "time": f"{NOW:%FT%TZ}"}
        content_type = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
        body = orjson.dumps({**structured, "data": {"amount": "7.5"}})
        for _ in range(2):  # delivered twice: source and id make it one
            producer.send(topics["cloudevents"], body, headers=content_type)
        binary = [(f"ce_{name}", value.encode()) for name, value in {**structured, "id": "2"}.items()]
        producer.send(topics["cloudevents"], b'{"amount": 2.5}', headers=binary)
        for type_, subject in (("service.deployed.0.2.0", "shop"), ("service.upgraded.0.2.0", "till")):
            context = {"specversion": "0.5.0", "id": "e", "source": "/ci", "type": f"dev.cdevents.{type_}"}
            event = {"context": {**context, "timestamp": f"{NOW:%FT%TZ}"}, "subject": {"id": subject, "content": {}}}
            producer.send(topics["cdevents"], orjson.dumps(event))
        row = {"id": 7, "amount": "12.25"}
        now_ms = int(NOW.timestamp() * 1000)
        change = {"before": None, "after": row, "source": {"lsn": 1, "ts_ms": now_ms}, "op": "c", "ts_ms": now_ms}
        producer.send(topics["debezium"], orjson.dumps(change), key=b'{"id": 7}')
        gone = {"before": {"id": 8}, "after": None, "source": {"lsn": 2, "ts_ms": now_ms}, "op": "d", "ts_ms": now_ms}
        producer.send(topics["debezium"], orjson.dumps(gone), key=b'{"id": 8}')
        producer.send(topics["debezium"], None, key=b'{"id": 8}')
    with running(settings(work.url, kafka)) as worker:
        expected = {"json": D(5), "cloudevents": D(10), "cdevents": D(1), "debezium": D("12.25")}
        for name, value in expected.items():
            eventually(lambda name=name, value=value: work.values(feeds[name])[-1:] == [value], what=name)  # type: ignore[misc]
        eventually(lambda: count_of(worker, "matched") + count_of(worker, "ignored") == 9)
    assert count_of(worker, "ignored") == 1
    fact = work.facts(feeds["debezium"])[-1]
    assert fact.effective_at == NOW
    assert fact.effective_by == "event"


def test_poison_between_good_messages(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    poison = {
        "no JSON": b"{",
        "no UTF-8": b'{"id": "\xff\xfe"}',
        "too deep": b"[" * 2_000 + b"]" * 2_000,
        "NUL in the entity": deal("a\0b", 1),
        "too large a number": b'{"id": "big", "rev": 1, "amount": 1e400, "lost": false}',
        "more digits than numeric holds": b'{"id": "big", "rev": 1, "amount": 1%s, "lost": false}' % (b"0" * 400),
        "a value that is none": deal("x", {"not": "a number"}),
        "no order": b'{"id": "x", "rev": [], "amount": 1, "lost": false}',
        "NaN": b'{"id": "x", "rev": 1, "amount": NaN, "lost": false}',
    }
    messages = [message for bad in poison.values() for message in (bad, deal(f"good {bad[:9]!r} {len(bad)}", 1))]
    with running(settings(work.url, kafka)) as worker:
        with producing(kafka) as producer:
            for message in messages:
                producer.send(deals, message, key=b"\x00key", headers=[("\x00", b"\xff")])
        eventually(lambda: work.values(feed)[-1:] == [D(len(poison))])
        eventually(lambda: count_of(worker, "dead") == len(poison))
    rows = work.rows("SELECT * FROM feeds.dead_letters ORDER BY message_offset")
    assert [row["value"] for row in rows] == list(poison.values())
    assert [row["message_offset"] for row in rows] == [2 * at for at in range(len(poison))]
    assert {(row["key"], *row["header_names"], *row["header_values"]) for row in rows} == {
        (b"\x00key", b"\x00", b"\xff")
    }
    stages = {name: row["stage"] for name, row in zip(poison, rows, strict=True)}
    assert stages["no JSON"] == stages["no UTF-8"] == stages["too deep"] == "decode"
    assert stages["NUL in the entity"] == stages["a value that is none"] == stages["no order"] == "value"
    assert all(row["reason"] for row in rows)


def test_feeds_come_pause_and_go(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals, others = topic("deals", partitions=2), topic("others")
    first = work.feed(source=source(deals))
    ended = work.key_result()
    dropped = work.feed(ended, source=source(deals))
    with running(settings(work.url, kafka)):
        send(kafka, deals, [deal("a", 1)])
        send(kafka, deals, [deal("b", 2)], partition=1)
        eventually(lambda: work.values(first)[-1:] == work.values(dropped)[-1:] == [D(3)])

        # A feed that is defined later begins where it says, and disturbs nobody.
        all_of_it = work.feed(source={"topics": [deals, others], "format": "json"})
        from_now_on = work.feed(source=source(deals), start="latest")
        eventually(lambda: work.values(all_of_it)[-1:] == [D(3)])
        eventually(lambda: len(work.rows("SELECT FROM feeds.offsets WHERE feed_id = %s", from_now_on)) == 2)
        send(kafka, others, [deal("c", 4)])
        eventually(lambda: work.values(all_of_it)[-1:] == [D(7)])

        okr = work.okr
        okr.pause_feed(first, by())
        okr.drop_key_result(ended, by())
        send(kafka, deals, [deal("d", 8)])
        eventually(lambda: work.values(all_of_it)[-1:] == [D(15)])
        eventually(lambda: work.values(from_now_on)[-1:] == [D(8)])
        eventually(lambda: offset_of(work, dropped, deals) == 2)
        assert work.values(dropped)[-1] == D(3)
        assert offset_of(work, first, deals) == 1
        assert work.values(first)[-1] == D(3)

        okr.resume_feed(first, by())
        eventually(lambda: work.values(first)[-1:] == [D(11)])
    assert work.rows("SELECT FROM feeds.dead_letters") == []
    (row,) = work.rows("SELECT matched, ignored, dead FROM feeds.totals WHERE feed_id = %s", dropped)
    assert row == {"matched": 0, "ignored": 1, "dead": 0}


def test_reading_begins_at_a_time_or_at_offsets(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    deals = topic("deals", partitions=2)
    with producing(kafka) as producer:
        for at, partition in ((0, 0), (1, 0), (2, 1)):
            moment = NOW - timedelta(hours=10 - at)
            producer.send(
                deals, deal(f"d{at}", 10**at), partition=partition, timestamp_ms=int(moment.timestamp() * 1000)
            )
    by_time = work.feed(source=source(deals), start={"timestamp": f"{NOW - timedelta(hours=9):%FT%TZ}"})
    by_offset = work.feed(source=source(deals), start={"offsets": {deals: {"0": 1}}})
    past_the_end = work.feed(source=source(deals), start={"offsets": {deals: {"0": 99, "1": 0}}})
    with running(settings(work.url, kafka)):
        eventually(lambda: work.values(by_time)[-1:] == work.values(by_offset)[-1:] == [D(110)])
        eventually(lambda: work.values(past_the_end)[-1:] == [D(100)])


def test_partitions_that_are_added_are_read_from_their_beginning(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals), start="latest")
    with running(settings(work.url, kafka, topic_check=1)):
        eventually(lambda: len(work.rows("SELECT FROM feeds.offsets")) == 1)
        with kafka.admin() as admin:
            admin.create_partitions({deals: 3})
        send(kafka, deals, [deal("a", 1)], partition=2)
        eventually(lambda: work.values(feed)[-1:] == [D(1)])


def test_a_change_that_waits_outlives_the_worker(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory, tmp_path: Path
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals), emit={"debounce": "PT4S"})
    wanted = settings(work.url, kafka)
    send(kafka, deals, [deal("a", 1)])
    with WorkerProcess(wanted, tmp_path / "log") as worker:
        eventually(lambda: work.values(feed) == [D(1)])
        send(kafka, deals, [deal("b", 10), deal("c", 100)])
        eventually(lambda: offset_of(work, feed, deals) == 3)
        worker.kill()
    assert work.values(feed) == [D(1)]
    with WorkerProcess(wanted, tmp_path / "log") as worker:
        eventually(lambda: work.values(feed) == [D(1), D(111)])
        worker.terminate()
    earlier, later = work.lines("Measurement.")
    assert later.recorded_at - earlier.recorded_at >= timedelta(seconds=4)
    assert work.facts(feed)[-1].counts.matched == 2


def test_a_worker_ends_quickly_and_leaves_nothing_behind(
    work: Workplace, kafka: KafkaServer, topic: TopicFactory
) -> None:
    deals = topic("deals")
    feed = work.feed(source=source(deals))
    send(kafka, deals, [deal("a", 1)])
    before = set(threading.enumerate())
    wanted, stop = settings(work.url, kafka), threading.Event()
    thread = threading.Thread(target=FeedWorker(wanted).run, args=[stop])
    thread.start()
    eventually(lambda: work.values(feed) == [D(1)])
    began = time.monotonic()
    stop.set()
    thread.join(10)
    assert time.monotonic() - began < 2
    eventually(lambda: set(threading.enumerate()) <= before)
    with kafka.admin() as admin:
        groups = admin.describe_groups([wanted.group])
    assert groups[wanted.group]["members"] == []


def count_of(worker: Any, outcome: str) -> float:
    return worker.metrics.registry.get_sample_value("okr_feed_messages_total", {"outcome": outcome}) or 0.0


def offset_of(work: Workplace, feed: object, topic: str) -> int | None:
    rows = work.rows(
        "SELECT next_offset FROM feeds.offsets WHERE feed_id = %s AND topic = %s AND partition = 0", feed, topic
    )
    return rows[0]["next_offset"] if rows else None
