"""Moving goalposts, with the worked numbers of the definition."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.key_result import ProgressRecorded, TargetAdjusted, TargetCorrected
from domain.measures import Direction
from projections import goalposts
from projections.moment import Moment
from projections.runner import catch_up
from tests.projections.goals import KEY_RESULT, STEPS, committed, draft_key_result, draft_objective, open_cycle
from tests.projections.teller import BEGIN, Teller

Views = Connection[DictRow]
DEADLINE = BEGIN + timedelta(days=91, hours=8)


def seen(teller: Teller, connection: Views, days: float, position: int | None = None) -> dict[str, Any]:
    teller.record()
    last = catch_up(connection)
    found = goalposts.get(connection, KEY_RESULT, Moment(position or last, BEGIN + timedelta(days=days)))
    assert found is not None
    return found


def test_a_target_that_was_lowered_late(teller: Teller, connection: Views) -> None:
    """From 100 to 60 after two thirds of the time; 48 at its end."""
    committed(teller)
    teller.now = BEGIN + (DEADLINE - BEGIN) * 2 / 3
    lowered = TargetAdjusted(from_=Decimal(100), to=Decimal(60), effective_at=BEGIN)
    position = teller.tell(KEY_RESULT, lowered, actor="bert", reason="the market fell")
    teller.now = DEADLINE
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(48), effective_at=DEADLINE))
    assert seen(teller, connection, 92) == {
        "attainment": {"original": "0.480000", "current": "0.800000", "time_weighted": "0.553846"},
        "goalpost_shift": "-0.400000",
        "targets": {"original": "100", "current": "60", "time_weighted": "86.666667"},
        "adjustments": [
            {
                "position": position,
                "from": "100",
                "to": "60",
                "recorded_at": "2026-08-31T05:20:00.000000Z",
                "effective_at": "2026-07-01T08:00:00.000000Z",
                "actor": {"id": "bert", "kind": "person"},
                "reason_code": "other",
                "reason": "the market fell",
                "time_share": "0.666667",
                "attainment_before": None,
                "attainment_after": None,
                "effect": "0.320000",
            }
        ],
    }
    assert seen(teller, connection, 30, position - 1)["adjustments"] == []


def test_a_corrected_target_moved_no_goalpost(teller: Teller, connection: Views) -> None:
    committed(teller)
    commitment = teller.version(KEY_RESULT)
    before = teller.after(hours=1).tell(
        KEY_RESULT, TargetCorrected(corrects=commitment, from_=Decimal(100), to=Decimal(10))
    )
    found = seen(teller, connection, 1)
    assert found["targets"] == {"original": "10", "current": "10", "time_weighted": "10.000000"}
    assert found["goalpost_shift"] == "0.000000"
    assert found["adjustments"] == []
    assert seen(teller, connection, 1, before - 1)["targets"]["original"] == "100"


def test_an_adjustment_is_worth_what_the_value_then_makes_of_it(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.after(days=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(30), effective_at=teller.now))
    teller.after(days=1).tell(KEY_RESULT, TargetAdjusted(from_=Decimal(100), to=Decimal(60)))
    teller.after(days=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(45), effective_at=teller.now))
    (move,) = seen(teller, connection, 4)["adjustments"]
    assert (move["attainment_before"], move["attainment_after"]) == ("0.300000", "0.500000")
    assert move["effect"] == "0.300000"


def test_milestones_have_no_goalpost_to_move(teller: Teller, connection: Views) -> None:
    committed(teller, direction=Direction.MILESTONES, milestones=STEPS)
    found = seen(teller, connection, 1)
    assert found["attainment"] == {"original": "0.000000", "current": "0.000000", "time_weighted": "0.000000"}
    assert (found["goalpost_shift"], found["adjustments"]) == (None, [])


def test_a_draft_has_none_yet(teller: Teller, connection: Views) -> None:
    open_cycle(teller)
    draft_objective(teller)
    draft_key_result(teller)
    assert seen(teller, connection, 1)["attainment"] == {"original": None, "current": None, "time_weighted": None}
    assert goalposts.get(connection, UUID(int=1), Moment(1, BEGIN)) is None
