"""Phrases that nobody can verify. Advice: a title with one of them and no number in it says no measure."""

from __future__ import annotations

import re

CHINESE = (
    "提升", "提高", "加强", "增强", "优化", "改善", "改进", "完善", "推进", "推动", "促进", "深化", "强化",
    "尽快", "尽量", "进一步", "持续", "全面", "大力", "积极", "更好", "努力",
)  # fmt: skip
ENGLISH = (
    "improve", "enhance", "strengthen", "optimise", "optimize", "better", "increase", "support", "foster", "promote",
    "raise", "boost", "help", "focus on", "work on", "as soon as possible", "where possible", "continue", "drive",
    "world-class", "best-in-class", "state of the art",
)  # fmt: skip

_ENGLISH = re.compile(rf"\b({'|'.join(ENGLISH)})\b", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9０-９]|[一二三四五六七八九十百千万两]+(个|项|次|家|款|轮|代|条|支|名|倍|天|周|月|小时)")


def vague_phrase(title: str) -> str | None:
    """The first phrase of the title that cannot be verified; None where there is none, or a number beside it."""
    if _NUMBER.search(title):
        return None
    chinese = [phrase for phrase in CHINESE if phrase in title]
    if chinese:
        return min(chinese, key=title.index)
    english = _ENGLISH.search(title)
    return None if english is None else english.group().lower()
