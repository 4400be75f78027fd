"""Replaying a quarter by day against reading its tree once: 90 frames of 200 objectives with four key results.

Both in this process, from the database to the JSON text that would be sent. The history is the same for both; its
facts are spread over the frames as they were recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import orjson
import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from benchmarks.data import make_world
from benchmarks.harness import Finding, Ground, Rounds, settle
from ledger.datastore import become
from projections import reading, schema
from projections.cycles import CYCLES
from projections.frames import Scope, frames
from projections.moment import Moment
from projections.rebuild import rebuild
from projections.stops import Stop
from projections.tree import tree

FRAMES = 90


def measure(ground: Ground) -> Iterator[Finding]:
    objectives, changes = ground.pick(200, 20), ground.pick(10_000, 500)
    with ground.ledger() as url:
        world = make_world(url, objectives=objectives, key_results_each=4, changes=changes)
        rebuild(url)
        settle(url)
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            become(connection)
            schema.use(connection)
            stops = _stops(connection, changes)
            now = Moment(stops[-1].position, stops[-1].clock)
            cycle = reading.one(connection, CYCLES, world.cycle.id, now)
            assert cycle is not None
            scope = Scope.of_cycle(cycle)
            contenders = {
                "a tree": _milliseconds(lambda: tree(connection, world.cycle.id, now)),
                f"{FRAMES} frames": _milliseconds(lambda: list(frames(connection, scope, stops))),
            }
            rounds = Rounds(contenders).run(ground.pick(20, 3), seconds=ground.pick(45, 3))
    yield Finding(
        "replay",
        f"{objectives} x 4, {changes:,} changes in {FRAMES} frames",
        "ms",
        rounds.medians(),
        [rounds.ratio(f"{FRAMES} frames", "a tree", 20, at_most=True)],
    )


def _stops(connection: Connection[DictRow], changes: int) -> list[Stop]:
    """As many frames as a quarter has days: the changes were recorded within seconds, so they are dealt out evenly."""
    rows = connection.execute("SELECT position, recorded_at FROM ledger.events ORDER BY position").fetchall()
    begin = len(rows) - changes - 1
    at = [begin + (len(rows) - 1 - begin) * number // (FRAMES - 1) for number in range(FRAMES)]
    return [Stop(number, rows[each]["position"], rows[each]["recorded_at"]) for number, each in enumerate(at)]


def _milliseconds(answer: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        orjson.dumps(answer())
        return (time.perf_counter() - began) * 1000

    return measure
