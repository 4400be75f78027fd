"""What if: with nothing left out the fold says what the views say; with something left out, what another history would.

The histories are random, and the second question has an oracle: tell another ledger the same facts without those.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from domain import key_result as kr
from domain.errors import Invalid, Unknown
from domain.feed import FeedDefined
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from domain.objective import ObjectiveRephrased
from domain.scoring import HUNDRED_0_100
from domain.stream import Fact
from domain.whatif.folding import Goals, When
from projections.answers import figure, measure
from projections.moment import Moment, resolve
from projections.runner import catch_up
from projections.tree import tree
from projections.whatif import Scope, Supposed, lines_about, what_if
from tests.projections import oracle
from tests.projections.goals import (
    CYCLE,
    FEED,
    KEY_RESULT,
    OBJECTIVE,
    ZONE,
    committed,
    draft_key_result,
    measured,
    open_cycle,
)
from tests.projections.histories import History
from tests.projections.sent import sent
from tests.projections.teller import Teller, Told

Views = Connection[DictRow]
Answer = dict[str, Any]
WHOLE = Scope("cycle", CYCLE)
MAY_BE_MISSING: tuple[type[Fact], ...] = (
    kr.TargetAdjusted,
    kr.WeightAdjusted,
    kr.DeadlineAdjusted,
    kr.ProgressRecorded,
    kr.ProgressCorrected,
    kr.TargetCorrected,
    kr.ProgressOverridden,
    kr.OverrideLifted,
    kr.MilestoneReached,
    kr.KeyResultDropped,
    kr.KeyResultScored,
    MeasurementRecorded,
    MeasurementWindowMoved,
)


def told_all(teller: Teller, connection: Views) -> Moment:
    """The views with all that was told, a day later."""
    teller.record()
    catch_up(connection)
    return resolve(connection, now=teller.now + timedelta(days=1))


def check_fold_like_views(connection: Views, moment: Moment) -> None:
    """Every key result, folded from the ledger's lines alone, is what the read models say."""
    views = sent(tree(connection, CYCLE, moment))
    parts = [part for branch in views["objectives"] for part in branch["key_results"]]
    goals = Goals(ZONE)
    for line in lines_about(connection, [UUID(part["id"]) for part in parts], moment):
        goals.take(line)
    assert len(goals.key_results) == len(parts)
    for part in parts:
        folded = goals.key_results[UUID(part["id"])].standing(When(moment.clock, moment.effective_at))
        assert (folded.title, folded.unit, folded.state) == (part["title"], part["unit"], part["state"])
        assert str(folded.objective_id) == part["objective_id"]
        assert [measure(folded.value), measure(folded.target), measure(folded.weight)] == [
            part["value"],
            part["target"],
            part["weight"],
        ]
        assert figure(folded.attainment) == part["attainment"]


def check_like_the_views(found: Answer, connection: Views, moment: Moment) -> None:
    views = sent(tree(connection, CYCLE, moment))
    assert [each["id"] for each in found["objectives"]] == [each["id"] for each in views["objectives"]]
    parts = {part["id"]: part for branch in views["objectives"] for part in branch["key_results"]}
    assert {part["id"] for part in found["key_results"]} == parts.keys()
    for part in found["key_results"]:
        assert not part["is_changed"]
        view = parts[part["id"]]
        assert part["title"] == view["title"]
        for name in ("state", "value", "target", "weight", "attainment"):
            assert part["real"][name] == part["hypothetical"][name] == view[name], (name, part, view)
        score = {name: part["real"][name] for name in ("points", "band", "advice")}
        assert score == (view["computed"] or dict.fromkeys(score))
    for objective, view in zip(found["objectives"], views["objectives"], strict=True):
        assert objective["real"] == objective["hypothetical"]
        assert objective["real"]["attainment"] == view["attainment"]
        assert objective["real"]["points"] == (view["computed"] or {}).get("points")


