"""What each command reads: its members, which of them it needs, and an example.

Names and numbers are read into the domain's kinds here; whether they make sense together is for the domain to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields

from api.fields import (
    Day,
    Id,
    Measure,
    OneOf,
    OpaqueId,
    Title,
    Whole,
    Words,
)
from domain.checkin import ScoreKind, StatedStatus
from domain.command import ReasonCode
from domain.objective import MOST_SUPPORTED, Level

LONGEST_ZONE = 100

REASON = {
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


class Reasoned(Body):
    """Why, where it must be said."""

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


class ObjectiveReplacement(ObjectiveWording, Reasoned):
    """The successor's wording, and why it takes the place."""

    id = Id(allow_none=True, metadata={"description": "the successor's id, made by the server where it is left out"})
    example: ClassVar = {
        "title": "Teams stay with our toolchain",
        "owner_id": "u-1042",
        "level": "department",
        **REASON,
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


# Objectives and key results alike


class Rephrasing(Reasoned):
    title = Title(required=True)
    example: ClassVar = {
        "title": "Daily builds with our toolchain",
        "reason": "The unit was misread",
        "reason_code": "data_error",
    }


class OwnerChange(Reasoned):
    owner_id = OpaqueId(required=True)
    example: ClassVar = {"owner_id": "u-2077", "reason": "She takes over the team", "reason_code": "resources"}


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
