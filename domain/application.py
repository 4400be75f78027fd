"""The use cases: what people, tokens and feeds can do. One method, one decision, one transaction.

Each loads what it must look at, asks the aggregate to decide, and saves the facts with who and why. The record
behind it is whatever PERSISTENCE_MODULE names; beyond eventsourcing's own interface it offers what `Record` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn, Protocol, TypeVar, cast
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application

from domain.checkin import ScoreKind, StatedStatus
from domain.command import Command
from domain.cycle import Cycle, CycleTerms
from domain.errors import Breach, Conflict, Stale, Unknown, conflict
from domain.feed import Feed, FeedGapFound
from domain.feeds.definition import FeedDefinition
from domain.key_result import KeyResult, KeyResultDrafted, KeyResultState, OverrideUntil, Terms
from domain.measurement import Measurement
from domain.objective import Objective, ObjectiveDrafted, Wording
from domain.stream import Aggregate, Event
from domain.team import Team

A = TypeVar("A", bound=Aggregate)


class Record(Protocol):
    """What the ledger offers beyond eventsourcing's recorder."""

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction, or join the one that this thread has open; all reading and saving is in it."""

    def hold_cycle(self, cycle_id: UUID, *, exclusive: bool = False) -> CycleTerms | None:
        """The cycle's terms, kept as they are until the transaction ends; None where there is no such cycle."""

    def children(self, stream_id: UUID) -> list[UUID]:
        """The streams that were begun under this one, oldest first."""

    def live_feed(self, key_result_id: UUID) -> UUID | None:
        """The feed that was defined for this key result."""

    def feed_named(self, name: str) -> UUID | None:
        """The feed of that name."""

    def event_at(self, position: int) -> tuple[UUID, int] | None:
        """The stream and version of the fact at a position of the ledger."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision led to: the stream, its version, and the position of its last fact in the ledger.

    `position` is None where the decision changed nothing.
    """

    id: UUID
    version: int
    position: int | None


