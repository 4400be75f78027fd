"""Building all read models anew from the ledger: how fast, and in how much memory.

The ceiling is a loop that only reads the same lines and decodes them. The peer is the projection runner that
eventsourcing brings, with one table of one row a key result, against the nine read models of the product.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import orjson
import psycopg

from benchmarks.data import make_world
from benchmarks.harness import Finding, Ground, Ratio, Rounds, Work, crew, peak_mb, settle
from benchmarks.stock_projection import StockRun
from projections.rebuild import rebuild

LINES_A_QUERY = 5_000
MOST_MB = 200


def read_and_decode(url: str) -> float:
    """Lines a second."""
    started = time.perf_counter()
    position = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while rows := connection.execute(
            "SELECT line FROM ledger.events WHERE position > %s ORDER BY position LIMIT %s", [position, LINES_A_QUERY]
        ).fetchall():
            for (line,) in rows:
                orjson.loads(line)
            position += len(rows)
    return position / (time.perf_counter() - started)


def build_anew(url: str) -> float:
    """Facts a second."""
    started = time.perf_counter()
    return rebuild(url) / (time.perf_counter() - started)


def peak_of_building(url: str) -> Work:
    """The highest resident memory, in MB, of a process that has built the views once."""

    def build(_: int) -> float:
        rebuild(url)
        return peak_mb(os.getpid())

    return build


def measure(ground: Ground) -> Iterator[Finding]:
    facts = ground.pick(100_000, 2_000)
    with ExitStack() as stack:
        url = stack.enter_context(ground.ledger())
        make_world(url, objectives=200, key_results_each=4, changes=facts)
        settle(url)
        stock = StockRun(stack.enter_context(ground.database()), ground.pick(1_000, 100))
        contenders: dict[str, Callable[[], float]] = {
            "rebuild": lambda: build_anew(url),
            "read and decode": lambda: read_and_decode(url),
            "stock runner": stock,
        }
        rounds = Rounds(contenders).run(ground.pick(9, 3), seconds=ground.pick(120, 8))
        yield Finding(
            "rebuild",
            f"{facts:,} changes of 800 key results",
            "facts/s",
            rounds.medians(),
            [rounds.ratio("rebuild", "read and decode", 0.12), rounds.ratio("rebuild", "stock runner", 30)],
        )
        yield _memory(ground, url, facts)


def _memory(ground: Ground, url: str, facts: int) -> Finding:
    more = ground.pick(1_000_000, 6_000)
    with ExitStack() as stack:
        long = stack.enter_context(ground.ledger())
        make_world(long, objectives=200, key_results_each=4, changes=more)
        settle(long)
        few, many = f"{facts:,} changes", f"{more:,} changes"
        peaks = {}
        for name, database in ((few, url), (many, long)):
            peaks[name] = stack.enter_context(crew(1, peak_of_building, database)).work(1)[0]
    growth = peaks[many] / peaks[few]
    share = peaks[many] / MOST_MB
    return Finding(
        "rebuild",
        "highest memory of the building process",
        "MB",
        peaks,
        [
            Ratio(many, few, growth, growth, growth, 1.2, at_most=True),
            Ratio(many, f"{MOST_MB} MB", share, share, share, 1, at_most=True),
        ],
    )
