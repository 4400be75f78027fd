"""Trying a feed out: from pasted messages to what each would do, and to the number that they make. Nothing is kept.

The messages are described as dead letters are, so that one of those can be tried again under a new definition.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import marshmallow as ma

from api.feed_inputs import EXAMPLE
from api.fields import Moment, Part
from api.inputs import Body
from domain.feeds.contribution import Contribution, Ignored, Tombstone
from domain.feeds.definition import BadDefinition, Problem
from domain.feeds.definition import FeedDefinition as Definition
from domain.feeds.explain import Explained, Failure, Finding
from domain.feeds.fields import definition_schema
from domain.feeds.message import Message
from domain.feeds.rehearsal import Effect, Fate, Rehearsal
from projections.answers import Answer, measure, time

MOST_MESSAGES = 500
MOST_BYTES = 8 * 1024 * 1024
"""Of the body of a dry run."""

EPOCH = "dry-run"

_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_BASE64: dict[str, Any] = {"type": ["string", "null"], "contentEncoding": "base64"}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_HEADER: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "value": _TEXT, "value_base64": _BASE64},
    "required": ["name"],
    "additionalProperties": False,
}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "description": "the feed's first topic where it is left out"},
        "partition": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "offset": {**_WHOLE, "description": "counted from 0 where it is left out"},
        "timestamp": {
            "oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}, {"type": "null"}],
            "description": "the broker's: RFC 3339, or milliseconds since 1970; left out: now; null: none",
        },
        "key": _TEXT,
        "key_base64": _BASE64,
        "value": {**_TEXT, "description": "null, as is one left out, is a tombstone"},
        "value_base64": {**_BASE64, "description": "the bytes, where they are no text"},
        "headers": {"type": "array", "items": _HEADER, "maxItems": 100},
    },
    "additionalProperties": False,
}


class DryRun(Body):
    """A definition, and the messages to try it on."""

    definition = Part(definition_schema(), required=True)
    messages = Part({"type": "array", "items": _MESSAGE, "maxItems": MOST_MESSAGES}, required=True)
    example: ClassVar = {
        "definition": EXAMPLE,
        "messages": [
            {"key": '{"id":7}', "value": '{"op":"c","after":{"id":7,"stage":"open","amount":12}}'},
            {"value_base64": "eyJvcCI6ImMi", "timestamp": "2026-02-03T09:30:00Z"},
        ],
    }


class _Unread(Exception):
    """A member of a message that cannot be taken."""

    def __init__(self, member: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.member, self.rule = member, rule


def read_messages(members: Any, definition: Definition, now: datetime) -> list[Message]:
    """The messages that a body describes. Raises `BadDefinition` with each member that is wrong, and its rule."""
    if not isinstance(members, list) or len(members) > MOST_MESSAGES:
        raise BadDefinition([Problem("messages", "list", f"a list of at most {MOST_MESSAGES} messages is expected")])
    problems, messages = [], []
    for number, each in enumerate(members):
        try:
            messages.append(_message(each, number, definition, now))
        except _Unread as error:
            problems.append(Problem(f"messages.{number}{error.member and '.' + error.member}", error.rule, str(error)))
    if problems:
        raise BadDefinition(problems)
    return messages


def _message(members: Any, number: int, definition: Definition, now: datetime) -> Message:
    if not isinstance(members, Mapping):
        raise _Unread("", "object", "a message is an object with key, value, headers, timestamp")
    for name in members.keys() - _MESSAGE["properties"].keys():
        raise _Unread(name, "unknown_field", f"a message has {', '.join(_MESSAGE['properties'])}")
    topic = members.get("topic", definition.source.topics[0])
    if not isinstance(topic, str):
        raise _Unread("topic", "text", "a text is expected")
    return Message(
        topic=topic,
        epoch=EPOCH,
        partition=_whole(members, "partition", 0, 2**31 - 1),
        offset=_whole(members, "offset", number, 2**63 - 1),
        timestamp_ms=_timestamp(members["timestamp"]) if "timestamp" in members else int(now.timestamp() * 1000),
        key=_bytes(members, "key"),
        value=_bytes(members, "value"),
        headers=_headers(members.get("headers", [])),
    )


def _whole(members: Mapping[str, Any], name: str, otherwise: int, most: int) -> int:
    value = members.get(name, Decimal(otherwise))
    if not isinstance(value, Decimal) or not 0 <= value <= most or value != value.to_integral_value():
        raise _Unread(name, "whole_number", f"a whole number from 0 to {most} is expected")
    return int(value)


def _timestamp(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return _whole({"timestamp": value}, "timestamp", 0, 2**53)
    try:
        moment = Moment().read(value)
    except ma.ValidationError as error:
        raise _Unread("timestamp", "moment", str(error.messages[0])) from None
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _bytes(members: Mapping[str, Any], name: str) -> bytes | None:
    """What stands as base64, else the text's UTF-8, else None."""
    encoded, text = members.get(f"{name}_base64"), members.get(name)
    if encoded is None:
        if text is not None and not isinstance(text, str):
            raise _Unread(name, "text", "a text is expected: JSON is written as text here")
        return None if text is None else text.encode()
    try:
        raw = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None:
        raise _Unread(f"{name}_base64", "base64", "base64 is expected")
    if text is not None and text != raw.decode(errors="replace"):
        raise _Unread(name, "conflict", f"{name} and {name}_base64 say different things")
    return raw


