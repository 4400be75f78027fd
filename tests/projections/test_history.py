"""What happened, newest first: before and after, who, why, and where a number comes from."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain.checkin import ScoreKind
from domain.cycle import CycleScoringBegun
from domain.feed import FeedDefined
from domain.key_result import (
    KeyResultCheckedIn,
    KeyResultDraftRevised,
    KeyResultDropped,
    KeyResultReplaced,
    KeyResultScored,
    OverrideLifted,
    OverrideUntil,
    ProgressCorrected,
    ProgressOverridden,
    ProgressRecorded,
    TargetAdjusted,
)
from domain.objective import ObjectiveDraftRevised, ObjectiveScored
from domain.stream import Fact, Text
from projections import history
from projections.moment import Moment
from projections.runner import catch_up
from tests.projections.goals import (
    CYCLE,
    FEED,
    KEY_RESULT,
    OBJECTIVE,
    committed,
    draft_key_result,
    draft_objective,
    measured,
    open_cycle,
)
from tests.projections.teller import BEGIN, Teller

Views = Connection[DictRow]
Item = dict[str, Any]


def items(teller: Teller, connection: Views, **asked: Any) -> list[Item]:
    teller.record()
    moment = Moment(catch_up(connection), teller.now)
    return history.page(connection, moment=moment, after=None, limit=100, **asked)[0]


def newest(teller: Teller, connection: Views, stream: UUID, *facts: Fact, **how: Any) -> Item:
    """Tell facts; the item of the last one."""
    teller.tell(stream, *facts, **how)
    return items(teller, connection, cycle_id=CYCLE)[0]


def test_an_adjustment(teller: Teller, connection: Views) -> None:
    committed(teller).after(days=3)
    adjusted = TargetAdjusted(from_=Decimal("100.0"), to=Decimal(60), effective_at=BEGIN)
    assert newest(teller, connection, KEY_RESULT, adjusted, actor="bert", reason="the market fell") == {
        "position": 7,
        "type": "KeyResult.TargetAdjusted",
        "subject": {"kind": "key_result", "id": str(KEY_RESULT)},
        "actor": {"id": "bert", "kind": "person"},
        "recorded_at": "2026-07-04T08:00:00.000000Z",
        "effective_at": "2026-07-01T08:00:00.000000Z",
        "from": "100.0",
        "to": "60",
        "reason": "the market fell",
        "reason_code": "other",
        "provenance": None,
        "texts": {},
        "data": None,
        "version": 3,
    }


def test_progress_with_its_words(teller: Teller, connection: Views) -> None:
    committed(teller)
    progress = ProgressRecorded(from_=Decimal(1), value=Decimal(2), effective_at=BEGIN, note=Text("好"))
    item = newest(teller, connection, KEY_RESULT, progress)
    assert (item["from"], item["to"], item["texts"]) == ("1", "2", {"note": "好"})
    connection.execute("DELETE FROM people.texts")
    assert items(teller, connection, cycle_id=CYCLE)[0]["texts"] == {"note": None}


def test_where_a_measured_number_comes_from(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.tell(FEED, FeedDefined(name="revenue", key_result_id=KEY_RESULT, definition={"name": "revenue"}))
    stream, recorded = measured("12.5", BEGIN - timedelta(days=1))
    item = newest(teller, connection, stream, recorded, actor="feed:revenue", kind="feed")
    assert item["subject"] == {"kind": "key_result", "id": str(KEY_RESULT)}
    assert item["actor"] == {"id": "feed:revenue", "kind": "feed"}
    assert (item["from"], item["to"], item["data"]) == (None, "12.5", None)
    assert item["provenance"] == {
        "feed_id": str(FEED),
        "feed_revision": 1,
        "effective_by": "event",
        "event_from": "2026-06-30T08:00:00.000000Z",
        "event_to": "2026-06-30T08:00:00.000000Z",
        "ranges": [{"topic": "crm.deals", "epoch": "e1", "partition": 0, "first": 7, "last": 9}],
        "counts": {"matched": 2, "ignored": 1, "dead": 0},
        "evidence": {"contributions": 17, "changes": 2, "sha256": "ab" * 32},
    }
    feed = items(teller, connection, key_result_id=KEY_RESULT)[1]
    assert (feed["type"], feed["subject"]) == ("Feed.Defined", {"kind": "feed", "id": str(FEED)})


def test_before_and_after(teller: Teller, connection: Views) -> None:
    """Also where the fact itself does not say what was before."""
    open_cycle(teller)
    draft_objective(teller, description=Text("because"))
    draft_key_result(teller)

    def change(stream: UUID, *facts: Fact) -> tuple[Any, Any, Any]:
        item = newest(teller, connection, stream, *facts)
        return item["from"], item["to"], item["data"]

    revised = KeyResultDraftRevised(title="Profit", target=Decimal("12.50"), cleared=("unit",))
    assert change(KEY_RESULT, revised) == (
        {"title": "Revenue", "target": "100", "unit": None},
        {"title": "Profit", "target": "12.50", "unit": None},
        None,
    )
    assert change(OBJECTIVE, ObjectiveDraftRevised(owner_id="bert", cleared=("description",))) == (
        {"owner_id": "anna"},
        {"owner_id": "bert", "description": None},
        None,
    )
    check_in = KeyResultCheckedIn(progress=Text("fine"), confidence=7)
    assert change(KEY_RESULT, check_in) == (None, 7, None)
    assert change(KEY_RESULT, KeyResultCheckedIn(progress=Text("well"), confidence=5)) == (7, 5, None)
    score = KeyResultScored(points=Decimal("3.0"), kind=ScoreKind.SELF)
    assert change(KEY_RESULT, score) == (None, "3.0", {"kind": "self"})
    assert change(KEY_RESULT, KeyResultScored(points=Decimal(4), kind=ScoreKind.SELF)) == ("3.0", "4", {"kind": "self"})
    assert change(OBJECTIVE, ObjectiveScored(points=Decimal(2), kind=ScoreKind.REVIEW)) == (
        None,
        "2",
        {"kind": "review"},
    )
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(8), effective_at=BEGIN))
    override = ProgressOverridden(
        value=Decimal(9), effective_at=BEGIN, until=OverrideUntil.DATE, until_on=date(2026, 7, 2)
    )
    assert change(KEY_RESULT, override) == ("8", "9", {"until": "date", "until_on": "2026-07-02"})
    assert change(KEY_RESULT, OverrideLifted()) == ("9", None, None)
    corrected = ProgressCorrected(corrects=7, from_=Decimal(8), to=Decimal(7), effective_at=BEGIN)
    assert change(KEY_RESULT, corrected) == ("8", "7", {"corrects": 7})
    assert change(CYCLE, CycleScoringBegun()) == ("running", "scoring", None)
    assert change(KEY_RESULT, KeyResultReplaced(successor_id=FEED)) == (None, str(FEED), None)
    assert change(KEY_RESULT, KeyResultDropped()) == ("replaced", "dropped", None)


def test_an_override_that_is_over_was_not_in_force(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(8), effective_at=BEGIN))
    override = {"effective_at": BEGIN, "until": OverrideUntil.DATE, "until_on": date(2026, 7, 2)}
    teller.tell(KEY_RESULT, ProgressOverridden(value=Decimal(9), **override))  # type: ignore[arg-type]
    teller.after(days=5)
    again = ProgressOverridden(value=Decimal(10), effective_at=teller.now, until=OverrideUntil.STICKY)
    assert newest(teller, connection, KEY_RESULT, again)["from"] == "8"


def test_whose_history(teller: Teller, connection: Views) -> None:
    """An objective's is also that of its key results, a cycle's that of all that is in it."""
    committed(teller)
    other = UUID(int=9)
    draft_objective(teller, other)

    def positions(**asked: Any) -> list[int]:
        return [item["position"] for item in items(teller, connection, **asked)]

    assert positions(key_result_id=KEY_RESULT) == [6, 4]
    assert positions(objective_id=OBJECTIVE) == [6, 5, 4, 3]
    assert positions(objective_id=other) == [7]
    assert positions(cycle_id=CYCLE) == [7, 6, 5, 4, 3, 2, 1]
    assert positions(cycle_id=UUID(int=1)) == []
    with pytest.raises(ValueError, match="one key result, objective or cycle"):
        positions()


def test_pages_and_filters(teller: Teller, connection: Views) -> None:
    committed(teller)
    for day in range(1, 5):
        teller.after(days=1).tell(KEY_RESULT, ProgressRecorded(value=Decimal(day), effective_at=teller.now))
        stream, recorded = measured(str(day), teller.now)
        teller.tell(stream, recorded, actor="feed:revenue", kind="feed")
    teller.after(days=1).tell(KEY_RESULT, KeyResultDropped(), actor="bert")
    teller.record()
    moment = Moment(catch_up(connection), teller.now)
    for asked in ({"key_result_id": KEY_RESULT}, {"objective_id": OBJECTIVE}, {"cycle_id": CYCLE}):

        def positions(after: str | None = None, limit: int = 100, **by: Any) -> tuple[list[int], str | None]:
            whole = {"moment": moment} | asked | by  # noqa: B023 - called within the loop
            page, following = history.page(connection, after=after, limit=limit, **whole)
            return [item["position"] for item in page], following

        assert positions(limit=3) == ([15, 14, 13], "13")
        assert positions(limit=3, after="13") == ([12, 11, 10], "10")
        assert positions(limit=100, after="7")[1] is None
        assert positions(type="KeyResult.ProgressRecorded")[0] == [13, 11, 9, 7]
        assert positions(type="KeyResult.Dropped")[0] == [15]
        assert positions(type="KeyResult.Unheard")[0] == []
        assert positions(actor="bert")[0] == [15]
        assert positions(actor="feed:revenue", limit=2) == ([14, 12], "12")
        first, last = BEGIN + timedelta(days=2), BEGIN + timedelta(days=3)
        assert positions(from_=first, to=last)[0] == [12, 11, 10, 9]
        assert positions(from_=BEGIN + timedelta(days=9))[0] == []
        assert positions(to=BEGIN - timedelta(days=1))[0] == []
        assert positions(moment=Moment(8, BEGIN), type="Measurement.Recorded")[0] == [8]
