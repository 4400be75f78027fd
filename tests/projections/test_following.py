"""The same lines give the same rows, however they are cut into batches, and however often they come."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.key_result import KeyResultCommitted, KeyResultDraftRevised
from domain.measures import Direction, Point, Source
from domain.stream import FACTS, Fact, fact
from ledger.datastore import become
from projections import batches, present, schema, values
from projections.batches import Overtaken, follow, read_lines
from projections.lines import UnknownFact
from projections.position import reached
from projections.present import HANDLERS, Present
from projections.runner import catch_up, rebuild
from projections.tables import WriterBeside
from tests.projections.goals import (
    KEY_RESULT,
    LAST_DAY,
    committed,
    draft_key_result,
    draft_objective,
    measured,
    open_cycle,
)
from tests.projections.histories import History
from tests.projections.teller import Teller
from tests.projections.waiting import somebody_waits_for, wait_until

Views = Connection[DictRow]
Rows = dict[str, list[DictRow]]


def rows(connection: Views) -> Rows:
    """Every row of every table of the views."""
    found = {
        table.name: connection.execute(f"SELECT * FROM {table.name} ORDER BY {table.key}").fetchall()
        for table in schema.TABLES
    }
    return found | {"progress": connection.execute("SELECT position, clock FROM progress").fetchall()}


@pytest.fixture(params=[True, False], ids=["overrides", "no overrides"])
def told(teller: Teller, request: pytest.FixtureRequest) -> Teller:
    """A ledger in which a lot has happened. Where there never was an override, late values take a shorter way."""
    history = History(teller, seed=99, has_overrides=request.param)
    history.begin()
    history.go_on(250)
    teller.record()
    return teller


@pytest.fixture
def at_once(told: Teller, connection: Views) -> Rows:
    """Its views, made in one batch."""
    catch_up(connection)
    found = rows(connection)
    schema.drop(connection, schema.VIEWS_SCHEMA)
    assert min(len(of_table) for of_table in found.values()) > 0 or not found["teams"]
    return found


def test_batches_of_any_size_give_the_same_rows(told: Teller, at_once: Rows, connection: Views) -> None:
    sizes = random.Random(5)
    _make_empty(connection)
    position = 0
    while lines := read_lines(connection, position)[: sizes.choice([1, 1, 2, 7, 30])]:
        # Sometimes the same projector goes on, sometimes another one that has nothing in mind.
        if position == 0 or sizes.random() < 0.3:
            mind = Present(connection)
        position = follow(mind, position, lines)
    assert rows(connection) == at_once


def test_a_rebuild_gives_the_same_rows(told: Teller, at_once: Rows, connection: Views) -> None:
    rebuild(told.url)
    assert rows(connection) == at_once


@pytest.mark.parametrize("build", [rebuild, lambda url: None])
def test_little_room_to_remember_gives_the_same_rows(
    told: Teller,
    at_once: Rows,
    connection: Views,
    monkeypatch: pytest.MonkeyPatch,
    build: Callable[[str], object],
) -> None:
    """With every limit so low that it is passed all the time."""
    monkeypatch.setattr(batches, "MOST_LINES", 20)
    monkeypatch.setattr(batches, "LINES_A_QUERY", 7)
    monkeypatch.setattr(present, "MOST_KEPT", 3)
    monkeypatch.setattr(values, "MOST_POINTS", 5)
    build(told.url)
    catch_up(connection)
    assert rows(connection) == at_once


def test_a_draft_with_values_that_becomes_a_limit(teller: Teller, connection: Views) -> None:
    """Its points count from the commitment on, also those of the same batch, also for who has nothing in mind."""
    open_cycle(teller)
    draft_objective(teller)
    draft_key_result(teller)
    before = len(teller.told)
    stream, value = measured("1", teller.now)
    teller.tell(stream, value)
    teller.tell(KEY_RESULT, KeyResultDraftRevised(direction=Direction.AT_MOST, cleared=("baseline",)))
    teller.tell(KEY_RESULT, KeyResultCommitted(target=Decimal(100), deadline=LAST_DAY))
    teller.record()
    _make_empty(connection)
    lines = read_lines(connection, 0)
    follow(Present(connection), 0, lines[:before])
    mind = Present(connection)
    follow(mind, before, lines[before:])
    last = connection.execute("SELECT * FROM key_result_values ORDER BY from_position DESC LIMIT 1").fetchone()
    assert last is not None
    assert (last["held_us"], last["held_last_at"], last["is_held"]) == (0, teller.now, True)


@pytest.mark.parametrize("table", ["points", "key_results"])
def test_nothing_is_looked_up_while_it_is_being_written(teller: Teller, connection: Views, table: str) -> None:
    """A writer beside is waited for before a table is read: here somebody else holds it up."""
    committed(teller, direction=Direction.AT_LEAST)
    known = teller.tell(*measured("1", teller.now))
    teller.after(days=1).tell(*measured("2", teller.now))
    teller.record()
    _make_empty(connection)
    lines = read_lines(connection, 0)
    later = Point(100, teller.now, Decimal(3), Source.FEED)
    with psycopg.connect(teller.url, row_factory=dict_row) as second, psycopg.connect(teller.url) as somebody:
        become(second)
        schema.use(second)
        with closing(WriterBeside(second)) as beside, ThreadPoolExecutor() as threads:
            writing, reading = Present(connection, beside=beside), Present(connection, beside=beside)
            writing.take(lines[:known])
            somebody.execute(f"LOCK TABLE {schema.VIEWS_SCHEMA}.{table} IN SHARE ROW EXCLUSIVE MODE")
            writing.write()
            if table == "points":
                found: Future[Any] = threads.submit(reading.points_around, str(KEY_RESULT), later)
            else:
                found = threads.submit(reading.take, lines[known:])
            wait_until(lambda: somebody_waits_for(connection, "relation"))
            somebody.rollback()
            assert table != "points" or len(found.result(20).points) == 1
            assert table == "points" or found.result(20).position == known + 1


def test_what_is_in_the_table_is_not_kept_in_mind_too(teller: Teller, connection: Views) -> None:
    committed(teller, direction=Direction.AT_LEAST)
    teller.record()
    position = catch_up(connection)
    teller.tell(*measured("1", teller.now))
    teller.record()
    mind = Present(connection)
    follow(mind, position, read_lines(connection, position))
    assert mind.values.recent == {}


def test_the_same_lines_again_change_nothing(told: Teller, at_once: Rows, connection: Views) -> None:
    catch_up(connection)
    lines = read_lines(connection, 100)
    for mind in (Present(connection), Present(connection)):
        with pytest.raises(Overtaken):
            follow(mind, 100, lines)
    assert catch_up(connection) == len(told.told)
    assert rows(connection) == at_once


def test_lines_that_do_not_follow_are_refused(told: Teller, connection: Views) -> None:
    _make_empty(connection)
    lines = read_lines(connection, 0)
    with pytest.raises(LookupError, match="lacks a position"):
        follow(Present(connection), 0, [*lines[:5], *lines[6:]])
    assert reached(connection) == 0


def test_a_batch_is_all_or_nothing(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.record()
    before = catch_up(connection)
    teller.tell(KEY_RESULT, *[told.fact for told in teller.told if told.stream == KEY_RESULT][1:])
    stream, fact_of_nobody = measured("1", teller.now, key_result=stream_of_nobody())
    teller.tell(stream, fact_of_nobody)
    teller.record()
    with pytest.raises(LookupError, match="which a later fact is about"):
        catch_up(connection)
    assert reached(connection) == before
    assert connection.execute("SELECT max(from_position) AS last FROM key_results").fetchone() == {"last": before}


def stream_of_nobody() -> Any:
    return type(KEY_RESULT)(int=7)


def test_every_kind_of_fact_is_followed() -> None:
    unknown = [name for name in FACTS if not HANDLERS.get(name)]
    assert unknown == []


def test_an_unknown_fact_stops_the_views(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.record()
    position = catch_up(connection)
    with psycopg.connect(teller.url) as owner:
        owner.execute(
            "INSERT INTO ledger.events SELECT position + 1, stream_id, stream_version + 1, 'KeyResult.Gilded',"
            " recorded_at, replace(replace(line, type, 'KeyResult.Gilded'), '\"position\":' || position,"
            " '\"position\":' || position + 1), leaf_hash FROM ledger.events WHERE position = %s",
            [position],
        )
    with pytest.raises(UnknownFact, match=f"at position {position + 1}: .*KeyResult.Gilded"):
        catch_up(connection)
    with pytest.raises(UnknownFact):
        rebuild(teller.url)
    assert reached(connection) == position


def test_a_fact_without_a_view_stops_the_views(teller: Teller, connection: Views) -> None:
    @fact("Test.HappenedToNobody")
    class HappenedToNobody(Fact):
        pass

    try:
        teller.tell(KEY_RESULT, HappenedToNobody())
        teller.record()
        with pytest.raises(UnknownFact, match=r"what becomes of Test\.HappenedToNobody"):
            catch_up(connection)
    finally:
        del FACTS["Test.HappenedToNobody"]


def test_a_newer_schema_of_a_known_fact_stops_the_views(teller: Teller, connection: Views) -> None:
    committed(teller)
    stream, recorded = measured("1", teller.now)
    position = teller.tell(stream, recorded)
    teller.record()
    with psycopg.connect(teller.url) as owner:
        owner.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        owner.execute(
            "UPDATE ledger.events SET line = replace(line, '\"schema\":1', '\"schema\":2') WHERE position = %s",
            [position],
        )
    with pytest.raises(UnknownFact, match="in schema 2"):
        catch_up(connection)


def _make_empty(connection: Views) -> None:
    with connection.transaction():
        schema.create(connection, schema.VIEWS_SCHEMA)
        for table in schema.TABLES:
            table.add_keys(connection)
