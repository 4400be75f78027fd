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

_TWO = _whole("A moment.", {"position": _WHOLE, "at": _TIME})
_ACTOR = _whole("Who.", {"id": _TEXT, "kind": _TEXT})
_ROLL = {
    **_whole(
        "The mean: each key result clamped to 0..1, and without clamping.", {"clamped": _FIGURE, "unclamped": _FIGURE}
    ),
    "type": ["object", "null"],
}
_NUMBER = _or_null(_FIGURE)
_MOVED: dict[str, Schema] = {
    "attainment": _whole(
        "Against the original targets, today's, and those weighted by time; weights are today's.",
        {"original": _ROLL, "current": _ROLL, "time_weighted": _ROLL},
    ),
    "owed_to_moved_targets": {**_NUMBER, "description": "current less original attainment, clamped"},
    "owed_share": {**_NUMBER, "description": "the same as a share of the current attainment"},
    "goalpost_shift": {**_NUMBER, "description": "-0.2 where the bar stands 20 % lower in the mean"},
}
_MOVES = _list(
    _whole(
        "An adjustment of a target, the one that is worth most first. Effects are unclamped attainment.",
        {
            "key_result_id": _ID,
            "objective_id": _ID,
            "title": _TEXT,
            "position": _WHOLE,
            "from": _TEXT,
            "to": _TEXT,
            "recorded_at": _TIME,
            "actor": _ACTOR,
            "reason_code": _or_null(_TEXT),
            "time_share": _FIGURE,
            "effect": {**_NUMBER, "description": "on its key result"},
            "effect_on_objective": _NUMBER,
            "effect_on_whole": {**_NUMBER, "description": "on what was asked about"},
        },
    )
)
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
    "Difference": _whole(
        "What differs between two moments. `is_new`: it was not there at the first. `by_time`: only the clock did it.",
        {
            "kind": _TEXT,
            "id": _ID,
            "from": _TWO,
            "to": _TWO,
            "changes": _list(
                _whole(
                    "Something that differs.",
                    {
                        "kind": _TEXT,
                        "id": _ID,
                        "title": _or_null(_TEXT),
                        "is_new": {"type": "boolean"},
                        "fields": _list(
                            _whole(
                                "A field, and the positions of the facts that changed it: the latest of `fact_count`.",
                                {
                                    "field": _TEXT,
                                    "from": {},
                                    "to": {},
                                    "facts": _POSITIONS,
                                    "fact_count": _WHOLE,
                                    "by_time": {"type": "boolean"},
                                },
                            )
                        ),
                    },
                )
            ),
            "facts": _list(
                _whole(
                    "A fact that changed something.",
                    {
                        "position": _WHOLE,
                        "type": _TEXT,
                        "actor": _ACTOR,
                        "recorded_at": _TIME,
                        "effective_at": _or_null(_TIME),
                        "reason_code": _or_null(_TEXT),
                    },
                )
            ),
            "position": _WHOLE,
        },
    ),
    "ObjectiveGoalposts": _whole(
        "What an objective's attainment owes to targets that moved.",
        {"objective_id": _ID, **_MOVED, "adjustments": _MOVES, "position": _WHOLE},
    ),
    "CycleGoalposts": _whole(
        "How much of a cycle's success is moved target. `objectives` are those of which a target moved.",
        {
            "cycle_id": _ID,
            "sentence": _TEXT,
            **_MOVED,
            "objective_count": _WHOLE,
            "objectives": _list(
                _whole("An objective.", {"objective_id": _ID, "title": _TEXT, **_MOVED}),
            ),
            "adjustments": _MOVES,
            "position": _WHOLE,
        },
    ),
}
