"""An in-memory Kafka broker for a first try: librdkafka's mock cluster, out of the wheel `confluent-kafka`.

It speaks enough of the protocol for kafka-python's producers and consumer groups. It keeps nothing: its
messages are gone when it stops, and a partition that has grown beyond 5 MiB drops its oldest messages without
a word: of 40,000 messages of 200 bytes in one partition the last 24,753 were left, and the last 19,289 of
20,000 when each came in a batch of its own. It is no place for messages that matter.

It is meant for one consumer to a group: of two that joined together one was refused now and then (SyncGroup,
InvalidRequestError, in one run of three). When a consumer leaves, the next one waits for the session timeout of
the group less one second, whatever the reason, so consumers had better have a short one (3 s, say).

It lives in a process of its own (`serve`), because an assertion that fails inside librdkafka ends the
process it is in, and that must not be the supervisor.

Source of the functions used here: librdkafka's public header rdkafka_mock.h.
"""

import ctypes
import json
import os
import re
import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.trial import TrialError

API_VERSION = (2, 3)
"""The `api_version` that kafka-python's clients need here; with its own guess they fail."""

_PRODUCER = 0  # RD_KAFKA_PRODUCER
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_TOPIC_EXISTS = 36  # RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS


@dataclass(frozen=True)
class TrialAddress:
    """Where a trial broker answers ("host:port") and which one it is."""

    bootstrap: str
    epoch: uuid.UUID
    """New at every start: offsets of another epoch mean nothing here, as after a topic was made anew."""


class TrialBroker:
    """One broker on a free port of the loopback interface, from `start()` to `stop()`.

    Only the process that started it may use it: threads do not survive a fork. Raises TrialError.
    """

    def __init__(self) -> None:
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None
        self._cluster: int | None = None
        self._started_by: int | None = None
        self._epoch = uuid.uuid4()

    @property
    def epoch(self) -> uuid.UUID:
        """Which of its lives this is; new at every start."""
        return self._epoch

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Starts an empty broker and returns its bootstrap address, "host:port"."""
        library = _librdkafka()
        self.stop()
        complaint = ctypes.create_string_buffer(512)
        settings = library.rd_kafka_conf_new()
        # It would warn that it has no broker to connect to; it is never asked to.
        library.rd_kafka_conf_set(settings, b"log_level", b"3", complaint, len(complaint))
        self._handle = library.rd_kafka_new(_PRODUCER, settings, complaint, len(complaint))
        if not self._handle:
            raise TrialError(f"the trial broker does not start: {complaint.value.decode()}.")
        self._library, self._started_by, self._epoch = library, os.getpid(), uuid.uuid4()
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            self.stop()
            raise TrialError("the trial broker does not start: no free port on the loopback interface.")
        # Else the first member of each group waits three seconds for others.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        return self.bootstrap

    @property
    def bootstrap(self) -> str:
        """Address of the running broker, "host:port"."""
        library, cluster = self._running()
        address: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Creates a topic; one that is there already stays as it is.

        A topic that is only used and never created gets four partitions.
        """
        library, cluster = self._running()
        # librdkafka does not refuse these: it ends the process.
        if partitions < 1 or not _TOPIC_NAME.fullmatch(name):
            raise TrialError(f"the trial broker cannot create a topic {name!r} with {partitions} partitions.")
        code = library.rd_kafka_mock_topic_create(cluster, name.encode(), partitions, 1)
        if code not in (0, _TOPIC_EXISTS):
            reason = library.rd_kafka_err2str(code).decode()
            raise TrialError(f"the trial broker cannot create the topic {name}: {reason}.")

    def stop(self) -> None:
        """Stops the broker; all its messages are gone. May be repeated; does nothing in a forked child."""
        if self._library is None or self._started_by != os.getpid():
            return
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)
        self._library = self._handle = self._cluster = self._started_by = None

    def _running(self) -> tuple[ctypes.CDLL, int]:
        if self._library is None or self._cluster is None or self._started_by != os.getpid():
            raise TrialError("the trial broker does not run in this process.")
        return self._library, self._cluster


def serve(address_file: Path, topics: Mapping[str, int]) -> None:
    """Runs a broker with `topics` (name: partitions) until SIGTERM or SIGINT, or until our parent is gone.

    Once the broker answers, `address_file` holds its address, for `read_address`; afterwards it is removed.
    A supervisor starts this in a session of its own and stops it last, so that a Ctrl-C at the terminal
    does not take the broker away from the feeds that are still finishing.
    """
    asked_to_stop = False

    def stop(*_: object) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    parent = os.getppid()
    with TrialBroker() as broker:
        for name, partitions in topics.items():
            broker.create_topic(name, partitions)
        _write(address_file, TrialAddress(broker.bootstrap, broker.epoch))
        try:
            while not asked_to_stop and os.getppid() == parent:
                time.sleep(0.2)
        finally:
            address_file.unlink(missing_ok=True)


def read_address(address_file: Path) -> TrialAddress | None:
    """The address that `serve` wrote; None while there is none."""
    try:
        found = json.loads(address_file.read_text())
    except FileNotFoundError:
        return None
    return TrialAddress(found["bootstrap"], uuid.UUID(found["epoch"]))


def _write(address_file: Path, address: TrialAddress) -> None:
    address_file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = address_file.with_name(f".{address_file.name}.{os.getpid()}")
    unfinished.write_text(json.dumps({"bootstrap": address.bootstrap, "epoch": str(address.epoch)}))
    unfinished.replace(address_file)


def _librdkafka() -> ctypes.CDLL:
    try:
        from confluent_kafka import cimpl
    except ImportError:
        raise TrialError(
            "the trial broker is not installed: run `pip install 'okr-ledger[trial]'`,"
            " or let the feeds name a Kafka broker of your own."
        ) from None
    # The extension module, not the library: a look-up there also finds what the module is linked to,
    # wherever the wheel keeps it.
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2str": (text, [number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
    }
    try:
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise TrialError(f"the installed confluent-kafka brings no trial broker: {error}.") from None
    return library
