"""Differences that only the clock makes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain.key_result import ProgressRecorded
from domain.measures import Direction
from projections import differences
from projections.batches import catch_up
from projections.differences import Between
from projections.moment import BadMoment, Moment
from tests.projections.goals import CYCLE, KEY_RESULT, OBJECTIVE, committed
from tests.projections.teller import BEGIN, Teller


@pytest.fixture
def a_day(teller: Teller, connection: Connection[DictRow]) -> Between:
    """A day in which nothing happens; before it a limit was kept half of the time."""
    committed(teller, direction=Direction.AT_MOST, target=Decimal(15))
    teller.after(days=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(10), effective_at=teller.now))
    teller.record()
    last = catch_up(connection)
    return Between(Moment(last, BEGIN + timedelta(days=2)), Moment(last, BEGIN + timedelta(days=4)))


def test_what_only_time_did_has_no_facts(connection: Connection[DictRow], a_day: Between) -> None:
    found = differences.of_key_result(connection, KEY_RESULT, a_day)
    assert found is not None
    (change,) = found["changes"]
    assert {"attainment", "pace"} <= {each["field"] for each in change["fields"]}
    assert all(each["by_time"] and each["facts"] == [] for each in change["fields"])
    assert (change["fields"][0]["from"], change["fields"][0]["to"]) == ("0.500000", "0.750000")
    assert found["facts"] == []


def test_of_an_objective_and_a_cycle_it_is_left_out(connection: Connection[DictRow], a_day: Between) -> None:
    whole = differences.of_objective(connection, OBJECTIVE, a_day)
    cycle = differences.of_cycle(connection, CYCLE, a_day)
    assert whole is not None
    assert cycle is not None
    assert [(each["kind"], each["fields"][0]["field"]) for each in whole["changes"]] == [("objective", "attainment")]
    assert cycle["changes"] == []


def test_moments_in_the_wrong_order(a_day: Between) -> None:
    with pytest.raises(BadMoment):
        Between(a_day.last, a_day.first)
