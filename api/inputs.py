"""What each command reads: its members, which of them it needs, and an example.

Names and numbers are read into the domain's kinds here; whether they make sense together is for the domain to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from api.fields import (
    MOST_POSITION,
    Day,
    Id,
    Measure,
    Moment,
    OneOf,
    OpaqueId,
    Part,
    Said,
    Title,
    Whole,
    Words,
    refuse,
)
from domain.checkin import ScoreKind, StatedStatus
from domain.command import ReasonCode
from domain.feeds.definition import Fn, StartAt, ValueType
from domain.feeds.formats import FORMATS
from domain.feeds.times import UNITS
from domain.key_result import MOST_MILESTONES, MilestoneStep, OverrideUntil
from domain.measures import Direction
from domain.objective import MOST_SUPPORTED, Level
from domain.words import UNIT_LENGTH

LONGEST_URL = 2_000
LONGEST_ZONE = 100

_WHEN = "when it was true in the business; not in the future"
_REASON = {
    "reason": "Two large customers left the market",
    "reason_code": "market_change",
}


class Body(ma.Schema):
    """A JSON object with these members and no others. A member that may be left out may also be null."""

    class Meta:
        unknown = ma.RAISE

    example: ClassVar[Mapping[str, Any]] = {}
    keeps_null: ClassVar[bool] = False

    @ma.post_load
    def leave_out_null(self, members: dict[str, Any], **_: Any) -> dict[str, Any]:
        if self.keeps_null:
            return members
        return {name: value for name, value in members.items() if value is not None}


class Reason(Body):
    """Why, where it may be said."""

    reason = Words(allow_none=True)
    reason_code = OneOf(ReasonCode, allow_none=True)
    example: ClassVar = {"reason": "All teams have agreed their goals"}


class _Reasoned(Body):
    reason = Words(required=True, metadata={"description": "why, in words"})
    reason_code = OneOf(ReasonCode, required=True)


# Cycles and teams


class Cycle(Body):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
    name = Title(required=True)
    starts_on = Day(required=True, metadata={"description": "its first day"})
    ends_on = Day(required=True, metadata={"description": "its last day"})
    time_zone = Title(longest=LONGEST_ZONE, required=True, metadata={"description": "a name of the IANA database"})
    example: ClassVar = {
        "name": "2026 Q1",
        "starts_on": "2026-01-01",
        "ends_on": "2026-03-31",
        "time_zone": "Asia/Shanghai",
    }


class Team(Body):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
    name = Title(required=True)
    parent_id = Id(allow_none=True, metadata={"description": "the team above"})
    lead_id = OpaqueId(allow_none=True)
    example: ClassVar = {"name": "Compilers", "lead_id": "u-7"}


# Objectives


def _supports() -> fields.List[Any]:
    return fields.List(
        Id(),
        allow_none=True,
        validate=ma.validate.Length(max=MOST_SUPPORTED),
        metadata={"description": "the objectives and key results that it supports"},
    )


class ObjectiveWording(Body):
    title = Title(required=True)
    description = Words(allow_none=True)
    owner_id = OpaqueId(required=True)
    level = OneOf(Level, required=True)
    team_id = Id(allow_none=True)
    supports = _supports()


class Objective(ObjectiveWording):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
    cycle_id = Id(required=True)
    example: ClassVar = {
        "cycle_id": "0198c0de-0000-7000-8000-00000000c001",
        "title": "Our toolchain is the one that teams choose",
        "owner_id": "u-1042",
        "level": "department",
    }


class ObjectiveReplacement(ObjectiveWording, _Reasoned):
    """The successor's wording, and why it takes the place."""

    id = Id(allow_none=True, metadata={"description": "the successor's id, made by the server where it is left out"})
    example: ClassVar = {
        "title": "Teams stay with our toolchain",
        "owner_id": "u-1042",
        "level": "department",
        **_REASON,
    }


class ObjectiveRevision(Body):
    """Only what changes; null takes away what may be missing."""

    keeps_null = True
    title = Title()
    description = Words(allow_none=True)
    owner_id = OpaqueId()
    level = OneOf(Level)
    team_id = Id(allow_none=True)
    supports = _supports()
    example: ClassVar = {"title": "Our toolchain is the first choice", "team_id": None}


# Key results


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


