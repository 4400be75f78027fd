"""One projector keeps the views current, another stands by, and the database may go away."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.key_result import ProgressRecorded
from ledger.datastore import become
from ledger.migrate import migrate
from projections import schema
from projections.lines import UnknownFact
from projections.position import reached, wait_for
from projections.runner import PROJECTOR_LOCK, Projector, catch_up
from tests.projections.goals import KEY_RESULT, committed
from tests.projections.teller import Teller
from tests.projections.test_rebuild import projector
from tests.projections.waiting import wait_until
from tests.support.postgres_server import own_server

Views = Connection[DictRow]


def _progress(teller: Teller) -> int:
    position = teller.after(seconds=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(5), effective_at=teller.now))
    teller.record()
    return position


def _build(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.record()
    catch_up(connection)


def test_it_builds_what_is_missing_and_follows(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.record()
    with projector(teller.url):
        _wait_for_schema(connection)
        assert wait_for(connection, len(teller.told), 20)
        for _ in range(3):
            assert wait_for(connection, _progress(teller), 20)


def _wait_for_schema(connection: Views) -> None:
    wait_until(lambda: schema.exists(connection))
    schema.use(connection)


def test_it_follows_at_once_when_the_database_says_so(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    with projector(teller.url) as running:
        _wait_until_active(running)
        assert wait_for(connection, _progress(teller), 20)
        waits = []
        for _ in range(5):
            position = _progress(teller)
            begin = time.monotonic()
            assert wait_for(connection, position, 20)
            waits.append(time.monotonic() - begin)
        assert min(waits) < 0.1  # the poll alone would take up to 0.2 s


def _wait_until_active(running: Projector) -> None:
    wait_until(lambda: running.is_active)


def test_it_tells_position_and_size(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    heard: list[tuple[int, int]] = []
    stop = threading.Event()

    def told(position: int, size: int) -> None:
        heard.append((position, size))
        stop.set()

    Projector(teller.url, told=told).run(stop)
    assert heard == [(len(teller.told), len(teller.told))]


def test_the_other_takes_over_when_the_first_loses_its_connection(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    with projector(teller.url) as first:
        _wait_until_active(first)
        with projector(teller.url) as second:
            assert wait_for(connection, _progress(teller), 20)
            assert not second.is_active
            # Kept out when it tries to come back, so that the second one is sure to be quicker.
            first.url = first.url.replace("/okr_test_", "/nothing_like_okr_test_")
            _end_connection_of_the_active_one(teller.url)
            _wait_until_active(second)
            wait_until(lambda: not first.is_active)
            assert wait_for(connection, _progress(teller), 20)


def _end_connection_of_the_active_one(url: str) -> None:
    with psycopg.connect(url) as owner:
        ended = owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid = %s AND objid = %s AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            PROJECTOR_LOCK,
        ).fetchall()
    assert ended == [(True,)]


def test_a_new_version_builds_its_views_beside_and_the_outdated_go(
    teller: Teller, connection: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    _build(teller, connection)
    monkeypatch.setattr(schema, "NUMBER", 12)
    for leftover in ("views_10", "views_10_old", "views_11", "views_9x", "my_views_3"):
        connection.execute(f"CREATE SCHEMA {leftover}")
    connection.commit()
    with psycopg.connect(teller.url) as old:
        old.execute("SELECT pg_advisory_lock(%s, %s)", [PROJECTOR_LOCK[0], 11])
        with projector(teller.url) as running:
            _wait_until_active(running)
            wait_until(lambda: not schema.outdated(connection))
    left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%views\\_%' ORDER BY 1").fetchall()
    assert [row["nspname"] for row in left] == ["my_views_3", "views_11", "views_9x"]


def test_it_waits_for_a_database_that_goes_away() -> None:
    with own_server() as server:
        migrate(server.url)
        teller = Teller(server.url)
        committed(teller)
        teller.record()
        with projector(server.url):
            with psycopg.connect(server.url, row_factory=dict_row) as before:
                become(before)
                _wait_for_schema(before)
                assert wait_for(before, len(teller.told), 20)
            server.stop_immediate()
            server.start_again()
            position = _progress(teller)
            with psycopg.connect(server.url, row_factory=dict_row) as after:
                become(after)
                schema.use(after)
                assert wait_for(after, position, 20)


def test_views_that_are_dropped_come_back(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    with projector(teller.url) as running:
        _wait_until_active(running)
        schema.drop(connection, schema.VIEWS_SCHEMA)
        position = _progress(teller)
        _wait_for_schema(connection)
        assert wait_for(connection, position, 20)


def test_an_unknown_fact_ends_it(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    with psycopg.connect(teller.url) as owner:
        owner.execute(
            "INSERT INTO ledger.events SELECT position + 1, stream_id, stream_version + 1, 'Objective.Gilded',"
            " recorded_at, replace(line, type, 'Objective.Gilded'), leaf_hash FROM ledger.events WHERE position = %s",
            [len(teller.told)],
        )
    with pytest.raises(UnknownFact, match=r"Objective\.Gilded"):
        Projector(teller.url).run(threading.Event())


def test_waiting_ends(teller: Teller, connection: Views) -> None:
    _build(teller, connection)
    assert wait_for(connection, reached(connection), 0)
    begin = time.monotonic()
    assert not wait_for(connection, reached(connection) + 1, 0.1)
    assert 0.1 <= time.monotonic() - begin < 5
