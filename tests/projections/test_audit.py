"""The questions of audit on a real ledger: one quarter in which everything happens once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.audit.questions import QUESTIONS
from domain.calendar import end_of_day
from domain.checkin import ScoreKind
from domain.cycle import CycleScoringBegun
from domain.feed import FeedDefined
from domain.key_result import (
    KeyResultCheckedIn,
    KeyResultDropped,
    KeyResultScored,
    MilestoneReached,
    OverrideUntil,
    ProgressCorrected,
    ProgressOverridden,
    ProgressRecorded,
    TargetAdjusted,
    TargetCorrected,
    WeightAdjusted,
)
from domain.measures import Direction
from domain.objective import Level, ObjectiveCheckedIn, ObjectiveCommitted, ObjectiveScored
from domain.stream import Fact, Text
from domain.team import TeamFormed
from ledger.datastore import become
from projections import audit, audited
from projections.answers import Answer
from projections.batches import catch_up
from projections.moment import Moment
from tests.projections.goals import (
    CYCLE,
    FEED,
    LAST_DAY,
    OBJECTIVE,
    STEPS,
    ZONE,
    commit_key_result,
    draft_key_result,
    draft_objective,
    measured,
    open_cycle,
)
from tests.projections.teller import BEGIN, Teller
from tests.support.postgres_server import TestPostgres

D = Decimal
DEADLINE = end_of_day(LAST_DAY, ZONE)
SECOND_OBJECTIVE, TEAM = UUID("0b000000-0000-4000-8000-000000000002"), UUID("7ea00000-0000-4000-8000-000000000001")


def key_result_id(number: int) -> UUID:
    return UUID(int=0x4E000000_0000_4000_8000_000000000000 + number)


LOWERED, LAGS, LEADS, GIVEN_UP, OVERRIDDEN, CORRECTED, LATE, STEPPED, LIMIT, QUIET = map(key_result_id, range(1, 11))
ALL = (LOWERED, LAGS, LEADS, GIVEN_UP, OVERRIDDEN, CORRECTED, LATE, STEPPED, LIMIT, QUIET)


class Quarter:
    """Tells the quarter; `at` are the positions of what the questions are to find."""

    def __init__(self, url: str) -> None:
        self.teller = Teller(url)
        self.at: dict[str, int] = {}
        self.committed: dict[UUID, int] = {}

    def on(self, share: str) -> None:
        """Let that share of the time from the commitment to the deadline have passed."""
        self.teller.now = BEGIN + (DEADLINE - BEGIN) * int(D(share) * 1000) / 1000

    def tell(self, name: str, stream: UUID, fact: Fact, **more: Any) -> None:
        self.at[name] = self.teller.tell(stream, fact, **more)

    def progress(self, name: str, stream: UUID, value: int, ago: timedelta = timedelta(0)) -> None:
        self.tell(name, stream, ProgressRecorded(value=D(value), effective_at=self.teller.now - ago))


def checked_in(confidence: int) -> KeyResultCheckedIn:
    return KeyResultCheckedIn(progress=Text("so so"), confidence=confidence)


def scored(points: str) -> KeyResultScored:
    return KeyResultScored(points=D(points), kind=ScoreKind.SELF)


def goals(quarter: Quarter) -> None:
    teller = quarter.teller
    open_cycle(teller)
    teller.tell(TEAM, TeamFormed(name="The company", lead_id="carl"))
    draft_objective(teller, team_id=TEAM)
    draft_objective(teller, SECOND_OBJECTIVE, level=Level.DEPARTMENT, owner_id="bert")
    terms: dict[UUID, dict[str, Any]] = {
        LAGS: {"objective": SECOND_OBJECTIVE, "weight": D(60)},
        LEADS: {"objective": SECOND_OBJECTIVE, "weight": D(40)},
        STEPPED: {"direction": Direction.MILESTONES, "milestones": STEPS},
        LIMIT: {"direction": Direction.AT_MOST, "target": D(15)},
        QUIET: {"title": "Improve collaboration"},
    }
    for id in ALL:
        draft_key_result(teller, id, **terms.get(id, {}))
    teller.tell(OBJECTIVE, ObjectiveCommitted())
    for id in ALL:
        quarter.committed[id] = commit_key_result(teller, id)
    teller.tell(FEED, FeedDefined(key_result_id=OVERRIDDEN, name="crm", definition={}))


def what_happens(quarter: Quarter) -> None:
    quarter.on("0.05")
    quarter.tell("mistake", CORRECTED, ProgressRecorded(value=D(7), effective_at=quarter.teller.now))
    quarter.on("0.1")
    quarter.tell(
        "value corrected",
        CORRECTED,
        ProgressCorrected(
            corrects=quarter.teller.version(CORRECTED), from_=D(7), to=D(70), effective_at=quarter.teller.now
        ),
    )
    quarter.tell("target corrected", CORRECTED, TargetCorrected(corrects=2, from_=D(100), to=D(101)))
    quarter.progress("limit", LIMIT, 10)
    for id in ALL:
        if id != QUIET:
            for share in ("0.12", "0.26", "0.40"):
                quarter.on(share)
                quarter.teller.tell(id, checked_in(8))
    quarter.on("0.5")
    quarter.progress("lags", LAGS, 20)
    quarter.progress("little", GIVEN_UP, 5)
    quarter.progress("leads", LEADS, 90)
    quarter.tell("weight lowered", LAGS, WeightAdjusted(from_=D(60), to=D(40)))
    quarter.tell("weight raised", LEADS, WeightAdjusted(from_=D(40), to=D(60)))
    quarter.tell("step", STEPPED, MilestoneReached(milestone=1, effective_at=quarter.teller.now - timedelta(days=20)))
    for share in ("0.54", "0.68", "0.76"):
        quarter.on(share)
        for id in ALL:
            if id != QUIET:
                quarter.teller.tell(id, checked_in(8))
    quarter.progress("high", LOWERED, 70)
    quarter.on("0.8")
    quarter.progress("low", LOWERED, 58)
    quarter.progress("backdated", LOWERED, 57, timedelta(days=1))
    quarter.tell("lowered", LOWERED, TargetAdjusted(from_=D(100), to=D(60)), actor="bert", reason="the market fell")
    quarter.tell("given up", GIVEN_UP, KeyResultDropped(), reason="no time")
    quarter.on("0.85")
    for id in ALL:
        if id not in (QUIET, GIVEN_UP):
            quarter.teller.tell(id, checked_in(8))
    quarter.tell("measured", *measured("40", quarter.teller.now, key_result=OVERRIDDEN))
    quarter.on("0.9")
    quarter.tell(
        "overridden",
        OVERRIDDEN,
        ProgressOverridden(value=D(80), effective_at=quarter.teller.now, until=OverrideUntil.STICKY),
    )
    quarter.on("0.97")
    quarter.progress("late", LATE, 90)
    quarter.tell("scoring", CYCLE, CycleScoringBegun())
    quarter.tell("score of the override", OVERRIDDEN, scored("4"))
    quarter.tell("score above", LAGS, scored("1.5"))
    quarter.tell("score in reach", LEADS, scored("4.9"))
    quarter.tell("objective's score", SECOND_OBJECTIVE, ObjectiveScored(points=D(5), kind=ScoreKind.REVIEW))
    quarter.tell(
        "owner's word", OBJECTIVE, ObjectiveCheckedIn(progress=Text("we did"), confidence=5), actor="somebody else"
    )


@pytest.fixture(scope="module")
def told(postgres: TestPostgres, migrated_template: str) -> Iterator[tuple[Quarter, Connection[DictRow]]]:
    """The quarter, told once for all tests here, which only ask."""
    url = postgres.new_database(template=migrated_template)
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
        connection.execute(f'GRANT CREATE ON DATABASE "{connection.info.dbname}" TO okr_app')
        become(connection)
        quarter = Quarter(url)
        goals(quarter)
        what_happens(quarter)
        quarter.teller.record()
        catch_up(connection)
        yield quarter, connection
    postgres.drop_database(url)


Told = tuple[Quarter, Connection[DictRow]]


def asked(told: Told, name: str, position: int | None = None, now: datetime | None = None, **given: str) -> Answer:
    quarter, connection = told
    last = position or len(quarter.teller.told)
    clock = now or quarter.teller.told[last - 1].recorded_at
    parameters = {each: D(value) for each, value in given.items()}
    found = audit.ask(connection, QUESTIONS[name], CYCLE, Moment(last, clock), parameters, after=None, limit=200)
    assert found is not None
    return found


def proofs(told: Told, name: str, **more: Any) -> dict[str | None, list[int]]:
    """The positions of each finding, by the id of what it is about."""
    items = asked(told, name, **more)["items"]
    return {item["key_result_id"] or item["objective_id"]: item["positions"] for item in items}


def positions(quarter: Quarter, id: UUID, *names: str) -> list[int]:
    return sorted([quarter.committed[id], *(quarter.at[name] for name in names)])


@pytest.mark.parametrize(
    ("question", "about", "names"),
    [
        ("lowered_late", LOWERED, ["lowered"]),
        ("lowered_to_reach", LOWERED, ["low", "lowered"]),
        ("lowered_after_bad_news", LOWERED, ["low", "lowered"]),
        ("dropped_late", GIVEN_UP, ["little", "given up"]),
    ],
)
def test_what_was_done_to_promises(told: Told, question: str, about: UUID, names: list[str]) -> None:
    found = proofs(told, question)
    assert list(found) == [str(about)]
    assert found[str(about)] == positions(told[0], about, *names)
    assert asked(told, question)["count"] == 1


def test_a_fall_of_the_value_is_bad_news(told: Told) -> None:
    item = asked(told, "lowered_after_bad_news")["items"][0]
    assert item["figures"]["news"] == "a fall from 70 to 58"
    assert asked(told, "lowered_after_bad_news", within_days="0")["count"] == 1, "it fell in the same second"
    assert item["sentence"] == "lowered from 100 to 60 less than a minute after a fall from 70 to 58"


def test_weight_that_moved(told: Told) -> None:
    quarter = told[0]
    moved = [quarter.at["weight lowered"], quarter.at["weight raised"]]
    assert proofs(told, "weight_moved") == {str(SECOND_OBJECTIVE): moved}
    figures = asked(told, "weight_moved")["items"][0]["figures"]
    assert (figures["rise"], figures["lagging_attainment"]) == ("0.140000", "0.200000")
    assert figures["leading_key_result_id"] == str(LEADS)


def test_scores_above_the_numbers(told: Told) -> None:
    """0.2 gives 1.0, 0.9 gives 4.5; the objective's are weighed 40 to 60 by then: 3.1."""
    answer = asked(told, "scored_above")
    assert {item["key_result_id"] or item["objective_id"]: item["figures"]["excess"] for item in answer["items"]} == {
        str(LAGS): "0.5",
        str(SECOND_OBJECTIVE): "1.9",
    }
    assert answer["sentence"] == "2 of 4 scores lie more than 0.4 points above what the numbers give."


