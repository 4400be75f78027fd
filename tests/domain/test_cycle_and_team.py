"""What cycles and teams decide."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from domain import cycle as c
from domain.command import Why
from domain.cycle import Cycle
from domain.stream import Fact, Text
from domain.team import Team, TeamFormed
from tests.domain.spec import by, given

OPENED = c.CycleOpened(
    name="2026 Q4", starts_on=date(2026, 10, 1), ends_on=date(2026, 12, 31), time_zone="Asia/Shanghai"
)
PATH: list[tuple[Callable[[Cycle], None], Fact]] = [
    (lambda cycle: cycle.start(), c.CycleStarted()),
    (lambda cycle: cycle.begin_scoring(), c.CycleScoringBegun()),
    (lambda cycle: cycle.close(), c.CycleClosed()),
    (lambda cycle: cycle.reopen(by(is_admin=True)), c.CycleReopened()),
]


def opening(**changes: Any) -> Callable[[Cycle], None]:
    usual: dict[str, Any] = {
        "name": "2026 Q4",
        "starts_on": OPENED.starts_on,
        "ends_on": OPENED.ends_on,
        "time_zone": "Asia/Shanghai",
    }
    return lambda cycle: cycle.open(**usual | changes)


def test_a_cycle_opens() -> None:
    given(Cycle).when(opening()).then(OPENED)


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"name": ""}, "not_empty", "name"),
        ({"ends_on": date(2026, 10, 1)}, "cycle_dates", "ends_on"),
        ({"ends_on": date(2028, 12, 31)}, "cycle_length", "ends_on"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "time_zone"),
    ],
)
def test_a_cycle_has_its_limits(changes: dict[str, Any], rule: str, field: str) -> None:
    given(Cycle).when(opening(**changes)).refuses(rule, field)


@pytest.mark.parametrize("step", range(len(PATH)))
def test_it_goes_its_way_one_step_at_a_time(step: int) -> None:
    history = [OPENED, *(fact for _, fact in PATH[:step])]
    for number, (decide, fact) in enumerate(PATH):
        sentence = given(Cycle, *history).when(decide)
        if number == step:
            sentence.then(fact)
        else:
            sentence.refuses("cycle_state")


def test_a_reopened_cycle_can_be_closed_again() -> None:
    given(Cycle, OPENED, *(fact for _, fact in PATH)).when(PATH[2][0]).then(c.CycleClosed())


def test_only_an_admin_reopens_and_says_why() -> None:
    closed = [OPENED, *(fact for _, fact in PATH[:3])]
    given(Cycle, *closed).when(lambda cycle: cycle.reopen(by())).refuses("admin_only")
    given(Cycle, *closed).when(lambda cycle: cycle.reopen(by(is_admin=True, why=Why()))).refuses(
        "reason_required", "reason"
    )
    given(Cycle, *closed).when(lambda cycle: cycle.reopen(by(is_admin=True, why=Why(text=Text("audit"))))).then(
        c.CycleReopened()
    )


def test_a_team_is_formed() -> None:
    given(Team).when(lambda team: team.form(name="Sales", parent_id=UUID(int=1), lead_id="lead")).then(
        TeamFormed(name="Sales", parent_id=UUID(int=1), lead_id="lead")
    )
    given(Team).when(lambda team: team.form(name=" ")).refuses("not_empty", "name")
    given(Team).when(lambda team: team.form(name="Sales", lead_id="a b")).refuses("opaque_id", "lead_id")


@pytest.mark.parametrize(("first", "last"), [(date(9999, 10, 1), date(9999, 12, 31)), (date(1, 1, 1), date(1, 3, 1))])
def test_a_cycle_lies_where_every_day_has_an_end(first: date, last: date) -> None:
    given(Cycle).when(opening(starts_on=first, ends_on=last)).refuses("calendar", "starts_on")
