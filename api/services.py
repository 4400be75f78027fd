"""What a process of the API works with: the use cases, and a pool of connections for reading.

Made after the fork of a worker: connections do not survive one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, current_app
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from api.settings import ApiSettings
from domain.application import OkrLedger
from ledger.datastore import CONNECT_TIMEOUT, become, check_if_ended
from projections import schema

_EXTENSION = "okr-ledger"

Reads = ConnectionPool[Connection[DictRow]]


@dataclass(frozen=True, slots=True)
class Services:
    """Shared by all requests of one process."""

    settings: ApiSettings
    okr: OkrLedger
    reads: Reads

    def close(self) -> None:
        """Give all connections back."""
        self.reads.close()
        self.okr.close()


def open_services(settings: ApiSettings) -> Services:
    """Connects when first needed: a database that is away does not stop the start, /readyz tells of it."""
    okr = OkrLedger(
        env={
            "PERSISTENCE_MODULE": "ledger",
            "OKR_DATABASE_URL": settings.database_url,
            "OKR_POOL_SIZE": str(settings.pool_size),
        }
    )
    reads: Reads = ConnectionPool(
        kwargs={
            **conninfo_to_dict(settings.database_url),
            "row_factory": dict_row,
            "connect_timeout": int(CONNECT_TIMEOUT),
        },
        min_size=1,
        max_size=settings.pool_size,
        timeout=CONNECT_TIMEOUT,
        configure=_configure,
        check=check_if_ended,
        open=True,
        name="okr-api-reads",
    )
    return Services(settings, okr, reads)


def attach(app: Flask, services: Services) -> None:
    app.extensions[_EXTENSION] = services


def services_of(app: Flask) -> Services:
    return cast(Services, app.extensions[_EXTENSION])


def services() -> Services:
    """Those of the application that answers the present request."""
    return services_of(current_app)


def _configure(connection: Connection[Any]) -> None:
    become(connection)
    schema.use(connection)
