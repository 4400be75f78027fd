"""Whatever happened, and whatever moment one looks at: the views say what folding the facts up to there says."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from projections import goalposts, key_results, objectives
from projections.moment import Moment, resolve
from projections.runner import catch_up
from projections.tree import tree
from tests.projections import oracle
from tests.projections.goals import CYCLE
from tests.projections.histories import History
from tests.projections.sent import sent
from tests.projections.teller import Teller

Views = Connection[DictRow]


@pytest.mark.parametrize("seed", range(4))
def test_state_at_every_position(teller: Teller, connection: Views, seed: int) -> None:
    history = History(teller, seed)
    history.begin()
    history.go_on(90)
    teller.record()
    catch_up(connection)
    end = teller.now + timedelta(days=1)
    for told in teller.told[2:]:
        moment = resolve(connection, now=end, as_of_position=told.position)
        assert moment.clock == told.recorded_at
        world = oracle.fold(teller.told[: told.position])
        _check_tree(connection, world, moment)


@pytest.mark.parametrize("seed", range(10, 13))
def test_state_at_any_time(teller: Teller, connection: Views, seed: int) -> None:
    """Between facts, where overrides run out and time passes; and what was true at one time, as known at another."""
    history = History(teller, seed)
    history.begin()
    history.go_on(120)
    teller.record()
    catch_up(connection)
    begin, end = teller.told[0].recorded_at, teller.now + timedelta(days=20)
    for _ in range(60):
        as_of = begin + (end - begin) * history.random.random()
        world = oracle.fold(told for told in teller.told if told.recorded_at <= as_of)
        moment = resolve(connection, now=end, as_of=as_of)
        assert moment.position == sum(told.recorded_at <= as_of for told in teller.told)
        if world.objectives:
            _check_tree(connection, world, moment)
            effective_at = begin - timedelta(days=3) + (end - begin) * history.random.random()
            _check_tree(connection, world, resolve(connection, now=end, as_of=as_of, effective_at=effective_at))


@pytest.mark.parametrize("seed", range(20, 23))
def test_goalposts_at_any_time(teller: Teller, connection: Views, seed: int) -> None:
    history = History(teller, seed)
    history.begin()
    history.go_on(120)
    teller.record()
    catch_up(connection)
    begin, end = teller.told[0].recorded_at, teller.now + timedelta(days=20)
    for _ in range(25):
        as_of = begin + (end - begin) * history.random.random()
        world = oracle.fold(told for told in teller.told if told.recorded_at <= as_of)
        moment = resolve(connection, now=end, as_of=as_of)
        for id, key_result in world.key_results.items():
            if key_result.targets:
                found = goalposts.get(connection, id, moment)
                assert found is not None
                assert _figures(found) == oracle.goalposts(key_result, as_of)


def _check_tree(connection: Views, world: oracle.World, moment: Moment) -> None:
    at = moment.looked_at
    found = sent(tree(connection, CYCLE, moment))
    assert [branch["id"] for branch in found["objectives"]] == [str(id) for id in world.objectives]
    for branch, (id, objective) in zip(found["objectives"], world.objectives.items(), strict=True):
        parts = {key: part for key, part in world.key_results.items() if part.objective_id == id}
        assert {name: branch[name] for name in objective} == objective
        assert branch["attainment"] == _roll(list(parts.values()), at)
        assert [part["id"] for part in branch["key_results"]] == [str(key) for key in parts]
        for answer, part in zip(branch["key_results"], parts.values(), strict=True):
            expected = oracle.state(part, at)
            assert {name: answer[name] for name in expected} == expected
    first = found["objectives"][0]
    alone = objectives.get(connection, next(iter(world.objectives)), moment)
    assert alone == {name: value for name, value in first.items() if name != "key_results"}
    if first["key_results"]:
        key = next(id for id, part in world.key_results.items() if str(id) == first["key_results"][0]["id"])
        assert key_results.get(connection, key, moment) == first["key_results"][0]


def _roll(parts: list[oracle.KeyResult], at: datetime) -> dict[str, Any] | None:
    rolled = oracle.roll_up(parts, at)
    return None if rolled is None else {"clamped": oracle.shown(rolled[0]), "unclamped": oracle.shown(rolled[1])}


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    names = ("position", "from", "to", "time_share", "attainment_before", "attainment_after", "effect")
    return found | {"adjustments": [{name: move[name] for name in names} for move in found["adjustments"]]}
