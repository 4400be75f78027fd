"""The process of a feed worker."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading

from prometheus_client import start_http_server

from workers.feeds.settings import WorkerSettings
from workers.feeds.worker import FeedWorker

LOG = logging.getLogger(__name__)


def run(settings: WorkerSettings) -> None:
    """Read feeds until SIGTERM or SIGINT. With a `metrics_port`, Prometheus finds the worker's metrics there."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # What goes wrong there is told here; kafka-python alone would repeat it many times a second.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    # Reading computes while writing waits for the database: the answer must not wait 5 ms for its turn.
    sys.setswitchinterval(0.0005)
    # Thousands of messages at a time are no garbage, and hold no cycles: look for some less often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    worker = FeedWorker(settings)
    server = None
    if settings.metrics_port is not None:
        server, _ = start_http_server(settings.metrics_port, registry=worker.metrics.registry)
    LOG.info("feed worker of group %s at %s", settings.group, settings.bootstrap_servers)
    try:
        worker.run(stop)
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()
    LOG.info("feed worker ended")
