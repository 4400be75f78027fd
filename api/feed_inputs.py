"""What the definition of a feed may hold. The domain reads it, and its table of fields says what stands here."""

from __future__ import annotations

from typing import Any, ClassVar

from api.fields import Id, OneOf, Part, Words
from api.inputs import REASON, Body
from domain.command import ReasonCode
from domain.feeds.fields import schema_of

EXAMPLE: dict[str, Any] = {
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


def _part(name: str, *, required: bool = False) -> Part:
    return Part(schema_of(name), required=required, allow_none=not required)


class FeedDefinition(Body):
    """Which messages contribute which value to which key result."""

    name = _part("name", required=True)
    key_result = _part("key_result", required=True)
    source = _part("source", required=True)
    start = _part("start")
    filter = _part("filter")
    entity = _part("entity")
    order = _part("order")
    effective_at = _part("effective_at")
    value = _part("value")
    retract_when = _part("retract_when")
    aggregate = _part("aggregate", required=True)
    emit = _part("emit")
    on_error = _part("on_error")


class Reasoned(FeedDefinition):
    """And why, where that is to be said."""

    reason = Words(allow_none=True, metadata={"description": "why, in words"})
    reason_code = OneOf(ReasonCode, allow_none=True)


class Feed(Reasoned):
    id = Id(allow_none=True, metadata={"description": "made by the server where it is left out"})
    example: ClassVar = EXAMPLE


class FeedRevision(Reasoned):
    """The whole definition as it is to be."""

    example: ClassVar = {**EXAMPLE, "filter": "row.region == 'eu'", **REASON}