class KeyResultReplacement(KeyResultTerms, _Reasoned):
    """The successor's terms, and why it takes the place."""

    id = Id(allow_none=True, metadata={"description": "the successor's id, made by the server where it is left out"})
    example: ClassVar = {
        "title": "Teams that build with our toolchain",
        "owner_id": "u-1042",
        "direction": "increase",
        "target": 12,
        "deadline": "2026-03-31",
        **_REASON,
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


class Rephrasing(_Reasoned):
    title = Title(required=True)
    example: ClassVar = {
        "title": "Daily builds with our toolchain",
        "reason": "The unit was misread",
        "reason_code": "data_error",
    }


class OwnerChange(_Reasoned):
    owner_id = OpaqueId(required=True)
    example: ClassVar = {"owner_id": "u-2077", "reason": "She takes over the team", "reason_code": "resources"}


class TargetAdjustment(_Reasoned):
    target = Measure(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {"target": "200", **_REASON}


class DeadlineAdjustment(_Reasoned):
    deadline = Day(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {
        "deadline": "2026-03-15",
        "reason": "The fair is two weeks earlier",
        "reason_code": "dependency",
    }


class WeightAdjustment(_Reasoned):
    weight = Measure(required=True)
    effective_at = Moment(allow_none=True, metadata={"description": _WHEN})
    example: ClassVar = {"weight": "40", "reason": "The other one depends on it", "reason_code": "dependency"}


class Correction(_Reasoned):
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


# Both


class CheckIn(Body):
    progress = Words(required=True)
    problem = Words(allow_none=True)
    support_needed = Words(allow_none=True)
    confidence = Whole(least=0, most=10, required=True, metadata={"description": "0 is none, 10 is certainty"})
    status = OneOf(StatedStatus, allow_none=True)
    example: ClassVar = {"progress": "The cache is in use by four teams", "confidence": 7, "status": "on_track"}


class Score(Body):
    points = Measure(required=True, metadata={"description": "1 to 5, 5 for fully achieved"})
    kind = OneOf(ScoreKind, required=True)
    comment = Words(allow_none=True)
    example: ClassVar = {"points": "3.5", "kind": "self", "comment": "Late, but used by everybody"}


# Feeds, whose definition the domain reads: here stands only what the specification says of it

_EXPRESSION = {"type": "string", "minLength": 1, "maxLength": 2_000}
_DURATION = {"type": "string", "examples": ["P28D", "PT5M"]}
_NUMBER = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def _section(members: dict[str, Any], *needed: str) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(needed), "additionalProperties": False}


_VALUE = _section(
    {
        "expr": _EXPRESSION,
        "type": {"type": "string", "enum": [str(each) for each in ValueType]},
        "min": _NUMBER,
        "max": _NUMBER,
    },
    "expr",
)
_SIDE = _section({"filter": _EXPRESSION, "entity": _EXPRESSION, "value": _VALUE})


class FeedDefinition(Body):
    """Which messages contribute which value to which key result."""

    name = Part(
        {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
        required=True,
        metadata={"description": "unique; the feed keeps it"},
    )
    key_result = Part({"type": "string", "format": "uuid"}, required=True)
    source = Part(
        _section(
            {
                "topic": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,249}$"},
                "topics": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 20},
                "format": {"type": "string", "enum": list(FORMATS)},
            },
            "format",
        ),
        required=True,
    )
    start = Part(
        {
            "anyOf": [
                {"type": "string", "enum": [str(StartAt.EARLIEST), str(StartAt.LATEST)]},
                _section({"timestamp": {"type": "string", "format": "date-time"}}, "timestamp"),
                _section({"offsets": {"type": "object"}}, "offsets"),
            ]
        },
        allow_none=True,
    )
    filter = Part(_EXPRESSION, allow_none=True)
    entity = Part(_EXPRESSION, allow_none=True)
    order = Part({"type": "array", "items": _EXPRESSION, "maxItems": 5}, allow_none=True)
    effective_at = Part(
        _section({"path": _EXPRESSION, "unit": {"type": "string", "enum": list(UNITS)}}, "path"), allow_none=True
    )
    value = Part(_VALUE, allow_none=True)
    retract_when = Part(_EXPRESSION, allow_none=True)
    aggregate = Part(
        _section(
            {
                "fn": {"type": "string", "enum": [str(each) for each in Fn]},
                "window": _DURATION,
                "per": _DURATION,
                "numerator": _SIDE,
                "denominator": _SIDE,
            },
            "fn",
        ),
        required=True,
    )
    emit = Part(_section({"debounce": _DURATION, "min_change": _NUMBER, "round": {"type": "integer"}}), allow_none=True)
    example: ClassVar = {
        "name": "revenue",
        "key_result": "0198c0de-0000-7000-8000-0000000000f1",
        "source": {"topic": "crm.public.deals", "format": "debezium"},
        "entity": "row.id",
        "order": ["source.lsn"],
        "retract_when": "op == 'd' or row.stage != 'closed_won'",
        "value": {"expr": "row.amount"},
        "effective_at": {"path": "row.closed_at"},
        "aggregate": {"fn": "sum", "window": "cycle"},
    }


class Feed(FeedDefinition):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
