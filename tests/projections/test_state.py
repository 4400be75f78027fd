"""What facts make of cycles, teams, objectives, key results and feeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain.checkin import ScoreKind, StatedStatus
from domain.cycle import CycleClosed, CycleReopened, CycleScoringBegun, CycleStarted
from domain.feed import FeedDefined, FeedGapFound, FeedPaused, FeedResumed, FeedRevised, GapKind
from domain.key_result import (
    KeyResultCheckedIn,
    KeyResultDraftRevised,
    KeyResultScored,
    MilestoneReached,
    ProgressRecorded,
)
from domain.measures import Direction
from domain.objective import (
    Level,
    ObjectiveCheckedIn,
    ObjectiveCommitted,
    ObjectiveDrafted,
    ObjectiveDraftRevised,
    ObjectiveRephrased,
    ObjectiveReplaced,
    ObjectiveScored,
)
from domain.stream import Text
from domain.team import TeamFormed
from domain.terms import MilestoneStep
from projections import cycles, feeds, key_results, objectives, teams
from projections.moment import BeforeCreation, Moment
from projections.reading import BadCursor
from projections.runner import catch_up
from tests.projections.goals import (
    CYCLE,
    FEED,
    KEY_RESULT,
    OBJECTIVE,
    STEPS,
    commit_key_result,
    committed,
    draft_key_result,
    draft_objective,
    open_cycle,
)
from tests.projections.teller import BEGIN, Teller

Views = Connection[DictRow]
TEAM = UUID("7e000000-0000-4000-8000-000000000001")


@pytest.fixture
def now(teller: Teller, connection: Views) -> Callable[[], Moment]:
    """Lets the views follow what was told; the moment after it."""

    def follow() -> Moment:
        teller.record()
        return Moment(catch_up(connection), teller.now)

    return follow


Now = Callable[[], Moment]


def test_a_cycle_turns(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    states = []
    for fact in (CycleScoringBegun(), CycleClosed(), CycleReopened()):
        teller.tell(CYCLE, fact)
        states.append(found(cycles.get(connection, CYCLE, now()))["state"])
    assert states == ["scoring", "closed", "scoring"]
    assert cycles.get(connection, CYCLE, Moment(2, BEGIN)) == {
        "id": str(CYCLE),
        "name": "2026 Q3",
        "starts_on": "2026-07-01",
        "ends_on": "2026-09-30",
        "time_zone": "Asia/Shanghai",
        "state": "running",
        "version": 2,
        "position": 2,
    }


def found(answer: dict[str, Any] | None) -> dict[str, Any]:
    assert answer is not None
    return answer


def test_a_team(teller: Teller, connection: Views, now: Now) -> None:
    below = UUID(int=TEAM.int + 1)
    teller.tell(TEAM, TeamFormed(name="Chips"))
    teller.tell(below, TeamFormed(name="Yield", parent_id=TEAM, lead_id="cleo"))
    moment = now()
    assert teams.get(connection, below, moment) == {
        "id": str(below),
        "name": "Yield",
        "parent_id": str(TEAM),
        "lead_id": "cleo",
        "version": 1,
        "position": 2,
    }
    assert ids(teams.page(connection, moment, None, 10)) == [str(TEAM), str(below)]
    assert ids(teams.page(connection, moment, None, 10, parent_id=TEAM)) == [str(below)]
    assert ids(teams.page(connection, moment, None, 10, lead_id="dora")) == []


def ids(page: tuple[list[dict[str, Any]], str | None]) -> list[str]:
    return [item["id"] for item in page[0]]


def test_what_is_unknown_and_what_was_begun_later(teller: Teller, connection: Views, now: Now) -> None:
    committed(teller)
    moment = now()
    nobody = UUID(int=1)
    asked: list[tuple[Any, UUID]] = [(cycles, CYCLE), (objectives, OBJECTIVE), (key_results, KEY_RESULT)]
    for view, id in asked:
        assert view.get(connection, nobody, moment) is None
        assert view.get(connection, id, moment)["id"] == str(id)
        with pytest.raises(BeforeCreation):
            view.get(connection, id, Moment(0, BEGIN))


def test_a_draft_of_a_key_result_is_revised(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    draft_objective(teller)
    draft_key_result(teller, unit="EUR", weight=Decimal("2.50"))
    revision = KeyResultDraftRevised(
        title="Profit", target=Decimal("12.50"), deadline=date(2026, 8, 31), cleared=("unit",)
    )
    teller.tell(KEY_RESULT, revision)
    answer = found(key_results.get(connection, KEY_RESULT, now()))
    assert answer == {
        "id": str(KEY_RESULT),
        "objective_id": str(OBJECTIVE),
        "cycle_id": str(CYCLE),
        "title": "Profit",
        "owner_id": "anna",
        "direction": "increase",
        "unit": None,
        "baseline": "0",
        "target": "12.50",
        "value": None,
        "value_effective_at": None,
        "value_source": None,
        "deadline": "2026-08-31",
        "weight": "2.50",
        "state": "draft",
        "milestones": None,
        "attainment": None,
        "computed": None,
        "pace": None,
        "original": None,
        "score": None,
        "confidence": None,
        "stated_status": None,
        "replaces": None,
        "replaced_by": None,
        "feed_id": None,
        "version": 2,
        "position": 5,
        "committed_at": None,
    }
    commit = teller.after(days=1).tell(KEY_RESULT, _commitment(answer))
    answer = found(key_results.get(connection, KEY_RESULT, now()))
    assert answer["original"] == {"target": "12.50", "deadline": "2026-08-31", "weight": "2.50"}
    assert (answer["state"], answer["position"]) == ("committed", commit)
    assert answer["committed_at"] == "2026-07-02T08:00:00.000000Z"
    assert answer["pace"] == {"elapsed": "0.000000", "expected": "0.000000", "status": "on_track"}


def _commitment(answer: dict[str, Any]) -> Any:
    from domain.key_result import KeyResultCommitted

    return KeyResultCommitted(
        baseline=Decimal(answer["baseline"]),
        target=Decimal(answer["target"]),
        deadline=date.fromisoformat(answer["deadline"]),
        weight=Decimal(answer["weight"]),
    )


def test_pace_follows_the_clock(teller: Teller, connection: Views, now: Now) -> None:
    """The deadline is the end of the day in the cycle's zone: 16:00 UTC of 30 September."""
    committed(teller)
    teller.after(days=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(50), effective_at=teller.now))
    position = now().position
    deadline = BEGIN + timedelta(days=91, hours=8)

    def status_at(share: float) -> str:
        moment = Moment(position, BEGIN + (deadline - BEGIN) * share)
        return str(found(key_results.get(connection, KEY_RESULT, moment))["pace"]["status"])

    assert [status_at(share) for share in (0.5, 0.555, 0.556, 0.833, 0.834, 1, 2)] == [
        "on_track",
        "on_track",
        "at_risk",
        "at_risk",
        "behind",
        "behind",
        "behind",
    ]


