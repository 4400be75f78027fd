"""Replay: every frame, put together with those before it, says what the tree says at its moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain.calendar import end_of_day
from domain.key_result import OverrideUntil, ProgressOverridden, ProgressRecorded, TargetAdjusted
from domain.measures import Direction, expectation
from domain.stream import FACTS
from projections import replay
from projections.answers import figure
from projections.moment import BadMoment, FutureMoment, Moment, resolve
from projections.reading import BadCursor
from projections.replay import Asked
from projections.runner import catch_up
from projections.sentences import sentence
from projections.stops import BadStep, Span, step_of, stop_times
from projections.tree import tree
from tests.projections.goals import CYCLE, KEY_RESULT, ZONE, committed
from tests.projections.histories import History
from tests.projections.teller import Teller

Views = Connection[DictRow]
Json = dict[str, Any]


def frames_of(connection: Views, now: datetime, *, id: UUID = CYCLE, page: int = 1_000, **asked: Any) -> list[Json]:
    """All frames, page by page."""
    ask = replay.of_cycle if id == CYCLE else replay.of_objective
    step, cursor, found = step_of(asked.pop("step", "P1D")), None, []
    while True:
        moment = resolve(connection, now=now)
        answer = ask(connection, id, Asked(step, page, cursor=cursor, **asked), moment)
        assert answer is not None
        read = orjson.loads(orjson.dumps(answer))
        assert len(read["frames"]) <= page
        found += read["frames"]
        cursor = read.get("next")
        if cursor is None:
            return found


class Seen:
    """What a reader of frames knows, who puts them together."""

    def __init__(self) -> None:
        self.cycle: Json = {}
        self.states: dict[str, Json] = {}

    def see(self, frame: Json) -> None:
        self.cycle = frame["cycle"] or self.cycle
        for state in (*frame["objectives"], *frame["key_results"]):
            self.states[state["id"]] = state
        for figures in frame["figures"]:
            self.states[figures["id"]] |= figures

    def tree(self, clock: datetime) -> Json:
        """As the tree says it, with the pace brought to the clock."""
        branches: list[Json] = []
        parts: dict[str, list[Json]] = {}
        for state in self.states.values():
            if "objective_id" in state:
                parts.setdefault(state["objective_id"], []).append(state | {"pace": self._pace(state, clock)})
            else:
                branches.append(state)
        return {
            "cycle": self.cycle,
            "objectives": [branch | {"key_results": parts.get(branch["id"], [])} for branch in branches],
        }

    def _pace(self, state: Json, clock: datetime) -> Json | None:
        if state["pace"] is None:
            return None
        due = end_of_day(datetime.fromisoformat(state["deadline"]).date(), ZONE)
        is_limit = Direction(state["direction"]).is_limit
        found = expectation(datetime.fromisoformat(state["committed_at"]), due, clock, is_limit=is_limit)
        return {
            "elapsed": figure(found.elapsed),
            "expected": figure(found.expected),
            "status": state["pace"]["status"],
        }


@pytest.mark.parametrize("page", [1_000, 7])
@pytest.mark.parametrize("step", ["facts", "adjustments", "P1D", "PT7H"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_frame_is_the_tree_of_its_moment(teller: Teller, connection: Views, seed: int, step: str, page: int) -> None:
    history = History(teller, seed)
    history.begin()
    history.go_on(60)
    teller.record()
    catch_up(connection)
    end = teller.now + timedelta(days=20)
    seen = Seen()
    frames = frames_of(connection, end, step=step, page=page, to=end)
    for frame in frames:
        clock = datetime.fromisoformat(frame["moment"])
        seen.see(frame)
        there = tree(connection, CYCLE, Moment(frame["position"], clock))
        assert seen.tree(clock) == orjson.loads(orjson.dumps(there))
    assert [frame["number"] for frame in frames] == list(range(len(frames)))
    assert datetime.fromisoformat(frames[-1]["moment"]) == end


@pytest.mark.parametrize("step", ["facts", "PT12H"])
def test_an_objective_alone(teller: Teller, connection: Views, step: str) -> None:
    """With its key results and nothing of others, from when it was drafted."""
    history = History(teller, 3)
    history.begin()
    history.go_on(40)
    teller.record()
    catch_up(connection)
    end = teller.now + timedelta(days=1)
    id = history.objectives[1]
    seen = Seen()
    frames = frames_of(connection, end, id=id, step=step, to=end)
    for frame in frames:
        clock = datetime.fromisoformat(frame["moment"])
        seen.see(frame)
        there = orjson.loads(orjson.dumps(tree(connection, CYCLE, Moment(frame["position"], clock))))
        there["objectives"] = [each for each in there["objectives"] if each["id"] == str(id)]
        assert seen.tree(clock) == there
    told = [fact["position"] for frame in frames for fact in frame["facts"]]
    about = {id, *(key for key, state in seen.states.items() if "objective_id" in state)}
    wanted = [each for each in teller.told if str(each.stream) in map(str, about) and each.position > told[0]]
    assert set(told) >= {each.position for each in wanted}


def test_facts_fall_into_the_frame_that_first_knows_them(teller: Teller, connection: Views) -> None:
    committed(teller.after(days=2))
    begin = teller.now
    teller.after(hours=5).tell(KEY_RESULT, ProgressRecorded(value=Decimal(40), effective_at=teller.now))
    adjusted = teller.after(hours=1).tell(
        KEY_RESULT, TargetAdjusted(from_=Decimal(100), to=Decimal(60)), reason="the market fell"
    )
    teller.record()
    catch_up(connection)
    frames = frames_of(connection, begin + timedelta(hours=30), step="PT6H")
    assert [frame["fact_count"] for frame in frames] == [0, 2, 0, 0, 0, 0]
    value, move = frames[1]["facts"]
    assert (value["from"], value["to"], value["sentence"]["zh"]) == (None, "40", "进展值 – → 40")
    assert move == {
        "position": adjusted,
        "type": "KeyResult.TargetAdjusted",
        "subject": {"kind": "key_result", "id": str(KEY_RESULT)},
        "actor": {"id": "anna", "kind": "person"},
        "recorded_at": "2026-07-03T14:00:00.000000Z",
        "effective_at": None,
        "from": "100",
        "to": "60",
        "reason_code": "other",
        "reason": "the market fell",
        "texts": {},
        "sentence": {"en": "Target 100 → 60", "zh": "目标值 100 → 60"},
    }
    assert [state["target"] for state in frames[1]["key_results"]] == ["60"]
    assert frames[2]["key_results"] == []
    adjustments = frames_of(connection, begin + timedelta(hours=30), step="adjustments")
    assert [frame["position"] for frame in adjustments] == [adjusted - 2, adjusted, adjusted]


def test_of_many_facts_those_that_are_more_than_a_value_are_told(teller: Teller, connection: Views) -> None:
    committed(teller)
    begin = teller.now
    moved = teller.after(minutes=1).tell(KEY_RESULT, TargetAdjusted(from_=Decimal(100), to=Decimal(60)), reason="less")
    for value in range(40):
        teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(value), effective_at=teller.now))
    teller.record()
    catch_up(connection)
    frame = frames_of(connection, begin + timedelta(hours=1), step="PT1H")[1]
    assert frame["fact_count"] == 41
    positions = [fact["position"] for fact in frame["facts"]]
    assert positions == [moved, *range(moved + 17, moved + 41)]


def test_an_override_that_runs_out_shows_the_value_behind_it(teller: Teller, connection: Views) -> None:
    """No fact says so: the clock alone changes the state."""
    committed(teller)
    begin = teller.now
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(20), effective_at=begin))
    until = OverrideUntil.DATE
    override = ProgressOverridden(value=Decimal(80), effective_at=begin, until=until, until_on=begin.date())
    teller.after(minutes=1).tell(KEY_RESULT, override)
    teller.record()
    catch_up(connection)
    frames = frames_of(connection, begin + timedelta(days=2), step="P1D")
    assert [[state["value"] for state in frame["key_results"]] for frame in frames] == [["20"], ["20"], []]


def test_the_span_is_the_cycle_as_far_as_it_has_come(teller: Teller, connection: Views) -> None:
    opened = datetime(2026, 6, 20, tzinfo=UTC)
    teller.now = opened
    committed(teller)
    teller.record()
    catch_up(connection)

    def span(now: datetime, **asked: Any) -> tuple[str, str]:
        frames = frames_of(connection, now, **asked)
        return frames[0]["moment"][:16], frames[-1]["moment"][:16]

    assert span(opened + timedelta(days=3)) == ("2026-06-20T00:00", "2026-06-23T00:00"), "its first day is to come"
    assert span(datetime(2026, 8, 1, tzinfo=UTC)) == ("2026-06-30T16:00", "2026-08-01T00:00"), "to now"
    assert span(datetime(2027, 8, 1, tzinfo=UTC)) == ("2026-06-30T16:00", "2026-09-30T16:00"), "to its last day"
    early = opened - timedelta(days=9)
    assert span(datetime(2026, 8, 1, tzinfo=UTC), from_=early) == ("2026-06-20T00:00", "2026-08-01T00:00")
    teller.now = datetime(2026, 10, 9, tzinfo=UTC)
    teller.tell(KEY_RESULT, ProgressRecorded(value=Decimal(1), effective_at=teller.now))
    teller.record()
    catch_up(connection)
    assert span(datetime(2027, 8, 1, tzinfo=UTC)) == ("2026-06-30T16:00", "2026-10-09T00:00"), "to its last fact"
    with pytest.raises(FutureMoment):
        span(opened, to=opened + timedelta(days=1))
    with pytest.raises(BadMoment):
        span(datetime(2026, 8, 1, tzinfo=UTC), to=early)
    with pytest.raises(BadMoment):
        span(datetime(2026, 8, 1, tzinfo=UTC), to=opened, from_=opened + timedelta(days=1))


def test_whole_days_pass_as_on_the_clocks_of_the_cycle() -> None:
    begin, end = (datetime(2026, 10, day, 22, tzinfo=UTC) for day in (23, 27))
    span = Span(begin, end, 1)
    times = stop_times(span, timedelta(days=1), ZoneInfo("Europe/Berlin"), 9)
    assert [moment.strftime("%d %H") for moment in times] == ["23 22", "24 22", "25 23", "26 23", "27 22"]
    assert len(stop_times(span, timedelta(hours=12), ZoneInfo("Europe/Berlin"), 99)) == 9
    assert stop_times(Span(begin, end, 1, number=4), timedelta(days=1), ZoneInfo("Europe/Berlin"), 9) == [end]
    assert stop_times(Span(begin, end, 1, number=5), timedelta(days=1), ZoneInfo("Europe/Berlin"), 9) == []


@pytest.mark.parametrize("text", ["", "P", "PT", "PT0H", "P0D", "PT30M", "P8D", "PT169H", "P1M", "1", "FACTS", "P1D\n"])
def test_steps_that_are_none(text: str) -> None:
    with pytest.raises(BadStep):
        step_of(text)


@pytest.mark.parametrize("text", ["facts", "adjustments", "PT1H", "P7D", "PT99H", "PT168H"])
def test_steps(text: str) -> None:
    assert step_of(text).text == text


def test_cursors_that_no_page_gave_out(teller: Teller, connection: Views) -> None:
    committed(teller).record()
    catch_up(connection)
    moment = resolve(connection, now=teller.now)
    for cursor in ("", "1", "a", "0.1.2.3.0", "1.2.1.3.0", "1.1.2.3.4", "1.1.2.999.3", "999999999.1.2.3.0"):
        with pytest.raises(BadCursor):
            replay.of_cycle(connection, CYCLE, Asked(step_of("P7D"), 5, cursor=cursor), moment)


def test_every_fact_has_a_sentence_of_its_own() -> None:
    """In both languages; whoever adds a kind of fact is told here to put it into words."""
    plain: Json = {"from": None, "to": "1", "data": {}}
    strange = [type for type in FACTS if type != "Team.Formed" and sentence(plain | {"type": type})["zh"] == type]
    assert strange == []
