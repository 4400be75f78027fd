"""Through the use cases, as people take the decisions: the views follow what the aggregates let happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from psycopg import Connection
from psycopg.rows import DictRow

from domain.application import OkrLedger
from domain.command import Actor, Command, ReasonCode, Why
from domain.key_result import KeyResult
from domain.measures import Direction
from domain.objective import Level, Wording
from domain.stream import Text
from domain.terms import Terms
from projections import goalposts, history
from projections.moment import resolve
from projections.runner import catch_up
from projections.tree import tree
from tests.projections.sent import sent

NO_REASON = Why()
WHY = Why(ReasonCode.MARKET_CHANGE, Text("the market fell"))


def test_the_life_of_a_goal(okr: OkrLedger, connection: Connection[DictRow]) -> None:
    cycle, objective, key_result, successor = uuid4(), uuid4(), uuid4(), uuid4()
    today = datetime.now(UTC).date()
    terms = Terms(
        title="Revenue",
        owner_id="anna",
        direction=Direction.INCREASE,
        target=Decimal("100.0"),
        deadline=today + timedelta(days=30),
    )

    def by(why: Why = NO_REASON) -> Command:
        return Command(Actor("boss", is_admin=True), datetime.now(UTC), why)

    okr.open_cycle(
        cycle,
        name="Q",
        starts_on=today - timedelta(days=30),
        ends_on=today + timedelta(days=60),
        time_zone="Asia/Shanghai",
        by=by(),
    )
    okr.start_cycle(cycle, by())
    okr.draft_objective(objective, cycle, Wording(title="Chips", owner_id="anna", level=Level.COMPANY), by())
    okr.draft_key_result(key_result, objective, terms, by())
    okr.commit_objective(objective, by())
    first = okr.record_progress(key_result, Decimal(48), by()).position
    okr.adjust_target(key_result, Decimal(60), by(WHY))
    assert first is not None
    okr.correct(key_result, first, by(WHY), value=Decimal(54))
    last = okr.replace_key_result(key_result, successor, terms, by(WHY))

    catch_up(connection)
    now = resolve(connection, now=datetime.now(UTC))
    found = sent(tree(connection, cycle, now))
    (branch,) = found["objectives"]
    old, new = branch["key_results"]
    assert (old["value"], old["attainment"], old["state"]) == ("54", "0.900000", "replaced")
    assert (old["replaced_by"], new["replaces"], new["state"]) == (str(successor), str(key_result), "draft")
    assert old["version"] == last.version == okr.load(KeyResult, key_result).version
    assert branch["attainment"] is None  # nothing that counts is left
    before = sent(tree(connection, cycle, resolve(connection, now=now.clock, as_of_position=first)))
    assert before["objectives"][0]["attainment"] == {"clamped": "0.480000", "unclamped": "0.480000"}
    posts = goalposts.get(connection, key_result, now)
    assert posts is not None
    assert (posts["attainment"]["original"], posts["goalpost_shift"]) == ("0.540000", "-0.400000")
    items, _ = history.page(connection, objective_id=objective, moment=now, after=None, limit=20)
    assert [item["type"].partition(".")[2] for item in items][:4] == [
        "Drafted",
        "Replaced",
        "ProgressCorrected",
        "TargetAdjusted",
    ]
    assert {item["reason"] for item in items[1:4]} == {"the market fell"}
