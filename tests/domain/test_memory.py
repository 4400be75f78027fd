"""What is remembered of an aggregate never differs from what its stream says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.application import OkrLedger
from domain.command import Actor, Command
from domain.errors import Conflict, Unknown
from domain.key_result import KeyResult
from domain.measures import Direction
from domain.memory import Memory
from domain.objective import Level, Wording
from domain.stream import Aggregate, Event, Fact
from domain.team import Team
from domain.terms import MilestoneStep, Terms

D = Decimal


def by() -> Command:
    return Command(Actor("root", is_admin=True), datetime.now(UTC))


@pytest.fixture
def key_result(okr: OkrLedger) -> UUID:
    """A committed key result of two milestones."""
    cycle, objective, key_result = uuid4(), uuid4(), uuid4()
    today = datetime.now(UTC).date()
    days = {"starts_on": today, "ends_on": today + timedelta(days=40)}
    okr.open_cycle(cycle, name="Q4", time_zone="UTC", by=by(), **days)
    okr.start_cycle(cycle, by())
    okr.draft_objective(objective, cycle, Wording(title="Share", owner_id="anna", level=Level.COMPANY), by())
    terms = Terms(
        title="Launch",
        owner_id="anna",
        direction=Direction.MILESTONES,
        deadline=days["ends_on"],
        milestones=(MilestoneStep(name="pilot", weight=D(1)), MilestoneStep(name="all", weight=D(1))),
    )
    okr.draft_key_result(key_result, objective, terms, by())
    okr.commit_objective(objective, by())
    return key_result


def test_what_others_recorded_is_seen(okr: OkrLedger, migrated_url: str, key_result: UUID) -> None:
    assert okr.load(KeyResult, key_result).version == 2
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": migrated_url}) as another:
        another.reach_milestone(key_result, 1, by())
    assert okr.load(KeyResult, key_result).reached == {1}
    with pytest.raises(Conflict):
        okr.reach_milestone(key_result, 1, by())


def test_a_decision_that_was_not_saved_leaves_no_trace(okr: OkrLedger, key_result: UUID) -> None:
    okr.load(KeyResult, key_result).reach_milestone(1, by())
    assert okr.load(KeyResult, key_result).reached == set()


def test_a_transaction_that_was_given_up_leaves_no_trace(okr: OkrLedger, key_result: UUID) -> None:
    def fail_after_saving() -> None:
        with okr.record.transaction():
            okr.reach_milestone(key_result, 1, by())
            assert okr.load(KeyResult, key_result).reached == {1}
            raise RuntimeError("the caller changed its mind")

    with pytest.raises(RuntimeError):
        fail_after_saving()
    assert okr.load(KeyResult, key_result).reached == set()
    assert okr.reach_milestone(key_result, 2, by()).version == 3
    assert okr.load(KeyResult, key_result).reached == {2}


def test_a_ledger_that_was_put_back_is_believed(okr: OkrLedger, migrated_url: str, key_result: UUID) -> None:
    okr.reach_milestone(key_result, 1, by())
    assert okr.load(KeyResult, key_result).version == 3
    with psycopg.connect(migrated_url) as administrator:
        administrator.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        administrator.execute("DELETE FROM ledger.events WHERE stream_id = %s AND stream_version = 3", [key_result])
    assert okr.load(KeyResult, key_result).reached == set()


def test_what_is_remembered_is_of_its_kind(okr: OkrLedger, key_result: UUID) -> None:
    okr.load(KeyResult, key_result)
    with pytest.raises(Unknown):
        okr.form_team(uuid4(), name="x", parent_id=key_result, lead_id=None, by=by())
    with pytest.raises(Unknown):
        okr.load(Team, key_result)


def test_no_more_is_remembered_than_allowed() -> None:
    memory, kept = Memory(most=2), [Aggregate(uuid4()) for _ in range(3)]
    for aggregate in kept:
        memory.keep(aggregate, Event(aggregate.id, 1, Fact()))
    assert [memory.of(aggregate.id) is None for aggregate in kept] == [True, False, False]
