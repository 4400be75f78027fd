"""What the answer to a what-if looks like, and a scoring policy in a body: the JSON Schemas of the specification."""

from __future__ import annotations

from typing import Any

from api.fields import Measure
from domain.goal import GoalState
from domain.numbers import MEASURE_PATTERN
from domain.scoring import MOST_DECIMALS, Advice, Band
from domain.scoring_data import NAME_LENGTH, REQUIRED

Schema = dict[str, Any]


def _whole(description: str, members: dict[str, Schema]) -> Schema:
    return {"type": "object", "description": description, "properties": members, "required": list(members)}


def _or_null(schema: Schema) -> Schema:
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _sides(figures: Schema) -> dict[str, Schema]:
    return {"real": figures, "hypothetical": figures}


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_POSITION: Schema = {"type": "integer", "minimum": 1}
_FLAG: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "format": "uuid"}
_FIGURE: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{6}$"}
_MEASURE: Schema = {"type": "string", "pattern": f"^{MEASURE_PATTERN}$"}
_ADVICE: Schema = {"type": "string", "enum": [str(advice) for advice in Advice]}
_NUMBER: Schema = dict(Measure.schema)
_NUMBER_OR_NULL: Schema = {**_NUMBER, "oneOf": [*_NUMBER["oneOf"], {"type": "null"}]}

POLICY: Schema = {
    "type": "object",
    "description": "points = offset + factor x attainment, clamped to minimum..maximum",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH},
        "minimum": _NUMBER,
        "maximum": _NUMBER,
        "decimals": {"type": "integer", "minimum": 0, "maximum": MOST_DECIMALS},
        "factor": _NUMBER,
        "offset": _NUMBER_OR_NULL,
        "ideal": {
            "type": ["object", "null"],
            "description": "the band of attainment that says the goal was well chosen",
            "properties": {"low": _NUMBER, "high": _NUMBER},
            "required": ["low", "high"],
            "additionalProperties": False,
        },
        "advice": {
            "type": ["object", "null"],
            "description": "what a band makes people ask",
            "properties": {str(band): _ADVICE for band in Band},
            "additionalProperties": False,
        },
    },
    "required": list(REQUIRED),
    "additionalProperties": False,
}
"""A policy as data; `domain.scoring_data` reads it."""

_SCORE: dict[str, Schema] = {
    "points": {**_or_null(_MEASURE), "description": "computed; null before there is an attainment"},
    "band": _or_null({"type": "string", "enum": [str(band) for band in Band]}),
    "advice": _or_null(_ADVICE),
}
_MEAN = _whole(
    "The weighted mean of an objective's key results, or the mean of a cycle's objectives.",
    {
        "attainment": {
            **_whole("Each key result clamped to 0..1, and without.", {"clamped": _FIGURE, "unclamped": _FIGURE}),
            "type": ["object", "null"],
        },
        **_SCORE,
    },
)
_FIGURES = _whole(
    "How a key result stands.",
    {
        "state": {"type": "string", "enum": [str(state) for state in GoalState]},
        "value": _or_null(_MEASURE),
        "target": _or_null(_MEASURE),
        "weight": _or_null(_MEASURE),
        "attainment": {**_or_null(_FIGURE), "description": "unclamped"},
        **_SCORE,
    },
)
_POLICY: Schema = {"type": "object", "description": "a scoring policy as data"}

WHAT_IF_SCHEMAS: dict[str, Schema] = {
    "WhatIf": _whole(
        "The real figures and the hypothetical ones, from the same facts by the same functions.",
        {
            "scope": _whole(
                "What is looked at.",
                {"kind": {"type": "string", "enum": ["cycle", "objective", "key_result"]}, "id": _ID, "title": _TEXT},
            ),
            "supposed": _whole(
                "What is supposed to be otherwise.",
                {
                    "without": _list(_POSITION),
                    "without_feed": _or_null(_ID),
                    "targets": _or_null(_TEXT),
                    "policy": _POLICY,
                },
            ),
            "policy": {**_POLICY, "description": "the policy of the real points"},
            "sentence": _TEXT,
            "left_out": {**_COUNT, "description": "how many facts are left out"},
            "key_result_count": _COUNT,
            "changed_key_results": {**_COUNT, "description": "how many of them would be otherwise"},
            "cycle": {**_whole("Of a cycle.", _sides(_MEAN)), "type": ["object", "null"]},
            "objectives": _list(
                _whole("An objective.", {"id": _ID, "title": _TEXT, "is_changed": _FLAG, **_sides(_MEAN)})
            ),
            "key_results": _list(
                _whole(
                    "A key result.",
                    {
                        "id": _ID,
                        "objective_id": _ID,
                        "title": _TEXT,
                        "unit": _or_null(_TEXT),
                        "is_changed": _FLAG,
                        **_sides(_FIGURES),
                    },
                )
            ),
            "at": {"type": "string", "format": "date-time"},
            "position": _COUNT,
        },
    ),
}
