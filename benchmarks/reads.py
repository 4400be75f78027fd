"""Reading one key result, and a cycle with 200 objectives of four key results: now, and as of the middle of history.

Over HTTP, one request after another. Against queries by hand that give the same answers from tables without history,
under the same gunicorn (`benchmarks.plain_tables` says what they do less); and against itself with ten times the
history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import cycle
from urllib.parse import quote

import psycopg

from benchmarks import plain_tables
from benchmarks.data import World, make_world
from benchmarks.harness import Finding, Ground, Rounds, settle
from benchmarks.load import Load, balanced, http_request
from benchmarks.serving import served
from ledger.tokens import Role, create_token
from projections.rebuild import rebuild


class Service:
    """The product on a world with a history, and the time of the middle of that."""

    def __init__(self, ground: Ground, stack: ExitStack, objectives: int, changes: int) -> None:
        url = stack.enter_context(ground.ledger())
        self.world = make_world(url, objectives=objectives, key_results_each=4, changes=changes)
        rebuild(url)
        settle(url)
        with psycopg.connect(url, autocommit=True) as connection:
            token, _ = create_token(connection, "root", Role.ADMIN)
            middle = "SELECT recorded_at FROM ledger.events WHERE position = (SELECT size / 2 FROM ledger.head)"
            row = connection.execute(middle).fetchone()
        assert row is not None
        middle_at: datetime = row[0]
        self.token = token
        self.headers = [f"Authorization: Bearer {token}"]
        self.as_of = f"?as_of={quote(middle_at.isoformat())}"
        self.load = stack.enter_context(balanced(stack.enter_context(served("product", url, workers=1)), 1))


def measure(ground: Ground) -> Iterator[Finding]:
    sizes = (ground.pick(10_000, 200), ground.pick(100_000, 2_000))
    objectives = ground.pick(200, 20)
    with ExitStack() as stack:
        few, many = (Service(ground, stack, objectives, size) for size in sizes)
        plain = stack.enter_context(ground.database())
        plain_tables.make(plain, few.world, few.token)
        by_hand = stack.enter_context(balanced(stack.enter_context(served("by hand", plain, workers=1)), 1))
        for what, path_of, count in (("a key result", _key_result, 30), (f"a tree of {objectives} x 4", _tree, 2)):
            contenders = {"by hand": milliseconds(by_hand, path_of(few.world), "", few.headers, count)}
            for suffix, service in (("", few), (", 10 x", many)):
                for name, query in (("now", ""), ("as of", service.as_of)):
                    paths = path_of(service.world)
                    contenders[name + suffix] = milliseconds(service.load, paths, query, service.headers, count)
            yield _compare(ground, f"{what}, after {sizes[0]:,} changes and after {sizes[1]:,} (10 x)", contenders)


def _key_result(world: World) -> Iterator[str]:
    return cycle([f"/v1/key-results/{key_result.id}" for key_result in world.key_results])


def _tree(world: World) -> Iterator[str]:
    return cycle([f"/v1/cycles/{world.cycle.id}/tree"])


def milliseconds(load: Load, paths: Iterator[str], query: str, headers: list[str], count: int) -> Callable[[], float]:
    """A contender: how long one answer takes on average, one request after another on one connection."""

    def measure() -> float:
        return 1000 / load.rate([http_request("GET", next(paths) + query, headers=headers) for _ in range(count)])

    return measure


def _compare(ground: Ground, case: str, contenders: dict[str, Callable[[], float]]) -> Finding:
    rounds = Rounds(contenders).run(ground.pick(60, 3), seconds=ground.pick(45, 3))
    figures = rounds.medians()
    rounds.quotient("price of the past", "as of", "now")
    rounds.quotient("price of the past, 10 x", "as of, 10 x", "now, 10 x")
    return Finding(
        "reads",
        case,
        "ms",
        figures,
        [
            rounds.ratio("now", "by hand", 1.3, at_most=True),
            rounds.ratio("as of", "now", 1.5, at_most=True),
            rounds.ratio("as of, 10 x", "now, 10 x", 1.5, at_most=True),
            rounds.ratio("price of the past, 10 x", "price of the past", 1.3, at_most=True),
        ],
    )
