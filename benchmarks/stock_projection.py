"""The same kind of work as eventsourcing gives it: its Application, its runner, one table kept by a projection."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL


class StockKeyResult(Aggregate):
    """As the library's own examples are written."""

    @event("Drafted")
    def __init__(self, target: Decimal) -> None:
        self.target = target
        self.value = Decimal(0)

    @event("ProgressRecorded")
    def record_progress(self, value: Decimal) -> None:
        self.value = value


class StockLedger(Application[Any]):
    """Key results in the stock recorder."""


class Values(PostgresTrackingRecorder):
    """One row for each key result: its last value."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS stock_values (id uuid PRIMARY KEY, value numeric)").format()
        )

    def put(self, id: Any, value: Decimal, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO stock_values VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET value = excluded.value",
                [id, value],
                prepare=True,
            )


class ValuesProjection(Projection[Values]):
    """Puts each progress into the table, with its position, in one transaction."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        value = getattr(domain_event, "value", Decimal(0))
        self.view.put(domain_event.originator_id, value, tracking)


def environment(url: str) -> dict[str, str]:
    """How the library is told of a database."""
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": parse_qs(parts.query).get("host", [parts.hostname or ""])[0],
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }


def record(url: str, events: int) -> None:
    """Key results of 50 events each."""
    with StockLedger(env=environment(url)) as application:
        while events > 0:
            key_result = StockKeyResult(Decimal(100))
            for number in range(min(50, events) - 1):
                key_result.record_progress(Decimal(number))
            application.save(key_result)
            events -= 50


class StockRun:
    """Projects all events anew, as often as asked; gives events a second."""

    def __init__(self, url: str, events: int) -> None:
        self.url, self.events = url, events
        record(url, events)

    def __call__(self) -> float:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS stock_values, valuesprojection_tracking")
        started = time.perf_counter()
        with ProjectionRunner(
            application_class=StockLedger,
            projection_class=ValuesProjection,
            view_class=Values,
            env=environment(self.url),
        ) as runner:
            runner.wait(self.events, timeout=120)
            return self.events / (time.perf_counter() - started)