def test_milestones(teller: Teller, connection: Views, now: Now) -> None:
    committed(teller, direction=Direction.MILESTONES, milestones=STEPS)
    teller.after(days=2).tell(KEY_RESULT, MilestoneReached(milestone=2, effective_at=BEGIN + timedelta(days=1)))
    moment = now()
    answer = found(key_results.get(connection, KEY_RESULT, moment))
    assert answer["attainment"] == "0.750000"
    assert answer["milestones"] == [
        {"name": "design", "weight": "1", "reached_at": None},
        {"name": "launch", "weight": "3", "reached_at": "2026-07-02T08:00:00.000000Z"},
    ]
    before = Moment(moment.position, moment.clock, effective_at=BEGIN + timedelta(hours=23))
    answer = found(key_results.get(connection, KEY_RESULT, before))
    assert answer["attainment"] == "0.000000"
    assert [step["reached_at"] for step in answer["milestones"]] == [None, None]


def test_drafted_milestones_are_revised(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    draft_objective(teller)
    draft_key_result(teller)
    steps = (MilestoneStep(name="only", weight=Decimal("1.0")),)
    teller.tell(
        KEY_RESULT,
        KeyResultDraftRevised(direction=Direction.MILESTONES, milestones=steps, cleared=("baseline", "target")),
    )
    answer = found(key_results.get(connection, KEY_RESULT, now()))
    assert answer["milestones"] == [{"name": "only", "weight": "1.0", "reached_at": None}]
    assert (answer["direction"], answer["baseline"], answer["target"]) == ("milestones", None, None)


def test_check_ins_and_scores(teller: Teller, connection: Views, now: Now) -> None:
    committed(teller)
    said = Text("fine")
    for id, check_in, score in (
        (KEY_RESULT, KeyResultCheckedIn, KeyResultScored),
        (OBJECTIVE, ObjectiveCheckedIn, ObjectiveScored),
    ):
        teller.tell(id, check_in(progress=said, confidence=3, status=StatedStatus.AT_RISK))
        teller.tell(
            id, score(points=Decimal("3.5"), kind=ScoreKind.SELF), score(points=Decimal(4), kind=ScoreKind.REVIEW)
        )
    moment = now()
    for answer in (key_results.get(connection, KEY_RESULT, moment), objectives.get(connection, OBJECTIVE, moment)):
        answer = found(answer)
        assert answer["confidence"] == 3
        assert answer["stated_status"] == "at_risk"
        assert answer["score"] == {"self": "3.5", "review": "4"}
        assert answer["state"] == "scored"


def test_the_computed_score_stands_beside_a_persons(teller: Teller, connection: Views, now: Now) -> None:
    committed(teller)
    before = now()
    for get, id in ((key_results.get, KEY_RESULT), (objectives.get, OBJECTIVE)):
        assert found(get(connection, id, before))["computed"] is None
    for value, points, band, advice in (
        ("-5", "1.0", "below_half", "goal_or_execution"),
        ("49.99", "2.5", "below_half", "goal_or_execution"),
        ("50", "2.5", "below", None),
        ("60", "3.0", "ideal", None),
        ("70.01", "3.5", "above", None),
        ("130", "5.0", "conservative", "goal_too_conservative"),
    ):
        teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(value), effective_at=teller.now))
        moment = now()
        computed = {"points": points, "band": band, "advice": advice}
        assert found(key_results.get(connection, KEY_RESULT, moment))["computed"] == computed
        assert found(objectives.get(connection, OBJECTIVE, moment))["computed"] == computed
    teller.tell(KEY_RESULT, KeyResultScored(points=Decimal("2.0"), kind=ScoreKind.SELF))
    answer = found(key_results.get(connection, KEY_RESULT, now()))
    assert (answer["score"]["self"], answer["computed"]["points"]) == ("2.0", "5.0")