def test_an_override_before_the_score(told: Told) -> None:
    at = told[0].at
    assert proofs(told, "override_before_score") == {
        str(OVERRIDDEN): [at["measured"], at["overridden"], at["score of the override"]]
    }


def test_backdated_facts(told: Told) -> None:
    at = told[0].at
    assert proofs(told, "backdated") == {str(LOWERED): [at["low"], at["backdated"]], str(STEPPED): [at["step"]]}


def test_late_corrections(told: Told) -> None:
    quarter = told[0]
    items = asked(told, "corrected_late")["items"]
    assert [item["positions"] for item in items] == [
        [quarter.at["mistake"], quarter.at["value corrected"]],
        [quarter.teller.told[quarter.committed[CORRECTED] - 1].position, quarter.at["target corrected"]],
    ]


def test_the_course_of_each(told: Told) -> None:
    quarter = told[0]
    found = proofs(told, "hockey_stick")
    assert found == {str(LATE): positions(quarter, LATE, "late")}
    assert proofs(told, "hockey_stick", position=quarter.at["late"] - 1) == {}


def test_who_was_silent(told: Told) -> None:
    (item,) = asked(told, "silent")["items"]
    assert item["key_result_id"] == str(QUIET)
    assert item["positions"] == positions(told[0], QUIET)
    assert item["figures"]["check_ins"] == 0


