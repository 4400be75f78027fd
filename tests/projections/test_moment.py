"""Which moment a question names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from projections import moment as moments
from projections.moment import BadMoment, FutureMoment, Moment, ViewsBehind, resolve
from projections.runner import catch_up
from tests.projections.goals import CYCLE, committed, open_cycle
from tests.projections.teller import BEGIN, Teller

Views = Connection[DictRow]
HOUR = timedelta(hours=1)


@pytest.fixture
def views(teller: Teller, connection: Views) -> Views:
    """Positions 1 and 2 at the beginning, then three an hour later at the same time, then one two hours later."""
    open_cycle(teller)
    teller.after(hours=1)
    for _ in range(3):
        teller.tell(CYCLE, *[told.fact for told in teller.told[1:2]])
    teller.after(hours=1).tell(CYCLE, *[told.fact for told in teller.told[1:2]])
    teller.record()
    catch_up(connection)
    return connection


NOW = BEGIN + 3 * HOUR


def test_now(views: Views) -> None:
    assert resolve(views, now=NOW) == Moment(6, NOW, None, is_now=True, is_final=False)


@pytest.mark.parametrize(
    ("hours", "position", "is_final"),
    [(-1, 0, True), (0, 2, True), (0.5, 2, True), (1, 5, True), (1.5, 5, True), (2, 6, False), (3, 6, False)],
)
def test_as_of_a_time(views: Views, hours: float, position: int, is_final: bool) -> None:
    """Of several facts at one time all are known; final is what no fact can join any more."""
    as_of = BEGIN + hours * HOUR
    assert resolve(views, now=NOW, as_of=as_of) == Moment(position, as_of, None, is_now=False, is_final=is_final)


def test_a_time_is_the_same_in_every_zone(views: Views) -> None:
    found = resolve(views, now=NOW, as_of=(BEGIN + HOUR).astimezone(timezone(timedelta(hours=8))))
    assert found == resolve(views, now=NOW, as_of=BEGIN + HOUR)
    assert found.clock.tzinfo is UTC


def test_as_of_a_position_it_is_the_time_of_its_fact(views: Views) -> None:
    assert resolve(views, now=NOW, as_of_position=4) == Moment(4, BEGIN + HOUR, None, False, is_final=True)
    assert resolve(views, now=NOW, as_of_position=6) == Moment(6, BEGIN + 2 * HOUR, None, False, is_final=False)


def test_what_was_true_then_as_known_now_or_then(views: Views) -> None:
    found = resolve(views, now=NOW, as_of_position=4, effective_at=BEGIN)
    assert (found.position, found.clock, found.looked_at) == (4, BEGIN + HOUR, BEGIN)
    assert resolve(views, now=NOW, effective_at=BEGIN).looked_at == BEGIN


@pytest.mark.parametrize("position", [0, -1, 7, 2**63, 10**30])
def test_there_is_no_such_position(views: Views, position: int) -> None:
    with pytest.raises(BadMoment, match="no position"):
        resolve(views, now=NOW, as_of_position=position)


@pytest.mark.parametrize("name", ["as_of", "effective_at"])
def test_the_future_is_not_known(views: Views, name: str) -> None:
    late: dict[str, datetime] = {name: NOW + timedelta(microseconds=1)}
    with pytest.raises(FutureMoment, match=name):
        resolve(views, now=NOW, **late)  # type: ignore[arg-type]
    naive: dict[str, datetime] = {name: BEGIN.replace(tzinfo=None)}
    with pytest.raises(BadMoment, match="offset"):
        resolve(views, now=NOW, **naive)  # type: ignore[arg-type]


def test_one_past_at_a_time(views: Views) -> None:
    with pytest.raises(BadMoment, match="not both"):
        resolve(views, now=NOW, as_of=BEGIN, as_of_position=1)


def test_views_that_lag_do_not_pretend(teller: Teller, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "PATIENCE_S", 0.05)
    committed(teller.after(hours=0.5))
    teller.record()
    with pytest.raises(ViewsBehind):
        resolve(views, now=NOW, as_of=NOW)
    with pytest.raises(ViewsBehind):
        resolve(views, now=NOW, as_of_position=7)
    assert resolve(views, now=NOW).position == 6
    assert resolve(views, now=NOW, as_of=BEGIN + HOUR).position == 5
