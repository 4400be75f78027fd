"""All questions of audit, by name."""

from __future__ import annotations

from domain.audit.approvals import SELF_APPROVED
from domain.audit.course import HOCKEY_STICK, SILENT
from domain.audit.endings import DROPPED_LATE
from domain.audit.question import Question
from domain.audit.scores import OVERRIDE_BEFORE_SCORE, SCORED_ABOVE
from domain.audit.targets import LOWERED_AFTER_BAD_NEWS, LOWERED_LATE, LOWERED_TO_REACH
from domain.audit.times import BACKDATED, CORRECTED_LATE
from domain.audit.traps import ABSENT_MANAGEMENT, NO_ALIGNMENT, OKR_AS_KPI, TOO_MANY_GOALS, VAGUE_KEY_RESULTS
from domain.audit.weights import WEIGHT_MOVED

QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        LOWERED_LATE,
        LOWERED_TO_REACH,
        LOWERED_AFTER_BAD_NEWS,
        WEIGHT_MOVED,
        DROPPED_LATE,
        SCORED_ABOVE,
        OVERRIDE_BEFORE_SCORE,
        BACKDATED,
        CORRECTED_LATE,
        SELF_APPROVED,
        HOCKEY_STICK,
        SILENT,
        OKR_AS_KPI,
        ABSENT_MANAGEMENT,
        TOO_MANY_GOALS,
        VAGUE_KEY_RESULTS,
        NO_ALIGNMENT,
    )
}