@pytest.mark.parametrize("seed", range(30, 34))
def test_with_nothing_left_out_it_says_what_the_views_say(teller: Teller, connection: Views, seed: int) -> None:
    history = History(teller, seed)
    history.begin()
    history.go_on(120)
    teller.record()
    catch_up(connection)
    begin, end = teller.told[0].recorded_at, teller.now + timedelta(days=20)
    for number in range(25):
        as_of = begin + (end - begin) * history.random.random()
        effective_at = begin - timedelta(days=3) + (end - begin) * history.random.random() if number % 2 else None
        moment = resolve(connection, now=end, as_of=as_of, effective_at=effective_at)
        check_fold_like_views(connection, moment)
        found = sent(what_if(connection, WHOLE, Supposed(), moment))
        check_like_the_views(found, connection, moment)
        assert (found["left_out"], found["changed_key_results"]) == (0, 0)
        assert found["cycle"]["real"] == found["cycle"]["hypothetical"]


@pytest.mark.parametrize("seed", range(40, 44))
def test_what_is_left_out_counts_as_if_it_had_never_been(teller: Teller, connection: Views, seed: int) -> None:
    """Against the slow and plain fold of the facts that are left."""
    history = History(teller, seed)
    history.begin()
    history.go_on(140)
    moment = told_all(teller, connection)
    real = sent(tree(connection, CYCLE, moment))
    may = [told.position for told in teller.told if isinstance(told.fact, MAY_BE_MISSING)]
    for _ in range(12):
        missing = set(history.random.sample(may, history.random.randint(1, 12)))
        missing |= corrections_of(teller.told, missing)
        world = oracle.fold(told for told in teller.told if told.position not in missing)
        found = sent(what_if(connection, WHOLE, Supposed(without=tuple(sorted(missing))), moment))
        assert found["left_out"] == len(missing)
        views = {part["id"]: part for branch in real["objectives"] for part in branch["key_results"]}
        for part in found["key_results"]:
            assert part["real"]["attainment"] == views[part["id"]]["attainment"]
            expected = oracle.state(world.key_results[UUID(part["id"])], moment.clock)
            names = ("state", "value", "target", "weight", "attainment")
            assert {name: part["hypothetical"][name] for name in names} == {name: expected[name] for name in names}
        for objective in found["objectives"]:
            parts = [part for part in world.key_results.values() if str(part.objective_id) == objective["id"]]
            rolled = oracle.roll_up(parts, moment.clock)
            shown = rolled and {"clamped": oracle.shown(rolled[0]), "unclamped": oracle.shown(rolled[1])}
            assert objective["hypothetical"]["attainment"] == shown


def corrections_of(told: list[Told], missing: set[int]) -> set[int]:
    """The corrections of those facts: they say nothing without them."""
    versions = {(each.stream, each.version) for each in told if each.position in missing}
    return {
        each.position
        for each in told
        if isinstance(each.fact, kr.ProgressCorrected | kr.TargetCorrected)
        and (each.stream, each.fact.corrects) in versions
    }


# Worked examples


def lowered(teller: Teller) -> tuple[int, int]:
    """From 100 to 60 on day 60 of 90, 48 on day 90; the positions of the adjustment and the value."""
    committed(teller)
    teller.after(days=60)
    move = teller.tell(KEY_RESULT, kr.TargetAdjusted(from_=Decimal(100), to=Decimal(60)))
    teller.after(days=30)
    return move, teller.tell(KEY_RESULT, kr.ProgressRecorded(value=Decimal(48), effective_at=teller.now))


def part_of(found: Answer) -> tuple[Answer, Answer]:
    (part,) = found["key_results"]
    return part["real"], part["hypothetical"]


def asked(connection: Views, moment: Moment, scope: Scope = WHOLE, **supposed: Any) -> Answer:
    return sent(what_if(connection, scope, Supposed(**supposed), moment))


def test_without_an_adjustment_the_promise_counts(teller: Teller, connection: Views) -> None:
    move, _ = lowered(teller)
    found = asked(connection, told_all(teller, connection), without=(move,))
    real, other = part_of(found)
    assert (real["target"], real["attainment"], real["points"]) == ("60", "0.800000", "4.0")
    assert (other["target"], other["attainment"], other["points"]) == ("100", "0.480000", "2.4")
    assert (other["band"], other["advice"]) == ("below_half", "goal_or_execution")
    assert found["cycle"]["hypothetical"]["attainment"] == {"clamped": "0.480000", "unclamped": "0.480000"}
    assert found["changed_key_results"] == found["key_result_count"] == 1
    assert found["sentence"] == (
        f"Without position {move}, “2026 Q3” would stand at 48.0 % instead of 80.0 % and have 2.4 points instead of "
        "4.0; 1 of 1 key result would differ."
    )


