"""Proving: checking a bundle, writing one, and making a proof.

Checking is held against hashlib computing the same Merkle root over the same lines and nothing else; exporting against
a raw COPY of the same lines to a file, with no texts, hashes or order of a second read; a proof at ten million lines
against one read of a line by its position.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random

import psycopg

from benchmarks.data import make_world
from benchmarks.harness import Finding, Ground, Ratio, Rounds, Work, crew, peak_mb, rate, settle
from ledger.export import export
from ledger.proofs import WIDTH
from ledger.tiles import stored_tree
from ledger.verify_bundle import read_key, verify
from workers.sealer.keys import KeyPlace
from workers.sealer.main import seal_once
from workers.sealer.settings import SealerSettings

LARGE = 10_000_000
MOST_MB = 100


def root_by_hashlib(events: Path) -> bytes:
    """The Merkle root over the lines of a file, as directly as Python and hashlib say it."""
    with events.open("rb") as file:
        level = [sha256(b"\x00" + line[:-1]).digest() for line in file]
    while len(level) > 1:
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = above + level[len(level) & ~1 :]
    return level[0]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def copy_raw(url: str, file: Path) -> None:
    with psycopg.connect(url) as connection, file.open("wb") as written, connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT line FROM ledger.events ORDER BY position) TO STDOUT") as lines:
            for data in lines:
                written.write(data)
        written.flush()
        os.fsync(written.fileno())


def peak_of_verifying(bundle: Path, key: str) -> Work:
    """The highest resident memory, in MB, of a process that has checked the bundle."""

    def check(_: int) -> float:
        verify(bundle, [read_key(key)], [])
        return peak_mb(os.getpid())

    return check


def measure(ground: Ground) -> Iterator[Finding]:
    facts = ground.pick(200_000, 2_000)
    with ExitStack() as stack:
        url = stack.enter_context(ground.ledger())
        make_world(url, objectives=200, key_results_each=4, changes=facts)
        place = KeyPlace(ground.directory / "sealing-key")
        key = str(place.create().verifier)
        sealed = seal_once(SealerSettings(database_url=url, key_file=place.path))
        assert sealed is not None
        settle(url)
        bundle = ground.directory / "bundle"
        size = export(url, bundle).size
        assert root_by_hashlib(bundle / "events.jsonl") == sealed.checkpoint.root
        yield _checking(ground, bundle, key, size)
        yield _exporting(ground, url, size)
        yield _proving(ground, url, size)


def _checking(ground: Ground, bundle: Path, key: str, size: int) -> Finding:
    alone = [sys.executable, "-I", "-S", str(bundle / "verify_bundle.py"), str(bundle), "--key", key]
    rounds = Rounds(
        {
            "okr verify": lambda: size / seconds(lambda: verify(bundle, [read_key(key)], [])),
            "stand-alone": lambda: size / seconds(lambda: subprocess.run(alone, check=True, capture_output=True)),
            "hashlib": lambda: size / seconds(lambda: root_by_hashlib(bundle / "events.jsonl")),
        }
    ).run(ground.pick(20, 3), seconds=ground.pick(30, 5))
    with crew(1, peak_of_verifying, bundle, key) as one:
        (peak,) = one.work(1)
    return Finding(
        "proof",
        f"checking {size:,} lines",
        "lines/s",
        rounds.medians(),
        [
            rounds.ratio("okr verify", "hashlib", 0.7),
            rounds.ratio("stand-alone", "hashlib", 0.4),
            Ratio("peak MB", "1 MB", peak, peak, peak, MOST_MB, at_most=True),
        ],
        ["stand-alone includes the start of Python and counts more in a short run"],
    )


def _exporting(ground: Ground, url: str, size: int) -> Finding:
    names = count()

    def ours() -> float:
        directory = ground.directory / f"export-{next(names)}"
        return size / seconds(lambda: export(url, directory))

    rounds = Rounds(
        {"okr export": ours, "COPY": lambda: size / seconds(lambda: copy_raw(url, ground.directory / "copied"))}
    ).run(ground.pick(15, 3), seconds=ground.pick(30, 5))
    return Finding(
        "proof", f"exporting {size:,} lines", "lines/s", rounds.medians(), [rounds.ratio("okr export", "COPY", 0.5)]
    )


def _proving(ground: Ground, url: str, size: int) -> Finding:
    """The tiles of ten million lines are made up, and only those that the proofs touch: no proof reads others."""
    random = Random(1)
    positions = [random.randrange(LARGE) for _ in range(200)]
    tiles = {(0, position // WIDTH) for position in positions} | {(0, LARGE // WIDTH)}
    tiles |= {(1, number) for number in range(LARGE // WIDTH**2 + 1)} | {(2, 0)}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE ledger.tiles")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger.tiles VALUES (%s, %s, %s)",
                [
                    (level, number, random.randbytes(32 * min(WIDTH, LARGE // WIDTH**level - number * WIDTH)))
                    for level, number in tiles
                ],
            )
        tree = stored_tree(connection)

        def prove(number: int) -> None:
            for position in positions[:number]:
                tree.inclusion(position, LARGE)

        def read(number: int) -> None:
            for position in positions[:number]:
                connection.execute(
                    "SELECT line FROM ledger.events WHERE position = %s", [position % size + 1], prepare=True
                ).fetchone()

        rounds = Rounds({"proof": rate(prove, 100), "one line read": rate(read, 100)}).run(
            ground.pick(40, 3), seconds=ground.pick(20, 5)
        )
    return Finding(
        "proof",
        f"inclusion in a tree of {LARGE:,}",
        "a second",
        rounds.medians(),
        [rounds.ratio("one line read", "proof", 20, at_most=True)],
    )
