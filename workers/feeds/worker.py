"""A feed worker: reads with one consumer until that breaks, then with the next; and keeps time beside it."""

from __future__ import annotations

import logging
import threading
import time

import psycopg
from eventsourcing.persistence import PersistenceError
from kafka.errors import KafkaError

from workers.feeds.metrics import Metrics
from workers.feeds.session import Session
from workers.feeds.settings import WorkerSettings
from workers.feeds.timekeeper import Timekeeper

LOG = logging.getLogger(__name__)

FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.25, 5.0
A_GOOD_WHILE = 30.0


class FeedWorker:
    """One process that reads feeds. Any number of them share the work."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.metrics = Metrics()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then leave the group and end, within about two seconds.

        Neither broker nor database need be there, now or later: what they miss is made up for.
        """
        timekeeper = Timekeeper(self._settings.database_url, self.metrics)
        timekeeper.start()
        back_off = FIRST_BACK_OFF
        try:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    with Session(self._settings, self.metrics) as session:
                        session.read(stop)
                except KafkaError as error:
                    LOG.warning("the broker failed, starting over: %r", error)
                    self.metrics.restarts.labels("broker").inc()
                except (PersistenceError, psycopg.Error) as error:
                    LOG.warning("the database failed, starting over: %s", error)
                    self.metrics.restarts.labels("database").inc()
                if time.monotonic() - began > A_GOOD_WHILE:
                    back_off = FIRST_BACK_OFF
                stop.wait(back_off)
                back_off = min(2 * back_off, LONGEST_BACK_OFF)
        finally:
            timekeeper.end()
