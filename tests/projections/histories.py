"""Random histories of a few goals, from a seed. Facts that hardly ever happen in life happen here all the time."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain import key_result as kr
from domain.checkin import ScoreKind, StatedStatus
from domain.feed import FeedDefined
from domain.measurement import Evidence, MeasurementWindowMoved
from domain.measures import Direction
from domain.objective import ObjectiveCheckedIn, ObjectiveCommitted, ObjectiveDropped, ObjectiveOwnerChanged
from domain.stream import Fact, Text
from tests.projections.goals import (
    FIRST_DAY,
    LAST_DAY,
    STEPS,
    commit_key_result,
    draft_key_result,
    draft_objective,
    measured,
    open_cycle,
)
from tests.projections.teller import Teller

DIRECTIONS = (
    Direction.INCREASE,
    Direction.DECREASE,
    Direction.AT_LEAST,
    Direction.AT_MOST,
    Direction.AT_LEAST,
    Direction.MILESTONES,
)


class History:
    """Tells a ledger one random fact after the other."""

    def __init__(self, teller: Teller, seed: int, *, has_overrides: bool = True) -> None:
        self.teller = teller
        self.has_overrides = has_overrides
        self.random = random.Random(seed)
        self.objectives = [self._id() for _ in range(2)]
        self.key_results: dict[UUID, Direction] = {}
        self.feeds: dict[UUID, UUID] = {}
        self.ended: set[UUID] = set()
        self.targets: dict[UUID, list[int]] = {}
        self.progress: dict[UUID, dict[int, datetime]] = {}

    def begin(self) -> None:
        open_cycle(self.teller)
        for objective in self.objectives:
            draft_objective(self.teller, objective)
        for number, direction in enumerate(DIRECTIONS):
            id = self._id()
            self.key_results[id] = direction
            terms: dict[str, Any] = {"milestones": STEPS} if direction is Direction.MILESTONES else {}
            baseline = Decimal(200) if direction is Direction.DECREASE else Decimal(0)
            weight = self.random.choice([None, Decimal(1), Decimal("2.5")])
            draft_key_result(
                self.teller,
                id,
                self.objectives[number % 2],
                direction=direction,
                baseline=baseline,
                weight=weight,
                **terms,
            )
            self.feeds[id] = self._id()
            if self.random.random() < 0.5:
                self.teller.tell(
                    self.feeds[id], FeedDefined(name=f"feed-{number}", key_result_id=id, definition={"name": "a"})
                )
                self._measure(id)
        self._wait()
        for id in self.key_results:
            commit_key_result(self.teller, id)
            self.targets[id] = [self.teller.version(id)]
            self.progress[id] = {}
            self._wait()
        for objective in self.objectives:
            self.teller.tell(objective, ObjectiveCommitted())

    def go_on(self, count: int) -> None:
        for _ in range(count):
            self._wait()
            live = [id for id in self.key_results if id not in self.ended]
            if self.random.random() < 0.08 or not live:
                self._of_objective(self.random.choice(self.objectives))
            else:
                self._of_key_result(self.random.choice(live))

    def _wait(self) -> None:
        """Until the next fact: mostly hours, sometimes no time at all, sometimes days."""
        pause = self.random.choice([0, 0, 1, 3_600, 40_000, 200_000])
        self.teller.after(seconds=self.random.uniform(0, pause) if pause else 0)
        self.teller.now = self.teller.now.replace(microsecond=self.teller.now.microsecond)

    def _of_objective(self, id: UUID) -> None:
        fact: Fact = self.random.choice(
            [
                ObjectiveCheckedIn(progress=Text("fine"), confidence=self.random.randint(0, 10)),
                ObjectiveOwnerChanged(from_="anna", to=self.random.choice(["bert", "cleo"])),
            ]
        )
        if self.random.random() < 0.1:
            fact = ObjectiveDropped()
        self.teller.tell(id, fact)

    def _of_key_result(self, id: UUID) -> None:
        if self.key_results[id] is Direction.MILESTONES:
            may = [self._reach, self._change]
        else:
            may = [self._record] * 6 + [self._measure] * 6 + [self._adjust] * 3
            may += [self._correct_progress, self._correct_target, self._move_window]
            may += [self._override, self._lift] if self.has_overrides else []
            may += [self._change, self._change, self._move_deadline]
        self.random.choice(may)(id)

    def _record(self, id: UUID) -> None:
        effective_at = self._moment()
        self.teller.tell(id, kr.ProgressRecorded(value=self._value(), effective_at=effective_at))
        self.progress[id][self.teller.version(id)] = effective_at

    def _measure(self, id: UUID) -> None:
        value = None if self.random.random() < 0.1 else str(self._value())
        stream, fact = measured(value, self._moment(), key_result=id, feed=self.feeds[id])
        self.teller.tell(stream, fact, actor="feed:revenue", kind="feed")

    def _move_window(self, id: UUID) -> None:
        stream, fact = measured(str(self._value()), self._moment(), key_result=id, feed=self.feeds[id])
        moved = MeasurementWindowMoved(
            feed_id=fact.feed_id,
            feed_revision=1,
            key_result_id=id,
            value=fact.value,
            effective_at=fact.effective_at,
            evidence=Evidence(contributions=1, changes=0, sha256="00" * 32),
        )
        self.teller.tell(stream, moved, actor="feed:revenue", kind="feed")

    def _override(self, id: UUID) -> None:
        until = self.random.choice(list(kr.OverrideUntil))
        until_on = None
        if until is kr.OverrideUntil.DATE:
            until_on = self.teller.now.date() + timedelta(days=self.random.randint(0, 4))
        self.teller.tell(
            id,
            kr.ProgressOverridden(value=self._value(), effective_at=self.teller.now, until=until, until_on=until_on),
        )

    def _lift(self, id: UUID) -> None:
        self.teller.tell(id, kr.OverrideLifted())

    def _correct_progress(self, id: UUID) -> None:
        if self.progress[id]:
            version = self.random.choice(list(self.progress[id]))
            self.teller.tell(
                id,
                kr.ProgressCorrected(
                    corrects=version,
                    from_=Decimal(0),
                    to=self._value(),
                    effective_at=self.progress[id][version],
                ),
            )

    def _adjust(self, id: UUID) -> None:
        self.teller.tell(id, kr.TargetAdjusted(from_=Decimal(1), to=self._target(id)), reason="the market fell")
        self.targets[id].append(self.teller.version(id))

    def _correct_target(self, id: UUID) -> None:
        version = self.random.choice(self.targets[id])
        self.teller.tell(id, kr.TargetCorrected(corrects=version, from_=Decimal(1), to=self._target(id)))

    def _move_deadline(self, id: UUID) -> None:
        day = FIRST_DAY + timedelta(days=self.random.randint(40, (LAST_DAY - FIRST_DAY).days))
        self.teller.tell(id, kr.DeadlineAdjusted(from_=date(2026, 9, 1), to=day))

    def _reach(self, id: UUID) -> None:
        self.teller.tell(
            id, kr.MilestoneReached(milestone=self.random.randint(1, len(STEPS)), effective_at=self._moment())
        )

    def _change(self, id: UUID) -> None:
        choice = self.random.random()
        if choice < 0.3:
            self.teller.tell(id, kr.KeyResultOwnerChanged(from_="anna", to=self.random.choice(["bert", "cleo"])))
        elif choice < 0.5:
            self.teller.tell(id, kr.WeightAdjusted(to=Decimal(self.random.randint(0, 5))))
        elif choice < 0.7:
            status = self.random.choice([None, *StatedStatus])
            self.teller.tell(
                id,
                kr.KeyResultCheckedIn(progress=Text("said"), confidence=self.random.randint(0, 10), status=status),
            )
        elif choice < 0.8:
            self.teller.tell(id, kr.KeyResultRephrased(from_="Revenue", to=f"Revenue\\{self.random.random()}\tnet"))
        elif choice < 0.93:
            self.teller.tell(id, kr.KeyResultScored(points=Decimal("3.5"), kind=self.random.choice(list(ScoreKind))))
        else:
            self.ended.add(id)
            end: Fact = kr.KeyResultDropped()
            if self.random.random() < 0.5:
                end = kr.KeyResultReplaced(successor_id=self._id())
            self.teller.tell(id, end)

    def _moment(self) -> datetime:
        """Now, or some time ago, also before the commitment; often the same moment again."""
        back = self.random.choice([0, 0, 60, 86_400, 864_000])
        moment = self.teller.now - timedelta(seconds=self.random.randint(0, back))
        return moment.replace(minute=0, second=0, microsecond=0) if self.random.random() < 0.3 else moment

    def _value(self) -> Decimal:
        return Decimal(self.random.randint(-500, 2_500)) / 10

    def _target(self, id: UUID) -> Decimal:
        if self.key_results[id] is Direction.DECREASE:
            return Decimal(self.random.randint(1, 199))
        return Decimal(self.random.randint(1, 300))

    def _id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)
