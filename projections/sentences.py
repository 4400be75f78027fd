"""A fact as a sentence, in each language of the interface.

What a person reads first in a replay: what happened to what, from what to what. Who and why stand beside it.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from projections.answers import Answer


class Said(NamedTuple):
    """The same in English and in simplified Chinese."""

    en: str
    zh: str


def sentence(item: Answer) -> dict[str, str]:
    """What a history item says that happened, by language: {"en": "Target 100 → 60", "zh": "目标值 100 → 60"}."""
    return _said(item)._asdict()


def _said(item: Answer) -> Said:
    kind = item["type"]
    pattern = _MOVES.get(kind)
    if pattern is not None:
        move = f"{_shown(item['from'])} → {_shown(item['to'])}"
        return Said(f"{pattern.en} {move}", f"{pattern.zh} {move}")
    data = item.get("data") or {}
    match kind.partition(".")[2]:
        case "CheckedIn":
            return Said(f"Check-in: confidence {item['to']} of 10", f"进展同步：信心指数 {item['to']}/10")
        case "Scored":
            is_review = data.get("kind") == "review"
            return Said(
                f"{'Review' if is_review else 'Own'} score {item['to']}",
                f"{'复核' if is_review else '自评'}评分 {item['to']}",
            )
        case "MilestoneReached":
            return Said(f"Milestone {data.get('milestone')} reached", f"达成里程碑 {data.get('milestone')}")
        case "Committed" if data.get("target") is not None:
            target, deadline = _shown(data["target"]), data.get("deadline")
            return Said(f"Committed: target {target} by {deadline}", f"已承诺：目标值 {target}，截止 {deadline}")
    return _HAPPENINGS.get(kind) or _words_of(kind)


def _shown(value: Any) -> str:
    """A measure without the zeros that say nothing; whatever else a fact moves as it is."""
    if value is None:
        return "–"
    try:
        return f"{Decimal(value).normalize():,f}"
    except (InvalidOperation, TypeError, ValueError):
        return str(value)


def _words_of(kind: str) -> Said:
    """A type that nobody has put into words yet, taken apart: `Feed.GapFound` is "Feed gap found"."""
    stream, _, name = kind.partition(".")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return Said(f"{stream}{words}", kind)


_MOVES = {
    "KeyResult.TargetAdjusted": Said("Target", "目标值"),
    "KeyResult.TargetCorrected": Said("Target corrected:", "目标值更正："),
    "KeyResult.WeightAdjusted": Said("Weight", "权重"),
    "KeyResult.DeadlineAdjusted": Said("Deadline", "截止日期"),
    "KeyResult.OwnerChanged": Said("Owner", "负责人"),
    "KeyResult.Rephrased": Said("Title", "标题"),
    "KeyResult.ProgressRecorded": Said("Value", "进展值"),
    "KeyResult.ProgressCorrected": Said("Value corrected:", "进展值更正："),
    "KeyResult.ProgressOverridden": Said("Value overridden:", "人工覆盖进展值："),
    "Measurement.Recorded": Said("Value measured:", "自动采集进展值："),
    "Measurement.WindowMoved": Said("Value, as time passed:", "进展值随时间变化："),
    "Objective.OwnerChanged": Said("Owner", "负责人"),
    "Objective.Rephrased": Said("Title", "标题"),
}
_HAPPENINGS = {
    "Cycle.Opened": Said("Cycle opened", "周期已建立"),
    "Cycle.Started": Said("Cycle started", "周期开始"),
    "Cycle.ScoringBegun": Said("Scoring began", "评分开始"),
    "Cycle.Closed": Said("Cycle closed", "周期关闭"),
    "Cycle.Reopened": Said("Cycle reopened for scoring", "周期重新开放评分"),
    "KeyResult.Drafted": Said("Drafted", "起草"),
    "KeyResult.DraftRevised": Said("Draft revised", "修改草稿"),
    "KeyResult.Committed": Said("Committed", "已承诺"),
    "KeyResult.OverrideLifted": Said("Override lifted", "取消人工覆盖"),
    "KeyResult.Dropped": Said("Dropped", "放弃"),
    "KeyResult.Replaced": Said("Replaced by another key result", "由另一关键成果替代"),
    "Objective.Drafted": Said("Drafted", "起草"),
    "Objective.DraftRevised": Said("Draft revised", "修改草稿"),
    "Objective.Committed": Said("Committed", "已承诺"),
    "Objective.Dropped": Said("Dropped", "放弃"),
    "Objective.Replaced": Said("Replaced by another objective", "由另一目标替代"),
    "Feed.Defined": Said("Feed defined", "定义数据源"),
    "Feed.Revised": Said("Feed revised", "修订数据源"),
    "Feed.Paused": Said("Feed paused", "数据源暂停"),
    "Feed.Resumed": Said("Feed resumed", "数据源恢复"),
    "Feed.GapFound": Said("Feed lost messages", "数据源丢失消息"),
}
