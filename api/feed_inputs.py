"""What the definition of a feed may hold. The domain reads it: here stands only what the specification says of it."""

from __future__ import annotations

from typing import Any, ClassVar

from api.fields import Id, Part
from api.inputs import Body
from domain.feeds.definition import Fn, StartAt, ValueType
from domain.feeds.formats import FORMATS
from domain.feeds.times import UNITS

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
                "topic": {"type": "string", "pattern": "^(?!__)[A-Za-z0-9._-]{1,249}$"},
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
