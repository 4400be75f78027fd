"""The broker that tests stand on: it carries messages through a group and keeps them when it is killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.support.watchdog import Watchdog


def produce(bootstrap: str, topic: str, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for number in range(count):
        producer.send(topic, key=str(number).encode(), value=b"%d" % number)
    producer.flush(30)
    producer.close()


@contextmanager
def group_member(bootstrap: str, topic: str, group: str) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        yield consumer
    finally:
        consumer.close()


def consume(consumer: KafkaConsumer, count: int, seconds: float = 30) -> list[int]:
    """The values of the next `count` messages, in the order in which they came.

    The polls are long because kafka-python 3.0.12 forgets a join that changed metadata began and that takes
    longer than the poll during which it began: the member then waits for ever without partitions.
    """
    values: list[int] = []
    deadline = time.monotonic() + seconds
    while len(values) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=5000).values():
            values.extend(int(record.value) for record in records)
    return values


def test_a_thousand_messages_pass_through_a_group(kafka: KafkaServer, topic: TopicFactory) -> None:
    name = topic("numbers", partitions=3)
    produce(kafka.bootstrap, name, 1000)
    with group_member(kafka.bootstrap, name, "readers") as consumer:
        assert sorted(consume(consumer, 1000)) == list(range(1000))
        assert len(consumer.assignment()) == 3


def test_killed_and_restarted_it_keeps_messages_and_offsets(kafka: KafkaServer, topic: TopicFactory) -> None:
    name = topic("kept")
    produce(kafka.bootstrap, name, 100)
    with group_member(kafka.bootstrap, name, "before") as consumer:
        assert consume(consumer, 100) == list(range(100))
        consumer.commit()
        kafka.kill()
        assert not kafka.is_running
        kafka.restart()
        produce(kafka.bootstrap, name, 1)
        assert consume(consumer, 1) == [0]
    with group_member(kafka.bootstrap, name, "before") as consumer:
        assert consume(consumer, 1) == [0]
    with group_member(kafka.bootstrap, name, "after") as consumer:
        assert consume(consumer, 101) == [*range(100), 0]


def test_a_topic_takes_its_settings_and_gets_a_new_identity(kafka: KafkaServer) -> None:
    def identity() -> object:
        with kafka.admin() as client:
            return client.describe_topics(["again"])[0]["topic_id"]

    kafka.create_topic("again", 2, retention_ms=60_000, cleanup_policy="compact")
    first = identity()
    kafka.delete_topic("again")
    kafka.create_topic("again", 2)
    assert identity() != first
    kafka.delete_topic("again")


def test_topics_of_one_name_are_apart(topic: TopicFactory) -> None:
    assert topic("deals") != topic("deals")


def test_a_killed_run_takes_its_servers_along(tmp_path: Path) -> None:
    doomed = tmp_path / "data"
    doomed.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        run = (
            "import os, signal, sys\nfrom pathlib import Path\nfrom tests.support.watchdog import Watchdog\n"
            f"Watchdog({server.pid}, signal.SIGKILL, Path({str(doomed)!r}))\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", run], check=False)
        assert server.wait(10) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while doomed.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not doomed.exists()


def test_a_dismissed_watchdog_leaves_the_server_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        Watchdog(server.pid, signal.SIGKILL, tmp_path).dismiss()
        server.communicate(b"\n")
        assert server.returncode == 0
    assert tmp_path.exists()
