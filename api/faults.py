"""What is wrong with a value: the field, the rule, and a sentence. marshmallow collects, this tells."""

from __future__ import annotations

from typing import Any

import marshmallow as ma


class Fault(str):
    """A message that says which rule was broken."""

    __slots__ = ("rule",)
    rule: str

    def __new__(cls, rule: str, message: str) -> Fault:
        fault = super().__new__(cls, message)
        fault.rule = rule
        return fault


def refuse(rule: str, message: str) -> ma.ValidationError:
    """The error to raise for a value."""
    return ma.ValidationError(Fault(rule, message))


def faults(messages: Any, path: str = "") -> list[tuple[str | None, str, str]]:
    """What marshmallow collected, as (field, rule, message), with the path of nested fields in dots."""
    if isinstance(messages, dict):
        found = []
        for name, below in messages.items():
            name = "" if name == ma.exceptions.SCHEMA else str(name)
            found += faults(below, f"{path}.{name}" if path and name else path or name)
        return found
    if isinstance(messages, list):
        return [fault for message in messages for fault in faults(message, path)]
    return [(path or None, getattr(messages, "rule", _MARSHMALLOW.get(messages, "value")), str(messages))]


_MARSHMALLOW = {
    "Missing data for required field.": "required",
    "Unknown field.": "unknown_field",
    "Field may not be null.": "not_null",
    "Not a valid list.": "list",
    "Invalid input type.": "object",
}
