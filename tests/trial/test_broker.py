"""The trial broker: enough of Kafka for our clients, and honest about what it is not."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from cli.trial import TrialError
from cli.trial.broker import API_VERSION, TrialAddress, TrialBroker, read_address


@pytest.fixture
def broker() -> Iterator[TrialBroker]:
    with TrialBroker() as running:
        yield running


def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=API_VERSION)
    for number, value in enumerate(values):
        producer.send(topic, key=b"%d" % (number % 50), value=value)
    producer.flush(60)
    producer.close()


def consumer_of(bootstrap: str, topic: str, group: str | None) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        api_version=API_VERSION,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=3000,
        heartbeat_interval_ms=500,
    )


def consume(consumer: KafkaConsumer, count: int, seconds: float = 30) -> list[bytes]:
    values: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(values) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=5000).values():
            values.extend(record.value for record in records)
    return values


def test_twenty_thousand_messages_pass_through_a_group(broker: TrialBroker) -> None:
    broker.create_topic("deals", 6)
    sent = [b"%08d" % number + b"." * 192 for number in range(20_000)]
    produce(broker.bootstrap, "deals", sent)
    consumer = consumer_of(broker.bootstrap, "deals", "feeds")
    assert sorted(consume(consumer, 20_000)) == sent
    assert {partition.partition for partition in consumer.assignment()} == set(range(6))
    consumer.commit()
    consumer.close()
    again = consumer_of(broker.bootstrap, "deals", "feeds")
    produce(broker.bootstrap, "deals", [b"one more"])
    assert consume(again, 1) == [b"one more"]
    again.close()


def test_a_topic_is_created_once(broker: TrialBroker) -> None:
    broker.create_topic("deals", 3)
    broker.create_topic("deals", 7)
    consumer = consumer_of(broker.bootstrap, "deals", None)
    assert consumer.partitions_for_topic("deals") == {0, 1, 2}
    consumer.close()


@pytest.mark.parametrize(("name", "partitions"), [("deals", 0), ("deals", -3), ("", 1), ("a b", 1), ("x" * 250, 1)])
def test_an_impossible_topic_is_refused(broker: TrialBroker, name: str, partitions: int) -> None:
    with pytest.raises(TrialError, match=f"cannot create a topic '{name}' with {partitions} partitions"):
        broker.create_topic(name, partitions)


def test_a_partition_beyond_five_mebibytes_drops_its_oldest_messages(broker: TrialBroker) -> None:
    broker.create_topic("big", 1)
    produce(broker.bootstrap, "big", [b"." * 1000] * 6000)
    consumer = consumer_of(broker.bootstrap, "big", None)
    partition = TopicPartition("big", 0)
    kept = consumer.end_offsets([partition])[partition] - consumer.beginning_offsets([partition])[partition]
    consumer.close()
    assert 5000 <= kept < 5300


def test_each_start_is_another_broker() -> None:
    broker = TrialBroker()
    broker.start()
    first = broker.epoch
    broker.stop()
    broker.stop()
    with pytest.raises(TrialError, match="does not run"):
        broker.create_topic("deals", 1)
    broker.start()
    assert broker.epoch != first
    broker.stop()


def test_a_forked_child_leaves_it_alone() -> None:
    # In a process of its own: a fork with threads about is just what is tested here.
    program = (
        "import os, sys\n"
        "from cli.trial.broker import TrialBroker\n"
        "broker = TrialBroker()\n"
        "broker.start()\n"
        "if os.fork() == 0:\n    broker.stop()\n    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "broker.create_topic('deals', 1)\n"
        "broker.stop()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def served(address_file: Path) -> "subprocess.Popen[bytes]":
    program = (
        "import sys; from pathlib import Path; from cli.trial.broker import serve;"
        "serve(Path(sys.argv[1]), {'deals': 3})"
    )
    return subprocess.Popen([sys.executable, "-c", program, address_file], start_new_session=True)


def wait_for_address(address_file: Path) -> TrialAddress:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (address := read_address(address_file)) is not None:
            return address
        time.sleep(0.02)
    raise AssertionError("no address within 30 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_served_it_tells_its_address_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    address_file = tmp_path / "run" / "broker.json"
    assert read_address(address_file) is None
    with served(address_file) as process:
        address = wait_for_address(address_file)
        produce(address.bootstrap, "deals", [b"won"])
        consumer = consumer_of(address.bootstrap, "deals", "feeds")
        assert consume(consumer, 1) == [b"won"]
        consumer.close()
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not any(address_file.parent.iterdir())


def test_served_it_ends_with_its_parent(tmp_path: Path) -> None:
    address_file = tmp_path / "broker.json"
    program = (
        "import os, signal, subprocess, sys, time\nfrom pathlib import Path\n"
        "from cli.trial.broker import read_address\n"
        f"address = Path({str(address_file)!r})\n"
        "broker = subprocess.Popen([sys.executable, '-c', 'import sys; from pathlib import Path;'\n"
        "    'from cli.trial.broker import serve; serve(Path(sys.argv[1]), {})', address])\n"
        "while read_address(address) is None: time.sleep(0.02)\n"
        "print(broker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while address_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not address_file.exists()


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(TrialError, match=r"pip install 'okr-ledger\[trial\]'"):
        TrialBroker().start()