class OkrLedger(Application[UUID]):
    """Objectives and key results on a ledger."""

    name = "okr"

    @property
    def record(self) -> Record:
        return cast(Record, self.recorder)

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
                _unknown("cycle", id)
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
        with self.record.transaction():
            objective, cycle = self._held_objective(id, by)
            by.must_be_one_of(self._responsible(objective), "commit it")
            objective.commit()
            drafts = [kr for kr in self._key_results(id) if kr.state is KeyResultState.DRAFT]
            for key_result in drafts:
                key_result.commit(by, cycle)
            return self._save(by, objective, *drafts)

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
        with self.record.transaction():
            objective, _ = self._held_objective(id, by)
            self._may_score(objective, objective.wording.owner_id, kind, by)
            objective.score(points, kind, by, comment=comment)
            return self._save(by, objective)

    def replace_objective(self, id: UUID, successor_id: UUID, wording: Wording, by: Command) -> Outcome:
        """End an objective in favour of a new draft. Its key results that are still live are dropped with it."""
        with self.record.transaction():
            objective, cycle = self._held_objective(id, by)
            by.must_be_one_of(self._responsible(objective), "replace it")
            self._must_exist(wording)
            successor = self._new(Objective, successor_id)
            successor.draft(wording, cycle, replaces=id)
            objective.replace_by(successor_id, by)
            return self._save(by, objective, *self._dropped_with(id, by), successor)

    def drop_objective(self, id: UUID, by: Command) -> Outcome:
        """Give an objective up. Its key results that are still live are dropped with it."""
        with self.record.transaction():
            objective, _ = self._held_objective(id, by)
            by.must_be_one_of(self._responsible(objective), "drop it")
            objective.drop(by)
            return self._save(by, objective, *self._dropped_with(id, by))

    # Key results

    def draft_key_result(self, id: UUID, objective_id: UUID, terms: Terms, by: Command) -> Outcome:
        with self.record.transaction():
            objective, cycle = self._held_objective(objective_id, None)
            if objective.is_ended:
                conflict("objective_ended", f"this objective is {objective.state}: it takes no more key results")
            key_result = self._new(KeyResult, id)
            key_result.draft(objective_id, terms, cycle)
            return self._save(by, key_result)

    def revise_key_result(self, id: UUID, changes: dict[str, Any], by: Command) -> Outcome:
        return self._change(id, by, lambda kr, cycle: kr.revise(changes, cycle), anybody=True)

    def commit_key_result(self, id: UUID, by: Command) -> Outcome:
        """Commit one that was drafted after its objective's commitment, or a successor.

        Whoever answers for the objective decides, since its attainment follows from it.
        """
        with self.record.transaction():
            key_result, cycle = self._held_key_result(id, by)
            objective = self._load(Objective, key_result.objective_id)
            by.must_be_one_of(self._responsible(objective), "commit it")
            if objective.is_ended:
                conflict("objective_ended", f"its objective is {objective.state}")
            key_result.commit(by, cycle)
            return self._save(by, key_result)

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
        with self.record.transaction():
            key_result, _ = self._held_key_result(id, by)
            objective = self._load(Objective, key_result.objective_id)
            self._may_score(objective, key_result.terms.owner_id, kind, by)
            key_result.score(points, kind, by, comment=comment)
            return self._save(by, key_result)

    def replace_key_result(self, id: UUID, successor_id: UUID, terms: Terms, by: Command) -> Outcome:
        """End a key result in favour of a new draft of the same objective."""
        with self.record.transaction():
            key_result, cycle = self._held_key_result(id, by)
            by.must_be_one_of(self._responsible_for(key_result), "replace it")
            successor = self._new(KeyResult, successor_id)
            successor.draft(key_result.objective_id, terms, cycle, replaces=id)
            key_result.replace_by(successor_id, by)
            return self._save(by, key_result, successor)

    def drop_key_result(self, id: UUID, by: Command) -> Outcome:
        return self._change(id, by, lambda kr, _: kr.drop(by))

    # Feeds

    def define_feed(self, id: UUID, definition: FeedDefinition, by: Command) -> Outcome:
        """Bind messages to a key result that takes values and has no feed yet."""
        with self.record.transaction():
            # Exclusively, or two could each find the key result without a feed.
            key_result, _ = self._held_key_result(definition.key_result, None, field="key_result", exclusive=True)
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
        recordings = self.save(*measurements, by=by)
        return [recording.notification.id for recording in recordings]

    def _change_feed(self, id: UUID, by: Command, decide: Callable[[Feed], None]) -> Outcome:
        """Exclusively: a batch that is being taken in ends before the feed changes, and the next one sees it."""
        with self.record.transaction():
            key_result_id = self._load(Feed, id).key_result_id
            self._hold_open(self._load(KeyResult, key_result_id).cycle_id, exclusive=True)
            feed = self._load(Feed, id, by)
            decide(feed)
            return self._save(by, feed)

    # What the use cases share

    def save(self, *decided: Any, **circumstances: Any) -> list[Any]:
        """Record what aggregates have decided, or single events, as one: all or nothing.

        The base class asks of each whether it follows one of two protocols, which takes longer than mapping it.
        """
        events: list[Event] = []
        for each in decided:
            events += (each,) if isinstance(each, Event) else each.collect_events()
        return self.events.put(events, **circumstances)

    def load(self, kind: type[A], id: UUID) -> A:
        """An aggregate as it stands; `Unknown` where no stream of that kind has this id."""
        return self._load(kind, id)

    def _load(self, kind: type[A], id: UUID, by: Command | None = None, *, field: str | None = None) -> A:
        what = _name(kind)
        try:
            aggregate: Aggregate = self.repository.get(id, projector_func=_project(kind))
        except AggregateNotFoundError:
            _unknown(what, id, field)
        loaded = cast(A, aggregate)
        if by is not None and by.expected_version not in (None, loaded.version):
            raise Stale(
                Breach(
                    None,
                    "stale_version",
                    f"this {what} is at version {loaded.version}, not {by.expected_version}",
                )
            )
        return loaded

    def _new(self, kind: type[A], id: UUID) -> A:
        if next(iter(self.events.get(id, limit=1)), None) is not None:
            raise Conflict(Breach("id", "id_taken", f"the id {id} is taken"))
        return kind(id)

    def _save(self, by: Command, first: Aggregate, *others: Aggregate) -> Outcome:
        recordings = self.save(first, *others, by=by)
        position = recordings[-1].notification.id if recordings else None
        return Outcome(first.id, first.version, position)

    def _hold_open(self, cycle_id: UUID, *, field: str | None = "cycle_id", exclusive: bool = False) -> CycleTerms:
        cycle = self.record.hold_cycle(cycle_id, exclusive=exclusive)
        if cycle is None:
            _unknown("cycle", cycle_id, field)
        cycle.must_be_open()
        return cycle

    def _held_objective(self, id: UUID, by: Command | None) -> tuple[Objective, CycleTerms]:
        cycle_id = self._load(Objective, id).cycle_id
        cycle = self._hold_open(cycle_id)
        return self._load(Objective, id, by), cycle

    def _held_key_result(
        self, id: UUID, by: Command | None, *, field: str | None = None, exclusive: bool = False
    ) -> tuple[KeyResult, CycleTerms]:
        key_result = self._load(KeyResult, id, by, field=field)
        return key_result, self._hold_open(key_result.cycle_id, exclusive=exclusive)

    def _change_objective(
        self, id: UUID, by: Command, decide: Callable[[Objective], None], *, anybody: bool = False
    ) -> Outcome:
        with self.record.transaction():
            objective, _ = self._held_objective(id, by)
            if not anybody:
                by.must_be_one_of(self._responsible(objective), "change it")
            decide(objective)
            return self._save(by, objective)

    def _change(
        self, id: UUID, by: Command, decide: Callable[[KeyResult, CycleTerms], None], *, anybody: bool = False
    ) -> Outcome:
        with self.record.transaction():
            key_result, cycle = self._held_key_result(id, by)
            if not anybody:
                by.must_be_one_of(self._responsible_for(key_result), "change it")
            decide(key_result, cycle)
            return self._save(by, key_result)

    def _key_results(self, objective_id: UUID) -> list[KeyResult]:
        return [self._load(KeyResult, id) for id in self.record.children(objective_id)]

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
                _unknown("objective or key result", supported, "supports")

    def _responsible(self, objective: Objective) -> set[str]:
        return {objective.wording.owner_id} | self._leads(objective)

    def _responsible_for(self, key_result: KeyResult) -> set[str]:
        return {key_result.terms.owner_id} | self._leads(self._load(Objective, key_result.objective_id))

    def _leads(self, objective: Objective) -> set[str]:
        if objective.wording.team_id is None:
            return set()
        lead_id = self._load(Team, objective.wording.team_id).lead_id
        return set() if lead_id is None else {lead_id}

    def _may_score(self, objective: Objective, owner_id: str, kind: ScoreKind, by: Command) -> None:
        leads = self._leads(objective)
        by.must_be_one_of(leads if kind is ScoreKind.REVIEW else leads | {owner_id}, f"give a {kind} score")


def _project(kind: type[A]) -> Callable[[Any, Iterable[Any]], Any]:
    """Fold a stream into `kind`, without the stock projector's check of each event against a protocol."""

    def project(_: Any, events: Iterable[Any]) -> Any:
        events = list(events)
        if events and not events[0].fact.TYPE.startswith(_prefix(kind)):
            return None
        return kind.folded(events)

    return project


def _prefix(kind: type[Aggregate]) -> str:
    return f"{kind.__name__}."


def _name(kind: type[Aggregate]) -> str:
    return {"KeyResult": "key result"}.get(kind.__name__, kind.__name__.lower())


def _unknown(what: str, id: UUID, field: str | None = None) -> NoReturn:
    raise Unknown(Breach(field, "unknown", f"there is no {what} {id}"))