def test_the_traps(told: Told) -> None:
    assert proofs(told, "no_alignment").keys() == {str(SECOND_OBJECTIVE)}
    assert proofs(told, "vague_key_results").keys() == {str(QUIET)}
    assert asked(told, "vague_key_results")["items"][0]["figures"]["phrase"] == "improve"
    absent = asked(told, "absent_management")
    assert [(item["objective_id"], item["owner_id"]) for item in absent["items"]] == [(None, "carl")]
    many = asked(told, "too_many_goals")
    assert [item["figures"].get("key_results") for item in many["items"]] == [7]
    assert asked(told, "okr_as_kpi")["figures"]["share_lowered_to_reach"] == "0.111111"


def test_earlier_nothing_was_known_of_it(told: Told) -> None:
    lowered = told[0].at["lowered"]
    assert asked(told, "lowered_late", position=lowered - 1)["count"] == 0
    assert asked(told, "lowered_late", position=lowered)["count"] == 1
    assert asked(told, "lowered_late", position=lowered)["position"] == lowered


@pytest.mark.parametrize("name", QUESTIONS)
def test_pages_of_objectives_change_nothing(told: Told, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(told, name)
    monkeypatch.setattr(audited, "OBJECTIVES_A_PAGE", 1)
    assert asked(told, name) == whole


def test_findings_come_in_pages(told: Told) -> None:
    quarter, connection = told
    moment = Moment(len(quarter.teller.told), quarter.teller.now)
    question = QUESTIONS["scored_above"]
    first = audit.ask(connection, question, CYCLE, moment, {}, after=None, limit=1)
    assert first is not None
    second = audit.ask(connection, question, CYCLE, moment, {}, after=first["next"], limit=1)
    assert second is not None
    assert first["count"] == second["count"] == 2
    assert "next" not in second
    assert [*first["items"], *second["items"]] == asked(told, "scored_above")["items"]


def test_an_unknown_cycle(told: Told) -> None:
    moment = Moment(1, datetime.now(UTC))
    assert audit.ask(told[1], QUESTIONS["silent"], UUID(int=1), moment, {}, after=None, limit=1) is None