def test_targets_as_committed_leave_out_every_adjustment_and_keep_corrections(
    teller: Teller, connection: Views
) -> None:
    move, _ = lowered(teller)
    teller.tell(KEY_RESULT, kr.TargetAdjusted(from_=Decimal(60), to=Decimal(40)))
    teller.tell(KEY_RESULT, kr.TargetCorrected(corrects=3, from_=Decimal(60), to=Decimal(50)))
    teller.tell(KEY_RESULT, kr.TargetCorrected(corrects=2, from_=Decimal(100), to=Decimal(96)))
    scope = Scope("objective", OBJECTIVE)
    found = asked(connection, told_all(teller, connection), scope, targets_as_committed=True)
    real, other = part_of(found)
    assert (real["target"], real["attainment"]) == ("40", "1.200000")
    assert (other["target"], other["attainment"], found["left_out"]) == ("96", "0.500000", 2)
    assert found["cycle"] is None
    at_the_move = resolve(connection, now=teller.now, as_of_position=move)
    assert asked(connection, at_the_move, scope, targets_as_committed=True)["left_out"] == 1
    assert found["sentence"].startswith("Against the targets as they were committed, “Chips for all” would stand at 50")


def test_without_a_value_the_one_before_counts_and_its_correction_goes_with_it(
    teller: Teller, connection: Views
) -> None:
    committed(teller).after(days=1)
    teller.tell(KEY_RESULT, kr.ProgressRecorded(value=Decimal(10), effective_at=teller.now))
    teller.after(days=1)
    wrong = teller.tell(KEY_RESULT, kr.ProgressRecorded(value=Decimal(99), effective_at=teller.now))
    teller.tell(
        KEY_RESULT, kr.ProgressCorrected(corrects=4, from_=Decimal(99), to=Decimal(30), effective_at=teller.now)
    )
    real, other = part_of(asked(connection, told_all(teller, connection), without=(wrong,)))
    assert (real["value"], other["value"]) == ("30", "10")


def test_without_a_feed_what_people_said_counts_and_an_override_stands_on(teller: Teller, connection: Views) -> None:
    committed(teller)
    teller.tell(FEED, FeedDefined(name="revenue", key_result_id=KEY_RESULT, definition={"name": "revenue"}))
    teller.after(days=1).tell(
        KEY_RESULT,
        kr.ProgressOverridden(value=Decimal(7), effective_at=teller.now, until=kr.OverrideUntil.NEXT_MESSAGE),
    )
    for number in (20, 30):
        teller.after(days=1).tell(*measured(str(number), teller.now), actor="feed:revenue", kind="feed")
    moment = told_all(teller, connection)
    scope = Scope("key_result", KEY_RESULT)
    found = asked(connection, moment, scope, without_feed=FEED)
    real, other = part_of(found)
    assert (real["value"], other["value"], found["left_out"]) == ("30", "7", 2)
    assert (found["objectives"], found["cycle"]) == ([], None)
    assert found["sentence"] == (
        "Without what the feed revenue measured, “Revenue” would stand at 7.0 % instead of 30.0 % "
        "and have 1.0 points instead of 1.5."
    )


def test_time_alone_does_not_end_an_override_until_the_next_message(teller: Teller, connection: Views) -> None:
    committed(teller).after(days=1)
    stream, fact = measured("20", teller.now)
    message = teller.tell(stream, fact, actor="feed:revenue", kind="feed")
    override = kr.ProgressOverridden(
        value=Decimal(7), effective_at=teller.now, until=kr.OverrideUntil.NEXT_MESSAGE, until_on=None
    )
    teller.tell(KEY_RESULT, override)
    moved = MeasurementWindowMoved(
        feed_id=FEED,
        feed_revision=1,
        key_result_id=KEY_RESULT,
        value=Decimal(30),
        effective_at=teller.after(days=1).now,
        evidence=fact.evidence,
    )
    teller.tell(stream, moved, actor="feed:revenue", kind="feed")
    real, other = part_of(asked(connection, told_all(teller, connection), without=(message,)))
    assert (real["value"], other["value"]) == ("7", "7")


