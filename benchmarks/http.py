"""Over HTTP: recording progress and reading a key result, against the same service on SQLAlchemy-Continuum.

Both run under gunicorn with two workers of four threads; the product has its projector at work beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from uuid import UUID

import psycopg

from benchmarks import continuum
from benchmarks.data import make_world
from benchmarks.harness import Finding, Ground, Rounds, settle
from benchmarks.load import Load, balanced, http_request
from benchmarks.serving import projecting, served
from ledger.tokens import Role, create_token
from projections.rebuild import rebuild


def measure(ground: Ground) -> Iterator[Finding]:
    with ExitStack() as stack:
        ours, theirs = stack.enter_context(ground.ledger()), stack.enter_context(ground.database())
        ids = _make_data(ground, ours, theirs)
        with psycopg.connect(ours, autocommit=True) as connection:
            token, _ = create_token(connection, "root", Role.ADMIN)
        stack.enter_context(projecting(ours))
        workers = ground.pick(2, 1)
        product = stack.enter_context(served("product", ours, workers=workers))
        peer = stack.enter_context(served("continuum", theirs, workers=workers))
        headers = [f"Authorization: Bearer {token}"]
        for name, size, prepare, target in (
            ("progress", 8, _progress, 2.0),
            ("progress", 32, _progress, 2.0),
            ("a key result", 8, _reading, 1.0),
        ):
            with balanced(product, size) as of_product, balanced(peer, size) as of_peer:
                count = ground.pick(400, 60)
                contenders = {
                    "product": _sending(of_product, prepare, ids, headers, count),
                    "Continuum": _sending(of_peer, prepare, ids, headers, count),
                }
                rounds = Rounds(contenders).run(ground.pick(20, 3), seconds=ground.pick(60, 4))
            yield Finding(
                "http",
                f"{'reading' if prepare is _reading else 'writing'} {name}, {size} connections",
                "requests/s",
                rounds.medians(),
                [rounds.ratio("product", "Continuum", target)],
            )


def _make_data(ground: Ground, ours: str, theirs: str) -> list[UUID]:
    world = make_world(ours, objectives=ground.pick(50, 10), key_results_each=4, changes=ground.pick(2_000, 200))
    rebuild(ours)
    ids = [key_result.id for key_result in world.key_results]
    continuum.make_tables(theirs, ids)
    settle(ours)
    settle(theirs)
    return ids


Prepare = Callable[[Random, UUID, list[str]], bytes]


def _progress(random: Random, id: UUID, headers: list[str]) -> bytes:
    body = b'{"value":"%d.5"}' % random.randint(0, 999)
    return http_request("POST", f"/v1/key-results/{id}/progress", body, headers)


def _reading(_: Random, id: UUID, headers: list[str]) -> bytes:
    return http_request("GET", f"/v1/key-results/{id}", headers=headers)


def _sending(load: Load, prepare: Prepare, ids: list[UUID], headers: list[str], count: int) -> Callable[[], float]:
    random = Random(1)

    def send() -> float:
        return load.rate([prepare(random, random.choice(ids), headers) for _ in range(count)])

    return send
