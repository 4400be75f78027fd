"""What answers look like: the JSON Schemas of the specification. The answers themselves are the projections'."""

from __future__ import annotations

from typing import Any

from domain.checkin import StatedStatus
from domain.command import ActorKind
from domain.cycle import CycleState
from domain.goal import GoalState
from domain.measurement import EffectiveBy
from domain.measures import Direction, PaceStatus, Source
from domain.numbers import MEASURE_PATTERN
from domain.objective import Level
from domain.scoring import Advice, Band
from projections import dead_letters
from projections.frames import MOST_FACTS

Schema = dict[str, Any]


def _object(description: str, members: dict[str, Schema], *, but: tuple[str, ...] = ()) -> Schema:
    """An object whose members are all there, except those named."""
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": [name for name in members if name not in but],
    }


def _null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def _one_of(words: Any) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _page(items: Schema) -> Schema:
    return _object(
        "One page; `next` is the cursor of the next one, absent on the last.",
        {"items": _list(items), "next": _TEXT},
        but=("next",),
    )


_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "format": "uuid"}
_DAY: Schema = {"type": "string", "format": "date"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MEASURE: Schema = {"type": "string", "pattern": f"^{MEASURE_PATTERN}$"}
_FIGURE: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{6}$"}
_ANY: Schema = {}

_PLACE = {
    "version": {"type": "integer", "minimum": 1, "description": "of its stream: what If-Match names"},
    "position": {"type": "integer", "minimum": 1, "description": "of its last fact in the ledger"},
}
_SCORE = _null(_object("The last score of each kind.", {"self": _null(_MEASURE), "review": _null(_MEASURE)}))
_COMPUTED = _null(
    _object(
        "What the attainment comes to under the scoring policy: 5 x attainment, from 1 to 5, with one decimal; an "
        "objective's points are the weighted mean of its key results'. null before there is a value. A person's score "
        "stands beside it.",
        {
            "points": _MEASURE,
            "band": {**_one_of(Band), "description": "where the attainment lies; ideal is 0.60 to 0.70"},
            "advice": {**_null(_one_of(Advice)), "description": "what to talk about in the retrospective"},
        },
    )
)

SCHEMAS: dict[str, Schema] = {
    "Problem": _object(
        "A refusal (RFC 9457).",
        {
            "type": {"type": "string", "description": "/problems/ and a short name that stays the same"},
            "title": _TEXT,
            "status": _WHOLE,
            "detail": _TEXT,
            "errors": _list(_object("One broken rule.", {"field": _null(_TEXT), "rule": _TEXT, "message": _TEXT})),
            "request_id": _TEXT,
        },
        but=("errors", "request_id"),
    ),
    "Receipt": _object(
        "The command has happened, and the views have not got there yet: read the resource again, with "
        "Okr-Min-Position.",
        {"id": _ID, **_PLACE},
    ),
    "Cycle": _object(
        "A period for which goals are set.",
        {
            "id": _ID,
            "name": _TEXT,
            "starts_on": _DAY,
            "ends_on": _DAY,
            "time_zone": _TEXT,
            "state": _one_of(CycleState),
            **_PLACE,
        },
    ),
    "Team": _object(
        "A team in the tree of teams.",
        {"id": _ID, "name": _TEXT, "parent_id": _null(_ID), "lead_id": _null(_TEXT), **_PLACE},
    ),
    "Objective": _object(
        "What is to be achieved.",
        {
            "id": _ID,
            "cycle_id": _ID,
            "title": _TEXT,
            "description": {**_null(_TEXT), "description": "null also where it was erased"},
            "owner_id": _TEXT,
            "level": _one_of(Level),
            "team_id": _null(_ID),
            "supports": _list(_ID),
            "state": _one_of(GoalState),
            "attainment": _null(
                _object(
                    "The weighted mean of its key results: each clamped to 0..1, and without clamping.",
                    {"clamped": _FIGURE, "unclamped": _FIGURE},
                )
            ),
            "computed": _COMPUTED,
            "score": _SCORE,
            "confidence": _null(_WHOLE),
            "stated_status": _null(_one_of(StatedStatus)),
            "replaces": _null(_ID),
            "replaced_by": _null(_ID),
            **_PLACE,
        },
    ),
    "KeyResult": _object(
        "The measure of an objective. `value` is the one in force, `attainment` unclamped (1 is all of it).",
        {
            "id": _ID,
            "objective_id": _ID,
            "cycle_id": _ID,
            "title": _TEXT,
            "owner_id": _TEXT,
            "direction": _one_of(Direction),
            "unit": _null(_TEXT),
            "baseline": _null(_MEASURE),
            "target": _null(_MEASURE),
            "value": _null(_MEASURE),
            "value_effective_at": _null(_TIME),
            "value_source": _null(_one_of(Source)),
            "deadline": _DAY,
            "weight": _null(_MEASURE),
            "state": _one_of(GoalState),
            "milestones": _null(
                _list(_object("A step.", {"name": _TEXT, "weight": _MEASURE, "reached_at": _null(_TIME)}))
            ),
            "attainment": _null(_FIGURE),
            "pace": _null(
                _object(
                    "How the attainment compares with the time that has passed.",
                    {"elapsed": _FIGURE, "expected": _FIGURE, "status": _one_of(PaceStatus)},
                )
            ),
            "original": _null(
                _object(
                    "What was promised at commitment.",
                    {"target": _null(_MEASURE), "deadline": _DAY, "weight": _null(_MEASURE)},
                )
            ),
            "computed": _COMPUTED,
            "score": _SCORE,
            "confidence": _null(_WHOLE),
            "stated_status": _null(_one_of(StatedStatus)),
            "replaces": _null(_ID),
            "replaced_by": _null(_ID),
            "feed_id": _null(_ID),
            **_PLACE,
            "committed_at": _null(_TIME),
        },
    ),
    "Tree": _object(
        "A cycle with its objectives and their key results, all at one moment.",
        {
            "cycle": _ref("Cycle"),
            "objectives": _list(
                {
                    "allOf": [
                        _ref("Objective"),
                        _object("With its key results.", {"key_results": _list(_ref("KeyResult"))}),
                    ]
                }
            ),
        },
    ),
    "HistoryItem": _object(
        "A fact: what changed from what to what, by whom and why.",
        {
            "position": _WHOLE,
            "type": _TEXT,
            "actor": _object("Who.", {"id": _TEXT, "kind": _one_of(ActorKind)}),
            "recorded_at": _TIME,
            "effective_at": _null(_TIME),
            "from": _ANY,
            "to": _ANY,
            "reason": _null(_TEXT),
            "reason_code": _null(_TEXT),
            "provenance": _ANY,
            "texts": {"type": "object", "additionalProperties": _null(_TEXT)},
        },
    ),
    "Replay": _object(
        "A cycle, or one objective of it, frame by frame. The first frame of a page is whole: laid over it, each later "
        "one gives the state of its moment, as the tree says it.",
        {
            "cycle": _ref("Cycle"),
            "objective_id": {**_null(_ID), "description": "null where it is the whole cycle"},
            "step": _TEXT,
            "from": _TIME,
            "to": _TIME,
            "frames": _list(_ref("Frame")),
            "next": {"type": "string", "description": "the cursor of the next page, absent on the last"},
        },
        but=("next",),
    ),
    "Frame": _object(
        "What differs from the frame before. Lay `objectives` and `key_results` over the states by their id, then "
        "`figures` member by member. `pace.elapsed` and `pace.expected` follow from the clock alone: they are as of "
        "the frame in which they were shown last.",
        {
            "number": {"type": "integer", "minimum": 0},
            "moment": _TIME,
            "position": {"type": "integer", "minimum": 0, "description": "the facts up to it are known"},
            "cycle": {**_null(_ref("Cycle")), "description": "null where it is as before"},
            "objectives": {**_list(_ref("Objective")), "description": "those about which something was recorded"},
            "key_results": {**_list(_ref("KeyResult")), "description": "those about which something was recorded"},
            "figures": {
                **_list(
                    _object(
                        "Figures that moved with time, or of objectives with their key results.",
                        {
                            "id": _ID,
                            "attainment": {"description": "as that of an objective or of a key result"},
                            "computed": _COMPUTED,
                            "pace": {"description": "as that of a key result"},
                        },
                        but=("pace",),
                    )
                ),
            },
            "facts": {
                **_list(_ref("ReplayedFact")),
                "description": f"in their order; of more than {MOST_FACTS} the newest, those that are more than a "
                "value before others",
            },
            "fact_count": {**_WHOLE, "description": "how many fell into this frame"},
        },
    ),
    "ReplayedFact": _object(
        "A fact in short; its history tells all of it. A reason that is null beside a code was erased.",
        {
            "position": _WHOLE,
            "type": _TEXT,
            "subject": _object("About what.", {"kind": _TEXT, "id": _ID}),
            "actor": _object("Who.", {"id": _TEXT, "kind": _one_of(ActorKind)}),
            "recorded_at": _TIME,
            "effective_at": _null(_TIME),
            "from": _ANY,
            "to": _ANY,
            "reason_code": _null(_TEXT),
            "reason": _null(_TEXT),
            "texts": {"type": "object", "additionalProperties": _null(_TEXT)},
            "sentence": _object("What happened, in English and Chinese.", {"en": _TEXT, "zh": _TEXT}),
        },
    ),
    "Goalposts": _object(
        "What the attainment owes to the value, and what to the target having moved.",
        {
            "attainment": _object(
                "Against the original, the present and the time-weighted target.",
                {"original": _null(_FIGURE), "current": _null(_FIGURE), "time_weighted": _null(_FIGURE)},
            ),
            "goalpost_shift": {**_null(_FIGURE), "description": "-0.2 where the bar was lowered by 20 %"},
            "targets": _object(
                "The targets themselves.",
                {"original": _null(_TEXT), "current": _null(_TEXT), "time_weighted": _null(_TEXT)},
            ),
            "adjustments": _list({"type": "object"}),
        },
    ),
    "Event": _object(
        "A fact as it stands in the ledger: `line` is the exact text over which `leaf_hash` is made.",
        {
            "position": _WHOLE,
            "stream_id": _ID,
            "stream_version": _WHOLE,
            "type": _TEXT,
            "recorded_at": _TIME,
            "line": _TEXT,
            "leaf_hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "texts": {"type": "object", "additionalProperties": _TEXT},
        },
    ),
    "Feed": _object(
        "Which messages of business systems contribute which value to which key result.",
        {
            "id": _ID,
            "name": _TEXT,
            "key_result_id": _ID,
            "definition": {"type": "object"},
            "revision": _WHOLE,
            "is_paused": _FLAG,
            **_PLACE,
        },
    ),
    "Evidence": _object(
        "What a number that a feed measures is made of: the contributions, by entity.",
        {
            "value": _null(_MEASURE),
            "count": _WHOLE,
            "recorded_in": {**_null(_WHOLE), "description": "position of the fact that says the value"},
            "items": _list(
                _object(
                    "What one entity contributes, and the message that said so.",
                    {
                        "part": _null(_TEXT),
                        "entity": _TEXT,
                        "value": _null(_TEXT),
                        "version": _null(_TEXT),
                        "effective_at": _TIME,
                        "effective_by": _one_of(EffectiveBy),
                        "topic": _TEXT,
                        "epoch": _TEXT,
                        "partition": _WHOLE,
                        "offset": _WHOLE,
                        "recorded_in": _null(_WHOLE),
                    },
                )
            ),
            "next": _TEXT,
        },
        but=("next",),
    ),
    "ShownDeadLetter": {
        "allOf": [
            _ref("DeadLetter"),
            _object(
                "And as a person may look at it safely: text where it is plain, else a hex dump.",
                {
                    "key_shown": _null(_TEXT),
                    "value_shown": _null(_TEXT),
                    "headers_shown": _list(_object("A header.", {"name": _TEXT, "value": _null(_TEXT)})),
                },
            ),
        ]
    },
    "DeadLetterCauses": _object(
        "Of what open letters died: at most 100 causes, the most frequent first; `open` counts all letters.",
        {
            "open": _WHOLE,
            "items": _list(
                _object(
                    "A cause; `newest` is the number of a letter that died of it.",
                    {
                        "stage": _TEXT,
                        "cause": _TEXT,
                        "count": _WHOLE,
                        "first_at": _TIME,
                        "last_at": _TIME,
                        "newest": _WHOLE,
                    },
                )
            ),
        },
    ),
    "Retry": _object(
        "A retry of dead letters that was asked for, and what became of them so far.",
        {
            "number": _WHOLE,
            "feed_id": _ID,
            "asked_by": _TEXT,
            "asked_at": _TIME,
            "done_at": _null(_TIME),
            "matched": _WHOLE,
            "ignored": _WHOLE,
            "dead": _WHOLE,
        },
    ),
    "Discarded": _object("How many letters were settled.", {"discarded": _WHOLE}),
    "DryRun": _object(
        "What messages would do under a definition, and the number that they alone make, beside today's.",
        {
            "name": _TEXT,
            "messages": _list(_ref("RehearsedMessage")),
            "counts": _object("Messages by outcome.", {"matched": _WHOLE, "ignored": _WHOLE, "dead": _WHOLE}),
            "result": _object(
                "What the messages alone make: as a fact would say it, unrounded, of how many entities, and in which"
                " time.",
                {
                    "value": _null(_TEXT),
                    "exact": _null(_TEXT),
                    "contributions": _WHOLE,
                    "window": _object(
                        "From the first moment up to, not including, the last.", {"from": _TIME, "to": _TIME}
                    ),
                },
            ),
            "today": _object(
                "The key result as it is.",
                {
                    "key_result_id": _ID,
                    "title": _TEXT,
                    "value": _null(_MEASURE),
                    "value_effective_at": _null(_TIME),
                    "value_source": _null(_one_of(Source)),
                },
            ),
            "feed": _null(
                _object(
                    "The feed of that name, where there is one.",
                    {"id": _ID, "name": _TEXT, "revision": _WHOLE, "is_same_definition": _FLAG},
                )
            ),
        },
    ),
    "RehearsedMessage": _object(
        "What one message would do, and why.",
        {
            "topic": _TEXT,
            "partition": _WHOLE,
            "offset": _WHOLE,
            "timestamp": _null(_TIME),
            "outcome": {"type": "string", "enum": ["matched", "ignored", "dead"]},
            "decoded": {**_list(_TEXT), "description": "each event in it as short JSON, as expressions read it"},
            "ignored": {**_null(_TEXT), "description": "why it changes nothing"},
            "findings": _list(
                _object(
                    "A part of a condition that decided it, and what its paths read.",
                    {
                        "field": _TEXT,
                        "expression": _TEXT,
                        "column": _WHOLE,
                        "was": _TEXT,
                        "values": {"type": "object", "additionalProperties": _TEXT},
                    },
                )
            ),
            "failure": _null(
                _object(
                    "Why it would be a dead letter.",
                    {
                        "stage": _TEXT,
                        "reason": _TEXT,
                        "field": _null(_TEXT),
                        "expression": _null(_TEXT),
                        "column": _null(_WHOLE),
                    },
                )
            ),
            "effects": _list(
                _object(
                    "What it says of one entity; without value it retracts it. `because` says whether it counts, and"
                    " why not.",
                    {
                        "part": _null(_TEXT),
                        "entity": _TEXT,
                        "value": _null(_TEXT),
                        "version": _null(_TEXT),
                        "effective_at": _null(_TIME),
                        "effective_by": _null(_one_of(EffectiveBy)),
                        "counts": _FLAG,
                        "because": _TEXT,
                    },
                )
            ),
        },
    ),
    "DeadLetter": _object(
        "A message that a feed could not take.",
        {
            "number": _WHOLE,
            "state": _one_of(dead_letters.STATES),
            "settled": _null(
                _object("Who settled it.", {"by": _TEXT, "at": _TIME, "because": _null(_TEXT)}),
            ),
            "timestamp": {**_null(_WHOLE), "description": "the broker's, in milliseconds since 1970"},
            "topic": _TEXT,
            "epoch": _TEXT,
            "partition": _WHOLE,
            "offset": _WHOLE,
            "stage": _TEXT,
            "reason": _TEXT,
            "at": _TIME,
            "feed_revision": _WHOLE,
            "key": {**_null(_TEXT), "description": "null also where it is no text"},
            "key_base64": _null(_TEXT),
            "value": {**_null(_TEXT), "description": "null also where it is no text"},
            "value_base64": _null(_TEXT),
            "headers": _list(_object("A header.", {"name": _TEXT, "value_base64": _null(_TEXT)})),
        },
    ),
}
SCHEMAS |= {
    "Cycles": _page(_ref("Cycle")),
    "Teams": _page(_ref("Team")),
    "Objectives": _page(_ref("Objective")),
    "KeyResults": _page(_ref("KeyResult")),
    "Feeds": _page(_ref("Feed")),
    "DeadLetters": _page(_ref("DeadLetter")),
    "History": _page(_ref("HistoryItem")),
    "Events": _page(_ref("Event")),
}
