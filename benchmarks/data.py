"""A running cycle with objectives and key results and a long history, from a seed, recorded through the ledger.

The mix is that of a quarter in which people work: nearly all facts are progress, some are check-ins, and one in
fifty moves a target, which needs a reason. The aggregates decide each of them; only loading them is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from domain.application import OkrLedger
from domain.command import Actor, Command, ReasonCode, Why
from domain.cycle import Cycle, CycleState, CycleTerms
from domain.key_result import KeyResult
from domain.measures import Direction
from domain.objective import Level, Objective, Wording
from domain.stream import Text
from domain.terms import Terms

BATCH = 2_000
OWNER = "anna"


@dataclass(frozen=True)
class World:
    """What was made: the aggregates as they stand."""

    cycle: CycleTerms
    objectives: list[Objective]
    key_results: list[KeyResult]


@contextmanager
def use_cases(url: str) -> Iterator[OkrLedger]:
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": url}) as okr:
        yield okr


def by(*, reason: str | None = None) -> Command:
    why = Why(ReasonCode.SCOPE, Text(reason)) if reason else Why()
    return Command(Actor(OWNER, is_admin=True), datetime.now(UTC), why)


def make_world(url: str, *, objectives: int, key_results_each: int, changes: int, seed: int = 1) -> World:
    """A cycle with committed objectives and key results, and `changes` facts about these."""
    with use_cases(url) as okr:
        world = _committed(okr, Random(seed), objectives, key_results_each)
        change(okr, world, changes, seed=seed)
        return world


def change(okr: OkrLedger, world: World, count: int, *, seed: int = 1) -> None:
    """Record that many further facts, in batches of 2,000."""
    random = Random(seed)
    left = count
    while left:
        batch = min(BATCH, left)
        adjusted = batch // 50
        _adjust_targets(okr, random, world, adjusted)
        changed = [_change_one(random, world) for _ in range(batch - adjusted)]
        okr.save(*dict.fromkeys(changed), by=by())
        left -= batch


def _adjust_targets(okr: OkrLedger, random: Random, world: World, count: int) -> None:
    """At most once for each key result, since all share one reason."""
    if count == 0:
        return
    why = by(reason="the market turned out smaller")
    changed = [random.choice(world.key_results) for _ in range(count)]
    for key_result in changed:
        assert key_result.terms.target is not None
        key_result.adjust_target(key_result.terms.target + random.randint(1, 9), why)
    okr.save(*dict.fromkeys(changed), by=why)


def _change_one(random: Random, world: World) -> KeyResult:
    key_result = random.choice(world.key_results)
    if random.random() < 0.05:
        key_result.check_in(progress="on the way", confidence=random.randint(0, 10))
    else:
        at = datetime.now(UTC) - timedelta(seconds=random.randint(0, 86_400))
        key_result.record_progress(Decimal(random.randint(0, 100_000)) / 100, by(), effective_at=at)
    return key_result


def _committed(okr: OkrLedger, random: Random, objectives: int, key_results_each: int) -> World:
    today = datetime.now(UTC).date()
    cycle = Cycle(UUID(int=random.getrandbits(128), version=4))
    starts_on, ends_on = today - timedelta(days=45), today + timedelta(days=45)
    cycle.open(name="A quarter", starts_on=starts_on, ends_on=ends_on, time_zone="Asia/Shanghai")
    cycle.start()
    okr.save(cycle, by=by())
    terms = CycleTerms(cycle.id, CycleState.RUNNING, starts_on, ends_on, "Asia/Shanghai")
    world = World(terms, [], [])
    for number in range(objectives):
        objective = Objective(UUID(int=random.getrandbits(128), version=4))
        objective.draft(Wording(title=f"Objective {number}", owner_id=OWNER, level=Level.COMPANY), terms)
        objective.commit()
        world.objectives.append(objective)
        for _ in range(key_results_each):
            world.key_results.append(_key_result(random, objective, terms))
        if (number + 1) % 200 == 0 or number + 1 == objectives:
            recent = world.objectives[-(number % 200 + 1) :]
            okr.save(*recent, *world.key_results[-len(recent) * key_results_each :], by=by())
    return world


def _key_result(random: Random, objective: Objective, cycle: CycleTerms) -> KeyResult:
    key_result = KeyResult(UUID(int=random.getrandbits(128), version=4))
    terms = Terms(
        title=f"Revenue of product {random.randint(1, 999)}",
        owner_id=OWNER,
        direction=Direction.INCREASE,
        baseline=Decimal(0),
        target=Decimal(random.randint(1_000, 2_000)),
        unit="EUR",
        deadline=cycle.ends_on,
        weight=Decimal(1),
    )
    key_result.draft(objective.id, terms, cycle)
    key_result.commit(by(), cycle)
    return key_result
