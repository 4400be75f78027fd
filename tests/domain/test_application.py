"""The use cases on a real ledger: who may, what belongs together, and what happens at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.application import OkrLedger
from domain.checkin import ScoreKind
from domain.command import Actor, Command, ReasonCode, Why
from domain.errors import Conflict, Forbidden, Invalid, Stale, Unknown
from domain.goal import GoalState
from domain.key_result import KeyResult
from domain.measures import Direction
from domain.objective import Level, Objective, Wording
from domain.stream import Text
from domain.terms import Terms
from ledger.recorder import VersionConflict

D = Decimal


def by(actor: str = "root", *, version: int | None = None, why: bool = True) -> Command:
    reason = Why(ReasonCode.SCOPE, Text("because")) if why else Why()
    return Command(Actor(actor, is_admin=actor == "root"), datetime.now(UTC), reason, expected_version=version)


class Quarter:
    """A running cycle with a team, an objective of that team, and a committed key result."""

    def __init__(self, okr: OkrLedger) -> None:
        self.okr = okr
        today = datetime.now(UTC).date()
        self.deadline = today + timedelta(days=30)
        self.cycle, self.team, self.objective, self.key_result = (uuid4() for _ in range(4))
        okr.open_cycle(
            self.cycle,
            name="Q4",
            starts_on=today - timedelta(days=30),
            ends_on=today + timedelta(days=40),
            time_zone="Asia/Shanghai",
            by=by(),
        )
        okr.start_cycle(self.cycle, by())
        okr.form_team(self.team, name="Sales", parent_id=None, lead_id="lead", by=by())
        okr.draft_objective(self.objective, self.cycle, self.wording(), by("anybody"))
        okr.draft_key_result(self.key_result, self.objective, self.terms(), by("anybody"))
        okr.commit_objective(self.objective, by("owner"))

    def wording(self, **changes: Any) -> Wording:
        usual: dict[str, Any] = {"title": "Share", "owner_id": "owner", "level": Level.DEPARTMENT, "team_id": self.team}
        return Wording(**usual | changes)

    def terms(self, **changes: Any) -> Terms:
        usual: dict[str, Any] = {
            "title": "Revenue",
            "owner_id": "anna",
            "direction": Direction.INCREASE,
            "target": D(100),
            "deadline": self.deadline,
        }
        return Terms(**usual | changes)

    def state(self) -> KeyResult:
        return self.okr.load(KeyResult, self.key_result)


@pytest.fixture
def quarter(okr: OkrLedger) -> Quarter:
    return Quarter(okr)


def test_an_objective_is_committed_with_its_key_results(quarter: Quarter) -> None:
    assert quarter.state().state is GoalState.COMMITTED
    assert quarter.okr.load(Objective, quarter.objective).state is GoalState.COMMITTED


def test_one_that_cannot_be_committed_stops_all_of_them(quarter: Quarter) -> None:
    objective, good, late = uuid4(), uuid4(), uuid4()
    quarter.okr.draft_objective(objective, quarter.cycle, quarter.wording(), by())
    quarter.okr.draft_key_result(good, objective, quarter.terms(), by())
    past = datetime.now(UTC).date() - timedelta(days=3)
    quarter.okr.draft_key_result(late, objective, quarter.terms(deadline=past), by())
    with pytest.raises(Invalid):
        quarter.okr.commit_objective(objective, by())
    assert quarter.okr.load(Objective, objective).state is GoalState.DRAFT
    assert quarter.okr.load(KeyResult, good).state is GoalState.DRAFT


RESPONSIBLE: dict[str, Callable[[Quarter, Command], object]] = {
    "progress": lambda q, c: q.okr.record_progress(q.key_result, D(5), c),
    "target": lambda q, c: q.okr.adjust_target(q.key_result, D(60), c),
    "weight": lambda q, c: q.okr.adjust_weight(q.key_result, D(3), c),
    "check-in": lambda q, c: q.okr.check_in_on_key_result(q.key_result, c, progress="p", confidence=5),
    "score": lambda q, c: q.okr.score_key_result(q.key_result, c, points=D(3), kind=ScoreKind.SELF, comment=None),
    "drop": lambda q, c: q.okr.drop_key_result(q.key_result, c),
}


@pytest.mark.parametrize("what", RESPONSIBLE)
def test_the_owner_the_lead_and_admins_may_and_nobody_else(quarter: Quarter, what: str) -> None:
    for stranger in ("stranger", "owner"):
        with pytest.raises(Forbidden):
            RESPONSIBLE[what](quarter, by(stranger))
    actor = {"progress": "anna", "target": "lead", "weight": "root"}.get(what, "lead")
    RESPONSIBLE[what](quarter, by(actor))


@pytest.mark.parametrize(
    ("reviewer", "is_allowed"), [("lead", True), ("root", True), ("anna", False), ("owner", False)]
)
def test_a_review_is_the_leads_or_an_admins(quarter: Quarter, reviewer: str, is_allowed: bool) -> None:
    def review() -> object:
        return quarter.okr.score_key_result(
            quarter.key_result, by(reviewer), points=D(3), kind=ScoreKind.REVIEW, comment=None
        )

    if is_allowed:
        review()
    else:
        with pytest.raises(Forbidden):
            review()


def test_whoever_decided_on_an_older_version_is_told(quarter: Quarter) -> None:
    with pytest.raises(Stale):
        quarter.okr.adjust_target(quarter.key_result, D(60), by(version=1))
    assert quarter.okr.adjust_target(quarter.key_result, D(60), by(version=2)).version == 3


def test_an_id_serves_once(quarter: Quarter) -> None:
    with pytest.raises(Conflict):
        quarter.okr.draft_key_result(quarter.key_result, quarter.objective, quarter.terms(), by())
    with pytest.raises(Conflict):
        quarter.okr.form_team(quarter.cycle, name="x", parent_id=None, lead_id=None, by=by())


@pytest.mark.parametrize(
    "attempt",
    [
        lambda q: q.okr.record_progress(uuid4(), D(1), by()),
        lambda q: q.okr.record_progress(q.objective, D(1), by()),
        lambda q: q.okr.draft_objective(uuid4(), uuid4(), q.wording(), by()),
        lambda q: q.okr.draft_objective(uuid4(), q.cycle, q.wording(team_id=uuid4()), by()),
        lambda q: q.okr.draft_objective(uuid4(), q.cycle, q.wording(supports=(uuid4(),)), by()),
        lambda q: q.okr.close_cycle(uuid4(), by()),
        lambda q: q.okr.draft_key_result(uuid4(), q.cycle, q.terms(), by()),
    ],
)
def test_what_is_not_there_is_said(quarter: Quarter, attempt: Callable[[Quarter], object]) -> None:
    size = quarter.okr.recorder.max_notification_id()
    with pytest.raises(Unknown):
        attempt(quarter)
    assert quarter.okr.recorder.max_notification_id() == size


def test_a_replacement_ends_one_and_drafts_the_other(quarter: Quarter) -> None:
    successor = uuid4()
    quarter.okr.replace_key_result(quarter.key_result, successor, quarter.terms(title="Repurchase rate"), by("lead"))
    assert quarter.state().state is GoalState.REPLACED
    assert quarter.okr.load(KeyResult, successor).state is GoalState.DRAFT
    with pytest.raises(Forbidden):
        quarter.okr.commit_key_result(successor, by("anna"))
    quarter.okr.commit_key_result(successor, by("owner"))


def test_the_key_results_of_a_dropped_objective_are_dropped_with_it(quarter: Quarter) -> None:
    quarter.okr.drop_objective(quarter.objective, by("owner"))
    assert quarter.state().state is GoalState.DROPPED
    with pytest.raises(Conflict):
        quarter.okr.draft_key_result(uuid4(), quarter.objective, quarter.terms(), by())


def test_a_correction_names_a_fact_of_the_key_result(quarter: Quarter) -> None:
    position = quarter.okr.record_progress(quarter.key_result, D(50), by("anna")).position
    assert position is not None
    quarter.okr.correct(quarter.key_result, position, by("anna"), value=D(5))
    assert quarter.state().last_value == D(5)
    with pytest.raises(Conflict):
        quarter.okr.correct(quarter.key_result, 1, by("anna"), value=D(5))
    with pytest.raises(Conflict):
        quarter.okr.correct(quarter.key_result, 10_000, by("anna"), value=D(5))


def test_nothing_is_written_to_a_closed_cycle(quarter: Quarter) -> None:
    quarter.okr.begin_scoring(quarter.cycle, by())
    quarter.okr.close_cycle(quarter.cycle, by())
    for decide in RESPONSIBLE.values():
        with pytest.raises(Conflict):
            decide(quarter, by())
    with pytest.raises(Conflict):
        quarter.okr.draft_objective(uuid4(), quarter.cycle, quarter.wording(), by())
    quarter.okr.reopen_cycle(quarter.cycle, by())
    RESPONSIBLE["progress"](quarter, by())


def test_a_cycle_closes_while_eight_write_and_nothing_comes_after(quarter: Quarter, migrated_url: str) -> None:
    key_results = [uuid4() for _ in range(8)]
    objective = uuid4()
    quarter.okr.draft_objective(objective, quarter.cycle, quarter.wording(), by())
    for key_result in key_results:
        quarter.okr.draft_key_result(key_result, objective, quarter.terms(), by())
    quarter.okr.commit_objective(objective, by())
    quarter.okr.begin_scoring(quarter.cycle, by())

    def write(key_result: UUID) -> int:
        for written in range(10_000):
            try:
                quarter.okr.record_progress(key_result, D(written), by())
            except VersionConflict:  # decided in an open cycle that closed before the fact was in: decide again
                continue
            except Conflict:
                return written
        return -1

    with ThreadPoolExecutor(9) as pool:
        writers = [pool.submit(write, key_result) for key_result in key_results]
        while (quarter.okr.recorder.max_notification_id() or 0) < 100:
            pass
        closed = pool.submit(quarter.okr.close_cycle, quarter.cycle, by()).result(60)
        written = [writer.result(60) for writer in writers]
    assert sum(written) > 0
    with psycopg.connect(migrated_url) as connection:
        last = connection.execute("SELECT position, type FROM ledger.events ORDER BY position DESC LIMIT 1").fetchone()
    assert last == (closed.position, "Cycle.Closed")


def test_what_was_decided_before_the_cycle_closed_is_not_recorded_after(quarter: Quarter) -> None:
    okr = quarter.okr
    key_result = quarter.state()
    okr.begin_scoring(quarter.cycle, by())
    scoring = okr.record.hold_cycle(quarter.cycle)
    closed = okr.close_cycle(quarter.cycle, by())
    key_result.record_progress(D(5), by())
    with pytest.raises(VersionConflict):
        okr.save(key_result, by=by(), cycle=scoring)
    assert okr.recorder.max_notification_id() == closed.position


def test_two_who_decide_at_once_on_one_key_result_do_not_overwrite_each_other(quarter: Quarter) -> None:
    def adjust(target: int) -> bool:
        try:
            quarter.okr.adjust_target(quarter.key_result, D(target), by())
        except VersionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        succeeded = list(pool.map(adjust, range(60, 76)))
    assert any(succeeded)
    assert quarter.state().version == 2 + sum(succeeded)


def test_two_who_begin_one_stream_at_once_are_told_apart(quarter: Quarter) -> None:
    def draft(id: UUID) -> bool:
        try:
            quarter.okr.draft_key_result(id, quarter.objective, quarter.terms(), by())
        except (Conflict, VersionConflict):
            return False
        return True

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(draft, [uuid4()] * 8)) == 1
