"""Facts that many tests begin with."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.cycle import CycleOpened, CycleStarted
from domain.key_result import KeyResultCommitted, KeyResultDrafted
from domain.measurement import EffectiveBy, Evidence, Measurement, MeasurementRecorded, MessageCounts, OffsetRange
from domain.measures import Direction
from domain.objective import Level, ObjectiveCommitted, ObjectiveDrafted
from domain.terms import MilestoneStep
from tests.projections.teller import Teller

CYCLE = UUID("c0000000-0000-4000-8000-000000000001")
OBJECTIVE = UUID("0b000000-0000-4000-8000-000000000001")
KEY_RESULT = UUID("4e000000-0000-4000-8000-000000000001")
FEED = UUID("fe000000-0000-4000-8000-000000000001")
FIRST_DAY, LAST_DAY = date(2026, 7, 1), date(2026, 9, 30)
ZONE = "Asia/Shanghai"


def open_cycle(teller: Teller, id: UUID = CYCLE) -> None:
    teller.tell(id, CycleOpened(name="2026 Q3", starts_on=FIRST_DAY, ends_on=LAST_DAY, time_zone=ZONE), CycleStarted())


def draft_objective(teller: Teller, id: UUID = OBJECTIVE, **terms: Any) -> None:
    said: dict[str, Any] = {"title": "Chips for all", "owner_id": "anna", "level": Level.COMPANY}
    teller.tell(id, ObjectiveDrafted(cycle_id=CYCLE, **said | terms))


def draft_key_result(teller: Teller, id: UUID = KEY_RESULT, objective: UUID = OBJECTIVE, **terms: Any) -> None:
    """Increase from 0 to 100 by the end of September, unless told otherwise."""
    said: dict[str, Any] = {
        "title": "Revenue",
        "owner_id": "anna",
        "direction": Direction.INCREASE,
        "baseline": Decimal(0),
        "target": Decimal(100),
        "deadline": LAST_DAY,
    }
    said |= terms
    if said["direction"].is_limit or said["direction"] is Direction.MILESTONES:
        said.pop("baseline")
    if said["direction"] is Direction.MILESTONES:
        said.pop("target")
    teller.tell(id, KeyResultDrafted(objective_id=objective, cycle_id=CYCLE, **said))


def commit_key_result(teller: Teller, id: UUID = KEY_RESULT) -> int:
    """Commit what its draft says."""
    (draft,) = [told.fact for told in teller.told if told.stream == id and isinstance(told.fact, KeyResultDrafted)]
    return teller.tell(
        id,
        KeyResultCommitted(baseline=draft.baseline, target=draft.target, deadline=draft.deadline, weight=draft.weight),
    )


def committed(teller: Teller, **terms: Any) -> Teller:
    """A running cycle, an objective and a key result, both committed."""
    open_cycle(teller)
    draft_objective(teller)
    draft_key_result(teller, **terms)
    teller.tell(OBJECTIVE, ObjectiveCommitted())
    commit_key_result(teller)
    return teller


def measured(
    value: str | None, effective_at: datetime, *, key_result: UUID = KEY_RESULT, feed: UUID = FEED
) -> tuple[UUID, MeasurementRecorded]:
    """The stream and the fact of what a feed measured."""
    fact = MeasurementRecorded(
        feed_id=feed,
        feed_revision=1,
        key_result_id=key_result,
        value=None if value is None else Decimal(value),
        effective_at=effective_at,
        effective_by=EffectiveBy.EVENT,
        event_from=effective_at,
        event_to=effective_at,
        ranges=(OffsetRange(topic="crm.deals", epoch="e1", partition=0, first=7, last=9),),
        counts=MessageCounts(matched=2, ignored=1, dead=0),
        evidence=Evidence(contributions=17, changes=2, sha256="ab" * 32),
    )
    return Measurement.create_id(feed, key_result), fact


STEPS = (MilestoneStep(name="design", weight=Decimal(1)), MilestoneStep(name="launch", weight=Decimal(3)))
