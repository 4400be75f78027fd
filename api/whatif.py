"""What if: the real figures and the hypothetical ones side by side. It is asked with a body, and nothing is written."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

import marshmallow as ma
from flask import Response, request
from marshmallow import fields

from api import documentation
from api.auth import Scope as Permission
from api.door import knock
from api.endpoints import Members, Routes, read_body
from api.fields import MOST_POSITION, Id, Moment, OneOf, Part, Whole
from api.inputs import Body
from api.moments import moment_of
from api.responses import json_response
from api.services import services
from api.whatif_answers import POLICY
from domain import scoring_data
from domain.errors import invalid
from domain.scoring import BUILT_IN, GUIDE_1_5, ScoringPolicy
from domain.whatif.leaving_out import MOST_POSITIONS
from projections.whatif import Scope, Supposed, what_if

routes = Routes("what-if", "What would be, had some facts not been or were they judged otherwise; nothing is written")


class Targets(StrEnum):
    """Which targets count."""

    AS_COMMITTED = "as_committed"


class WhatIfScope(Body):
    """Exactly one of them."""

    cycle_id = Id(allow_none=True)
    objective_id = Id(allow_none=True)
    key_result_id = Id(allow_none=True)


class WhatIf(Body):
    """What is looked at, and what is supposed to be otherwise."""

    scope = fields.Nested(WhatIfScope, required=True, metadata={"description": "exactly one id"})
    without = fields.List(
        Whole(least=1, most=MOST_POSITION),
        allow_none=True,
        validate=ma.validate.Length(max=MOST_POSITIONS),
        metadata={"description": "positions of facts to leave out"},
    )
    policy = Part(
        {"oneOf": [{"type": "string", "enum": list(BUILT_IN)}, POLICY]},
        allow_none=True,
        metadata={"description": "the name of a scoring policy, or one as data"},
    )
    without_feed = Id(allow_none=True, metadata={"description": "leave out all that this feed measured"})
    targets = OneOf(Targets, allow_none=True, metadata={"description": "leave out every adjustment of a target"})
    as_of = Moment(allow_none=True, metadata={"description": "the facts that were known at that moment"})
    as_of_position = Whole(
        least=1, most=MOST_POSITION, allow_none=True, metadata={"description": "the facts up to that position"}
    )
    effective_at = Moment(allow_none=True, metadata={"description": "what was true at that moment"})
    example: ClassVar = {
        "scope": {"key_result_id": "0198c0de-0000-7000-8000-0000000000f1"},
        "without": [57],
        "policy": "unit_0_1",
    }


_BODY = WhatIf()


@routes.post("")  # type: ignore[untyped-decorator] # flask-smorest has no types
@routes.doc(**documentation.of_rehearsal("WhatIf", WhatIf, Permission.OKR_READ))  # type: ignore[untyped-decorator]
def ask_what_if() -> Response:
    """What the figures would be without some facts, or under another scoring policy, beside the real ones.

    Both come from the same facts by the same functions. Nothing is written, so the same request may be sent again.
    """
    now = datetime.now(UTC)
    here = services()
    with here.reads.connection() as connection:
        caller, heads = knock(connection, request, now)
        caller.must_hold(Permission.OKR_READ)
        members = read_body(_BODY, may_be_empty=False)
        scope, supposed = _scope(members["scope"]), _supposed(members)
        moment = moment_of(connection, request, members, now, heads, here.settings)
        with connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            found = what_if(connection, scope, supposed, moment)
    headers = {"Okr-Position": str(moment.position), "Cache-Control": "no-store"}
    return json_response(found, headers=headers)


def _scope(members: Members) -> Scope:
    if len(members) != 1:
        invalid("scope", "exactly_one", "a scope is exactly one of cycle_id, objective_id and key_result_id")
    ((name, id),) = members.items()
    return Scope(name.removesuffix("_id"), id)


def _supposed(members: Members) -> Supposed:
    positions = members.get("without", [])
    if len(set(positions)) < len(positions):
        invalid("without", "given_twice", "each position is named once")
    return Supposed(
        without=tuple(positions),
        policy=_policy(members["policy"]) if "policy" in members else GUIDE_1_5,
        without_feed=members.get("without_feed"),
        targets_as_committed="targets" in members,
    )


def _policy(said: Any) -> ScoringPolicy:
    return scoring_data.named(said) if isinstance(said, str) else scoring_data.read(said)
