"""Building anew beside the live views: nobody notices, and whoever is killed leaves nothing that matters."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.key_result import ProgressRecorded
from ledger.datastore import become
from projections import batches, key_results, schema
from projections.batches import BATCH_LOCK
from projections.moment import Moment
from projections.position import reached, wait_for
from projections.runner import Projector, RebuildRunning, catch_up, rebuild
from tests.projections.goals import KEY_RESULT, committed
from tests.projections.teller import Teller
from tests.projections.test_following import rows
from tests.projections.waiting import somebody_waits_for, wait_until

Views = Connection[DictRow]

KILLED_AT_FIRST_PROGRESS = """
import os, signal, sys
from projections import batches
from projections.runner import rebuild
batches.MOST_LINES = 20
rebuild(sys.argv[1], progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done else None)
"""


@pytest.fixture
def told(teller: Teller) -> Teller:
    committed(teller)
    _go_on(teller, 100)
    return teller


def _go_on(teller: Teller, count: int) -> None:
    for number in range(count):
        teller.after(minutes=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(number), effective_at=teller.now))
    teller.record()


def test_a_killed_rebuild_leaves_the_live_views_alone(told: Teller, connection: Views) -> None:
    catch_up(connection)
    before = rows(connection)
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_FIRST_PROGRESS, told.url], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert schema.exists(connection, schema.NEXT_SCHEMA)
    assert rows(connection) == before

    _wait_until_gone(connection)
    rebuild(told.url)
    assert rows(connection) == before
    assert not schema.exists(connection, schema.NEXT_SCHEMA)
    assert not schema.exists(connection, schema.OLD_SCHEMA)


def _wait_until_gone(connection: Views) -> None:
    """The server takes a moment to notice that a killed client is gone."""
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as owner:
        for row in found:
            owner.execute("SELECT pg_terminate_backend(%s, 5000)", [row["pid"]])


def test_facts_that_come_meanwhile_are_in_it(told: Teller, connection: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that come while the live projector is locked out."""
    catch_up(connection)
    monkeypatch.setattr(batches, "MOST_LINES", 20)
    with projector(told.url):
        rebuild(told.url, progress=lambda _done, _total: _go_on(told, 1))
        _go_on(told, 30)
        schema.use(connection)
        _wait_for(connection, len(told.told))
    with psycopg.connect(told.url, row_factory=dict_row) as other:
        become(other)
        found = rows(connection)
        schema.drop(other, schema.VIEWS_SCHEMA)
        catch_up(other)
        assert rows(other) == found


@contextmanager
def projector(url: str) -> Iterator[Projector]:
    stop = threading.Event()
    running = Projector(url)
    thread = threading.Thread(target=running.run, args=[stop])
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _wait_for(connection: Views, position: int) -> None:
    assert wait_for(connection, position, 20)


def test_readers_see_one_moment_all_the_time(told: Teller, connection: Views) -> None:
    """Prepared statements and all: what a reader asks about one position is the same before and after a switch."""
    catch_up(connection)
    moment = Moment(position=50, clock=told.told[49].recorded_at)
    expected = key_results.get(connection, KEY_RESULT, moment)
    stop, seen, failed = threading.Event(), [0], []

    def read() -> None:
        with psycopg.connect(told.url, row_factory=dict_row) as reader:
            become(reader)
            schema.use(reader)
            while not stop.is_set():
                try:
                    assert key_results.get(reader, KEY_RESULT, moment) == expected
                    assert reached(reader) >= 50
                    with reader.transaction():
                        key_results.get(reader, KEY_RESULT, moment)
                        assert key_results.get(reader, KEY_RESULT, moment) == expected
                    seen[0] += 1
                except BaseException as error:
                    failed.append(error)
                    return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for _ in range(3):
        rebuild(told.url)
    stop.set()
    for thread in readers:
        thread.join(30)
    assert failed == []
    assert seen[0] > 5


def test_a_reader_in_its_transaction_holds_up_no_switch(told: Teller, connection: Views) -> None:
    catch_up(connection)
    with psycopg.connect(told.url, row_factory=dict_row) as reader:
        become(reader)
        schema.use(reader)
        reader.execute("SET idle_in_transaction_session_timeout = 0")
        switched = threading.Event()

        def told_progress(done: int, total: int) -> None:
            switched.set()

        with reader.transaction():
            assert reached(reader) == len(told.told)
            thread = threading.Thread(target=rebuild, args=[told.url], kwargs={"progress": told_progress})
            thread.start()
            wait_until(lambda: schema.exists(connection, schema.OLD_SCHEMA))
            # The switch has happened while this transaction is open; it reads the new tables from here on.
            assert reached(reader) == len(told.told)
        thread.join(30)
        assert not thread.is_alive()
    assert not schema.exists(connection, schema.OLD_SCHEMA)


@pytest.mark.parametrize("write", [rebuild, lambda url: _catch_up(url)])
def test_nobody_writes_between_a_batch_and_its_end(
    told: Teller, connection: Views, write: Callable[[str], object]
) -> None:
    """Neither a switch nor another batch: else a batch would begin in the old tables and end in the new ones."""
    catch_up(connection)
    _go_on(told, 1)
    with psycopg.connect(told.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [BATCH_LOCK])
        thread = threading.Thread(target=write, args=[told.url])
        thread.start()
        wait_until(lambda: somebody_waits_for(connection, "advisory"))
        assert reached(connection) == len(told.told) - 1
    thread.join(30)
    assert reached(connection) == len(told.told)


def _catch_up(url: str) -> None:
    with psycopg.connect(url, row_factory=dict_row) as other:
        become(other)
        catch_up(other)


def test_two_rebuilds_at_once_are_one_too_many(told: Teller) -> None:
    def another(_done: int, _total: int) -> None:
        with pytest.raises(RebuildRunning):
            rebuild(told.url)

    rebuild(told.url, progress=another)


def test_progress_is_told(told: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_LINES", 40)
    heard: list[tuple[int, int]] = []
    rebuild(told.url, progress=lambda done, total: heard.append((done, total)))
    size = len(told.told)
    assert heard[0] == (40, size)
    assert heard[-1] == (size, size)


def test_an_empty_ledger_has_empty_views(migrated_url: str, connection: Views) -> None:
    assert rebuild(migrated_url) == 0
    schema.use(connection)
    assert reached(connection) == 0
