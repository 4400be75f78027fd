"""Connections that the server has ended are not handed out."""

from uuid import uuid4

import psycopg

from domain.application import OkrLedger
from tests.ledger.test_append import by, progress


def test_a_connection_that_the_server_ended_is_replaced_before_its_next_use(okr: OkrLedger, migrated_url: str) -> None:
    okr.save(progress(uuid4(), 1), by=by())
    with psycopg.connect(migrated_url, autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    okr.save(progress(uuid4(), 1), by=by())
    assert okr.recorder.max_notification_id() == 2
