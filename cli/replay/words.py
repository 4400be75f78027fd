"""What the page says, in both of its languages, and how people's words get into it."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from cli.client import Json
from cli.replay.film import share
from cli.replay.picture import clean
from cli.wording import number, percent, with_unit


class Words(NamedTuple):
    """The same in both languages of the page."""

    en: str
    zh: str


ERASED = Words("erased", "已删除")
UNBORN = Words("not yet drafted", "尚未起草")
STATUS = {
    "on_track": Words("on track", "进展正常"),
    "at_risk": Words("at risk", "存在风险"),
    "behind": Words("behind", "已落后"),
    "achieved": Words("achieved", "已达成"),
    "draft": Words("draft", "草稿"),
    "committed": Words("committed", "已承诺"),
    "replaced": Words("replaced", "已被替代"),
    "dropped": Words("dropped", "已放弃"),
    "scored": Words("scored", "已评分"),
}
CODES = {
    "market_change": Words("market change", "市场变化"),
    "wrong_assumption": Words("wrong assumption", "假设有误"),
    "resources": Words("resources", "资源变化"),
    "dependency": Words("dependency", "依赖变化"),
    "scope": Words("scope", "范围变化"),
    "data_error": Words("data error", "数据错误"),
    "other": Words("other", "其他"),
}
FIELDS = {
    "progress": Words("progress", "进展"),
    "problem": Words("problem", "问题"),
    "support_needed": Words("support needed", "所需支持"),
    "note": Words("note", "备注"),
    "comment": Words("comment", "评语"),
    "description": Words("description", "说明"),
}
CYCLE_STATES = {
    "planned": Words("planned", "未开始"),
    "running": Words("running", "进行中"),
    "scoring": Words("scoring", "评分中"),
    "closed": Words("closed", "已关闭"),
}


def text(said: str | None) -> str:
    """People's words as text of HTML, or of one of its attributes."""
    return "" if said is None else escape(clean(said))


def both(words: Words) -> str:
    """Both languages, of which the page shows one."""
    return f'<span class="en" lang="en">{text(words.en)}</span><span class="zh" lang="zh-Hans">{text(words.zh)}</span>'


def status(goal: Json) -> Words:
    return STATUS[status_name(goal)]


def status_name(goal: Json) -> str:
    """How a goal stands: by its pace where it has one, else by its state."""
    pace: str | None = (goal.get("pace") or {}).get("status")
    return pace or str(goal["state"])


def reached(goal: Json) -> str:
    """The attainment in whole percents."""
    found = share(goal)
    return percent(None if found is None else str(found))


def value(part: Json) -> str:
    """The value of a key result with its unit; of milestones how many are reached."""
    if part["milestones"] is not None:
        return f"{sum(step['reached_at'] is not None for step in part['milestones'])} / {len(part['milestones'])}"
    return with_unit(part["value"], part["unit"]) if part["value"] is not None else number(None)


def code(name: str) -> Words:
    return CODES.get(name) or Words(name, name)


def why(fact: Json) -> list[Words]:
    """The reason of a fact and what else people wrote with it; erased words are named as such."""
    lines = []
    if fact["reason_code"] is not None:
        named, reason = code(fact["reason_code"]), fact["reason"]
        said = ERASED if reason is None else Words(reason, reason)
        lines.append(Words(f"{named.en}: {said.en}", f"{named.zh}：{said.zh}"))
    elif fact["reason"] is not None:
        lines.append(Words(fact["reason"], fact["reason"]))
    for field, words in fact["texts"].items():
        name = FIELDS.get(field) or Words(field.replace("_", " "), field)
        said = ERASED if words is None else Words(words, words)
        lines.append(Words(f"{name.en}: {said.en}", f"{name.zh}：{said.zh}"))
    return lines
