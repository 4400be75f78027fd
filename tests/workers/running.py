"""Workers that run, as threads or as processes, and a producer for what they read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from kafka import KafkaProducer

from tests.support.kafka_server import KafkaServer
from workers.feeds.settings import WorkerSettings
from workers.feeds.worker import FeedWorker

REPOSITORY = Path(__file__).parents[2]


def settings(database_url: str, kafka: KafkaServer, **changes: Any) -> WorkerSettings:
    """A worker of a group of its own, which notices quickly that another one is gone."""
    usual: dict[str, Any] = {
        "database_url": database_url,
        "bootstrap_servers": kafka.bootstrap,
        "group": f"feeds-{uuid4().hex[:8]}",
        "session_timeout": 6,
    }
    return WorkerSettings(**usual | changes)


@contextmanager
def running(wanted: WorkerSettings) -> Iterator[FeedWorker]:
    """A worker in a thread of this process, ended with the block."""
    worker, stop = FeedWorker(wanted), threading.Event()
    thread = threading.Thread(target=worker.run, args=[stop], name="worker")
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the worker does not end"


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(self, wanted: WorkerSettings, log: Path) -> None:
        fields = ("database_url", "bootstrap_servers", "group", "session_timeout", "batch_size", "topic_check")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.workers.process"),
                    json.dumps({field: getattr(wanted, field) for field in fields}),
                ],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(10)

    def terminate(self) -> None:
        """End it in order."""
        os.kill(self.pid, signal.SIGTERM)
        assert self._process.wait(20) == 0


@contextmanager
def producing(kafka: KafkaServer, **options: Any) -> Iterator[KafkaProducer]:
    """A producer, everything sent when the block ends."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=5, **options)
    try:
        yield producer
        producer.flush(30)
    finally:
        producer.close(5)


def send(kafka: KafkaServer, topic: str, messages: Iterable[bytes | None], *, partition: int = 0) -> None:
    """Send values to one partition, in order."""
    with producing(kafka) as producer:
        for message in messages:
            producer.send(topic, message, partition=partition)
