"""What each command about a key result reads."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from api.faults import refuse
from api.fields import MOST_POSITION, Day, Id, Measure, Moment, OneOf, OpaqueId, Said, Title, Whole, Words
from api.inputs import REASON, Body, Reasoned
from domain.key_result import OverrideUntil
from domain.measures import Direction
from domain.terms import MOST_MILESTONES, MilestoneStep
from domain.words import UNIT_LENGTH

LONGEST_URL = 2_000

_WHEN = "when it was true in the business; not in the future"


class Milestone(Body):
    name = Title(required=True)
    weight = Measure(required=True)
    example: ClassVar = {"name": "Parser done", "weight": "2"}

    @ma.post_load
    def step(self, members: dict[str, Any], **_: Any) -> MilestoneStep:
        return MilestoneStep(**members)


def _milestones() -> fields.List[Any]:
    return fields.List(
        fields.Nested(Milestone),
        allow_none=True,
        validate=ma.validate.Length(min=1, max=MOST_MILESTONES),
        metadata={"description": "named steps, for direction milestones only"},
    )


class KeyResultTerms(Body):
    title = Title(required=True)
    owner_id = OpaqueId(required=True)
    direction = OneOf(Direction, required=True)
    baseline = Measure(allow_none=True, metadata={"description": "0 for increase where it is left out"})
    target = Measure(allow_none=True, metadata={"description": "needed by every direction except milestones"})
    unit = Title(longest=UNIT_LENGTH, allow_none=True)
    deadline = Day(required=True, metadata={"description": "a day of the cycle; it counts to that day's end"})
    weight = Measure(allow_none=True)
    milestones = _milestones()


class KeyResult(KeyResultTerms):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
    example: ClassVar = {
        "title": "Builds with our toolchain",
        "owner_id": "u-1042",
        "direction": "increase",
        "baseline": "100",
        "target": "250",
        "unit": "builds a day",
        "deadline": "2026-03-31",
    }


class KeyResultReplacement(KeyResultTerms, Reasoned):
    """The successor's terms, and why it takes the place."""

    id = Id(allow_none=True, metadata={"description": "the successor's id, made by the server where it is left out"})
    example: ClassVar = {
        "title": "Teams that build with our toolchain",
        "owner_id": "u-1042",
        "direction": "increase",
        "target": 12,
        "deadline": "2026-03-31",
        **REASON,
    }


class KeyResultRevision(Body):
    """Only what changes; null takes away what may be missing."""

    keeps_null = True
    title = Title()
    owner_id = OpaqueId()
    direction = OneOf(Direction)
    baseline = Measure(allow_none=True)
    target = Measure(allow_none=True)
    unit = Title(longest=UNIT_LENGTH, allow_none=True)
    deadline = Day()
    weight = Measure(allow_none=True)
    milestones = _milestones()
    example: ClassVar = {"target": "300", "unit": None}


class TargetAdjustment(Reasoned):
    target = Measure(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {"target": "200", **REASON}


class DeadlineAdjustment(Reasoned):
    deadline = Day(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {
        "deadline": "2026-03-15",
        "reason": "The fair is two weeks earlier",
        "reason_code": "dependency",
    }


class WeightAdjustment(Reasoned):
    weight = Measure(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {"weight": "40", "reason": "The other one depends on it", "reason_code": "dependency"}


class Correction(Reasoned):
    """What was written down wrongly: the fact's position, and either the right target or the right value."""

    corrects = Whole(least=1, most=MOST_POSITION, required=True, metadata={"description": "position of the fact"})
    target = Measure(allow_none=True)
    value = Measure(allow_none=True)
    example: ClassVar = {
        "corrects": 42,
        "value": "131",
        "reason": "Two digits were swapped",
        "reason_code": "data_error",
    }

    @ma.validates_schema
    def one_of_both(self, members: dict[str, Any], **_: Any) -> None:
        if (members.get("target") is None) is (members.get("value") is None):
            raise refuse("target_or_value", "a correction names either the right target or the right value")


class Source(Body):
    title = Words(allow_none=True)
    url = Words(longest=LONGEST_URL, allow_none=True)
    example: ClassVar = {"title": "Build dashboard, 7 February", "url": "https://dash.example/builds"}


class Progress(Body):
    value = Measure(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN + "; now where it is left out"})
    note = Words(allow_none=True)
    source = fields.Nested(Source, allow_none=True)
    example: ClassVar = {
        "value": "131.5",
        "effective_at": "2026-02-06T18:00:00+08:00",
        "source": {"title": "Build dashboard", "url": "https://dash.example/builds"},
    }


class MilestoneReached(Body):
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN + "; now where it is left out"})
    note = Words(allow_none=True)
    example: ClassVar = {"note": "Merged and released"}


class Until(Said[tuple[OverrideUntil, date | None]]):
    """How long an override stands: sticky, next-message, or a day, through its end."""

    schema: ClassVar = {
        "anyOf": [
            {"type": "string", "enum": [str(OverrideUntil.STICKY), str(OverrideUntil.NEXT_MESSAGE)]},
            {"type": "string", "format": "date"},
        ]
    }

    def read(self, value: Any) -> tuple[OverrideUntil, date | None]:
        if value in (OverrideUntil.STICKY, OverrideUntil.NEXT_MESSAGE):
            return OverrideUntil(value), None
        try:
            return OverrideUntil.DATE, Day().read(value)
        except ma.ValidationError:
            raise refuse("until", "until is sticky, next-message or a day such as 2026-03-31") from None


class Override(Body):
    value = Measure(required=True)
    until = Until(allow_none=True, metadata={"description": "sticky where it is left out"})
    reason = Words(required=True, metadata={"description": "why, in words"})
    example: ClassVar = {"value": "128", "until": "next-message", "reason": "The exporter counted test builds"}


class OverrideLift(Body):
    reason = Words(required=True, metadata={"description": "why, in words"})
    example: ClassVar = {"reason": "The exporter is repaired"}
