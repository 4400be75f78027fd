"""The questions of audit, asked of a cycle as it was known at a moment, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.audit.question import Ask, Extra, Figures, Finding, Question, Summary
from projections import reading
from projections.answers import Answer, figure, measure, ref, time
from projections.audited import cycle_history, objectives_of, with_leads
from projections.moment import Moment


def described(question: Question) -> Answer:
    """What a question finds, and what it may be told."""
    return {
        "name": question.name,
        "family": str(question.family),
        "finds": question.finds,
        "recommends": question.recommends,
        "parameters": [
            {
                "name": each.name,
                "default": measure(each.default),
                "least": measure(each.least),
                "most": measure(each.most),
                "unit": each.unit,
                "meaning": each.meaning,
            }
            for each in question.parameters
        ],
    }


def ask(
    connection: Connection[DictRow],
    question: Question,
    cycle_id: UUID,
    moment: Moment,
    given: Mapping[str, Decimal],
    *,
    after: str | None,
    limit: int,
) -> Answer | None:
    """The answer: sentence, figures, the count of all findings, and a page of them; None for an unknown cycle.

    `given` are the parameters that differ from their defaults; ValueError where `question.faults` finds any. The
    pages of one answer fit together where they name the same position. Raises `BeforeCreation` and `BadCursor`.
    """
    skipped, told = reading.behind(after), question.told(given)
    cycle = cycle_history(connection, cycle_id, moment)
    if cycle is None:
        return None
    if Extra.LEADS in question.extras:
        cycle = with_leads(connection, cycle, moment)
    circumstances = Ask(cycle=cycle, now=moment.clock, given=told)
    going = question.find(objectives_of(connection, question, circumstances, moment), circumstances)
    count, items = 0, []
    while True:
        try:
            finding = next(going)
        except StopIteration as end:
            summary: Summary = end.value
            break
        if skipped <= count < skipped + limit:
            items.append(_item(finding))
        count += 1
    answer = {
        "question": question.name,
        "cycle_id": ref(cycle_id),
        "parameters": {name: measure(value) for name, value in told.items()},
        "sentence": summary.sentence,
        "figures": _figures(summary.figures),
        "recommends": question.recommends,
        "count": count,
        "items": items,
        "position": moment.position,
    }
    if count > skipped + limit:
        answer["next"] = str(skipped + limit)
    return answer


def _item(finding: Finding) -> Answer:
    return {
        "key_result_id": ref(finding.key_result_id),
        "objective_id": ref(finding.objective_id),
        "title": finding.title,
        "owner_id": finding.owner_id,
        "sentence": finding.sentence,
        "figures": _figures(finding.figures),
        "positions": list(finding.positions),
    }


def _figures(figures: Figures) -> Answer:
    return {name: _written(name, value) for name, value in figures.items()}


def _written(name: str, value: Any) -> Any:
    """A share or a rise is computed and has six decimals; any other number stands as it was written down."""
    if isinstance(value, Decimal):
        is_computed = any(word in name for word in ("share", "attainment", "rise"))
        return figure(value) if is_computed else measure(value)
    return time(value) if isinstance(value, datetime) else value
