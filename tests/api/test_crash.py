"""PostgreSQL crashes under those who write and read: what was answered is there, once, and the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event as Flag
from threading import Thread
from time import monotonic
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from api import commands
from api.app import create_app
from api.services import services_of
from api.settings import ApiSettings
from domain.application import OkrLedger
from domain.command import Actor, Command
from domain.stream import Event
from domain.team import TeamFormed
from ledger.durable import await_disk
from ledger.migrate import migrate
from ledger.tokens import Role, create_token
from ledger.verify import verify
from projections.runner import Projector, rebuild
from projections.schema import VIEWS_SCHEMA
from tests.api.client import Client
from tests.api.live import live_server
from tests.api.test_server import ask
from tests.support.postgres_server import OwnServer, own_server

WRITERS = 8
ANSWERS_BETWEEN = 60
PATIENCE_S = 60


@dataclass
class House:
    """A server of PostgreSQL of one's own, with a ledger, views and somebody who may do everything."""

    server: OwnServer
    client: Client
    token: str


@pytest.fixture
def house() -> Iterator[House]:
    with own_server() as server:
        migrate(server.url)
        rebuild(server.url)
        with psycopg.connect(server.url, autocommit=True) as connection:
            token, _ = create_token(connection, "root", Role.ADMIN)
            # Nobody but those who wait for it brings anything to the disk.
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            connection.execute("SELECT pg_reload_conf()")
        app = create_app(ApiSettings(server.url))
        yield House(server, Client(app, {"admin": token}), token)
        services_of(app).close()


@pytest.fixture
def projector(house: House) -> Iterator[None]:
    stop = Flag()
    thread = Thread(target=Projector(house.server.url).run, args=[stop], daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(timeout=10)


@dataclass
class Told:
    """What a writer was told: position by value, and the values of which it does not know."""

    answered: dict[str, int] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)


@pytest.mark.slow
def test_what_was_answered_outlives_crashes_of_the_database_and_happened_once(house: House, projector: None) -> None:
    """Half of the clients repeat a request under its key until it is answered, the others send each value once."""
    key_results = [house.client.key_result() for _ in range(WRITERS // 2)]
    told = [Told() for _ in range(WRITERS)]
    is_over = Flag()

    with live_server(ApiSettings(house.server.url)) as api:

        def write(writer: int) -> None:
            path, mine = f"/v1/key-results/{key_results[writer // 2]}/progress", told[writer]
            number = 0
            while not is_over.is_set():
                value, key = str(1_000_000 * writer + number), "" if writer % 2 else str(uuid4())
                give_up_at = monotonic() + PATIENCE_S
                while (answer := ask(api, "POST", path, house.token, {"value": value}, key)) is None and key:
                    assert monotonic() < give_up_at, "no answer for a minute"
                if answer is None:
                    mine.in_doubt.add(value)
                else:
                    mine.answered[value] = answer["position"]
                number += 1

        def wait_for_answers() -> None:
            wanted = sum(len(each.answered) for each in told) + ANSWERS_BETWEEN
            give_up_at = monotonic() + PATIENCE_S
            while sum(len(each.answered) for each in told) < wanted:
                assert monotonic() < give_up_at, "nothing is answered"
                assert not any(writer.done() for writer in writers), "a writer has given up"

        with ThreadPoolExecutor(WRITERS) as threads:
            writers = [threads.submit(write, writer) for writer in range(WRITERS)]
            try:
                for _ in range(2):
                    wait_for_answers()
                    house.server.stop_immediate()
                    house.server.start_again()
                wait_for_answers()
            finally:
                is_over.set()
            for writer in writers:
                writer.result()

    with psycopg.connect(house.server.url) as connection:
        rows = connection.execute(
            "SELECT line::jsonb -> 'data' ->> 'value', position FROM ledger.events"
            " WHERE type = 'KeyResult.ProgressRecorded'"
        ).fetchall()
    recorded: dict[str, int] = dict(rows)
    answered = {value: position for each in told for value, position in each.answered.items()}
    in_doubt = {value for each in told for value in each.in_doubt}
    assert len(rows) == len(recorded), "a fact was recorded twice"
    assert answered.items() <= recorded.items()
    assert recorded.keys() <= answered.keys() | in_doubt
    assert verify(house.server.url).is_intact


def test_what_was_saved_outlives_a_crash(house: House) -> None:
    okr: OkrLedger = services_of(house.client.app).okr
    okr.save(Event(uuid4(), 1, TeamFormed(name="Sales")), by=Command(Actor("anna"), datetime.now(UTC)))
    _crash(house)
    assert verify(house.server.url).size == 1


def test_no_line_is_handed_out_that_a_crash_could_take_back(house: House) -> None:
    _record_without_waiting_for_the_disk(house)
    (handed_out,) = house.client.state("/v1/events")["items"]
    _crash(house)
    (kept,) = house.client.state("/v1/events")["items"]
    assert kept == handed_out


def test_views_show_nothing_that_a_crash_could_take_back(house: House, projector: None) -> None:
    _record_without_waiting_for_the_disk(house)
    with psycopg.connect(house.server.url, autocommit=True) as connection:
        give_up_at = monotonic() + PATIENCE_S
        while connection.execute(f"SELECT position FROM {VIEWS_SCHEMA}.progress").fetchone() != (1,):
            assert monotonic() < give_up_at, "the views do not follow"
    _crash(house)
    assert verify(house.server.url).size == 1


@pytest.mark.parametrize("is_contended", [False, True])
def test_an_answer_to_what_changed_nothing_is_of_what_the_disk_has(
    house: House, is_contended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = house.client.objective(house.client.cycle())
    if is_contended:
        monkeypatch.setitem(commands._contended_until, UUID(id), float("inf"))
    _record_without_waiting_for_the_disk(house)
    told = house.client.done(f"/v1/objectives/{id}/revisions", {"title": "Teams choose us"})
    _crash(house)
    assert told["position"] == verify(house.server.url).size


def test_whoever_waits_for_the_disk_may_tell(house: House) -> None:
    _record_without_waiting_for_the_disk(house)
    with psycopg.connect(house.server.url, autocommit=True) as connection:
        await_disk(connection)
        with connection.transaction(), pytest.raises(RuntimeError, match="not within a transaction"):
            await_disk(connection)
    _crash(house)
    assert verify(house.server.url).size == 1


def _record_without_waiting_for_the_disk(house: House) -> None:
    """What others see of an append in the moment before its flush."""
    okr: OkrLedger = services_of(house.client.app).okr
    fact = TeamFormed(name="Sales")
    with psycopg.connect(house.server.url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET synchronous_commit = off")
        with connection.transaction(), okr.record.on(connection):
            okr.save(Event(uuid4(), 1, fact), by=Command(Actor("anna"), datetime.now(UTC)))


def _crash(house: House) -> None:
    house.server.stop_immediate()
    house.server.start_again()
