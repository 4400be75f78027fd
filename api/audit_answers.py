"""What answers of audit look like: the JSON Schemas of the specification, beside those of `api.answers`."""

from __future__ import annotations

from typing import Any

from domain.audit.question import Family

Schema = dict[str, Any]


def _whole(description: str, members: dict[str, Schema], *, but: tuple[str, ...] = ()) -> Schema:
    """An object whose members are all there, except those named."""
    required = [name for name in members if name not in but]
    return {"type": "object", "description": description, "properties": members, "required": required}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_ID: Schema = {"type": "string", "format": "uuid"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_FIGURE: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{6}$"}
_POSITIONS = _list({"type": "integer", "minimum": 1})
_FIGURES: Schema = {"type": "object", "description": "numbers as text, moments, words; what they are depends on it"}

_PARAMETER = _whole(
    "What a question may be told.",
    {"name": _TEXT, "default": _TEXT, "least": _TEXT, "most": _TEXT, "unit": _TEXT, "meaning": _TEXT},
)
_FINDING = _whole(
    "One thing that was found, with the positions of the facts that prove it.",
    {
        "key_result_id": _or_null(_ID),
        "objective_id": _or_null(_ID),
        "title": _or_null(_TEXT),
        "owner_id": _or_null(_TEXT),
        "sentence": _TEXT,
        "figures": _FIGURES,
        "positions": _POSITIONS,
    },
)
AUDIT_SCHEMAS: dict[str, Schema] = {
    "AuditQuestions": _whole(
        "The questions of audit.",
        {
            "items": _list(
                _whole(
                    "A named question.",
                    {
                        "name": _TEXT,
                        "family": {"type": "string", "enum": [str(family) for family in Family]},
                        "finds": _TEXT,
                        "recommends": _or_null(_TEXT),
                        "parameters": _list(_PARAMETER),
                    },
                )
            )
        },
    ),
    "AuditAnswer": _whole(
        "The answer to a question of audit. `count` counts all that was found, `items` are one page of it.",
        {
            "question": _TEXT,
            "cycle_id": _ID,
            "parameters": {"type": "object", "additionalProperties": _TEXT},
            "sentence": _TEXT,
            "figures": _FIGURES,
            "recommends": _or_null(_TEXT),
            "count": _WHOLE,
            "items": _list(_FINDING),
            "position": _WHOLE,
            "next": _TEXT,
        },
        but=("next",),
    ),
}
