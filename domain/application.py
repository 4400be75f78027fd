"""The use cases: what people, tokens and feeds can do. One method, one decision, one transaction.

Each loads what it must look at, asks the aggregate to decide, and saves the facts with who and why. What is looked
at and may not change meanwhile is either the stream that the facts continue or the cycle that holds it; saving makes
sure of both, so that reading needs no transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from domain.checkin import ScoreKind, StatedStatus
from domain.command import Command
from domain.cycle import Cycle, CycleTerms
from domain.deciding import Deciding, Outcome, Record, unknown
from domain.errors import conflict
from domain.feed import Feed, FeedGapFound
from domain.feeds.definition import FeedDefinition
from domain.goal import GoalState
from domain.key_result import KeyResult, KeyResultDrafted, OverrideUntil
from domain.measurement import Measurement
from domain.objective import Objective, ObjectiveDrafted, Wording
from domain.stream import Event
from domain.team import Team
from domain.terms import Terms

__all__ = ["OkrLedger", "Outcome", "Record"]


class OkrLedger(Deciding):
    """Objectives and key results on a ledger."""

    name = "okr"

    # Cycles and teams

    def open_cycle(
        self, id: UUID, *, name: str, starts_on: date, ends_on: date, time_zone: str, by: Command
    ) -> Outcome:
        with self.record.transaction():
            cycle = self._new(Cycle, id)
            cycle.open(name=name, starts_on=starts_on, ends_on=ends_on, time_zone=time_zone)
            return self._save(by, cycle)

    def start_cycle(self, id: UUID, by: Command) -> Outcome:
        return self._turn_cycle(id, by, Cycle.start)

    def begin_scoring(self, id: UUID, by: Command) -> Outcome:
        return self._turn_cycle(id, by, Cycle.begin_scoring)

    def close_cycle(self, id: UUID, by: Command) -> Outcome:
        return self._turn_cycle(id, by, Cycle.close)

    def reopen_cycle(self, id: UUID, by: Command) -> Outcome:
        return self._turn_cycle(id, by, lambda cycle: cycle.reopen(by))

    def _turn_cycle(self, id: UUID, by: Command, decide: Callable[[Cycle], None]) -> Outcome:
        with self.record.transaction():
            if self.record.hold_cycle(id, exclusive=True) is None:
                unknown("cycle", id)
            cycle = self._load(Cycle, id, by)
            decide(cycle)
            return self._save(by, cycle)

    def form_team(self, id: UUID, *, name: str, parent_id: UUID | None, lead_id: str | None, by: Command) -> Outcome:
        with self.record.transaction():
            if parent_id is not None:
                self._load(Team, parent_id)
            team = self._new(Team, id)
            team.form(name=name, parent_id=parent_id, lead_id=lead_id)
            return self._save(by, team)

    # Objectives

    def draft_objective(self, id: UUID, cycle_id: UUID, wording: Wording, by: Command) -> Outcome:
        with self.record.transaction():
            cycle = self._hold_open(cycle_id)
            self._must_exist(wording)
            objective = self._new(Objective, id)
            objective.draft(wording, cycle)
            return self._save(by, objective)

    def revise_objective(self, id: UUID, changes: dict[str, Any], by: Command) -> Outcome:
        def decide(objective: Objective) -> None:
            objective.revise(changes)
            self._must_exist(objective.wording)

        return self._change_objective(id, by, decide, anybody=True)

    def commit_objective(self, id: UUID, by: Command) -> Outcome:
        """Commit an objective together with the key results that are drafted for it."""
        objective, cycle = self._load_in_cycle(Objective, id, by)
        self._must_answer_for(objective, by, "commit it")
        objective.commit()
        drafts = [kr for kr in self._key_results(id) if kr.state is GoalState.DRAFT]
        for key_result in drafts:
            key_result.commit(by, cycle)
        return self._save(by, objective, *drafts, cycle=cycle)

    def rephrase_objective(self, id: UUID, title: str, by: Command) -> Outcome:
        return self._change_objective(id, by, lambda objective: objective.rephrase(title, by))

    def change_objective_owner(self, id: UUID, owner_id: str, by: Command) -> Outcome:
        return self._change_objective(id, by, lambda objective: objective.change_owner(owner_id, by))

    def check_in_on_objective(
        self,
        id: UUID,
        by: Command,
        *,
        progress: str,
        confidence: int,
        problem: str | None = None,
        support_needed: str | None = None,
        status: StatedStatus | None = None,
    ) -> Outcome:
        return self._change_objective(
            id,
            by,
            lambda objective: objective.check_in(
                progress=progress,
                confidence=confidence,
                problem=problem,
                support_needed=support_needed,
                status=status,
            ),
        )

    def score_objective(
        self, id: UUID, by: Command, *, points: Decimal, kind: ScoreKind, comment: str | None
    ) -> Outcome:
        objective, cycle = self._load_in_cycle(Objective, id, by)
        self._may_score(objective, objective.wording.owner_id, kind, by)
        objective.score(points, kind, by, comment=comment)
        return self._save(by, objective, cycle=cycle)

    def replace_objective(self, id: UUID, successor_id: UUID, wording: Wording, by: Command) -> Outcome:
        """End an objective in favour of a new draft. Its key results that are still live are dropped with it."""
        objective, cycle = self._load_in_cycle(Objective, id, by)
        self._must_answer_for(objective, by, "replace it")
        self._must_exist(wording)
        successor = self._new(Objective, successor_id)
        successor.draft(wording, cycle, replaces=id)
        objective.replace_by(successor_id, by)
        return self._save(by, objective, *self._dropped_with(id, by), successor, cycle=cycle)

    def drop_objective(self, id: UUID, by: Command) -> Outcome:
        """Give an objective up. Its key results that are still live are dropped with it."""
        objective, cycle = self._load_in_cycle(Objective, id, by)
        self._must_answer_for(objective, by, "drop it")
        objective.drop(by)
        return self._save(by, objective, *self._dropped_with(id, by), cycle=cycle)

    # Key results

    def draft_key_result(self, id: UUID, objective_id: UUID, terms: Terms, by: Command) -> Outcome:
        objective, cycle = self._load_in_cycle(Objective, objective_id)
        if objective.is_ended:
            conflict("objective_ended", f"this objective is {objective.state}: it takes no more key results")
        key_result = self._new(KeyResult, id)
        key_result.draft(objective_id, terms, cycle)
        return self._save(by, key_result, cycle=cycle)

    def revise_key_result(self, id: UUID, changes: dict[str, Any], by: Command) -> Outcome:
        return self._change(id, by, lambda kr, cycle: kr.revise(changes, cycle), anybody=True)

    def commit_key_result(self, id: UUID, by: Command) -> Outcome:
        """Commit one that was drafted after its objective's commitment, or a successor.

        Whoever answers for the objective decides, since its attainment follows from it.
        """
        key_result, cycle = self._load_in_cycle(KeyResult, id, by)
        objective = self._load(Objective, key_result.objective_id)
        self._must_answer_for(objective, by, "commit it")
        if objective.is_ended:
            conflict("objective_ended", f"its objective is {objective.state}")
        key_result.commit(by, cycle)
        return self._save(by, key_result, cycle=cycle)

    def rephrase_key_result(self, id: UUID, title: str, by: Command) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.rephrase(title, by))

    def change_key_result_owner(self, id: UUID, owner_id: str, by: Command) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.change_owner(owner_id, by))

    def adjust_target(self, id: UUID, target: Decimal, by: Command, *, effective_at: datetime | None = None) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.adjust_target(target, by, effective_at=effective_at))

    def adjust_weight(self, id: UUID, weight: Decimal, by: Command, *, effective_at: datetime | None = None) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.adjust_weight(weight, by, effective_at=effective_at))

    def adjust_deadline(
        self, id: UUID, deadline: date, by: Command, *, effective_at: datetime | None = None
    ) -> Outcome:
        return self._change(
            id, by, lambda kr, cycle: kr.adjust_deadline(deadline, by, cycle, effective_at=effective_at)
        )

    def correct(
        self,
        id: UUID,
        corrects: int,
        by: Command,
        *,
        target: Decimal | None = None,
        value: Decimal | None = None,
    ) -> Outcome:
        """Correct the fact at the ledger's position `corrects`, which must be one of this key result."""

        def decide(key_result: KeyResult, _: CycleTerms) -> None:
            place = self.record.event_at(corrects)
            if place is None or place[0] != id:
                conflict("not_its_fact", f"position {corrects} is no fact of this key result", "corrects")
            mistake = next(iter(self.events.get(id, gt=place[1] - 1, lte=place[1])))
            key_result.correct(cast(Event, mistake), by, target=target, value=value)

        return self._change(id, by, decide)

    def record_progress(
        self,
        id: UUID,
        value: Decimal,
        by: Command,
        *,
        effective_at: datetime | None = None,
        note: str | None = None,
        source_title: str | None = None,
        source_url: str | None = None,
    ) -> Outcome:
        return self._change(
            id,
            by,
            lambda kr, _: kr.record_progress(
                value,
                by,
                effective_at=effective_at,
                note=note,
                source_title=source_title,
                source_url=source_url,
            ),
        )

    def override(
        self, id: UUID, value: Decimal, by: Command, *, until: OverrideUntil, until_on: date | None = None
    ) -> Outcome:
        return self._change(id, by, lambda kr, cycle: kr.override(value, by, cycle, until=until, until_on=until_on))

    def lift_override(self, id: UUID, by: Command) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.lift_override(by))

    def reach_milestone(
        self,
        id: UUID,
        number: int,
        by: Command,
        *,
        effective_at: datetime | None = None,
        note: str | None = None,
    ) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.reach_milestone(number, by, effective_at=effective_at, note=note))

    def check_in_on_key_result(
        self,
        id: UUID,
        by: Command,
        *,
        progress: str,
        confidence: int,
        problem: str | None = None,
        support_needed: str | None = None,
        status: StatedStatus | None = None,
    ) -> Outcome:
        return self._change(
            id,
            by,
            lambda kr, _: kr.check_in(
                progress=progress,
                confidence=confidence,
                problem=problem,
                support_needed=support_needed,
                status=status,
            ),
        )

    def score_key_result(
        self, id: UUID, by: Command, *, points: Decimal, kind: ScoreKind, comment: str | None
    ) -> Outcome:
        key_result, cycle = self._load_in_cycle(KeyResult, id, by)
        objective = self._load(Objective, key_result.objective_id)
        self._may_score(objective, key_result.terms.owner_id, kind, by)
        key_result.score(points, kind, by, comment=comment)
        return self._save(by, key_result, cycle=cycle)

    def replace_key_result(self, id: UUID, successor_id: UUID, terms: Terms, by: Command) -> Outcome:
        """End a key result in favour of a new draft of the same objective."""
        key_result, cycle = self._load_in_cycle(KeyResult, id, by)
        self._must_answer_for_key_result(key_result, by, "replace it")
        successor = self._new(KeyResult, successor_id)
        successor.draft(key_result.objective_id, terms, cycle, replaces=id)
        key_result.replace_by(successor_id, by)
        return self._save(by, key_result, successor, cycle=cycle)

    def drop_key_result(self, id: UUID, by: Command) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.drop(by))

    # Feeds

    def define_feed(self, id: UUID, definition: FeedDefinition, by: Command) -> Outcome:
        """Bind messages to a key result that takes values and has no feed yet."""
        with self.record.transaction():
            # Exclusively, or two could each find the key result without a feed.
            cycle_id = self._load(KeyResult, definition.key_result, field="key_result").cycle_id
            self._hold_open(cycle_id, exclusive=True)
            key_result = self._load(KeyResult, definition.key_result)
            if key_result.is_ended:
                conflict("key_result_ended", f"this key result is {key_result.state}", "key_result")
            if key_result.terms.milestones:
                conflict("measured_by_milestones", "a key result of milestones takes no values", "key_result")
            if self.record.live_feed(definition.key_result) is not None:
                conflict("has_feed", "this key result has a feed already", "key_result")
            if self.record.feed_named(definition.name) is not None:
                conflict("name_taken", "there is a feed of that name", "name")
            feed = self._new(Feed, id)
            feed.define(definition)
            return self._save(by, feed)

    def revise_feed(self, id: UUID, definition: FeedDefinition, by: Command) -> Outcome:
        return self._change_feed(id, by, lambda feed: feed.revise(definition))

    def pause_feed(self, id: UUID, by: Command) -> Outcome:
        return self._change_feed(id, by, Feed.pause)

    def resume_feed(self, id: UUID, by: Command) -> Outcome:
        return self._change_feed(id, by, Feed.resume)

    def find_gap(self, id: UUID, gap: FeedGapFound, by: Command) -> Outcome:
        """Record messages that are lost to a feed, within the open transaction of whoever found out."""
        with self.record.transaction():
            feed = self._load(Feed, id, by)
            feed.find_gap(gap)
            return self._save(by, feed)

    def record_measurements(self, measurements: Iterable[Measurement], by: Command) -> list[int]:
        """Save what feeds measured, within the open transaction of the batch; the positions, in order."""
        return self.save(*measurements, by=by)

    # What several of them share

    def _change_objective(
        self, id: UUID, by: Command, decide: Callable[[Objective], None], *, anybody: bool = False
    ) -> Outcome:
        objective, cycle = self._load_in_cycle(Objective, id, by)
        if not anybody:
            self._must_answer_for(objective, by, "change it")
        decide(objective)
        return self._save(by, objective, cycle=cycle)

    def _change(
        self, id: UUID, by: Command, decide: Callable[[KeyResult, CycleTerms], None], *, anybody: bool = False
    ) -> Outcome:
        key_result, cycle = self._load_in_cycle(KeyResult, id, by)
        if not anybody:
            self._must_answer_for_key_result(key_result, by, "change it")
        decide(key_result, cycle)
        return self._save(by, key_result, cycle=cycle)

    def _change_feed(self, id: UUID, by: Command, decide: Callable[[Feed], None]) -> Outcome:
        """Exclusively: a batch that is being taken in ends before the feed changes, and the next one sees it."""
        with self.record.transaction():
            key_result_id = self._load(Feed, id).key_result_id
            self._hold_open(self._load(KeyResult, key_result_id).cycle_id, exclusive=True)
            feed = self._load(Feed, id, by)
            decide(feed)
            return self._save(by, feed)

    def _dropped_with(self, objective_id: UUID, by: Command) -> list[KeyResult]:
        key_results = [kr for kr in self._key_results(objective_id) if kr.is_live]
        for key_result in key_results:
            key_result.drop(by)
        return key_results

    def _must_exist(self, wording: Wording) -> None:
        if wording.team_id is not None:
            self._load(Team, wording.team_id, field="team_id")
        for supported in wording.supports or ():
            first: Any = next(iter(self.events.get(supported, limit=1)), None)
            if first is None or not isinstance(first.fact, ObjectiveDrafted | KeyResultDrafted):
                unknown("objective or key result", supported, "supports")

    def _may_score(self, objective: Objective, owner_id: str, kind: ScoreKind, by: Command) -> None:
        leads = self._leads(objective)
        by.must_be_one_of(leads if kind is ScoreKind.REVIEW else leads | {owner_id}, f"give a {kind} score")
