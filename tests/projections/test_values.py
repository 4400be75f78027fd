"""Which value is in force, for whom, since when, and as known when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain.key_result import (
    DeadlineAdjusted,
    OverrideLifted,
    OverrideUntil,
    ProgressCorrected,
    ProgressOverridden,
    ProgressRecorded,
    TargetAdjusted,
)
from domain.measures import Direction
from projections import key_results
from projections.moment import Moment
from projections.runner import catch_up
from tests.projections.goals import KEY_RESULT, committed, measured
from tests.projections.teller import BEGIN, Teller

Views = Connection[DictRow]
DAY = timedelta(days=1)


class Goal:
    """A committed key result; values are told by number of the day."""

    def __init__(self, teller: Teller, connection: Views) -> None:
        self.teller = teller
        self.connection = connection

    def on(self, day: float) -> Goal:
        self.teller.now = BEGIN + DAY * day
        return self

    def records(self, value: str, *, of_day: float | None = None) -> int:
        return self.teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(value), effective_at=self._day(of_day)))

    def corrects(self, version: int, value: str, *, of_day: float) -> int:
        return self.teller.tell(
            KEY_RESULT,
            ProgressCorrected(corrects=version, from_=Decimal(0), to=Decimal(value), effective_at=self._day(of_day)),
        )

    def measures(self, value: str | None, *, of_day: float | None = None) -> int:
        stream, fact = measured(value, self._day(of_day))
        return self.teller.tell(stream, fact)

    def overrides(self, value: str, until: OverrideUntil, until_on: date | None = None) -> int:
        return self.teller.tell(
            KEY_RESULT,
            ProgressOverridden(value=Decimal(value), effective_at=self.teller.now, until=until, until_on=until_on),
        )

    def value(self, *, position: int | None = None, of_day: float | None = None, day: float | None = None) -> Any:
        """The value and its source; as known at a position, as true on a day, by the clock of a day."""
        answer = self.answer(position=position, of_day=of_day, day=day)
        return answer["value"], answer["value_source"]

    def answer(
        self, *, position: int | None = None, of_day: float | None = None, day: float | None = None
    ) -> dict[str, Any]:
        self.teller.record()
        last = catch_up(self.connection)
        effective_at = None if of_day is None else BEGIN + DAY * of_day
        moment = Moment(position or last, self._day(day), effective_at)
        answer = key_results.get(self.connection, KEY_RESULT, moment)
        assert answer is not None
        return answer

    def _day(self, day: float | None) -> datetime:
        return self.teller.now if day is None else BEGIN + DAY * day


@pytest.fixture
def goal(teller: Teller, connection: Views) -> Goal:
    committed(teller)
    return Goal(teller, connection)


def test_the_latest_true_value_counts_not_the_latest_told(goal: Goal) -> None:
    friday = goal.on(3).records("30")
    goal.on(5).records("20", of_day=2)
    assert goal.value() == ("30", "person")
    assert goal.value(of_day=2.5) == ("20", "person")
    assert goal.value(of_day=2.5, position=friday) == (None, None)
    assert goal.value(of_day=1) == (None, None)


def test_of_two_at_one_moment_the_later_told_counts(goal: Goal) -> None:
    goal.on(3).records("30")
    goal.on(4).measures("31", of_day=3)
    assert goal.value() == ("31", "feed")


def test_a_correction_takes_the_place_of_the_mistake(goal: Goal) -> None:
    mistake = goal.on(1).records("100")
    version = goal.teller.version(KEY_RESULT)
    goal.on(2).records("20")
    correction = goal.on(3).corrects(version, "10", of_day=1)
    assert goal.value() == ("20", "person")
    assert goal.value(of_day=1) == ("10", "person")
    assert goal.value(of_day=1, position=correction - 1) == ("100", "person")
    assert goal.value(position=mistake) == ("100", "person")


def test_a_correction_is_corrected(goal: Goal) -> None:
    goal.on(1).records("100")
    version = goal.teller.version(KEY_RESULT)
    goal.on(2).corrects(version, "10", of_day=1)
    goal.on(3).corrects(version, "11.0", of_day=1)
    assert goal.value() == ("11.0", "person")


def test_of_two_at_one_moment_a_correction_does_not_change_which_counts(goal: Goal) -> None:
    goal.on(1).records("100")
    version = goal.teller.version(KEY_RESULT)
    goal.records("20")
    goal.on(2).corrects(version, "10", of_day=1)
    assert goal.value() == ("20", "person")


def test_a_sticky_override_stands_before_the_feed(goal: Goal) -> None:
    goal.on(1).measures("10")
    goal.on(2).overrides("50", OverrideUntil.STICKY)
    goal.on(3).measures("30")
    assert goal.value() == ("50", "override")
    goal.on(4).records("35")
    assert goal.value() == ("35", "person")
    lifted = goal.teller.after(days=1).tell(KEY_RESULT, OverrideLifted())
    goal.on(6).measures("60", of_day=3.5)
    assert goal.value(position=lifted) == ("35", "person")
    assert goal.value(of_day=3.7) == ("50", "override")
    assert goal.value(of_day=6) == ("35", "person")


def test_after_a_lifted_override_the_feed_counts_again(goal: Goal) -> None:
    goal.on(1).overrides("50", OverrideUntil.STICKY)
    goal.on(2).measures("30")
    goal.teller.after(days=1).tell(KEY_RESULT, OverrideLifted())
    assert goal.value() == ("30", "feed")
    assert goal.value(of_day=2.5) == ("50", "override")


def test_an_override_until_the_next_message(goal: Goal) -> None:
    override = goal.on(1).overrides("50", OverrideUntil.NEXT_MESSAGE)
    goal.on(2).measures("30", of_day=0.5)
    assert goal.value() == ("30", "feed")
    assert goal.value(position=override) == ("50", "override")
    assert goal.value(of_day=1.5) == ("50", "override")


def test_an_override_until_a_day_ends_without_any_fact(goal: Goal) -> None:
    """The day ends at 16:00 UTC, where the cycle is at home."""
    goal.on(1).measures("10")
    goal.on(2).overrides("50", OverrideUntil.DATE, date(2026, 7, 4))
    goal.on(2.5).measures("20")
    end_of_day = 3 + 8 / 24
    assert goal.value(day=end_of_day - 0.001) == ("50", "override")
    assert goal.value(day=end_of_day) == ("20", "feed")
    goal.on(5).measures("30", of_day=2.6)
    assert goal.value() == ("30", "feed")
    assert goal.value(of_day=end_of_day - 0.001) == ("50", "override")


def test_a_new_override_takes_the_place_of_the_old_one(goal: Goal) -> None:
    goal.on(1).measures("10")
    goal.on(2).overrides("50", OverrideUntil.STICKY)
    goal.on(3).overrides("60", OverrideUntil.DATE, date(2026, 7, 4))
    assert goal.value() == ("60", "override")
    assert goal.value(day=10) == ("10", "feed")
    assert goal.value(of_day=2.5) == ("50", "override")


def test_a_feed_that_has_nothing_left_to_measure(goal: Goal) -> None:
    goal.on(1).records("5")
    goal.on(2).measures("10")
    goal.on(3).measures(None)
    answer = goal.answer()
    assert (answer["value"], answer["value_source"], answer["attainment"]) == (None, "feed", None)
    assert goal.value(of_day=2.5) == ("10", "feed")


def test_a_value_keeps_its_written_form(goal: Goal) -> None:
    for written in ("12.50", "0.000000000001", "99999999999999999999.999999999999"):
        goal.teller.after(days=1)
        goal.records(written)
        assert goal.value() == (written, "person")


# Limits


@pytest.fixture
def limit(teller: Teller, connection: Views) -> Goal:
    """At least 99, committed on day 0."""
    committed(teller, direction=Direction.AT_LEAST, target=Decimal(99))
    return Goal(teller, connection)


def test_a_limit_counts_the_time_in_which_it_held(limit: Goal) -> None:
    assert limit.answer(day=0)["attainment"] == "0.000000"
    limit.on(2).measures("99")  # held from here
    limit.on(6).measures("98")  # no more
    assert limit.answer(day=6)["attainment"] == "0.666667"
    assert limit.answer(day=8)["attainment"] == "0.500000"
    limit.on(8).measures("100")
    assert limit.answer(day=10)["attainment"] == "0.600000"


def test_a_late_value_changes_what_was_held(limit: Goal) -> None:
    limit.on(2).measures("99")
    limit.on(8).measures("99")
    known_before = limit.on(9).measures("98", of_day=4) - 1
    assert limit.answer(day=10)["attainment"] == "0.400000"  # 2..4 and 8..10
    assert limit.answer(day=10, position=known_before)["attainment"] == "0.800000"
    limit.measures("97", of_day=8)
    assert limit.answer(day=10)["attainment"] == "0.200000"


def test_a_moved_limit_and_a_moved_deadline(limit: Goal) -> None:
    limit.on(0).measures("99")
    before = limit.on(5).teller.tell(KEY_RESULT, TargetAdjusted(from_=Decimal(99), to=Decimal(100))) - 1
    assert limit.answer(day=5)["attainment"] == "0.000000"
    assert limit.answer(day=5, position=before)["attainment"] == "1.000000"
    limit.teller.tell(KEY_RESULT, TargetAdjusted(from_=Decimal(100), to=Decimal(90)))
    limit.teller.tell(KEY_RESULT, DeadlineAdjusted(from_=date(2026, 9, 30), to=date(2026, 7, 11)))
    limit.on(30).measures("1")
    assert limit.answer()["attainment"] == "1.000000"
    assert limit.answer()["pace"]["status"] == "achieved"


def test_an_override_of_a_limit_ends_on_its_day(limit: Goal) -> None:
    limit.on(0).measures("1")
    limit.on(1).overrides("100", OverrideUntil.DATE, date(2026, 7, 4))  # holds until day 3 1/3
    assert limit.answer(day=2)["attainment"] == "0.500000"
    assert limit.answer(day=10)["attainment"] == "0.233333"
    limit.on(10).measures("2")
    assert limit.answer(day=10)["attainment"] == "0.233333"


def test_a_limit_as_it_was_true_then(limit: Goal) -> None:
    limit.on(2).measures("99")
    limit.on(8).measures("98", of_day=4)
    assert limit.answer(of_day=3, day=10)["attainment"] == "0.333333"
    assert limit.answer(of_day=8, day=10)["attainment"] == "0.250000"