def test_an_objectives_computed_points_are_the_weighted_mean(teller: Teller, connection: Views, now: Now) -> None:
    """Of its key results' points, where the least is 1: not of their attainments."""
    committed(teller, weight=Decimal(3))
    silent = UUID(int=KEY_RESULT.int + 1)
    draft_key_result(teller, silent, weight=Decimal(1))
    commit_key_result(teller, silent)
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(80), effective_at=teller.now))
    answer = found(objectives.get(connection, OBJECTIVE, now()))
    assert answer["attainment"]["clamped"] == "0.600000"
    assert answer["computed"] == {"points": "3.2", "band": "ideal", "advice": None}


def test_an_objective(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    supported, successor = UUID(int=5), UUID(int=6)
    draft_objective(teller, description=Text("because"), level=Level.DEPARTMENT, team_id=TEAM, supports=(supported,))
    teller.tell(OBJECTIVE, ObjectiveDraftRevised(title="More chips"))
    moment = now()
    answer = found(objectives.get(connection, OBJECTIVE, moment))
    assert answer == {
        "id": str(OBJECTIVE),
        "cycle_id": str(CYCLE),
        "title": "More chips",
        "description": "because",
        "owner_id": "anna",
        "level": "department",
        "team_id": str(TEAM),
        "supports": [str(supported)],
        "state": "draft",
        "attainment": None,
        "computed": None,
        "score": None,
        "confidence": None,
        "stated_status": None,
        "replaces": None,
        "replaced_by": None,
        "version": 2,
        "position": 4,
    }
    cleared = ObjectiveDraftRevised(description=None, cleared=("description", "supports", "team_id"))
    teller.tell(OBJECTIVE, cleared, ObjectiveCommitted(), ObjectiveRephrased(from_="More chips", to="Most chips"))
    teller.tell(OBJECTIVE, ObjectiveReplaced(successor_id=successor))
    teller.tell(
        successor,
        ObjectiveDrafted(cycle_id=CYCLE, title="All chips", owner_id="bert", level=Level.COMPANY, replaces=OBJECTIVE),
    )
    later = now()
    answer = found(objectives.get(connection, OBJECTIVE, later))
    assert (answer["description"], answer["team_id"], answer["supports"]) == (None, None, [])
    assert (answer["title"], answer["state"]) == ("Most chips", "replaced")
    assert answer["replaced_by"] == str(successor)
    assert found(objectives.get(connection, successor, later))["replaces"] == str(OBJECTIVE)
    assert found(objectives.get(connection, OBJECTIVE, moment))["description"] == "because"


def test_an_erased_description_is_gone_at_once(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    draft_objective(teller, description=Text("because of Carla"))
    moment = now()
    connection.execute("DELETE FROM people.texts")
    assert found(objectives.get(connection, OBJECTIVE, moment))["description"] is None


def test_pages_and_filters(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    draft_objective(teller)
    keys = [UUID(int=100 + number) for number in range(5)]
    for number, key in enumerate(keys):
        draft_key_result(teller, key, owner_id="anna" if number % 2 else "bert")
    commit_key_result(teller, keys[3])
    moment = now()
    texts = [str(key) for key in keys]
    seen, cursor = [], None
    while True:
        items, cursor = key_results.page(connection, moment, cursor, 2)
        seen.append([item["id"] for item in items])
        if cursor is None:
            break
    assert seen == [texts[:2], texts[2:4], texts[4:]]

    def filtered(**by: Any) -> list[str]:
        return ids(key_results.page(connection, moment, None, 10, **by))

    assert filtered(owner_id="anna") == [texts[1], texts[3]]
    assert filtered(owner_id="anna", state="committed") == [texts[3]]
    assert filtered(objective_id=OBJECTIVE, cycle_id=CYCLE) == texts
    assert filtered(objective_id=CYCLE) == []
    assert ids(key_results.page(connection, Moment(5, BEGIN), None, 10, state="draft")) == texts[:2]
    assert ids(objectives.page(connection, moment, None, 10, level="company", owner_id="anna")) == [str(OBJECTIVE)]
    assert ids(objectives.page(connection, moment, None, 10, state="committed")) == []
    assert ids(cycles.page(connection, moment, None, 10, state="running")) == [str(CYCLE)]
    assert ids(cycles.page(connection, Moment(1, BEGIN), None, 10, state="running")) == []


def test_a_filter_asks_for_the_owner_of_that_moment(teller: Teller, connection: Views, now: Now) -> None:
    from domain.objective import ObjectiveOwnerChanged

    open_cycle(teller)
    draft_objective(teller)
    teller.tell(OBJECTIVE, ObjectiveOwnerChanged(from_="anna", to="bert"))
    moment = now()
    assert ids(objectives.page(connection, moment, None, 10, owner_id="anna")) == []
    assert ids(objectives.page(connection, Moment(3, BEGIN), None, 10, owner_id="anna")) == [str(OBJECTIVE)]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1 ", "１", "9" * 19])
def test_a_cursor_of_nobody(teller: Teller, connection: Views, now: Now, cursor: str) -> None:
    moment = now_of_nothing(teller, now)
    with pytest.raises(BadCursor):
        key_results.page(connection, moment, cursor, 10)


def now_of_nothing(teller: Teller, now: Now) -> Moment:
    open_cycle(teller)
    return now()


def test_a_feed(teller: Teller, connection: Views, now: Now) -> None:
    committed(teller)
    teller.tell(FEED, FeedDefined(name="revenue", key_result_id=KEY_RESULT, definition={"value": {"expr": "1"}}))
    first = now()
    teller.tell(FEED, FeedRevised(revision=2, definition={"value": {"expr": "2\n"}}), FeedPaused())
    second = now()
    teller.tell(FEED, FeedResumed())
    teller.tell(FEED, FeedGapFound(kind=GapKind.RETENTION, topic="t", epoch="e", partition=0, first=1, next=5))
    third = now()
    assert feeds.get(connection, FEED, second) == {
        "id": str(FEED),
        "name": "revenue",
        "key_result_id": str(KEY_RESULT),
        "cycle_id": str(CYCLE),
        "definition": {"value": {"expr": "2\n"}},
        "revision": 2,
        "is_paused": True,
        "gaps": 0,
        "version": 3,
        "position": second.position,
    }
    assert found(feeds.get(connection, "revenue", first))["definition"] == {"value": {"expr": "1"}}
    assert feeds.get(connection, "income", third) is None
    answer = found(feeds.get(connection, FEED, third))
    assert (answer["is_paused"], answer["gaps"]) == (False, 1)
    assert ids(feeds.page(connection, third, None, 10, key_result_id=KEY_RESULT, is_paused=False)) == [str(FEED)]
    assert ids(feeds.page(connection, second, None, 10, is_paused=False)) == []
    key_result = found(key_results.get(connection, KEY_RESULT, third))
    assert key_result["feed_id"] == str(FEED)
    assert key_result["position"] < first.position  # a feed's facts are no facts of its key result


def test_words_that_copy_must_not_misread(teller: Teller, connection: Views, now: Now) -> None:
    """Titles with what means something to COPY."""
    open_cycle(teller)
    title = "a\\N b\\t 'c' \"d\" {e} 好 \\"
    draft_objective(teller, title=title)
    assert found(objectives.get(connection, OBJECTIVE, now()))["title"] == title


def test_a_cycle_that_only_starts(teller: Teller, connection: Views, now: Now) -> None:
    open_cycle(teller)
    teller.tell(CYCLE, CycleStarted())
    assert found(cycles.get(connection, CYCLE, now()))["version"] == 3