def _headers(headers: Any) -> tuple[tuple[str, bytes | None], ...]:
    if not isinstance(headers, list) or not all(
        isinstance(each, Mapping) and isinstance(each.get("name"), str) and each.keys() <= {*_HEADER["properties"]}
        for each in headers
    ):
        raise _Unread("headers", "list", "a list of objects with name and value is expected")
    return tuple((each["name"], _bytes(each, "value")) for each in headers)


def answer(done: Rehearsal, today: Answer, feed: Answer | None, definition: Definition) -> Answer:
    """What a dry run answers: each message, and the number beside the key result's own."""
    messages = [_explained(explained, effects) for explained, effects in done.messages]
    outcomes = [each["outcome"] for each in messages]
    return {
        "name": definition.name,
        "messages": messages,
        "counts": {name: outcomes.count(name) for name in ("matched", "ignored", "dead")},
        "result": {
            "value": measure(done.value),
            "exact": measure(done.exact),
            "contributions": done.contributions,
            "window": {"from": time(done.window.start), "to": time(done.window.end)},
        },
        "today": {
            "key_result_id": today["id"],
            "title": today["title"],
            "value": today["value"],
            "value_effective_at": today["value_effective_at"],
            "value_source": today["value_source"],
        },
        "feed": feed
        and {
            "id": feed["id"],
            "name": feed["name"],
            "revision": feed["revision"],
            "is_same_definition": feed["definition"] == definition.to_mapping(),
        },
    }


def _explained(explained: Explained, effects: Sequence[Effect]) -> Answer:
    message, failure = explained.message, explained.failure
    outcome = "dead" if failure is not None else "matched" if explained.ignored is None else "ignored"
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.arrived_at and time(message.arrived_at),
        "outcome": outcome,
        "decoded": list(explained.decoded),
        "ignored": explained.ignored,
        "findings": [_finding(each) for each in explained.findings],
        "failure": failure and _failure(failure),
        "effects": [_effect(one, fate) for one, fate in effects if not isinstance(one, Ignored)],
    }


def _finding(finding: Finding) -> Answer:
    return {
        "field": finding.field,
        "expression": finding.expression,
        "column": finding.column,
        "was": finding.was,
        "values": finding.values,
    }


def _failure(failure: Failure) -> Answer:
    return {
        "stage": str(failure.stage),
        "reason": failure.reason,
        "field": failure.field,
        "expression": failure.expression,
        "column": failure.column,
    }


def _effect(one: Contribution | Tombstone, fate: Fate) -> Answer:
    said: Answer = {"value": None, "version": None, "effective_at": None, "effective_by": None}
    if isinstance(one, Contribution):
        said = {
            "value": measure(one.value),
            "version": one.version,
            "effective_at": time(one.effective_at),
            "effective_by": "arrival" if one.is_arrival else "event",
        }
    return {
        "part": one.part or None,
        "entity": one.entity,
        **said,
        "counts": fate is Fate.COUNTS,
        "because": str(fate),
    }
