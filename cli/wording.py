"""A fact in one line, as a person would say it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from cli.client import Json

_MOVES = {
    "KeyResult.TargetAdjusted": "target",
    "KeyResult.TargetCorrected": "target corrected",
    "KeyResult.WeightAdjusted": "weight",
    "KeyResult.DeadlineAdjusted": "deadline",
    "KeyResult.OwnerChanged": "owner",
    "KeyResult.Rephrased": "title",
    "KeyResult.ProgressRecorded": "value",
    "KeyResult.ProgressCorrected": "value corrected",
    "KeyResult.ProgressOverridden": "value overridden",
    "Measurement.Recorded": "value by feed",
    "Measurement.WindowMoved": "value, as time passed",
    "Objective.OwnerChanged": "owner",
    "Objective.Rephrased": "title",
}
_HAPPENINGS = {
    "KeyResult.Drafted": "drafted",
    "KeyResult.DraftRevised": "draft revised",
    "KeyResult.Committed": "committed",
    "KeyResult.OverrideLifted": "override lifted",
    "KeyResult.Dropped": "dropped",
    "KeyResult.Replaced": "replaced",
    "Objective.Drafted": "drafted",
    "Objective.DraftRevised": "draft revised",
    "Objective.Committed": "committed",
    "Objective.Dropped": "dropped",
    "Objective.Replaced": "replaced",
    "Feed.Paused": "feed paused",
    "Feed.Resumed": "feed resumed",
    "Feed.GapFound": "feed lost messages",
}
_ADVICE = {
    "goal_too_conservative": "the goal may have been too conservative",
    "goal_or_execution": "was the goal unreasonable, or the execution?",
}


def what_happened(item: Json) -> str:
    """What a history item says that happened: `target 100 → 60`."""
    kind, data = item["type"], item.get("data") or {}
    if kind in _MOVES:
        return f"{_MOVES[kind]} {_value(item['from'])} → {_value(item['to'])}"
    match kind.partition(".")[2]:
        case "CheckedIn":
            return f"check-in, confidence {item['to']}"
        case "Scored":
            return f"{data.get('kind', '')} score {item['to']}".strip()
        case "MilestoneReached":
            return f"milestone {data['milestone']} reached"
        case "Defined" | "Revised":
            name = data.get("name") or data.get("definition", {}).get("name")
            return f"feed {name} {'defined' if kind == 'Feed.Defined' else 'revised'}"
        case "Committed" if data.get("target") is not None:
            return f"committed: target {data['target']} by {data['deadline']}"
    return _HAPPENINGS.get(kind) or str(kind)


def said_of_it(item: Json) -> list[str]:
    """The words that belong to it: the reason and what people wrote; erased words are named as such."""
    lines = []
    if item.get("reason_code"):
        lines.append(f"{item['reason_code']}: {item.get('reason') or '(erased)'}")
    elif item.get("reason"):
        lines.append(item["reason"])
    for field, text in (item.get("texts") or {}).items():
        lines.append(f"{field.replace('_', ' ')}: {text if text is not None else '(erased)'}")
    return lines


def where_from(provenance: Json | None) -> list[str]:
    """The messages behind an automatic value: topic, partition, offsets; how many counted."""
    if not provenance:
        return []
    lines = [
        f"topic {each['topic']}, partition {each['partition']}, offsets {each['first']}-{each['last']}"
        for each in provenance.get("ranges", [])
    ]
    if counts := provenance.get("counts"):
        lines.append(", ".join(f"{counts[name]} {name}" for name in ("matched", "ignored", "dead")))
    if evidence := provenance.get("evidence"):
        lines.append(f"{evidence['contributions']} contributions behind the value")
    return lines


def percent(figure: str | None) -> str:
    """A share as whole percents; a dash where there is none."""
    return "-" if figure is None else f"{(Decimal(figure) * 100).quantize(Decimal(1))} %"


def points(computed: Json | None) -> str:
    """The computed score in short; a dash where there is none."""
    return "-" if computed is None else f"{computed['points']} points"


def score_and_advice(computed: Json | None) -> str | None:
    """The computed score with what it makes people ask: `5.0 points, conservative: the goal may have been …`."""
    if computed is None:
        return None
    said = f"{points(computed)}, {computed['band'].replace('_', ' ')}"
    return said if computed["advice"] is None else f"{said}: {_ADVICE[computed['advice']]}"


def number(measure: str | None) -> str:
    """A measure without the zeros that say nothing, with thousands apart; a dash where there is none."""
    if measure is None:
        return "-"
    value = Decimal(measure).normalize()
    return f"{value:,f}"


def with_unit(measure: str | None, unit: str | None) -> str:
    return number(measure) if measure is None or unit is None else f"{number(measure)} {unit}"


def is_lowered(key_result: Json) -> bool:
    """Whether the bar is lower today than it was when the key result was committed."""
    original = (key_result.get("original") or {}).get("target")
    target = key_result["target"]
    if original is None or target is None or Decimal(original) == Decimal(target):
        return False
    is_less = Decimal(target) < Decimal(original)
    return is_less if key_result["direction"] in ("increase", "at_least") else not is_less


def _value(value: Any) -> str:
    """A measure, or whatever else a fact moves: a day, an owner, a title."""
    try:
        return number(value)
    except InvalidOperation:
        return str(value)
