"""A real Apache Kafka for the tests: one node, KRaft, on ports of its own, killed and restarted at will."""

import base64
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.support.kafka_jars import jars, java
from tests.support.watchdog import Watchdog

START_SECONDS = 60.0
_SMALL = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
# The last two: after a kill the broker may register again only when its former session has run out.


class KafkaServer:
    """A broker at `bootstrap` ("host:port"), which stays the same through `kill()` and `restart()`.

    With `existing` it is somebody else's broker: topics are made there, and a test that wants to stop it
    is skipped.
    """

    def __init__(self, existing: str | None = None) -> None:
        self._existing = existing
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None
        if existing is not None:
            self.bootstrap = existing
            return
        self._command = [str(java()), *_SMALL, _QUIET, "-cp", f"{jars()}/*"]
        self._directory = Path(tempfile.mkdtemp(prefix="okr-test-kafka-"))
        port, controller = _free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._log = self._directory / "server.log"
        self._properties = self._directory / "server.properties"
        self._properties.write_text(_PROPERTIES.format(port=port, controller=controller, directory=self._directory))

    def start(self) -> None:
        """Starts the broker on its data, new or old; returns once it answers."""
        if self._existing is not None or self.is_running:
            return
        if not (self._directory / "data").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            # In one word: an id may begin with a hyphen, and would be taken for another option.
            self._run_to_end("kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}", "-c")
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C ends the tests first and the broker after them
            )
        self._watchdog = Watchdog(self._process.pid, signal.SIGKILL, self._directory)
        self._wait_until_ready()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stops the broker in order; its data stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kills the broker as a power cut would; its data stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops the broker if it runs, then starts it on the same data and port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stops the broker for good and removes its data."""
        if self._existing is None:
            self.kill()
            shutil.rmtree(self._directory, ignore_errors=True)

    def create_topic(self, name: str, partitions: int = 1, **configs: str | int) -> None:
        """Creates a topic with a leader for each partition; `retention_ms=1000` sets retention.ms."""
        wanted = {key.replace("_", "."): str(value) for key, value in configs.items()}
        topic = {"num_partitions": partitions, "replication_factor": 1, "configs": wanted}
        with self.admin() as client:
            client.create_topics({name: topic}, wait_for_metadata=True)

    def delete_topic(self, name: str) -> None:
        """Deletes a topic; returns once the broker no longer lists it."""
        with self.admin() as client:
            client.delete_topics([name])
            deadline = time.monotonic() + 10
            while name in client.list_topics() and time.monotonic() < deadline:
                time.sleep(0.02)

    def admin(self) -> KafkaAdminClient:
        """A kafka-python admin client of this broker, to be used in a `with`."""
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def _run_to_end(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._command, *arguments, str(self._properties)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{arguments[0]} failed:\n{done.stdout}\n{done.stderr}"

    def _wait_until_ready(self) -> None:
        host, port = self.bootstrap.split(":")
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.is_running, f"the broker ended:\n{self._log.read_text()[-3000:]}"
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                with self.admin() as client:
                    client.list_topics()
                return
            except (OSError, KafkaError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _end(self, number: signal.Signals) -> None:
        if self._existing is not None:
            pytest.skip("the broker that OKR_TEST_KAFKA names is not ours to stop")
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


@contextmanager
def kafka_server() -> Iterator[KafkaServer]:
    """The broker that OKR_TEST_KAFKA names ("host:port"), else one of our own, started.

    Raises KafkaUnavailableError when neither is to be had.
    """
    server = KafkaServer(os.environ.get("OKR_TEST_KAFKA") or None)
    started_by = os.getpid()
    try:
        server.start()
        yield server
    finally:
        if os.getpid() == started_by:
            server.close()


def _free_ports(count: int) -> list[int]:
    """Free ports below the range from which the system takes ports for outgoing connections: there, a
    client that knocks at a stopped broker can be given the broker's own port and keep it.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