def test_only_a_feed_that_measures_in_the_scope_can_be_left_out(teller: Teller, connection: Views) -> None:
    committed(teller)
    elsewhere = UUID(int=7)
    draft_key_result(teller, elsewhere)
    teller.tell(FEED, FeedDefined(name="revenue", key_result_id=elsewhere, definition={"name": "revenue"}))
    moment = told_all(teller, connection)
    scope = Scope("key_result", KEY_RESULT)
    assert refused(connection, moment, scope, without_feed=FEED) == {"without_feed": "outside_scope"}
    assert refused(connection, moment, scope, without_feed=OBJECTIVE) == {"without_feed": "unknown_feed"}
    assert asked(connection, moment, without_feed=FEED)["changed_key_results"] == 0


def test_another_policy_moves_points_only(teller: Teller, connection: Views) -> None:
    lowered(teller)
    found = asked(connection, told_all(teller, connection), policy=HUNDRED_0_100)
    real, other = part_of(found)
    assert (real["attainment"], real["points"]) == (other["attainment"], "4.0")
    assert (other["points"], found["policy"]["name"]) == ("80", "guide_1_5")
    assert found["supposed"]["policy"]["maximum"] == "100"
    assert "scored by hundred_0_100 instead of guide_1_5" in found["sentence"].lower()


# Refusals


def refused(connection: Views, moment: Moment, scope: Scope = WHOLE, **supposed: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refusal:
        asked(connection, moment, scope, **supposed)
    return {breach.field: breach.rule for breach in refusal.value.breaches}


def test_what_cannot_be_left_out_is_named(teller: Teller, connection: Views) -> None:
    move, value = lowered(teller)
    other = UUID(int=7)
    draft_key_result(teller, other)
    teller.tell(OBJECTIVE, ObjectiveRephrased(from_="a", to="b"))
    moment = told_all(teller, connection)
    position = {type(told.fact).TYPE: told.position for told in teller.told}
    scope = Scope("key_result", KEY_RESULT)
    without = (move, position["KeyResult.Committed"], position["Objective.Rephrased"], 99, value)
    assert refused(connection, moment, scope, without=without) == {
        "without.1": "cannot_be_left_out",
        "without.2": "outside_scope",
        "without.3": "unknown_position",
    }
    drafted = [told.position for told in teller.told if isinstance(told.fact, kr.KeyResultDrafted)]
    replaced = teller.tell(other, kr.KeyResultReplaced(successor_id=UUID(int=8)))
    moment = told_all(teller, connection)
    roots = (
        *drafted,
        replaced,
        position["Objective.Drafted"],
        position["Objective.Committed"],
        position["Cycle.Opened"],
    )
    assert refused(connection, moment, without=roots) == {
        f"without.{number}": "cannot_be_left_out" for number in range(len(roots))
    }
    earlier = resolve(connection, now=moment.clock, as_of_position=move)
    assert refused(connection, earlier, without=(value,)) == {"without.0": "unknown_position"}


def test_a_scope_that_is_not_there_is_unknown(teller: Teller, connection: Views) -> None:
    moment = told_all(committed(teller), connection)
    for kind in ("cycle", "objective", "key_result"):
        with pytest.raises(Unknown) as unknown:
            asked(connection, moment, Scope(kind, UUID(int=1)))
        assert unknown.value.breaches[0].field == f"scope.{kind}_id"


def test_a_cycle_without_goals_has_no_figures(teller: Teller, connection: Views) -> None:
    open_cycle(teller)
    found = asked(connection, told_all(teller, connection), targets_as_committed=True)
    assert (found["key_results"], found["cycle"]["real"]["attainment"]) == ([], None)
    assert found["sentence"].endswith("“2026 Q3” would still be without a goal.")


def test_pages_of_lines_make_one_history(teller: Teller, connection: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(teller, 50)
    history.begin()
    history.go_on(150)
    moment = told_all(teller, connection)
    scope = Scope("objective", history.objectives[0])
    whole = asked(connection, moment, targets_as_committed=True)
    objective = asked(connection, moment, scope, targets_as_committed=True)
    assert whole["left_out"] > objective["left_out"] > 0
    monkeypatch.setattr("projections.whatif.LINES_A_PAGE", 7)
    assert asked(connection, moment, targets_as_committed=True) == whole
    assert asked(connection, moment, scope, targets_as_committed=True) == objective
    assert objective["objectives"][0] == whole["objectives"][0]
