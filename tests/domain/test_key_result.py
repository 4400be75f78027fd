"""What a key result decides: for each decision a success, a refusal, and what happens on repeating it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain import key_result as k
from domain.checkin import ScoreKind, StatedStatus
from domain.command import ReasonCode, Why
from domain.errors import Refusal
from domain.key_result import KeyResult, OverrideUntil
from domain.measures import Direction
from domain.stream import Event, Fact, Text
from domain.terms import MilestoneStep, Terms
from tests.domain.spec import BECAUSE, CYCLE, NOW, STREAM, by, given

D = Decimal
OBJECTIVE = UUID(int=2)
DEADLINE = date(2026, 12, 31)


def terms(**changes: Any) -> Terms:
    usual: dict[str, Any] = {
        "title": "Revenue",
        "owner_id": "anna",
        "direction": Direction.INCREASE,
        "baseline": D(0),
        "target": D(100),
        "deadline": DEADLINE,
    }
    return Terms(**usual | changes)


def drafted(**changes: Any) -> Fact:
    values = {name: getattr(terms(**changes), name) for name in Terms.__slots__}
    return k.KeyResultDrafted(objective_id=OBJECTIVE, cycle_id=CYCLE.id, **values)


DRAFT = [drafted()]
COMMITTED = [*DRAFT, k.KeyResultCommitted(baseline=D(0), target=D(100), deadline=DEADLINE)]
DROPPED = [*COMMITTED, k.KeyResultDropped()]
MILESTONES = [
    drafted(
        direction=Direction.MILESTONES,
        baseline=None,
        target=None,
        milestones=(MilestoneStep(name="sample", weight=D(1)), MilestoneStep(name="series", weight=D(3))),
    ),
    k.KeyResultCommitted(deadline=DEADLINE),
]
LIMIT = [
    drafted(direction=Direction.AT_MOST, baseline=None, target=D("0.3")),
    k.KeyResultCommitted(target=D("0.3"), deadline=DEADLINE),
]


class TestDraft:
    def test_a_measure_is_drafted(self) -> None:
        given(KeyResult).when(lambda kr: kr.draft(OBJECTIVE, terms(), CYCLE)).then(drafted())

    def test_what_rises_starts_from_zero_where_not_said(self) -> None:
        given(KeyResult).when(lambda kr: kr.draft(OBJECTIVE, terms(baseline=None), CYCLE)).then(drafted())

    @pytest.mark.parametrize(
        ("changes", "rule", "field"),
        [
            ({"title": "  "}, "not_empty", "title"),
            ({"title": "x" * 301}, "length", "title"),
            ({"title": "a\x00b"}, "characters", "title"),
            ({"owner_id": "anna@example.org"}, "opaque_id", "owner_id"),
            ({"target": D(0)}, "target_equals_baseline", "target"),
            ({"target": D(-5)}, "target_across_baseline", "target"),
            ({"direction": Direction.DECREASE}, "target_across_baseline", "target"),
            ({"direction": Direction.DECREASE, "baseline": None}, "measure", "baseline"),
            ({"target": None}, "measure", "target"),
            ({"direction": Direction.AT_LEAST}, "measure", "baseline"),
            ({"direction": Direction.MILESTONES}, "measure", "milestones"),
            ({"milestones": (MilestoneStep(name="a", weight=D(1)),)}, "measure", "milestones"),
            ({"weight": D(-1)}, "weight", "weight"),
            ({"deadline": date(2027, 1, 1)}, "deadline_in_cycle", "deadline"),
            ({"deadline": date(2026, 9, 30)}, "deadline_in_cycle", "deadline"),
            ({"unit": "x" * 33}, "length", "unit"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, changes: dict[str, Any], rule: str, field: str) -> None:
        given(KeyResult).when(lambda kr: kr.draft(OBJECTIVE, terms(**changes), CYCLE)).refuses(rule, field)

    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        wrong = terms(title="", target=D(0), weight=D(-1), deadline=date(2030, 1, 1))
        refused = given(KeyResult).when(lambda kr: kr.draft(OBJECTIVE, wrong, CYCLE))
        for field in ("title", "target", "weight", "deadline"):
            assert refused.refusal is not None
            assert field in [breach.field for breach in refused.refusal.breaches]


class TestRevise:
    def test_only_what_changed_is_in_the_fact(self) -> None:
        changes = {"target": D(120), "weight": D(2), "title": "Revenue"}
        given(KeyResult, *DRAFT).when(lambda kr: kr.revise(changes, CYCLE)).then(
            k.KeyResultDraftRevised(target=D(120), weight=D(2))
        )

    def test_what_is_taken_away_is_named(self) -> None:
        given(KeyResult, drafted(unit="EUR")).when(lambda kr: kr.revise({"unit": None}, CYCLE)).then(
            k.KeyResultDraftRevised(cleared=("unit",))
        )

    def test_the_same_again_changes_nothing(self) -> None:
        given(KeyResult, *DRAFT).when(lambda kr: kr.revise({"target": D(100)}, CYCLE)).then()

    def test_a_committed_one_is_adjusted_not_revised(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.revise({"target": D(1)}, CYCLE)).refuses("not_draft")

    def test_what_is_required_cannot_be_taken_away(self) -> None:
        given(KeyResult, *DRAFT).when(lambda kr: kr.revise({"title": None}, CYCLE)).refuses("required", "title")


class TestCommit:
    def test_the_promise_is_repeated_in_the_fact(self) -> None:
        given(KeyResult, *DRAFT).when(lambda kr: kr.commit(by(), CYCLE)).then(COMMITTED[-1])

    def test_only_a_draft_is_committed(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.commit(by(), CYCLE)).refuses("not_draft")

    @pytest.mark.parametrize(("hour", "is_refused"), [(15, False), (16, True)])
    def test_the_deadline_is_the_end_of_its_day_in_the_time_zone_of_the_cycle(
        self, hour: int, is_refused: bool
    ) -> None:
        # 31 December ends in Shanghai at 16:00 UTC.
        now = datetime(2026, 12, 31, hour, tzinfo=UTC)
        sentence = given(KeyResult, *DRAFT).when(lambda kr: kr.commit(by(now=now), CYCLE))
        if is_refused:
            sentence.refuses("deadline_passed", "deadline")
        else:
            sentence.then(COMMITTED[-1])


ADJUSTMENTS: list[tuple[Callable[[KeyResult, Any], None], Fact]] = [
    (lambda kr, c: kr.adjust_target(D(60), c), k.TargetAdjusted(from_=D(100), to=D(60))),
    (lambda kr, c: kr.adjust_weight(D(2), c), k.WeightAdjusted(to=D(2))),
    (
        lambda kr, c: kr.adjust_deadline(date(2026, 12, 1), c, CYCLE),
        k.DeadlineAdjusted(from_=DEADLINE, to=date(2026, 12, 1)),
    ),
    (lambda kr, c: kr.change_owner("bert", c), k.KeyResultOwnerChanged(from_="anna", to="bert")),
    (lambda kr, c: kr.rephrase("Profit", c), k.KeyResultRephrased(from_="Revenue", to="Profit")),
]
ENDS: list[tuple[Callable[[KeyResult, Any], None], Fact]] = [
    (lambda kr, c: kr.drop(c), k.KeyResultDropped()),
    (lambda kr, c: kr.replace_by(UUID(int=9), c), k.KeyResultReplaced(successor_id=UUID(int=9))),
]


@pytest.mark.parametrize(("decide", "fact"), ADJUSTMENTS + ENDS, ids=lambda value: getattr(value, "TYPE", ""))
class TestChangesAfterCommitment:
    def test_it_happens_with_a_reason(self, decide: Callable[[KeyResult, Any], None], fact: Fact) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: decide(kr, by())).then(fact)

    @pytest.mark.parametrize(
        ("why", "field"),
        [
            (Why(), "reason_code"),
            (Why(ReasonCode.OTHER), "reason"),
            (Why(text=Text("because")), "reason_code"),
        ],
    )
    def test_never_without_a_reason(
        self, decide: Callable[[KeyResult, Any], None], fact: Fact, why: Why, field: str
    ) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: decide(kr, by(why=why))).refuses("reason_required", field)

    def test_repeating_it_is_refused(self, decide: Callable[[KeyResult, Any], None], fact: Fact) -> None:
        rule = "key_result_ended" if (decide, fact) in ENDS else "unchanged"
        given(KeyResult, *COMMITTED, fact).when(lambda kr: decide(kr, by())).refuses(rule)

    def test_not_after_its_end(self, decide: Callable[[KeyResult, Any], None], fact: Fact) -> None:
        given(KeyResult, *DROPPED).when(lambda kr: decide(kr, by())).refuses("key_result_ended")


@pytest.mark.parametrize(("decide", "fact"), ADJUSTMENTS, ids=lambda value: getattr(value, "TYPE", ""))
def test_a_draft_is_not_adjusted(decide: Callable[[KeyResult, Any], None], fact: Fact) -> None:
    given(KeyResult, *DRAFT).when(lambda kr: decide(kr, by())).refuses("not_committed")


def test_a_draft_is_dropped_without_a_reason() -> None:
    given(KeyResult, *DRAFT).when(lambda kr: kr.drop(by(why=Why()))).then(k.KeyResultDropped())


class TestAdjustTarget:
    @pytest.mark.parametrize(
        ("target", "rule"), [(D(0), "target_equals_baseline"), (D(-1), "target_across_baseline"), (D(100), "unchanged")]
    )
    def test_the_target_stays_on_its_side(self, target: Decimal, rule: str) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.adjust_target(target, by())).refuses(rule, "target")

    def test_it_may_have_held_before_but_not_later(self) -> None:
        then = NOW - timedelta(days=3)
        given(KeyResult, *COMMITTED).when(lambda kr: kr.adjust_target(D(60), by(), effective_at=then)).then(
            k.TargetAdjusted(from_=D(100), to=D(60), effective_at=then)
        )
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.adjust_target(D(60), by(), effective_at=NOW + timedelta(seconds=1))
        ).refuses("not_in_future", "effective_at")

    def test_milestones_have_no_target(self) -> None:
        given(KeyResult, *MILESTONES).when(lambda kr: kr.adjust_target(D(60), by())).refuses("no_target")

    def test_a_limit_moves_either_way(self) -> None:
        given(KeyResult, *LIMIT).when(lambda kr: kr.adjust_target(D("0.5"), by())).then(
            k.TargetAdjusted(from_=D("0.3"), to=D("0.5"))
        )

    def test_the_new_deadline_lies_in_the_cycle(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.adjust_deadline(date(2027, 1, 1), by(), CYCLE)).refuses(
            "deadline_in_cycle", "deadline"
        )

    def test_a_weight_is_not_negative(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.adjust_weight(D(-1), by())).refuses("weight", "weight")


class TestCorrect:
    ADJUSTED = (*COMMITTED, k.TargetAdjusted(from_=D(100), to=D(60)))

    @staticmethod
    def mistake(number: int, fact: Fact, hours: float = 1) -> Event:
        return Event(STREAM, number, fact, number, NOW - timedelta(hours=hours))

    def test_a_target_written_down_wrongly(self) -> None:
        mistake = self.mistake(3, self.ADJUSTED[2])
        given(KeyResult, *self.ADJUSTED).when(lambda kr: kr.correct(mistake, by(), target=D(66), value=None)).then(
            k.TargetCorrected(corrects=3, from_=D(60), to=D(66))
        )

    def test_an_earlier_target_does_not_move_the_present_one(self) -> None:
        correction = k.TargetCorrected(corrects=2, from_=D(100), to=D(110))
        sentence = given(KeyResult, *self.ADJUSTED).when(
            lambda kr: kr.correct(self.mistake(2, self.ADJUSTED[1]), by(), target=D(110), value=None)
        )
        sentence.then(correction)
        assert sentence.aggregate.terms.target == D(60)

    def test_a_second_correction_starts_from_the_first(self) -> None:
        history = [*self.ADJUSTED, k.TargetCorrected(corrects=3, from_=D(60), to=D(66))]
        mistake = self.mistake(3, self.ADJUSTED[2])
        given(KeyResult, *history).when(lambda kr: kr.correct(mistake, by(), target=D(67), value=None)).then(
            k.TargetCorrected(corrects=3, from_=D(66), to=D(67))
        )

    def test_progress_is_corrected_at_its_own_moment(self) -> None:
        wrong = k.ProgressRecorded(value=D(5), effective_at=NOW - timedelta(days=2))
        given(KeyResult, *COMMITTED, wrong).when(
            lambda kr: kr.correct(self.mistake(3, wrong), by(), target=None, value=D(4))
        ).then(k.ProgressCorrected(corrects=3, from_=D(5), to=D(4), effective_at=NOW - timedelta(days=2)))

    def test_after_the_grace_only_an_admin(self) -> None:
        late = self.mistake(3, self.ADJUSTED[2], hours=24.1)
        given(KeyResult, *self.ADJUSTED).when(lambda kr: kr.correct(late, by(), target=D(66), value=None)).refuses(
            "correction_grace"
        )
        given(KeyResult, *self.ADJUSTED).when(
            lambda kr: kr.correct(late, by("root", is_admin=True), target=D(66), value=None)
        ).then(k.TargetCorrected(corrects=3, from_=D(60), to=D(66)))

    def test_other_facts_are_not_corrected(self) -> None:
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.correct(self.mistake(1, DRAFT[0]), by(), target=D(66), value=None)
        ).refuses("correctable", "corrects")

    @pytest.mark.parametrize(("target", "value", "field"), [(None, D(1), "target"), (D(60), None, "target")])
    def test_the_right_value_must_be_named_and_differ(
        self, target: Decimal | None, value: Decimal | None, field: str
    ) -> None:
        mistake = self.mistake(3, self.ADJUSTED[2])
        sentence = given(KeyResult, *self.ADJUSTED).when(
            lambda kr: kr.correct(mistake, by(), target=target, value=value)
        )
        sentence.refuses("required" if target is None else "unchanged", field)


class TestProgress:
    def test_a_value_is_recorded_with_the_one_before(self) -> None:
        first = k.ProgressRecorded(value=D(5), effective_at=NOW)
        given(KeyResult, *COMMITTED, first).when(lambda kr: kr.record_progress(D("7.5"), by(), note="counted")).then(
            k.ProgressRecorded(from_=D(5), value=D("7.5"), effective_at=NOW, note=Text("counted"))
        )

    def test_the_same_value_again_is_a_fact_again(self) -> None:
        first = k.ProgressRecorded(value=D(5), effective_at=NOW)
        given(KeyResult, *COMMITTED, first).when(lambda kr: kr.record_progress(D(5), by())).then(
            k.ProgressRecorded(from_=D(5), value=D(5), effective_at=NOW)
        )

    @pytest.mark.parametrize(
        ("history", "rule"),
        [(DRAFT, "not_committed"), (DROPPED, "key_result_ended"), (MILESTONES, "measured_by_milestones")],
    )
    def test_only_where_values_are_taken(self, history: list[Fact], rule: str) -> None:
        given(KeyResult, *history).when(lambda kr: kr.record_progress(D(5), by())).refuses(rule)

    def test_not_from_the_future(self) -> None:
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.record_progress(D(5), by(), effective_at=NOW + timedelta(seconds=1))
        ).refuses("not_in_future", "effective_at")

    @pytest.mark.parametrize("note", ["x" * 10_001, "a\x00b", "\ud800"])
    def test_a_note_is_bounded_and_clean(self, note: str) -> None:
        sentence = given(KeyResult, *COMMITTED).when(lambda kr: kr.record_progress(D(5), by(), note=note))
        assert sentence.refusal is not None
        assert sentence.refusal.breaches[0].field == "note"


class TestOverride:
    def test_it_stands_until_lifted(self) -> None:
        fact = k.ProgressOverridden(value=D(9), effective_at=NOW, until=OverrideUntil.STICKY)
        given(KeyResult, *COMMITTED).when(lambda kr: kr.override(D(9), by(), CYCLE)).then(fact)
        given(KeyResult, *COMMITTED, fact).when(lambda kr: kr.lift_override(by())).then(k.OverrideLifted())
        given(KeyResult, *COMMITTED).when(lambda kr: kr.lift_override(by())).refuses("not_overridden")

    def test_it_needs_words_but_no_code(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.override(D(9), by(why=Why()), CYCLE)).refuses("reason_required")
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.override(D(9), by(why=Why(text=Text("CRM is late"))), CYCLE)
        ).then(k.ProgressOverridden(value=D(9), effective_at=NOW, until=OverrideUntil.STICKY))

    def test_its_last_day_lies_in_the_cycle_and_ends_in_its_time_zone(self) -> None:
        def until(day: date, now: datetime) -> Any:
            return given(KeyResult, *COMMITTED).when(
                lambda kr: kr.override(D(9), by(now=now), CYCLE, until=OverrideUntil.DATE, until_on=day)
            )

        until(date(9999, 12, 31), NOW).refuses("until_in_cycle", "until")
        # 20:00 UTC is 04:00 of the next day in Shanghai.
        until(date(2026, 11, 1), datetime(2026, 11, 1, 20, tzinfo=UTC)).refuses("not_in_past", "until")
        assert until(date(2026, 11, 2), datetime(2026, 11, 1, 20, tzinfo=UTC)).refusal is None

    def test_a_day_that_has_passed_is_refused(self) -> None:
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.override(D(9), by(), CYCLE, until=OverrideUntil.DATE, until_on=date(2026, 10, 31))
        ).refuses("not_in_past", "until")
        given(KeyResult, *COMMITTED).when(lambda kr: kr.override(D(9), by(), CYCLE, until=OverrideUntil.DATE)).refuses(
            "until", "until"
        )


class TestMilestones:
    def test_each_is_reached_once(self) -> None:
        fact = k.MilestoneReached(milestone=2, effective_at=NOW)
        given(KeyResult, *MILESTONES).when(lambda kr: kr.reach_milestone(2, by())).then(fact)
        given(KeyResult, *MILESTONES, fact).when(lambda kr: kr.reach_milestone(2, by())).refuses("already_reached")

    @pytest.mark.parametrize("number", [0, 3])
    def test_there_must_be_one_of_that_number(self, number: int) -> None:
        given(KeyResult, *MILESTONES).when(lambda kr: kr.reach_milestone(number, by())).refuses("milestone")


class TestCheckInAndScore:
    def test_a_check_in(self) -> None:
        given(KeyResult, *COMMITTED).when(
            lambda kr: kr.check_in(progress="two deals", confidence=0, status=StatedStatus.BEHIND)
        ).then(k.KeyResultCheckedIn(progress=Text("two deals"), confidence=0, status=StatedStatus.BEHIND))

    @pytest.mark.parametrize("confidence", [-1, 11])
    def test_confidence_has_its_scale(self, confidence: int) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.check_in(progress="x", confidence=confidence)).refuses(
            "confidence", "confidence"
        )

    def test_a_check_in_says_something(self) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.check_in(progress=" ", confidence=5)).refuses(
            "required", "progress"
        )

    def test_scores_repeat_and_an_owner_never_reviews(self) -> None:
        own = k.KeyResultScored(points=D("3.5"), kind=ScoreKind.SELF)
        given(KeyResult, *COMMITTED).when(lambda kr: kr.score(D("3.5"), ScoreKind.SELF, by())).then(own)
        given(KeyResult, *COMMITTED, own).when(lambda kr: kr.score(D(3), ScoreKind.REVIEW, by("lead"))).then(
            k.KeyResultScored(points=D(3), kind=ScoreKind.REVIEW)
        )
        given(KeyResult, *COMMITTED).when(lambda kr: kr.score(D(3), ScoreKind.REVIEW, by())).refuses("own_review")

    @pytest.mark.parametrize("points", [D("0.9"), D("5.1"), D(-1)])
    def test_points_have_their_scale(self, points: Decimal) -> None:
        given(KeyResult, *COMMITTED).when(lambda kr: kr.score(points, ScoreKind.SELF, by())).refuses("scale", "points")


NUMBERS = st.decimals(-1000, 1000, places=2)
DECISIONS: dict[str, Callable[[KeyResult, Decimal, date], None]] = {
    "revise": lambda kr, n, day: kr.revise({"target": n, "deadline": day, "weight": None}, CYCLE),
    "commit": lambda kr, n, day: kr.commit(by(), CYCLE),
    "target": lambda kr, n, day: kr.adjust_target(n, by()),
    "weight": lambda kr, n, day: kr.adjust_weight(n, by()),
    "deadline": lambda kr, n, day: kr.adjust_deadline(day, by(), CYCLE),
    "owner": lambda kr, n, day: kr.change_owner(f"u{n % 3}", by()),
    "progress": lambda kr, n, day: kr.record_progress(n, by()),
    "override": lambda kr, n, day: kr.override(n, by(), CYCLE),
    "lift": lambda kr, n, day: kr.lift_override(by()),
    "score": lambda kr, n, day: kr.score(n, ScoreKind.SELF, by()),
    "check in": lambda kr, n, day: kr.check_in(progress="p", confidence=int(n)),
    "drop": lambda kr, n, day: kr.drop(by()),
}


@for_all(
    st.lists(
        st.tuples(st.sampled_from(sorted(DECISIONS)), NUMBERS, st.dates(date(2026, 9, 25), date(2027, 1, 5))),
        max_size=25,
    )
)
def test_whatever_is_decided_folding_the_facts_gives_the_same_state(
    decisions: list[tuple[str, Decimal, date]],
) -> None:
    decided = KeyResult(STREAM)
    decided.draft(OBJECTIVE, terms(), CYCLE)
    for name, number, day in decisions:
        before = vars(decided).copy()
        try:
            DECISIONS[name](decided, number, day)
        except Refusal:
            assert vars(decided) == before
    folded = KeyResult.folded(decided.collect_events())
    assert folded is not None
    assert vars(folded) == vars(decided)


def test_a_reason_is_carried_by_the_command_not_by_the_fact() -> None:
    assert BECAUSE.text is not None
    assert "reason" not in k.TargetAdjusted.__slots__
