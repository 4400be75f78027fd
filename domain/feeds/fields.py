"""Every field of a feed's definition, in one table: what the editor, the API and the documentation say of it.

`domain.feeds.parsing` decides what a definition may hold; a test holds this table against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from domain.feeds.definition import Fn, StartAt, ValueType
from domain.feeds.formats import FORMATS
from domain.feeds.spelling import MAX_CHARACTERS
from domain.feeds.times import UNITS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SECTION = "section"
"""The type of a field that has fields of its own, which stand below it in the table."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field, named by its path. `type` is a key of TYPES, or SECTION.

    What holds where it is left out is the JSON value `default`, or what `otherwise` says.
    """

    path: str
    type: str
    meaning: str
    example: Any
    is_required: bool = False
    default: Any = None
    otherwise: str = ""


def _object(members: Mapping[str, Schema], *needed: str) -> Schema:
    return {"type": "object", "properties": dict(members), "required": list(needed), "additionalProperties": False}


def _words(words: Any) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}


_EXPRESSION: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}
_TOPIC: Schema = {"type": "string", "pattern": r"^(?!\.{1,2}$|__)[A-Za-z0-9._-]{1,249}$"}
_NUMBER: Schema = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_OFFSETS: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[0-9]{1,9}$"},
        "additionalProperties": {"type": "integer", "minimum": 0},
    },
}
_VALUE: Schema = _object(
    {"expr": _EXPRESSION, "type": _words(ValueType), "min": _NUMBER, "max": _NUMBER}, "expr"
)  # fmt: skip

TYPES: dict[str, Schema] = {
    "name": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
    "id": {"type": "string", "format": "uuid"},
    "topic": _TOPIC,
    "topics": {"type": "array", "items": _TOPIC, "minItems": 1, "maxItems": 20, "uniqueItems": True},
    "format": _words(FORMATS),
    "start": {
        "anyOf": [
            _words([StartAt.EARLIEST, StartAt.LATEST]),
            _object({"timestamp": {"type": "string", "format": "date-time"}}, "timestamp"),
            _object({"offsets": _OFFSETS}, "offsets"),
        ]
    },
    "expression": _EXPRESSION,
    "expressions": {"type": "array", "items": _EXPRESSION, "maxItems": 5},
    "unit": _words(UNITS),
    "number type": _words(ValueType),
    "number": _NUMBER,
    "function": _words(Fn),
    "window": {"type": "string", "pattern": "^(cycle|P[0-9WDTHMS]+)$"},
    "duration": {"type": "string", "pattern": "^P[0-9WDTHMS]+$"},
    "side": _object({"filter": _EXPRESSION, "entity": _EXPRESSION, "value": _VALUE}),
    "digits": {"type": "integer", "minimum": 0, "maximum": 12},
    "word": _words(["dead_letter"]),
}
"""What each type is in JSON Schema."""

FIELDS = (
    Field("name", "name", "what the feed is called, uniquely and for ever: small letters, digits, hyphens",
          "revenue", is_required=True),
    Field("key_result", "id", "the key result that it measures, which has no other feed; in a file also a part of"
          " its title", "0199f3c2-6a55-7cc1-8e7e-1f0a3f6f5a10", is_required=True),
    Field("source", SECTION, "which messages are read",
          {"topic": "crm.public.deals", "format": "debezium"}, is_required=True),
    Field("source.topic", "topic", "the Kafka topic", "crm.public.deals", otherwise="`topics` is given"),
    Field("source.topics", "topics", "several topics, instead of `topic`", ["deals-eu", "deals-us"],
          otherwise="`topic` is given"),
    Field("source.format", "format", "how the messages are written", "debezium", is_required=True),
    Field("start", "start", "where reading begins: `earliest`, `latest`, `{timestamp: …}` or"
          " `{offsets: {topic: {partition: offset}}}`; a feed that has begun does not begin again",
          "latest", default="earliest"),
    Field("filter", "expression", "which messages matter; an entity that stops matching keeps what it contributed",
          "deployment.environment == 'production'", otherwise="all messages"),
    Field("entity", "expression", "what the message is about: of each entity the newest contribution counts",
          "row.id", otherwise="the message's own id"),
    Field("order", "expressions", "which of two messages about an entity is newer, most important first",
          ["source.lsn"], otherwise="the place in the topic"),
    Field("effective_at", SECTION, "when it was true in the business",
          {"path": "row.closed_at"}, otherwise="the event's own time, else its arrival"),
    Field("effective_at.path", "expression", "the time", "row.closed_at", is_required=True),
    Field("effective_at.unit", "unit", "how the time is written", "ms", default="iso"),
    Field("value", SECTION, "what the entity contributes",
          {"expr": "row.amount"}, otherwise="nothing but itself: it is counted"),
    Field("value.expr", "expression", "the number", "row.amount", is_required=True),
    Field("value.type", "number type", "how the number is written", "text-number", default="decimal"),
    Field("value.min", "number", "the least that is believed; what is below becomes a dead letter", 0,
          otherwise="no bound"),
    Field("value.max", "number", "the most that is believed", 1000000, otherwise="no bound"),
    Field("retract_when", "expression", "when the entity stops counting",
          "row.stage != 'closed_won'", otherwise="never; a deleted row stops by itself"),
    Field("aggregate", SECTION, "how the contributions make one number",
          {"fn": "sum", "window": "cycle"}, is_required=True),
    Field("aggregate.fn", "function", "how they are put together; a ratio is in percent points", "sum",
          is_required=True),
    Field("aggregate.window", "window", "the time in which they count: the cycle, or a rolling length that ends at"
          " the last midnight in the cycle's time zone", "P28D", default="cycle"),
    Field("aggregate.per", "duration", "only for a rate, and needed there: the time for which it is told", "P7D",
          otherwise="no rate"),
    Field("aggregate.numerator", "side", "only for a ratio, and needed there: `filter` (beside the feed's),"
          " `entity` (instead of the feed's), `value` (summed; without it entities are counted)",
          {"filter": "type == 'incident'"}, otherwise="no ratio"),
    Field("aggregate.denominator", "side", "only for a ratio, and needed there: like the numerator",
          {"filter": "type == 'deployment'"}, otherwise="no ratio"),
    Field("emit", SECTION, "how often the number becomes a fact", {"debounce": "PT1M", "round": 2},
          otherwise="at most once a second, at each change"),
    Field("emit.debounce", "duration", "at most one fact in that time; the last change is always written", "PT1M",
          default="PT1S"),
    Field("emit.min_change", "number", "smaller changes wait", "0.5", otherwise="any change"),
    Field("emit.round", "digits", "digits after the point, a half to the even neighbour", 2, otherwise="up to 12"),
    Field("on_error", "word", "what becomes of a message that cannot be read", "dead_letter", default="dead_letter"),
)  # fmt: skip
"""The table. Sections stand before what is in them."""


def schema_of(path: str) -> Schema:
    """The JSON Schema of a field, with what it means, its default and an example."""
    field = _FIELD[path]
    schema = _section(f"{path}.") if field.type == SECTION else dict(TYPES[field.type])
    schema["description"] = field.meaning.replace("`", "")
    if field.default is not None:
        schema["default"] = field.default
    schema["examples"] = [field.example]
    return schema


def definition_schema() -> Schema:
    """The JSON Schema of a definition, as the API takes it."""
    return _section("")


def file_schema() -> Schema:
    """The JSON Schema (2020-12) of a YAML file: a definition, or a list of them. For editors."""
    feed = definition_schema()
    feed["properties"]["key_result"] = {**schema_of("key_result"), "type": "string", "minLength": 1}
    del feed["properties"]["key_result"]["format"]
    return {
        "$schema": DIALECT,
        "title": "Feeds of okr-ledger",
        "description": "Which messages of business systems contribute which value to which key result.",
        "if": {"type": "array"},
        "then": {"items": {"$ref": "#/$defs/feed"}, "minItems": 1},
        "else": {"$ref": "#/$defs/feed"},
        "$defs": {"feed": feed},
    }


def docs_table() -> str:
    """The reference of fields in docs/feeds.md."""
    lines = ["| field | type | default | meaning | example |", "|---|---|---|---|---|"]
    for field in FIELDS:
        default = "required" if field.is_required else field.otherwise or f"`{field.default}`"
        example = orjson.dumps(field.example).decode().replace("|", "\\|")
        lines.append(f"| `{field.path}` | {field.type} | {default} | {field.meaning} | `{example}` |")
    return "\n".join(lines)


def _section(prefix: str) -> Schema:
    inside = [field for field in FIELDS if field.path.startswith(prefix) and "." not in field.path[len(prefix) :]]
    members = {field.path[len(prefix) :]: schema_of(field.path) for field in inside}
    return _object(members, *(field.path[len(prefix) :] for field in inside if field.is_required))


_FIELD = {field.path: field for field in FIELDS}
